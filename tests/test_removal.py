"""Runs of retention: beside writers, over many records, and in one process of the fleet."""

import asyncio
import os
import random
import signal
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fakeredis import FakeAsyncRedis, FakeServer
from msgspec.structs import replace
from redis import Redis

from shaman import removal
from shaman.config import Config, RetentionSettings
from shaman.models import Repo
from shaman.removal import Retention
from shaman.retention import Rule
from shaman.store import Store, keys
from shaman.store.embedded import Embedded
from shaman.store.removals import Removal
from shaman.store.repos import Outcome
from tests.conftest import CONFIG, RELEASES, backend
from tests.store.test_removals import fill
from tests.store.test_repos import RULES, posted, put
from tests.test_rotation import until as happens
from tests.test_serve import LOGIN, Service, processes, until

WIP = Rule(project="ceph", ref="wip-*", sha1s=2)


def config(*rules: Rule, interval: float | None = None) -> Config:
    """Return a configuration with these rules."""
    return replace(CONFIG, retention=RetentionSettings(rules=rules, interval=interval))


@pytest.fixture(autouse=True)
def _without_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove as fast as it goes."""
    monkeypatch.setattr(removal, "PACE", 0)


async def run(store: Store, *rules: Rule) -> list[Removal]:
    """Make one run; what it removed."""
    return [gone async for gone in Retention(store, config(*rules)).run()]


async def test_without_rules_nothing_is_removed(store: Store) -> None:
    """Everything is kept for ever unless a rule says otherwise."""
    await fill(store, "a1", "b2")
    assert await run(store) == []
    assert await run(store, Rule(project="other", ref="*", days=0.000001, keep_newest=False)) == []
    assert await store.repos.sha1s("ceph", "main", None) == ["b2", "a1"]


async def test_a_run_removes_what_its_plan_tells(store: Store) -> None:
    """The plan changes nothing, the run removes the same, oldest first, and a second run nothing."""
    for ref in ("main", "wip-a", "wip-b"):
        await fill(store, "a1", "b2", "c3", "d4", ref=ref)
    planned = [(gone.ref, gone.sha1, gone.repos) async for gone in Retention(store, config(WIP)).plan()]
    assert planned == [(ref, sha1, 3) for ref in ("wip-a", "wip-b") for sha1 in ("a1", "b2")]
    assert await store.removals.log("ceph") == []
    assert [(gone.ref, gone.sha1, gone.repos) for gone in await run(store, WIP)] == planned
    assert await run(store, WIP) == []
    assert await store.repos.sha1s("ceph", "wip-a", None) == ["d4", "c3"]
    assert len(await store.repos.sha1s("ceph", "main", None)) == 4


async def post(store: Store, ref: str, sha1: str, status: str, version: str) -> tuple[int, int] | None:
    """Post a repo; id and `modified` of what that deleted."""
    body = posted(ref=ref, sha1=sha1, status=status, distro_version=version)
    outcome, repo = await store.repos.put("ceph", body, RULES)
    return (repo.id, repo.modified) if repo and outcome is Outcome.DELETED else None


async def test_writers_lose_nothing_that_the_rules_keep(redis: Any) -> None:
    """While four write and two runs remove at once, every sha1 goes whole, and only with two newer ones in its ref."""
    stores = [Store(redis, CONFIG, RELEASES) for _ in range(6)]
    deleted: set[tuple[int, int] | None] = set()
    chance = random.Random(5)  # noqa: S311 - for variety alone

    async def write(store: Store, ref: str) -> None:
        for _ in range(120):
            sha1, version = f"a{chance.randrange(8)}", chance.choice(["jammy", "noble"])
            status = chance.choice(["ready", "ready", "building", "deleted"])
            deleted.add(await post(store, ref, sha1, status, version))

    writing = asyncio.gather(*(write(store, f"wip-{number % 2}") for number, store in enumerate(stores[:4])))

    async def keep_removing(store: Store) -> None:
        while not writing.done():
            await run(store, WIP)
            await asyncio.sleep(0)

    await asyncio.gather(writing, *(keep_removing(store) for store in stores[4:]))
    events = [msgspec.json.decode(fields[b"event"]) for _, fields in await redis.xrange(keys.changes("ceph"))]
    sha1s = gone_by_rule(events, deleted)
    assert sha1s == [(entry.ref, entry.sha1, entry.repos) for _, entry in await stores[0].removals.log("ceph")]
    assert sha1s


def gone_by_rule(events: Sequence[dict[str, Any]], deleted: Collection[object]) -> list[tuple[str, str, int]]:
    """Replay a change stream and assert that WIP holds wherever a sha1 went that nobody `deleted`; what went so."""
    refs: dict[str, dict[str, dict[int, dict[str, Any]]]] = defaultdict(lambda: defaultdict(dict))
    gone = []
    waiting = deque(events)
    while waiting:
        event = waiting.popleft()
        ref, sha1 = refs[event["ref"]], event["sha1"]
        if event["status"] != "deleted":
            ref[sha1][event["id"]] = event
        elif (event["id"], event["modified"]) in deleted:
            del ref[sha1][event["id"]]
        else:
            assert_may_go(ref, sha1)
            gone.append((event["ref"], sha1, len(ref[sha1])))
            together = [event, *(waiting.popleft() for _ in range(len(ref[sha1]) - 1))]
            assert {each["id"] for each in together if each["status"] == "deleted"} == set(ref.pop(sha1))
    return gone


def assert_may_go(ref: dict[str, dict[int, dict[str, Any]]], sha1: str) -> None:
    """Assert that two sha1s of the ref are newer, and that one newer than it is ready if it is itself."""
    last = max(repo["modified"] for repo in ref[sha1].values())
    newer = [[repo["status"] for repo in repos.values() if repo["modified"] > last] for repos in ref.values()]
    assert sum(bool(statuses) for statuses in newer) >= 2
    if any(repo["status"] == "ready" for repo in ref[sha1].values()):
        assert any("ready" in statuses for statuses in newer)


def many(project: str, sha1s: int, cells: int) -> list[Repo]:
    """Return the repos of a ref with so many sha1s, each built for so many cells."""
    return [
        Repo(
            id=0,
            project=project,
            ref="wip-x",
            sha1=f"a{sha1}",
            distro="ubuntu",
            distro_version=f"{cell}.04",
            archs=("x86_64",),
            modified=1_700_000_000_000_000 + sha1 * 1000 + cell,
            created=1_700_000_000_000_000,
            sent=1_700_000_000_000_000,
        )
        for sha1 in range(sha1s)
        for cell in range(cells)
    ]


CHANCE = 25
"""Commands of a kind that a busy machine may hold up; what is slow of itself is so each of the 60 times, or more."""


@pytest.mark.parametrize("kind", ["server", "system"])
async def test_no_step_holds_the_store(kind: str, request: pytest.FixtureRequest) -> None:
    """Of 20,000 repos all but two sha1s go, and no kind of command takes the store 5 ms."""
    async with backend(kind, request) as client:
        store = Store(client, CONFIG, RELEASES)
        records = many("ceph", sha1s=500, cells=40)
        for first in range(0, len(records), 500):
            await store.restores.repos("ceph", records[first : first + 500])
        await client.config_set("slowlog-max-len", 10_000)
        await client.config_set("slowlog-log-slower-than", 5000)
        await client.slowlog_reset()
        for _ in range(60):
            assert len(await store.removals.sha1s("ceph", "wip-x")) == 500
        gone = await run(store, WIP)
        slow = Counter(b" ".join(entry["command"].split()[:2]) for entry in await client.slowlog_get(10_000))
        assert (len(gone), sum(each.repos for each in gone)) == (498, 498 * 40)
        assert {kind: count for kind, count in slow.items() if count > CHANCE} == {}


def test_the_service_runs_it_by_itself(tmp_path: Path) -> None:
    """One of two workers does; it may be killed, and the other goes on. The log says what went."""
    settings = "[retention]\ninterval = 0.1\n[[retention.rules]]\nproject = 'ceph'\nref = 'ma*'\nsha1s = 1\n"
    (tmp_path / "config.toml").write_text(settings)
    with Service(tmp_path, "--workers", "2", **LOGIN) as service:
        for number, killed in enumerate([*service.workers(), 0]):
            for name in "ab":
                assert service.post(f"{name}{number}") == 201
            until(lambda: service.sha1s() == {f"b{number}"})  # noqa: B023 - called right here
            if killed:
                os.kill(killed, signal.SIGKILL)
                until(lambda: killed not in processes() and len(service.workers()) == 2)  # noqa: B023 - called here
                with Redis.from_url(Embedded(tmp_path / "var").url) as client:
                    client.pexpire(keys.RETAINING, 0)  # as if its time were over
        until(lambda: "retention removed" in service.said())
        assert service.stop() == 0


async def test_one_process_runs_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one removes nothing while the first has the right, and goes on where that has lost it."""
    monkeypatch.setattr(removal, "SPARE", 3600)
    server = FakeServer()
    first, second = (Store(FakeAsyncRedis(server=server), CONFIG, RELEASES) for _ in range(2))
    duties = [duty for store in (first, second) if (duty := Retention(store, config(WIP, interval=0.01)).duty)]
    await first.schema.check()
    await fill(first, "a1", "b2", "c3", ref="wip-a")
    for duty in duties:
        await duty.start()
        await happens(lambda: has_sha1s(first, 2))
    await duties[0].stop()
    await put(first, ref="wip-a", sha1="d4")
    await asyncio.sleep(0.1)
    assert await has_sha1s(first, 3)
    await FakeAsyncRedis(server=server).delete(keys.RETAINING)
    await duties[1].stop()
    await duties[1].start()
    await happens(lambda: has_sha1s(first, 2))
    await duties[1].stop()


async def has_sha1s(store: Store, count: int) -> bool:
    """Tell whether the ref has so many sha1s."""
    return len(await store.repos.sha1s("ceph", "wip-a", None)) == count


def test_the_service_removes_nothing_unless_told_to() -> None:
    """Rules alone are for the command; an interval without rules is nothing to do."""
    store = Store(FakeAsyncRedis(server=FakeServer()), CONFIG, RELEASES)
    assert Retention(store, config(WIP)).duty is None
    assert Retention(store, config(interval=60)).duty is None
    assert Retention(store, config(WIP, interval=60)).duty
