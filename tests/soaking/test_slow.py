"""A service with a crowd of clients that hold it up."""

import json
import resource
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from benchmark import processes
from redis import Redis
from soaking.crowd import crowding, ended, refuses
from soaking.slow import DUMP, fill

from tests.test_serve import REPO, until

LIMIT = 60
"""Seconds until the last of them is cut off; only a fault waits as long."""

FEW_FILES = 256
"""Open files that a process may have where nobody has thought of it; systems set 1024, and allow many more."""


@contextmanager
def few_files() -> Iterator[None]:
    """Have processes start with a low limit of open files, which they may raise themselves."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW_FILES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_slow_clients_stop_nobody_and_are_cut_off(server_url: str, tmp_path: Path) -> None:
    """Others are answered meanwhile; who is idle, sends too slowly or does not read is hung up on in the end."""
    with Redis.from_url(server_url) as client:
        client.flushall()
    fill(server_url)
    with ExitStack() as stack:
        with few_files():
            start = [processes.shaman(server_url, tmp_path, "--server", engine) for engine in ("hypercorn", "granian")]
            services = [stack.enter_context(service) for service in start]
        crowds = [stack.enter_context(crowding(service.url)) for service in services]
        for crowd, service in zip(crowds, services, strict=True):
            crowd.come(idle=500, creeping=50, half=20, deaf=5, path=DUMP)
            write_and_read(service)
        for crowd in crowds:
            until(lambda: all(map(ended, crowd.idle + crowd.creeping + crowd.half)), LIMIT)  # noqa: B023 - called at once
            until(lambda: all(map(refuses, crowd.deaf)), LIMIT)  # noqa: B023 - called at once


def write_and_read(service: processes.Service) -> None:
    """Do what others do, on a new connection each time."""
    for number in range(50):
        body = json.dumps(REPO | {"sha1": f"a{number}"}).encode()
        with closing(service.connect()) as other:
            assert processes.ask(other, "POST", "/repos/ceph/", body, processes.WRITER)[0]
        with closing(service.connect()) as other:
            assert f"a{number}" in json.loads(processes.ask(other, "GET", "/repos/ceph/main/")[0])
