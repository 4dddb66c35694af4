"""Private stores of every kind: one server, a cluster, a master with sentinel and replica, TLS, limited rights."""

import contextlib
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trustme
from redis import BusyLoadingError, Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from shaman.store.embedded import Embedded, find_binary

STORES = ["cluster", "sentinel", "tls", "acl"]
"""What `--store` takes."""

SUITES = {"store", "conformance", "pages", "test_events", "test_webhooks"}
"""The folders and modules of tests that run with `--store`."""

PATIENCE = 20
"""Seconds for servers to find each other; they take one or two."""

QUICK = ("--appendfsync", "no", "--bind", "127.0.0.1", "--save", "", "--repl-diskless-sync-delay", "0")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def eventually(what: Callable[[], object]) -> None:
    """Return as soon as `what` is true; servers that do not answer yet are asked again."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(RedisError):
            if what():
                return
        assert time.monotonic() < deadline, "the servers have not found each other"
        time.sleep(0.05)


SERVERS = ["wheel", "system"]
"""The servers that shaman starts: the one it brings along, and the redis-server of the system."""


def path_to(kind: str) -> str:
    """Return the PATH on which `find_binary` finds only this one of SERVERS. Where there is none, a CI run fails."""
    if kind == "wheel":
        return "/nowhere"
    found = shutil.which("redis-server")
    if found:
        return str(Path(found).parent)
    if os.environ.get("CI"):
        pytest.fail("there is no redis-server on PATH")
    pytest.skip("there is no redis-server on PATH")


@contextlib.contextmanager
def private_server(kind: str) -> Iterator[str]:
    """Start a private server that does not wait for the disk; its URL."""
    with TemporaryDirectory(prefix="shaman-") as folder, contextlib.ExitStack() as stack:
        server = Embedded(Path(folder), flags=("--appendfsync", "no"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", path_to(kind))
            stack.enter_context(server)
        yield server.url


@dataclass
class Server:
    """A server with a port, and a client that may do everything."""

    port: int
    embedded: Embedded
    admin: Redis

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process; a killed one is gone then."""
        assert self.embedded.pid
        os.kill(self.embedded.pid, number)
        if number == signal.SIGKILL:
            eventually(lambda: not self.embedded.alive())


@contextlib.contextmanager
def server(*flags: str) -> Iterator[Server]:
    """Start a private server on a port of its own."""
    port = free_port()
    with TemporaryDirectory(prefix="shaman-") as folder:
        embedded = Embedded(Path(folder), flags=(*QUICK, "--port", str(port), *flags))
        password = dict(itertools.pairwise(flags)).get("--requirepass")
        with embedded, Redis.from_url(embedded.url, password=password) as admin:
            yield Server(port, embedded, admin)


@contextlib.contextmanager
def slowly_loading(stopped: Server) -> Iterator[Redis]:
    """Start a stopped server again so that it takes seconds to read its data; a client that tries once."""
    slowly = ("--key-load-delay", "20", "--appendonly", "yes", "--save", "")
    command = (find_binary(), "--port", str(stopped.port), "--dir", str(stopped.embedded.data_dir), *slowly)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            with Redis(port=stopped.port, retry=Retry(NoBackoff(), 0)) as admin:
                yield admin
        finally:
            process.terminate()


def is_loading(admin: Redis) -> bool:
    """Tell whether the server answers, and that with LOADING."""
    try:
        admin.ping()
    except BusyLoadingError:
        return True
    return False


@contextlib.contextmanager
def cluster(*flags: str) -> Iterator[list[Server]]:
    """Start three nodes and give each a third of the slots."""
    with contextlib.ExitStack() as stack:
        nodes = []
        for _ in range(3):
            options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--cluster-node-timeout", "1500")
            nodes.append(stack.enter_context(server(*options, *flags)))
        for number, node in enumerate(nodes):
            node.admin.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
            first, last = 16384 * number // 3, 16384 * (number + 1) // 3 - 1
            node.admin.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
            bus = node.admin.config_get("cluster-port")["cluster-port"]
            nodes[0].admin.execute_command("CLUSTER MEET", "127.0.0.1", node.port, bus)
        eventually(lambda: all(is_whole(node) for node in nodes))
        yield nodes


