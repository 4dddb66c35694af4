"""`shaman wait`: through whatever happens to the server meanwhile."""

import os
import re
import signal
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis.exceptions import RedisError

from shaman.cli.target import duration
from tests.backends import free_port
from tests.cli.asking import Asking
from tests.test_serve import LIMIT, LOGIN, Service, until

ASKED = ("wait", "ceph", "main", "--distro", "centos/9", "--distro", "ubuntu/noble", "--arch", "x86_64")


def is_asked(url: str) -> bool:
    """Tell whether somebody has a connection to the server."""
    port = urlsplit(url).port or 0
    return bool(re.search(rf": \S+ \S+:{port:04X} 01 ", Path("/proc/net/tcp").read_text()))


def store_of(service: Service) -> int:
    """Return the process id of the store, 0 while there is none."""
    with suppress(RedisError):
        return service.store()
    return 0


def test_a_wait_outlasts_a_killed_store(tmp_path: Path) -> None:
    """What is posted once the store is back ends a wait that began before it was killed."""
    with Service(tmp_path, "--workers", "2", **LOGIN) as service:
        shell = Asking(tmp_path, service.url)
        shell.post("a0", "centos/9")
        with shell.asking(*ASKED, "--timeout", "5m") as waiter:
            until(lambda: is_asked(service.url))
            killed = service.store()
            os.kill(killed, signal.SIGKILL)
            until(lambda: store_of(service) not in {0, killed})
            assert waiter.poll() is None
            shell.post("a0", "ubuntu/noble")
            said, complained = waiter.communicate(timeout=LIMIT)
    assert (waiter.returncode, said) == (0, "a0\n")
    assert "Traceback" not in complained


def test_a_wait_outlasts_a_restart(tmp_path: Path) -> None:
    """The service is stopped, which ends the request, is away for a while, and comes back where it was."""
    port = free_port()
    shell = Asking(tmp_path, f"http://127.0.0.1:{port}")
    with ExitStack() as stack:
        with Service(tmp_path, "--port", str(port), **LOGIN) as service:
            waiter = stack.enter_context(shell.asking(*ASKED, "--timeout", "5m"))
            until(lambda: is_asked(service.url))
            assert service.stop() == 0
        assert waiter.stderr
        assert "trying again" in waiter.stderr.readline()
        with Service(tmp_path, "--port", str(port), **LOGIN):
            shell.post("a0", "centos/9")
            shell.post("a0", "ubuntu/noble")
            said, _ = waiter.communicate(timeout=LIMIT)
    assert (waiter.returncode, said) == (0, "a0\n")


def test_a_wait_without_an_end_ends(shell: Asking) -> None:
    """Exit code 1, a line on standard error, and nothing on standard output."""
    ended = shell.ask(*ASKED, "--timeout", "0.1s")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "shaman: no sha1 of ceph main has that after 0.1 seconds\n"


def test_a_person_sees_for_how_long(shell: Asking) -> None:
    """A line that counts, and is gone at the end; without a terminal there is none."""
    shell.post("a0", "centos/9")
    shell.post("a0", "ubuntu/noble")
    code, seen = shell.on_terminal(*ASKED, "--timeout", "90m")
    assert code == 0
    assert "waiting for ceph main: 0:00:00 of 1:30:00" in seen
    assert seen.endswith("\r\x1b[Ka0\r\n")
    ended = shell.ask(*ASKED)
    assert (ended.stdout, ended.stderr) == ("a0\n", "")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86400), ("5", 5), ("0.5s", 0.5)]
)
def test_a_time_has_a_unit(text: str, seconds: float) -> None:
    """Seconds where it has none."""
    assert duration(text) == seconds
