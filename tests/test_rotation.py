"""Which nodes stay in the rotation, with real nodes behind real TLS."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
import trustme
from fakeredis import FakeAsyncRedis, FakeServer
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from shaman import duty, rotation
from shaman.config import Config, HealthSettings
from shaman.models import Health, Node
from shaman.rotation import Rotation, due, judge
from shaman.store import Store
from tests.conftest import RELEASES
from tests.storage_node import (
    CERTIFICATE_FAULTS,
    LIMIT,
    SICK,
    Does,
    StorageNode,
    broken_certificate,
    endless_body,
    failing,
    hang,
    healthy,
)
from tests.test_serve import LOGIN, Service, processes
from tests.test_serve import until as happened

QUICK = Config(health=HealthSettings(interval=0.02, timeout=0.5))
"""Checks follow each other at once, and a node that hangs does not hold the tests up."""

FOR_EVER = 3600.0
"""Seconds: what waits this long is cut short by something else, or the test never ends."""


def after(outcomes: Sequence[bool], retries: int) -> Health:
    """Return what is known of a node after checks with these outcomes."""
    health = Health()
    for began, succeeded in enumerate(outcomes):
        health = judge(health, succeeded=succeeded, began=began, retries=retries) or health
    return health


def failures_at_the_end(outcomes: Sequence[bool]) -> int:
    """Count the failed checks since the last success."""
    return next((count for count, succeeded in enumerate(reversed(outcomes)) if succeeded), len(outcomes))


@given(st.lists(st.booleans()), st.integers(1, 5))
def test_a_node_is_down_after_failures_in_a_row(outcomes: list[bool], retries: int) -> None:
    """Whatever came before, it is down exactly while the last `retries` checks or more have failed."""
    health = after(outcomes, retries)
    failures = failures_at_the_end(outcomes)
    assert health.down_count == failures
    assert health.healthy == (failures < retries)


@given(st.permutations(range(6)), st.lists(st.booleans(), min_size=6, max_size=6))
def test_a_late_outcome_is_dropped(order: list[int], outcomes: list[bool]) -> None:
    """In whatever order checks end, the one that began last has the last word, and no time goes back."""
    health = Health()
    for began in order:
        seen = health.last_check
        new = judge(health, succeeded=outcomes[began], began=began, retries=1)
        assert (new is None) == (seen is not None and began <= seen)
        health = new or health
    assert health.last_check == 5
    assert health.healthy == outcomes[5]


def test_configured_nodes_are_checked_only_when_asked_for() -> None:
    """Without an interval it is the registered ones, and those that are down, which could not come back else."""
    nodes = {
        name: Node(host=name, url="", health=Health(healthy=name != "down"), registered=name == "registered")
        for name in ("configured", "registered", "down")
    }
    assert [node.host for node in due(list(nodes.values()), everyone=False)] == ["registered", "down"]
    assert [node.host for node in due(list(nodes.values()), everyone=True)] == list(nodes)


def store_with(server: FakeServer, config: Config) -> Store:
    """Return a process's view of a store."""
    return Store(FakeAsyncRedis(server=server), config, RELEASES)


def rotation_of(server: FakeServer, config: Config) -> Rotation:
    """Return what checks in a process of its own."""
    store = store_with(server, config)
    return Rotation(store.nodes, store.rights, config)


async def registered(host: str, config: Config = QUICK) -> Health:
    """Register a node, and return what is known of it then."""
    store = store_with(FakeServer(), config)
    await Rotation(store.nodes, store.rights, config).register(host)
    return (await store.nodes.get(host)).health