def is_whole(node: Server) -> bool:
    """Tell whether a node of a cluster knows the others, and all slots are served."""
    state: dict[str, str] = node.admin.execute_command("CLUSTER INFO")
    return state["cluster_state"] == "ok" and len(node.admin.execute_command("CLUSTER SLOTS")) >= 3


@contextlib.contextmanager
def watched(*flags: str, sentinel_password: str = "") -> Iterator[tuple[Server, Server, str]]:
    """Start a master, a replica of it and a sentinel that watches them; the two, and the URL of the service."""
    with server(*flags) as master, server(*flags, "--replicaof", f"127.0.0.1 {master.port}") as replica:
        eventually(lambda: replica.admin.info("replication")["master_link_status"] == "up")
        password = master.admin.config_get("requirepass")["requirepass"] or ""
        with _sentinel(master.port, password, sentinel_password) as port:
            yield master, replica, f"redis+sentinel://127.0.0.1:{port}/shaman/0"


@contextlib.contextmanager
def _sentinel(master: int, password: str, own_password: str) -> Iterator[int]:
    port = free_port()
    with TemporaryDirectory(prefix="shaman-") as folder:
        file = Path(folder) / "sentinel.conf"
        file.write_text(f"""
            port {port}
            bind 127.0.0.1
            dir {folder}
            sentinel monitor shaman 127.0.0.1 {master} 1
            sentinel down-after-milliseconds shaman 500
            sentinel failover-timeout shaman 3000
            {f"sentinel auth-pass shaman {password}" if password else ""}
            {f"requirepass {own_password}" if own_password else ""}
        """)
        with subprocess.Popen([find_binary(), file, "--sentinel"], stdout=subprocess.DEVNULL) as process:
            try:
                with Redis(port=port, password=own_password or None) as admin:
                    eventually(lambda: admin.sentinel_slaves("shaman"))
                yield port
            finally:
                process.terminate()


@contextlib.contextmanager
def encrypted(ca: trustme.CA) -> Iterator[Server]:
    """Start a server that listens by TLS alone; its URL has to say `rediss`."""
    with TemporaryDirectory(prefix="shaman-") as folder:
        files = {name: Path(folder) / f"{name}.pem" for name in ("cert", "key", "ca")}
        issued = ca.issue_cert("127.0.0.1")
        issued.cert_chain_pems[0].write_to_path(str(files["cert"]))
        issued.private_key_pem.write_to_path(str(files["key"]))
        ca.cert_pem.write_to_path(str(files["ca"]))
        port = str(free_port())
        options: Sequence[str] = ("--tls-port", port, "--tls-auth-clients", "no")
        for name, option in (("cert", "cert-file"), ("key", "key-file"), ("ca", "ca-cert-file")):
            options = (*options, f"--tls-{option}", str(files[name]))
        try:
            stack = contextlib.ExitStack()
            found = stack.enter_context(server(*options))
        except Exception as error:
            if os.environ.get("CI") or "tls" not in str(error):
                raise
            pytest.skip("the redis-server on PATH has no TLS")
        with stack:
            found.port = int(port)
            yield found


def rights() -> str:
    """Return the line of the document that says what a user must be allowed to do."""
    text = (Path(__file__).parents[1] / "docs" / "store.md").read_text("utf-8")
    (line,) = re.findall(r"^ +user (shaman on .*)$", text, re.MULTILINE)
    return str(line).replace("PASSWORD", "secret")


def admin_url(url: str) -> str:
    """Return the URL for emptying and auditing the store at `url`: the limited user may not."""
    return url.replace("shaman:secret@", "")


def asks_store(item: pytest.Function) -> bool:
    """Tell whether a test is of the SUITES and asks the store that --store names."""
    told = item.callspec.params if hasattr(item, "callspec") else {}
    asks = told.get("kind") == "server" or not {"redis", "http", "server_url"}.isdisjoint(item.fixturenames)
    return (
        not SUITES.isdisjoint({item.path.parent.name, item.path.stem})
        and asks
        and not any(kind in told.values() for kind in ("fakeredis", "system"))
    )
