"""`shaman watch`: what happens, line by line."""

import asyncio
import json
import os
import signal
from pathlib import Path
from select import select

from tests.cli.asking import Asking
from tests.client.scripted import Scripted, scripted, streams
from tests.client.test_events import NODE, event
from tests.test_serve import LOGIN, Service

ASKED = ("watch", "--project", "ceph", "--ref", "main", "--kind", "repo")


async def lines(shell: Asking, number: int, *arguments: str) -> tuple[list[str], Scripted]:
    """Return so many lines of what a command prints of a server that ends each connection."""
    node = f"event: node\nid: c3\ndata: {json.dumps(NODE)}\n\n"
    answers = (streams(event("c1")), streams(event("c2", sha1="b1\x1b"), node), streams("event: reset\ndata: {}\n\n"))
    async with scripted(*answers) as server:
        with shell.asking("--url", server.url, *arguments) as process:
            assert process.stdout
            said = [(await asyncio.to_thread(process.stdout.readline)).rstrip("\n") for _ in range(number)]
    return said, server


async def test_events_are_lines_for_people(shell: Asking) -> None:
    """When, what, where, and from which status to which; over lost connections."""
    said, server = await lines(shell, 4, *ASKED)
    assert said[0] == (
        "2026-11-24 07:54:44  repo  updated  ceph  main  a0  ubuntu/noble  x86_64,arm64  default  building -> ready"
    )
    assert "  b1?  " in said[1]  # an escape is for no terminal
    assert said[2:] == ["node  updated  1.chacra.example.org  down", "reset"]
    assert server.requests[0].line == "GET /events?project=ceph&ref=main&kind=repo HTTP/1.1"


async def test_events_are_json_for_scripts(shell: Asking) -> None:
    """One object a line, with the cursor after which to go on."""
    said, _ = await lines(shell, 4, "watch", "--json")
    events = [json.loads(line) for line in said]
    assert [event["kind"] for event in events] == ["repo", "repo", "node", "reset"]
    assert [event["cursor"] for event in events] == ["c1", "c2", "c3", ""]
    assert (events[0]["old_status"], events[0]["archs"]) == ("building", ["x86_64", "arm64"])
    _, server = await lines(shell, 1, "watch", "--after", events[0]["cursor"])
    assert server.requests[0].headers["last-event-id"] == "c1"


def test_a_watch_outlasts_killed_processes(tmp_path: Path) -> None:
    """Nothing is left out that happens while the store or the workers are away, and nothing comes twice."""
    with Service(tmp_path, "--workers", "2", **LOGIN) as service:
        shell = Asking(tmp_path, service.url)
        with shell.asking("watch", "--project", "ceph") as watching:
            assert watching.stdout
            numbers = iter(range(100))
            while not select([watching.stdout], [], [], 0)[0]:  # what is posted before the stream is there is not told
                shell.post(f"a{next(numbers)}", "centos/9")
            seen = [watching.stdout.readline()]
            os.kill(service.store(), signal.SIGKILL)
            shell.post("b1", "centos/9")
            for worker in service.workers():
                os.kill(worker, signal.SIGKILL)
            shell.post("b2", "centos/9")
            while "  b2  " not in seen[-1]:
                seen.append(watching.stdout.readline())
                assert seen[-1], watching.poll()
    sha1s = [line.split()[6] for line in seen]
    assert sha1s[-2:] == ["b1", "b2"]
    assert len(sha1s) == len(set(sha1s))