async def until(happened: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it is true."""
    async with asyncio.timeout(LIMIT):
        while not await happened():  # noqa: ASYNC110 - it happens in the store, which sets no event here
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("does", [healthy, endless_body], ids=["healthy", "endless body"])
async def test_a_node_that_answers_is_healthy(trusted: trustme.CA, does: Does) -> None:
    """A 2xx is all it takes; a body without end costs nothing, as nobody reads it."""
    with StorageNode(trusted.issue_cert("127.0.0.1"), does) as node:
        health = await registered(node.host)
    assert (health.healthy, health.down_count) == (True, 0)
    assert health.last_check


@pytest.mark.parametrize("does", SICK.values(), ids=SICK)
async def test_a_node_that_misbehaves_is_down(trusted: trustme.CA, does: Does) -> None:
    """Whatever it does, the check ends and says no; a redirect is not followed even once."""
    with StorageNode(trusted.issue_cert("127.0.0.1"), does) as node:
        health = await registered(node.host)
        assert node.checks == 1
    assert (health.healthy, health.down_count) == (False, 1)


@pytest.mark.parametrize("fault", CERTIFICATE_FAULTS)
async def test_a_broken_certificate_is_no_health(trusted: trustme.CA, fault: str) -> None:
    """A node must prove that it is the one, and speak TLS at all."""
    with StorageNode(broken_certificate(fault, trusted)) as node:
        assert not (await registered(node.host)).healthy


async def test_certificates_can_go_unchecked(trusted: trustme.CA) -> None:
    """With chacra_verify_ssl off a node with any certificate is healthy."""
    with StorageNode(broken_certificate("self-signed", trusted)) as node:
        assert (await registered(node.host, replace(QUICK, chacra_verify_ssl=False))).healthy


@pytest.mark.parametrize("host", ["127.0.0.1:1", "[::1]:1", "xn--.invalid", "a..b", "256.256.256.256"])
async def test_a_host_that_is_not_there_is_down(host: str) -> None:
    """Nobody listens, or there can be no such host."""
    assert not (await registered(host)).healthy


async def test_a_node_leaves_the_rotation_and_comes_back(trusted: trustme.CA) -> None:
    """Checks in the background take a failing node out, and put it in again when it answers."""
    server = FakeServer()
    with StorageNode(trusted.issue_cert("127.0.0.1")) as node:
        config = replace(QUICK, chacra_nodes=(f"https://{node.host}",))
        store = store_with(server, config)
        checks = Rotation(store.nodes, store.rights, config)
        await checks.duty.start()
        try:
            for does in (healthy, failing, healthy):
                node.does = does
                await until(lambda: is_handed_out(store, expected=does is healthy))  # noqa: B023 - awaited right here
        finally:
            await checks.duty.stop()


async def is_handed_out(store: Store, *, expected: bool) -> bool:
    """Tell whether the only node has been checked, and is handed out or not, as expected."""
    [node] = (await store.nodes.find()).nodes
    taken = await store.nodes.take()
    return node.health.last_check is not None and (taken is not None) == expected


async def test_one_hanging_node_holds_up_no_other(trusted: trustme.CA) -> None:
    """Nodes are checked side by side, and stopping ends a check in the middle of it."""
    server = FakeServer()
    certificate = trusted.issue_cert("127.0.0.1")
    with StorageNode(certificate, hang) as hanging, StorageNode(certificate) as sound:
        urls = (f"https://{hanging.host}", f"https://{sound.host}")
        settings = HealthSettings(interval=FOR_EVER, timeout=FOR_EVER)
        config = replace(QUICK, chacra_nodes=urls, health=settings)
        store = store_with(server, config)
        checks = Rotation(store.nodes, store.rights, config)
        await checks.duty.start()
        await until(lambda: has_been_checked(store, sound.host))
        assert not await has_been_checked(store, hanging.host)
        await checks.duty.stop()


async def has_been_checked(store: Store, host: str) -> bool:
    """Tell whether a check of a node has ended."""
    return (await store.nodes.get(host)).health.last_check is not None


async def test_a_store_that_goes_away_does_not_end_the_checks(
    trusted: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They go on when it is back, without a new start."""
    monkeypatch.setattr(duty, "RETRY", 0.01)
    server = FakeServer()
    with StorageNode(trusted.issue_cert("127.0.0.1")) as node:
        config = replace(QUICK, chacra_nodes=(f"https://{node.host}",))
        store = store_with(server, config)
        checks = Rotation(store.nodes, store.rights, config)
        await checks.duty.start()
        await until(lambda: has_been_checked(store, node.host))
        server.connected = False
        await asyncio.sleep(0.1)
        server.connected = True
        seen = node.checks
        await until(lambda: counted(node, seen + 2))
        await checks.duty.stop()


async def counted(node: StorageNode, checks: int) -> bool:
    """Tell whether a node has seen so many checks."""
    return node.checks >= checks


async def test_another_process_takes_over(trusted: trustme.CA) -> None:
    """When the one that checks is gone, another goes on as soon as the right to do so has run out."""
    server = FakeServer()
    with StorageNode(trusted.issue_cert("127.0.0.1")) as node:
        config = replace(QUICK, chacra_nodes=(f"https://{node.host}",))
        first, second = (rotation_of(server, config) for _ in range(2))
        await first.duty.start()
        await until(lambda: counted(node, 1))
        await second.duty.start()
        await first.duty.stop()
        seen = node.checks
        await until(lambda: counted(node, seen + 2))
        await second.duty.stop()


async def test_many_nodes_are_all_checked(trusted: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    """More nodes than are checked at once take turns within a round."""
    monkeypatch.setattr(rotation, "AT_ONCE", 2)
    config = Config(chacra_nodes=tuple(f"https://127.0.0.1:{port}" for port in range(1, 6)), health=QUICK.health)
    store = store_with(FakeServer(), config)
    checks = Rotation(store.nodes, store.rights, config)
    await checks.duty.start()
    for url in config.chacra_nodes:
        await until(lambda: has_been_checked(store, url.removeprefix("https://")))  # noqa: B023 - awaited right here
    await checks.duty.stop()
    assert trusted


def test_the_fleet_goes_on_checking_whoever_dies(trusted: trustme.CA, tmp_path: Path) -> None:
    """Two real processes share the checks of a registered node; each may be killed, and nodes come and go as before."""
    (tmp_path / "config.toml").write_text("[health]\ninterval = 0.05\ntimeout = 0.5\n")
    certificates = {"SSL_CERT_FILE": os.environ["SSL_CERT_FILE"]}
    with (
        StorageNode(trusted.issue_cert("127.0.0.1")) as node,
        Service(tmp_path, "--workers", "2", **LOGIN, **certificates) as service,
    ):
        assert service.http.post(f"/api/nodes/{node.host}/").status_code == 200
        for killed in service.workers():
            for does, listed in ((failing, []), (healthy, [f"https://{node.host}"])):
                node.does = does
                happened(lambda: service.http.get("/nodes/").json() == listed)  # noqa: B023 - called right here
            os.kill(killed, signal.SIGKILL)
            happened(lambda: killed not in processes() and len(service.workers()) == 2)  # noqa: B023 - called right here
        seen = node.checks
        happened(lambda: node.checks > seen + 1)
        node.does = hang
        seen = node.checks
        happened(lambda: node.checks > seen)
        assert service.stop() == 0
