"""`scripts/soak` in small: what breaks between and under the parts costs no acknowledged write."""

import random
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import soak
from click.testing import CliRunner
from msgspec.structs import replace
from redis.asyncio import Redis
from soaking import kills, writes
from soaking.builders import Builder, Tally
from soaking.records import Cell, Record, State
from soaking.rows import Row
from soaking.verdict import faults_of

from shaman.models import PostedRepo
from shaman.store import Store
from shaman.web.repos import RULES
from tests.conftest import CONFIG, RELEASES


async def test_a_failing_network_costs_no_write() -> None:
    """16 builders write through every kind of fault: each acknowledged write is there once, and none is half there."""
    seed = random.randrange(2**32)  # noqa: S311 - the failure names it
    result = await writes.drive(600, seed, 0.08, lambda: True)
    assert (seed, result.tally.wrong, result.faults) == (seed, [], [])
    assert result.tally.acknowledged >= 500
    assert result.happened.total() >= 20


async def test_the_verdict_names_what_is_wrong(redis: Redis) -> None:
    """A record that is lost, doubled, not as it was acknowledged, or without its entry is told; a doubt is either."""
    builder = Builder(0, 0, Tally())
    store, cell = Store(redis, CONFIG, RELEASES), Cell("repo", "ceph", "flavor0", "a1", "ubuntu", "jammy")
    record = builder.records[cell] = Record(cell=cell)
    record.written(State("main", "ready", 1))
    assert "is None" in "".join(await faults_of(redis, [builder]))
    posted = PostedRepo(
        ref="main", sha1="a1", distro="ubuntu", distro_version="jammy", flavor="flavor0", extra={"number": 1}
    )
    first = replace(posted, chacra_url=record.url(), url="https://r/", arch="x86_64")
    await store.repos.put("ceph", first, RULES)
    assert await faults_of(redis, [builder]) == []
    record.doubted(State("main", "failed", 2))
    assert await faults_of(redis, [builder]) == []
    await store.repos.put("ceph", replace(first, status="failed", extra={"number": 2}), RULES)
    assert await faults_of(redis, [builder]) == []
    record.doubt = None
    assert "number=2" in "".join(await faults_of(redis, [builder]))
    record.written(State("main", "failed", 2))
    record.entries.append(record.entries[-1])
    assert "updated" in "".join(await faults_of(redis, [builder]))
    record.entries.pop()
    await store.repos.put("ceph", replace(first, chacra_url="https://r/other/"), RULES)
    assert "is there 2 times" in "".join(await faults_of(redis, [builder]))
    assert "nobody has written it" in "".join(await faults_of(redis, []))


async def test_a_kill_of_any_part_costs_no_write() -> None:
    """Worker, parent and store are killed under load: each acknowledged write is there once, and none is half there."""
    result = await kills.own_store(3, 0, lambda: True)
    assert (result.tally.wrong, result.faults) == ([], [])
    assert list(result.recoveries) == ["worker", "parent", "store"]


@pytest.mark.parametrize("kept", [True, False])
def test_a_broken_promise_fails_the_soak(monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:  # noqa: FBT001 - a case
    """The table tells every figure, and the exit code whether all promises were kept; the time is shared."""
    shares = []

    def measure(seconds: float, seed: int) -> Iterator[Row]:
        shares.append(seconds)
        yield Row(point="writes", what="lost", figure=f"{seed}", promised="0", kept=kept)

    for point in ("writes", "kills"):
        monkeypatch.setitem(sys.modules, f"soaking.{point}", SimpleNamespace(measure=measure))
    result = CliRunner().invoke(soak.main, ["--only", "kills, writes", "--minutes", "1", "--seed", "7"])
    assert result.exit_code == (0 if kept else 1)
    assert f"| writes | lost | 0 | 7 | {'' if kept else 'BROKEN'} |" in result.stdout
    assert [round(share) for share in shares] == [30, 60]


def test_the_soak_names_a_point_that_it_does_not_know() -> None:
    """And those that it knows."""
    result = CliRunner().invoke(soak.main, ["--only", "write"])
    assert result.exit_code == 2
    assert "'write' is none of writes, kills, failover, history, restarts" in result.output
