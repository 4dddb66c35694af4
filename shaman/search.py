"""What can be asked of the registry, and what answers it: the rules behind both dialects' lookups."""

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from shaman.checks import check_text
from shaman.distros import Releases, Term, canonical_arch, parse_terms
from shaman.errors import Invalid
from shaman.models import READY, Repo
from shaman.store.repos import Pattern, Repos

LATEST = "latest"
"""Stands for a sha1 in a path: the newest one that has what the rest of the path asks for."""

ANY = "any"
"""Stands for every status."""

PARAMETERS = ("distros", "arch", "flavor", "status", "common_sha1")
"""What a search of the native dialect may be asked by."""

SPELLINGS = dict.fromkeys(("true", "1", "yes", "on", "t", "y"), True) | dict.fromkeys(
    ("false", "0", "no", "off", "f", "n"), False
)


class Search(Struct, frozen=True, kw_only=True):
    """A query of the native dialect; None is a filter that was not given, a status of None is any."""

    terms: tuple[Term, ...] = ()
    arch: str | None = None
    flavor: str | None = None
    status: str | None = READY
    common_sha1: bool = False

    def patterns(self) -> list[Pattern]:
        """Return one pattern for each term, or the one of the other filters where there is no term."""
        return patterns_of(Pattern(status=self.status, flavor=self.flavor, arch=self.arch), self.terms)


def pattern_of(
    releases: Releases,
    status: str | None,
    distro: str | None = None,
    version: str | None = None,
    arch: str | None = None,
    flavor: str | None = None,
) -> Pattern:
    """Return what names of a path ask for, whichever way they are spelt; None is one that the path does not have."""
    distro = distro and distro.lower()
    return Pattern(
        status=status,
        flavor=flavor,
        distro=distro,
        version=version and releases.canonical(distro or "", version),
        arch=canonical_arch(arch) if arch else None,
    )


def patterns_of(pattern: Pattern, terms: Sequence[Term]) -> list[Pattern]:
    """Return `pattern` narrowed to each of the terms; a term of another arch than the pattern's matches nothing."""
    if not terms:
        return [pattern]
    return [
        replace(pattern, distro=term.distro, version=term.version, arch=term.arch or pattern.arch)
        for term in terms
        if not (term.arch and pattern.arch and term.arch != pattern.arch)
    ]


class Built(Struct, frozen=True):
    """A repo as one of its archs asks for it; `arch` as its builder spells it."""

    repo: Repo
    arch: str


def parse_search(parameters: Iterable[tuple[str, str]], releases: Releases) -> Search:
    """Read the query string of a search. Raises Invalid naming an unknown parameter or a malformed value."""
    filters: dict[str, str] = {}
    terms: list[Term] = []
    for name, value in parameters:
        if name == "distros":
            terms += parse_terms(value, releases)
        elif name not in PARAMETERS:
            raise Invalid(f"{name}: is not a parameter of a search")
        elif name in filters:
            raise Invalid(f"{name}: is given twice")
        else:
            check_text(name, value)
            filters[name] = value.strip()
    return Search(
        terms=tuple(dict.fromkeys(terms)),
        arch=canonical_arch(filters["arch"]) if "arch" in filters else None,
        flavor=filters.get("flavor"),
        status=parse_status(filters.get("status")),
        common_sha1=parse_flag("common_sha1", filters.get("common_sha1", "false")),
    )


def parse_status(text: str | None) -> str | None:
    """Return the status asked for: ready where none is given, None for any."""
    return READY if text is None else None if text.lower() == ANY else text


def parse_flag(name: str, text: str) -> bool:
    """Return what `true`, `yes`, `on`, `1` and their opposites mean, in any case."""
    if text.lower() not in SPELLINGS:
        raise Invalid(f"{name}: must be true or false, not {text[:50]!r}")
    return SPELLINGS[text.lower()]


async def search(repos: Repos, project: str, name: str, query: Search) -> list[Built]:
    """Answer a search by ref or sha1: of a ref the newest repo of each cell, of a sha1 every repo; newest first.

    With `common_sha1`, the repos of the newest sha1 that has a match for every term.
    """
    patterns = query.patterns()
    if query.common_sha1 and len(patterns) < len(query.terms):
        return []
    find = repos.find_common if query.common_sha1 else repos.find_newest
    kind, found = await find(project, name, query.status, patterns)
    built = expand(found, patterns)
    if kind == "ref":
        return newest_of_each(built)
    complete = all(expand(found, [pattern]) for pattern in patterns)
    return built if complete or not query.common_sha1 else []


async def find_repos(repos: Repos, project: str, ref: str, sha1: str, pattern: Pattern) -> list[Repo]:
    """Find the repos of a sha1 of a ref that match; for the sha1 `latest`, of the newest sha1 that has a match."""
    if sha1 != LATEST:
        return await repos.find_sha1(project, ref, sha1, [pattern])
    kind, found = await repos.find_common(project, ref, pattern.status, [pattern])
    return found if kind == "ref" else []


def expand(repos: Iterable[Repo], patterns: Sequence[Pattern]) -> list[Built]:
    """Return each repo once for each of its archs, in the order given, as far as it matches one of the patterns."""
    built = []
    for repo in repos:
        wanted = {pattern.arch for pattern in patterns if pattern.matches(repo)}
        built += [Built(repo, arch) for arch in repo.archs if None in wanted or canonical_arch(arch) in wanted]
    return built


def newest_of_each(built: Iterable[Built]) -> list[Built]:
    """Return the first of each distro, version, flavor and arch."""
    first: dict[tuple[str, ...], Built] = {}
    for item in built:
        repo = item.repo
        first.setdefault((repo.distro, repo.version, repo.flavor, canonical_arch(item.arch)), item)
    return list(first.values())
