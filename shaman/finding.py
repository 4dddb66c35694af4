"""What somebody means who types a name, the beginning of a sha1 or a URL into the search box.

Every question costs the same, however many records there are.
"""

from collections.abc import Iterable, Sequence
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from shaman.checks import URL_LIMIT, whole_url
from shaman.errors import Invalid
from shaman.models import Build, Repo
from shaman.search import LATEST
from shaman.store import Store

PAGES = {"repos": 6, "builds": 5, "matrix": 2}
"""First words of the paths of pages, and how many names follow at most."""

SHA1 = 3
"""Names of a path with which a sha1 is named: project, ref, sha1."""


class Hit(Struct, frozen=True, kw_only=True):
    """Something that is meant: its page, and what it is."""

    path: tuple[str, ...]
    kind: str


async def find(store: Store, text: str) -> list[Hit]:
    """Find the refs, sha1s and projects of a name, or what a URL leads to. Raises Invalid for what cannot be asked."""
    text = text.strip()
    if not text:
        return []
    if len(text) > URL_LIMIT or not text.isprintable():
        raise Invalid(f"q: must be a line of at most {URL_LIMIT} characters")
    projects = await store.finding.names()
    if "://" in text or text.startswith("/"):
        return await _find_url(store, projects, text)
    hits = [Hit(path=("repos", text), kind="project")] if text in projects else []
    hits += [
        Hit(path=("matrix", project, text), kind="ref") for project in await store.finding.having_ref(projects, text)
    ]
    hits += [Hit(path=place, kind="sha1") for place in await store.finding.places_of_sha1s(projects, text)]
    return hits if hits or "/" not in text else await _find_url(store, projects, text)


async def _find_url(store: Store, projects: Sequence[str], text: str) -> list[Hit]:
    """Find what a URL leads to: a repo by its chacra_url, or what its path names, or what is kept under it."""
    try:
        path = urlsplit(whole_url(text) if not text.startswith("/") else text).path
    except ValueError:
        return []
    words = [unquote(word) for word in path.split("/") if word]
    exact = await store.finding.repos_at(projects, text)
    if exact:
        return _hits(exact)
    near = await store.finding.records_of(projects, words)
    named = [record for record in near if _is_at(record, text)]
    return _hits(named) or await _find_page(store, projects, words) or _hits(await _find_build(store, projects, text))


async def _find_page(store: Store, projects: Sequence[str], words: Sequence[str]) -> list[Hit]:
    """Find the page that a path would be of another server of this kind."""
    words = words[1:] if words[:1] == ["api"] else words
    if not words or not 0 < len(words) - 1 <= PAGES.get(words[0], 0) or words[1] not in projects:
        return []
    project, ref, sha1 = (*words[1 : 1 + SHA1], "", "", "")[:SHA1]
    known = not ref or await store.finding.knows(project, ref, "" if sha1 == LATEST else sha1)
    return [Hit(path=tuple(words), kind="page")] if known else []


async def _find_build(store: Store, projects: Sequence[str], text: str) -> list[Build]:
    """Find a build among the newest, as the URL of one hardly tells what it builds."""
    return [build for build in await store.finding.newest_builds(projects) if _is_at(build, text)]


def _is_at(record: Repo | Build, text: str) -> bool:
    """Tell whether a URL is one of the record's own, or leads into one of them."""
    urls = (record.url, record.chacra_url if isinstance(record, Repo) else record.log_url)
    return any(f"{_bare(text)}/".startswith(f"{_bare(url)}/") for url in urls if url)


def _bare(url: str) -> str:
    """Return a URL as it is compared: the scheme may have changed since."""
    return whole_url(url).partition("://")[2].rstrip("/")


def _hits(records: Iterable[Repo | Build]) -> list[Hit]:
    kinds = {Repo: "repos", Build: "builds"}
    return [
        Hit(
            path=(kinds[type(record)], record.project, record.ref, record.sha1, record.flavor, str(record.id)),
            kind="repo" if isinstance(record, Repo) else "build",
        )
        for record in records
    ]
