"""What the search box asks: where a name, the beginning of a sha1, or a URL is known, in every project."""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any
from urllib.parse import unquote

from redis.asyncio import Redis

from shaman.distros import Releases
from shaman.merge import repo_identity
from shaman.models import Build, PostedRepo, Repo
from shaman.store import keys
from shaman.store.connection import ask_each
from shaman.store.documents import Documents, text_of
from shaman.store.repos import Repos

LOOKED_AT = 500
"""Projects that are looked at; far more than there are."""

RECORDS = 100
"""Records of one sha1 that are looked at, the newest of them."""

BUILDS = 1000
"""Builds that are looked at when nothing but a URL is known, the newest of them: 2 ms of the store's time."""

SHA1S = 20
"""Sha1s that begin alike and are told."""

SHORT = 7
"""Letters and digits of a word that may be a sha1."""

WORDS = 3
"""Words of a path that may be a sha1, the first of them."""

_repo_decoder = Documents(Repo)
_build_decoder = Documents(Build)


class Finding:
    """Where something is known, at the same cost however many records there are."""

    def __init__(self, client: Redis, repos: Repos, releases: Releases) -> None:
        """Use `client`."""
        self._client = client
        self._repos = repos
        self._releases = releases

    async def names(self) -> list[str]:
        """Return the projects that are looked at."""
        [answer] = await ask_each(self._client, [("SSCAN", keys.PROJECTS, 0, "COUNT", LOOKED_AT)])
        return sorted({text_of(name) for name in answer[1]})

    async def having_ref(self, projects: Sequence[str], ref: str) -> list[str]:
        """Return the projects in which a ref has repos or builds."""
        questions = [("ZSCORE", key, ref) for name in projects for key in (keys.refs(name), keys.build_refs(name))]
        told = await ask_each(self._client, questions)
        return [name for name, *scores in zip(projects, told[::2], told[1::2], strict=True) if any(scores)]

    async def knows(self, project: str, ref: str, sha1: str = "") -> bool:
        """Tell whether a ref, or a sha1 of it if one is named, has a repo or a build."""
        names = (
            (keys.ref_sha1s(project, ref), keys.build_sha1s(project, ref))
            if sha1
            else (keys.refs(project), keys.build_refs(project))
        )
        told = await ask_each(self._client, [("ZSCORE", name, sha1 or ref) for name in names])
        return any(score is not None for score in told)

    async def places_of_sha1s(self, projects: Sequence[str], beginning: str) -> list[tuple[str, str, str, str]]:
        """Return where sha1s begin like this: `repos`, or `builds` where there are no repos, project, ref and sha1."""
        found = await asyncio.gather(*(self._repos.find_prefix(name, beginning, SHA1S) for name in projects))
        sha1s = [(name, sha1) for name, some in zip(projects, found, strict=True) for sha1 in some][:SHA1S]
        repos = {(repo.project, repo.ref, repo.sha1) for repo in await self._repos_of(sha1s)}
        builds = {(project, ref, sha1) for project, ref, sha1 in await self._build_refs_of(sha1s)} - repos
        return sorted([("repos", *place) for place in repos] + [("builds", *place) for place in builds])

    async def repos_at(self, projects: Sequence[str], url: str) -> list[Repo]:
        """Return the repos that have this chacra_url."""
        digest = keys.digest(*repo_identity("", PostedRepo(chacra_url=url), self._releases))
        told = await ask_each(self._client, [("HGET", keys.identities(name), digest) for name in projects])
        places = [(name, number) for name, number in zip(projects, told, strict=True) if number]
        return _decoded(_repo_decoder, await self._documents(keys.repos, places))

    async def records_of(self, projects: Sequence[str], words: Sequence[str]) -> list[Repo | Build]:
        """Return the newest repos and builds of the sha1s that are among some words, as far as these name a project."""
        among = [word for word in words if word in projects] or projects
        sha1s = [word for word in words if len(word) >= SHORT and word.isascii() and word.isalnum()][:WORDS]
        named = list(product(among, sha1s))
        repos = await self._repos_of(named)
        places = await self._build_refs_of(named)
        builds = await self._members(keys.builds, [(place[0], keys.sha1_builds(*place)) for place in places])
        return [*repos, *_decoded(_build_decoder, builds)]

    async def newest_builds(self, projects: Sequence[str]) -> list[Build]:
        """Return the newest builds of every project."""
        each = max(BUILDS // max(len(projects), 1), 1)
        members = [(name, keys.build_modified(name)) for name in projects]
        return _decoded(_build_decoder, await self._members(keys.builds, members, each))

    async def _build_refs_of(self, sha1s: Sequence[tuple[str, str]]) -> list[tuple[str, str, str]]:
        """Return project, ref and sha1 of where sha1s have builds."""
        told = await ask_each(
            self._client,
            [
                ("ZRANGE", keys.build_names(project), f"[{sha1}/", f"({sha1}0", "BYLEX", "LIMIT", 0, RECORDS)
                for project, sha1 in sha1s
            ],
        )
        return [
            (project, unquote(text_of(name).partition("/")[2]), sha1)
            for (project, sha1), names in zip(sha1s, told, strict=True)
            for name in names
        ]

    async def _repos_of(self, sha1s: Iterable[tuple[str, str]]) -> list[Repo]:
        members = [(project, keys.sha1_repos(project, sha1)) for project, sha1 in sha1s]
        return _decoded(_repo_decoder, await self._members(keys.repos, members))

    async def _members(self, kind: Any, members: Sequence[tuple[str, str]], count: int = RECORDS) -> list[bytes]:
        """Return the documents of the greatest members of some sorted sets, each with the project it belongs to."""
        told = await ask_each(self._client, [("ZRANGE", key, 0, count - 1, "REV") for _, key in members])
        places = [(project, number) for (project, _), numbers in zip(members, told, strict=True) for number in numbers]
        return await self._documents(kind, places)

    async def _documents(self, kind: Any, places: Iterable[tuple[str, bytes]]) -> list[bytes]:
        numbers: dict[str, list[bytes]] = {}
        for project, number in places:
            numbers.setdefault(project, []).append(number)
        told = await ask_each(self._client, [("HMGET", kind(project), *some) for project, some in numbers.items()])
        return [document for documents in told for document in documents if document]


def _decoded(decoder: Any, documents: Iterable[bytes]) -> list[Any]:
    return [decoder.decode(document) for document in documents]
