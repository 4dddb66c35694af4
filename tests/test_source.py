"""Another server as a source: its faults are told, and waited out where that may help."""

import httpx
import pytest

from shaman.errors import Unavailable
from shaman.source import Part, Source

ANSWERS = {
    "/api/repos/": {"ceph": {"refs": ["main", "wip/x"], "sha1s": ["a0"]}, "empty": {"refs": [], "sha1s": []}},
    "/api/builds/": {"ceph": ["main"]},
    "/api/builds/ceph/main/": ["b1", "a0"],
    "/api/builds/ceph/main/a0/": [{"url": "2"}, {"url": "1"}],
    "/api/builds/ceph/main/b1/": [{"url": "3"}],
    "/api/nodes/": {"chacra.example.org": {"healthy": True}},
    "/api/search/?project=ceph&ref=wip%2Fx": [{"sha1": "b1", "kind": "x"}, {"sha1": "a0", "project": "ceph"}],
}


class Server(httpx.AsyncBaseTransport):
    """Answers with what it is given first, then with ANSWERS."""

    def __init__(self, *first: httpx.Response | Exception) -> None:
        """Keep what comes first."""
        self.first = list(first)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer."""
        if self.first:
            said = self.first.pop(0)
            if isinstance(said, Exception):
                raise said
            return said
        found = ANSWERS.get(request.url.raw_path.decode())
        return httpx.Response(404) if found is None else httpx.Response(200, json=found)


def source(*first: httpx.Response | Exception) -> Source:
    """Return a source that waits for nothing."""
    client = httpx.AsyncClient(base_url="http://old", transport=Server(*first))
    return Source(client, pauses=(0, 0))


async def test_parts_are_refs_and_nodes() -> None:
    """Repos and builds are told ref by ref, and the nodes at the end."""
    assert await source().parts() == [
        Part(kind="repo", project="ceph", ref="main"),
        Part(kind="repo", project="ceph", ref="wip/x"),
        Part(kind="build", project="ceph", ref="main"),
        Part(kind="node"),
    ]


async def test_records_are_told_oldest_first() -> None:
    """Each has its kind and its project, and what the server said of it."""
    repos = [fields async for fields in source().records(Part(kind="repo", project="ceph", ref="wip/x"))]
    assert [(each["kind"], each["project"], each["sha1"]) for each in repos] == [
        ("repo", "ceph", "a0"),
        ("repo", "ceph", "b1"),
    ]
    builds = [fields async for fields in source().records(Part(kind="build", project="ceph", ref="main"))]
    assert [(each["kind"], each["url"]) for each in builds] == [("build", "1"), ("build", "2"), ("build", "3")]
    [node] = [fields async for fields in source().records(Part(kind="node"))]
    assert (node["kind"], node["host"], node["healthy"]) == ("node", "chacra.example.org", True)


@pytest.mark.parametrize("fault", [httpx.Response(503), httpx.ConnectError("refused"), httpx.ReadTimeout("slow")])
async def test_what_may_pass_is_waited_out(fault: httpx.Response | Exception) -> None:
    """A question is asked again, a bounded number of times, and then what was wrong is told."""
    assert len(await source(fault, fault).parts()) == 4
    with pytest.raises(
        Unavailable, match=r"http://old/api/repos/: (answers 503|ConnectError: refused|ReadTimeout: slow)"
    ):
        await source(fault, fault, fault).parts()


@pytest.mark.parametrize(
    "fault", [httpx.Response(404), httpx.Response(200, text="<html>"), httpx.Response(200, json={"ceph": ["main"]})]
)
async def test_what_will_not_pass_is_told_at_once(fault: httpx.Response) -> None:
    """An answer that no such server gives ends the copy."""
    with pytest.raises(Unavailable, match="http://old/api/repos/: "):
        await source(fault).parts()
