"""Another server of the production dialect as a source of records: its own routes tell them, part by part."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import httpx
import msgspec
from msgspec import Struct

from shaman.errors import Unavailable

PATIENCE = 120.0
"""Seconds for one answer: an old server needs half a minute for a large one."""

PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds before a question is asked again that was not answered, or with a 5xx."""

Told = TypeVar("Told")


class Part(Struct, frozen=True, kw_only=True):
    """What is fetched at a time: the repos or the builds of a ref, or all nodes."""

    kind: Literal["repo", "build", "node"]
    project: str = ""
    ref: str = ""


class _AskAgain(Unavailable):
    """There was no answer, or the server is not well."""


class _Project(Struct, frozen=True):
    refs: list[str]


class Source:
    """The server that `client` reaches by relative URLs."""

    def __init__(self, client: httpx.AsyncClient, pauses: Sequence[float] = PAUSES) -> None:
        """Ask nothing yet; wait for `pauses` in turn before a question is asked again."""
        self._client = client
        self._pauses = pauses

    async def parts(self) -> list[Part]:
        """List what there is. Raises Unavailable if the server does not tell it."""
        repos = await self._get("api/repos/", dict[str, _Project])
        builds = await self._get("api/builds/", dict[str, list[str]])
        parts = [Part(kind="repo", project=project, ref=ref) for project in repos for ref in repos[project].refs]
        parts += [Part(kind="build", project=project, ref=ref) for project, refs in builds.items() for ref in refs]
        return [*parts, Part(kind="node")]

    async def records(self, part: Part) -> AsyncIterator[dict[str, Any]]:
        """Yield the fields of each record of a part, with its kind and project, oldest first."""
        found = {"repo": self._repos, "build": self._builds, "node": self._nodes}[part.kind](part)
        async for objects in found:
            for fields in reversed(objects):
                yield {"project": part.project} | fields | {"kind": part.kind}

    async def _repos(self, part: Part) -> AsyncIterator[list[dict[str, Any]]]:
        yield await self._get("api/search/", list[dict[str, Any]], project=part.project, ref=part.ref)

    async def _builds(self, part: Part) -> AsyncIterator[list[dict[str, Any]]]:
        path = f"api/builds/{quote(part.project, safe='')}/{quote(part.ref, safe='')}/"
        for sha1 in reversed(await self._get(path, list[str])):
            yield await self._get(f"{path}{quote(sha1, safe='')}/", list[dict[str, Any]])

    async def _nodes(self, _: Part) -> AsyncIterator[list[dict[str, Any]]]:
        nodes = await self._get("api/nodes/", dict[str, dict[str, Any]])
        yield [fields | {"host": host} for host, fields in reversed(nodes.items())]  # `records` turns them round again

    async def _get(self, path: str, kind: type[Told], **params: str) -> Told:
        for pause in self._pauses:
            with suppress(_AskAgain):
                return await self._ask(path, kind, params)
            await asyncio.sleep(pause)
        return await self._ask(path, kind, params)

    async def _ask(self, path: str, kind: type[Told], params: dict[str, str]) -> Told:
        try:
            response = await self._client.get(path, params=params)
        except httpx.HTTPError as error:
            raise _AskAgain(f"{self._client.base_url.join(path)}: {type(error).__name__}: {error}") from error
        if not response.is_success:
            failure = _AskAgain if response.is_server_error else Unavailable
            raise failure(f"{response.url}: answers {response.status_code}")
        try:
            return msgspec.json.decode(response.content, type=kind)
        except msgspec.DecodeError as error:
            raise Unavailable(f"{response.url}: is no such server: {error}") from error
