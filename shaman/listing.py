"""The searches of the production dialect: every match of any filters, however many, and the newest sha1 of them."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence

from msgspec import Struct

from shaman.distros import Releases, Term, canonical_arch, parse_terms
from shaman.errors import Invalid
from shaman.models import Repo
from shaman.search import ANY, LATEST, patterns_of
from shaman.store import Store
from shaman.store.repos import Pattern

FILTERS = ("project", "distros", "sha1", "ref", "flavor", "status", "arch")


class Filters(Struct, frozen=True, kw_only=True):
    """A query of the production dialect; None is a filter that was not given."""

    project: str | None = None
    terms: tuple[Term, ...] = ()
    sha1: str | None = None
    ref: str | None = None
    flavor: str | None = None
    status: str | None = None
    arch: str | None = None

    def patterns(self) -> list[Pattern]:
        """Return one pattern for each term, or the one of the other filters where there is no term."""
        pattern = Pattern(status=self.status, flavor=self.flavor, arch=self.arch)
        return patterns_of(pattern, self.terms)

    def matches(self, repo: Repo, patterns: Sequence[Pattern]) -> bool:
        """Tell whether a repo is asked for; the sha1 `latest` is not looked at."""
        return (
            self.ref in {None, repo.ref}
            and self.sha1 in {None, LATEST, repo.sha1}
            and any(pattern.matches(repo) for pattern in patterns)
        )


def parse_filters(parameters: Iterable[tuple[str, str]], releases: Releases) -> Filters:
    """Read the query string of a search; an empty value is none, and so is the status `any`.

    Raises Invalid naming what makes no sense.
    """
    given: dict[str, str] = {}
    terms: list[Term] = []
    for name, value in parameters:
        if name not in FILTERS:
            raise Invalid(f"{name}: is not a parameter of a search")
        if not value.strip():
            continue
        if name == "distros":
            terms += _terms(value, releases)
        elif name in given:
            raise Invalid(f"{name}: is given twice")
        else:
            given[name] = canonical_arch(value) if name == "arch" else value
    if given.get("status", "").lower() == ANY:
        del given["status"]
    return Filters(terms=tuple(dict.fromkeys(terms)), **given)


def _terms(text: str, releases: Releases) -> tuple[Term, ...]:
    for term in text.split(","):
        distro, _, version = (part.strip() for part in term.partition("/"))
        if not version:
            raise Invalid(f"Invalid version or codename for distro: {distro[:50]}")
    return parse_terms(text, releases)


async def find(store: Store, filters: Filters) -> AsyncIterator[list[Repo]]:
    """Yield every repo that is asked for, newest first, in pages; of the sha1 `latest` see `_find_latest`."""
    projects = [filters.project] if filters.project else await store.repos.projects(None)
    patterns = filters.patterns()
    if filters.sha1 == LATEST:
        yield await _find_latest(store, filters, patterns, projects)
        return
    found = [await _find_at_once(store, filters, patterns, project) for project in projects]
    if all(repos is not None for repos in found):
        yield _newest_first(repo for repos in found for repo in repos or ())
        return
    async for page in _pages(store, filters, patterns, projects):
        yield page


async def _find_at_once(store: Store, filters: Filters, patterns: Sequence[Pattern], project: str) -> list[Repo] | None:
    """Find the repos of a project that match in one question; None if they may be too many for one."""
    if filters.ref and filters.sha1:
        return await store.repos.find_sha1(project, filters.ref, filters.sha1, patterns)
    if filters.sha1:
        repos = await store.repos.find_everywhere(project, filters.sha1)
        return [repo for repo in repos if filters.matches(repo, patterns)]
    if filters.ref:
        return await store.repos.find_ref(project, filters.ref, filters.status, patterns)
    return None


async def _pages(
    store: Store, filters: Filters, patterns: Sequence[Pattern], projects: Sequence[str]
) -> AsyncIterator[list[Repo]]:
    entries = []
    for project in projects:
        entries += await store.snapshots.entries(project, filters.ref, filters.status, patterns)
    entries.sort(reverse=True)
    async for page in store.snapshots.repos(entries):
        yield [repo for repo in page if filters.matches(repo, patterns)]


async def _find_latest(
    store: Store, filters: Filters, patterns: Sequence[Pattern], projects: Sequence[str]
) -> list[Repo]:
    """Find the repos of the newest sha1 among the matches; with terms, of the newest that has a match for every term.

    Then one repo, the newest, for each term, in their order; they may be of several projects.
    """
    if len(patterns) < len(filters.terms):
        return []
    found = await _newest_common(store, filters, patterns, projects)
    if not found or not filters.terms:
        return found
    return [next(repo for repo in found if pattern.matches(repo)) for pattern in patterns]


async def _newest_common(
    store: Store, filters: Filters, patterns: Sequence[Pattern], projects: Sequence[str]
) -> list[Repo]:
    """Find the matching repos of the newest sha1 that has a match for every pattern, newest first."""
    if filters.ref and len(projects) == 1:
        kind, found = await store.repos.find_common(projects[0], filters.ref, filters.status, patterns)
        return found if kind == "ref" else []
    seen: set[str] = set()
    async for page in _pages(store, filters, patterns, projects):
        for sha1 in dict.fromkeys(repo.sha1 for repo in page):
            if sha1 in seen:
                continue
            seen.add(sha1)
            of_each = await asyncio.gather(*(store.repos.find_everywhere(project, sha1) for project in projects))
            matching = [repo for repos in of_each for repo in repos if filters.matches(repo, patterns)]
            if matching and all(any(pattern.matches(repo) for repo in matching) for pattern in patterns):
                return _newest_first(matching)
    return []


def _newest_first(repos: Iterable[Repo]) -> list[Repo]:
    return sorted(repos, key=lambda repo: (repo.modified, repo.id), reverse=True)
