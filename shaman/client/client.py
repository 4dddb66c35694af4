"""The client: one method for each question that a registry answers."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Self, TypedDict, Unpack

from msgspec import Struct

from shaman.client.asking import OnRetry, Server, decoded, path_of
from shaman.client.events import follow
from shaman.client.records import Event, Repo
from shaman.client.settings import check_server
from shaman.models import PostedBuild, PostedRepo

PATIENCE = 15.0
"""Seconds for which a request is sent again: a failover of the store, a rolling restart."""

ROUND = 25.0
"""Seconds that one request waits, the longest that a server allows unless it is told otherwise."""

SHORTEST_ROUND = 1.0
"""Seconds: a server that does not wait, such as one about to stop, is not asked more often."""


class Filters(TypedDict, total=False):
    """What a repo must be like. `distros` are such as `centos/9`, `ubuntu/noble`, `ubuntu/24.04/arm64`.

    Without `status` it must be ready; the status `any` is every one.
    """

    distros: Sequence[str]
    arch: str | None
    flavor: str | None
    status: str | None


class _NextNode(Struct, frozen=True):
    url: str


class _Posted(Struct, frozen=True):
    """What tells a repo from the repetition of a body that made none."""

    project: str | None = None


class Client:
    """A registry at a URL, as an async context manager.

    While the server is away, or answers 503, a request is sent again for `patience` seconds, with growing pauses and
    as the server asks by Retry-After; `on_retry` is called with the reason each time. Every method raises Unavailable
    after that, Invalid, Unauthorized, TooManyTries, NotFound or NotReady with the words of the server if it refuses.
    Credentials are sent with what writes, and to this server alone.
    """

    def __init__(
        self,
        url: str,
        *,
        user: str = "",
        key: str = "",
        patience: float = PATIENCE,
        on_retry: OnRetry | None = None,
    ) -> None:
        """Connect to nothing yet. Raises Invalid if the URL can be none, or only one of user and key is given."""
        check_server(url, user, key)
        self.url = url
        self._server = Server(url, (user, key) if user else None, patience, on_retry)

    def __repr__(self) -> str:
        """Leave out who asks."""
        return f"Client({self.url!r})"

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close its connections."""
        await self._server.close()

    async def search(self, project: str, name: str, **filters: Unpack[Filters]) -> list[Repo]:
        """Find the newest repo of each distro, version, flavor and arch of a ref, or every repo of a sha1."""
        response = await self._server.get(path_of("search", project, name), _parameters(filters))
        return decoded(response, list[Repo])

    async def latest(self, project: str, name: str, **filters: Unpack[Filters]) -> str | None:
        """Return the newest sha1 of a ref that has a repo for every one of the distros; None if there is none.

        With a sha1 in place of the ref, that one if it has them all.
        """
        return await self._server.insist(lambda: self._common(project, name, filters), self._server.patience)

    async def wait(
        self,
        project: str,
        name: str,
        timeout: float,  # noqa: ASYNC109 - its end is an answer, not an exception
        **filters: Unpack[Filters],
    ) -> str | None:
        """Return what `latest` does as soon as there is one, and None after `timeout` seconds.

        A server that is away is asked again until then, and raises Unavailable only if it still is at the end.
        """
        clock = asyncio.get_running_loop().time
        end = clock() + timeout
        while True:
            began = clock()
            sha1 = await self._server.insist(lambda: self._common(project, name, filters, end), end - began)
            if sha1 or clock() >= end:
                return sha1
            await asyncio.sleep(min(began + SHORTEST_ROUND, end) - clock())  # at once, if that is over

    def events(
        self,
        *,
        project: str | None = None,
        ref: str | None = None,
        sha1: str | None = None,
        kind: str | None = None,
        after: str = "",
    ) -> AsyncGenerator[Event, None]:
        """Yield what happens from now on, or after the event of that cursor; `kind` is repo, build or node.

        Goes on over lost connections for as long as it is iterated. An event of the kind `reset` says that some may be
        missing. End it with `contextlib.aclosing`.
        """
        named = {"project": project, "ref": ref, "sha1": sha1, "kind": kind}
        return follow(self._server, {name: value for name, value in named.items() if value is not None}, after)

    async def post_repo(self, project: str, repo: PostedRepo) -> Repo | None:
        """Add or update a repo, and return it as it is now; None if there is none, as after the status `deleted`.

        It may be sent more than once: its chacra_url, else its coordinates, say which repo it is, so the second time
        finds it as the first one left it.
        """
        response = await self._server.post(path_of("repos", project), repo)
        return decoded(response, Repo) if decoded(response, _Posted).project else None

    async def post_build(self, project: str, build: PostedBuild) -> None:
        """Add or update a build. It may be sent more than once, as a repo may."""
        await self._server.post(path_of("api", "builds", project), build)

    async def nodes(self) -> list[str]:
        """Return the URLs of the storage nodes that are up, in the order of their turns."""
        return decoded(await self._server.get("/nodes/"), list[str])

    async def next_node(self) -> str:
        """Take the storage node whose turn it is; its URL. If it has to be asked twice, a turn is left out."""
        return decoded(await self._server.get("/nodes/next/"), _NextNode).url

    async def repo_file_url(
        self, project: str, ref: str, sha1: str, distro: str, version: str, *, flavor: str = "", arch: str = ""
    ) -> str:
        """Return where the package manager's file of the newest ready repo is; the sha1 may be `latest`.

        Raises NotReady if no repo is ready.
        """
        names = (project, ref, sha1, distro, version, *(("flavors", flavor) if flavor else ()), "repo")
        return await self._server.location(path_of("api", "repos", *names), {"arch": arch} if arch else {})

    async def repo_file(
        self, project: str, ref: str, sha1: str, distro: str, version: str, *, flavor: str = "", arch: str = ""
    ) -> str:
        """Return the text of that file, from the storage node that has it."""
        url = await self.repo_file_url(project, ref, sha1, distro, version, flavor=flavor, arch=arch)
        return await self._server.fetch(url)

    async def _common(self, project: str, name: str, filters: Filters, end: float = 0) -> str | None:
        """Ask once, for as long as one request may wait and there is time before `end`."""
        seconds = max(0, min(ROUND, end - asyncio.get_running_loop().time()))
        params = _parameters(filters) | {"common_sha1": "true"} | ({"wait": f"{seconds:.3f}"} if seconds else {})
        response = await self._server.ask("GET", path_of("search", project, name), params, seconds=seconds)
        return next((repo.sha1 for repo in decoded(response, list[Repo])), None)


def _parameters(filters: Filters) -> dict[str, str]:
    given = {
        "distros": ",".join(filters.get("distros", ())),
        "arch": filters.get("arch"),
        "flavor": filters.get("flavor"),
        "status": filters.get("status"),
    }
    return {name: value for name, value in given.items() if value}
