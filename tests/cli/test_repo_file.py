"""`shaman repo-file`: what a package manager reads."""

import asyncio

from tests.cli.asking import Asking
from tests.client.scripted import says, scripted

ASKED = ("repo-file", "ceph", "main", "latest", "ubuntu/noble")


async def test_the_file_is_printed(shell: Asking) -> None:
    """As the storage node has it, byte for byte; with --url only where it is."""
    text = "deb https://1.chacra.example.org/r/ noble main\n"
    async with scripted(says("200 OK", text, "text/plain")) as node:
        place = ("--chacra-url", f"{node.url}/repos/ceph/main")
        await asyncio.to_thread(shell.post, "a0", "ubuntu/noble", *place)
        ended = await asyncio.to_thread(shell.ask, *ASKED, "--arch", "x86_64", "--flavor", "default")
        assert (ended.returncode, ended.stdout) == (0, text)
        ended = await asyncio.to_thread(shell.ask, *ASKED, "--url")
        assert (ended.returncode, ended.stdout) == (0, f"{node.url}/repos/ceph/main/repo\n")
    assert len(node.requests) == 1


async def test_a_node_that_has_no_such_file_is_an_error(shell: Asking) -> None:
    """The page that it sends does not end up in a file for the package manager."""
    async with scripted(says("404 Not Found", "<html>", "text/html")) as node:
        await asyncio.to_thread(shell.post, "a0", "ubuntu/noble", "--chacra-url", f"{node.url}/repos/ceph/main")
        ended = await asyncio.to_thread(shell.ask, *ASKED)
    assert (ended.returncode, ended.stdout) == (3, "")
    assert f"{node.url}/repos/ceph/main/repo: 404 Not Found" in ended.stderr


def test_what_is_not_ready_is_said(shell: Asking) -> None:
    """Exit code 1, in the words of the server."""
    shell.post("a0", "ubuntu/noble", "--status", "building")
    ended = shell.ask(*ASKED)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "shaman: no repository is ready for: ceph/main\n"
    assert "DISTRO/VERSION" in shell.ask("repo-file", "ceph", "main", "latest", "ubuntu").stderr
