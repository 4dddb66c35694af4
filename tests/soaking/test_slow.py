"""A service with a crowd of clients that hold it up."""

import json
import resource
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
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


@pytest.mark.parametrize("engine", ["hypercorn", "granian"])
def test_slow_clients_stop_nobody_and_are_cut_off(server_url: str, tmp_path: Path, engine: str) -> None:
    """Others are answered meanwhile; who is idle, sends too slowly or does not read is hung up on in the end."""
    with Redis.from_url(server_url) as client:
        client.flushall()
    fill(server_url)
    with ExitStack() as stack:
        with few_files():
            service = stack.enter_context(processes.shaman(server_url, tmp_path, "--server", engine))
        crowd = stack.enter_context(crowding(service.url))
        crowd.come(idle=500, creeping=50, half=20, deaf=5, path=DUMP)
        for number in range(50):
            body = json.dumps(REPO | {"sha1": f"a{number}"}).encode()
            with closing(service.connect()) as other:
                assert processes.ask(other, "POST", "/repos/ceph/", body, processes.WRITER)[0]
            with closing(service.connect()) as other:
                assert f"a{number}" in json.loads(processes.ask(other, "GET", "/repos/ceph/main/")[0])
        until(lambda: all(map(ended, crowd.idle + crowd.creeping + crowd.half)), LIMIT)
        until(lambda: all(map(refuses, crowd.deaf)), LIMIT)
