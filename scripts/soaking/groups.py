"""Replicated stores: a master with two replicas and three sentinels, and a cluster of three masters with one each."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from msgspec import Struct
from redis import Redis
from redis.exceptions import RedisError

from shaman.store import keys
from shaman.store.embedded import find_binary
from soaking import processes
from soaking.builders import PROJECTS
from soaking.processes import Process

SERVICE = "shaman"
READY_SECONDS = 30
DOWN_AFTER = 1000
"""Milliseconds of silence after which a server counts as dead; the usual 30,000 and 15,000 are for other networks."""

SENTINEL = """port {port}
dir {folder}
sentinel monitor {service} 127.0.0.1 {master} 2
sentinel down-after-milliseconds {service} {down_after}
sentinel failover-timeout {service} 5000
"""

SLOTS = 16384
MASTERS = 3


class Group(Struct):
    """A store of several servers, at `url`; `master` is the one that is going to die."""

    url: str
    master: Process


def sentinels(stack: ExitStack, folder: Path, options: tuple[str, ...]) -> Group:
    """Start a master, two replicas and three sentinels."""
    master = stack.enter_context(store(folder / "master", *options))
    for number in range(2):
        replica = store(folder / f"replica{number}", *options, "--replicaof", "127.0.0.1", str(master.port))
        stack.enter_context(replica)
    watchers = [stack.enter_context(sentinel(folder / f"sentinel{number}", master.port)) for number in range(3)]
    until(lambda: replicas_of(master) == 2)  # noqa: PLR2004 - as started above
    until(lambda: all(knows_all(watcher) for watcher in watchers))
    addresses = ",".join(f"127.0.0.1:{watcher.port}" for watcher in watchers)
    return Group(f"redis+sentinel://{addresses}/{SERVICE}", master)


def cluster(stack: ExitStack, folder: Path, options: tuple[str, ...]) -> Group:
    """Start three masters, each with a replica; the first one has a project."""
    nodes, buses = [], [processes.free_port() for _ in range(2 * MASTERS)]
    for number, bus in enumerate(buses):
        switches = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(DOWN_AFTER), "--cluster-port", str(bus))
        nodes.append(stack.enter_context(store(folder / f"node{number}", *switches, *options)))
    for number, node in enumerate(nodes[:MASTERS]):
        first, last = SLOTS * number // MASTERS, SLOTS * (number + 1) // MASTERS - 1
        ask(node, "CLUSTER ADDSLOTSRANGE", first, last)
    for node, bus in zip(nodes[1:], buses[1:], strict=True):
        ask(nodes[0], "CLUSTER MEET", "127.0.0.1", node.port, bus)
    until(lambda: all(ask(node, "CLUSTER INFO")["cluster_known_nodes"] == str(len(nodes)) for node in nodes))
    for node, master in zip(nodes[MASTERS:], nodes[:MASTERS], strict=True):
        ask(node, "CLUSTER REPLICATE", ask(master, "CLUSTER MYID").decode())
    until(lambda: all(replicas_of(node) == 1 for node in nodes[:MASTERS]))
    until(lambda: all(ask(node, "CLUSTER INFO")["cluster_state"] == "ok" for node in nodes))
    slot = ask(nodes[0], "CLUSTER KEYSLOT", keys.repos(PROJECTS[0]))
    url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)
    return Group(url, nodes[slot * MASTERS // SLOTS])


def store(folder: Path, *options: str) -> Process:
    """Return a server that replicates at once."""
    return processes.store(folder, "--repl-diskless-sync-delay", "0", *options)


def sentinel(folder: Path, master: int) -> Process:
    """Return a sentinel that watches the server at a port."""
    port = processes.free_port()
    folder.mkdir(parents=True)
    names = {"port": port, "folder": folder, "service": SERVICE, "master": master, "down_after": DOWN_AFTER}
    (folder / "sentinel.conf").write_text(SENTINEL.format_map(names))
    command = [str(find_binary()), str(folder / "sentinel.conf"), "--sentinel"]
    return Process(command, folder, port, processes.answers_ping)


def replicas_of(server: Process) -> int:
    """Return how many replicas follow a server and have its data."""
    told = ask(server, "INFO", "replication")
    return sum(told.get(f"slave{number}", {}).get("state") == "online" for number in range(2))


def knows_all(watcher: Process) -> bool:
    """Tell whether a sentinel knows the others and the replicas."""
    with Redis(port=watcher.port) as client:
        told: Any = client.sentinel_master(SERVICE)
    return bool(told["num-slaves"] == told["num-other-sentinels"] == 2)  # noqa: PLR2004 - as started above


def ask(server: Process, *command: str | int) -> Any:
    """Return what a server says."""
    with Redis(port=server.port) as client:
        return client.execute_command(*command)


def until(happened: Any) -> None:
    """Return when something is so. Raises RuntimeError if it never is."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            if happened():
                return
        except RedisError:
            pass
        if time.monotonic() > deadline:
            raise RuntimeError("the servers do not find each other")
        time.sleep(0.05)
