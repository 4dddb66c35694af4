"""The change streams read: cursors, and that whoever comes back hears every write once, whenever it left."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from shaman.merge import PostRules
from shaman.models import PostedRepo, RecordTold
from shaman.store import Store, feed, keys, streams
from shaman.store.cursor import LISTED, START, Id, decode, digest, encode, sum_of
from shaman.store.streams import PAGE, Gap
from shaman.store.told import Told, Wanted
from shaman.tasks import end_task
from tests.conftest import CONFIG, RELEASES
from tests.web.workers import until

RULES = PostRules(required=(), archs_replace=True)
IDS = st.builds(Id, st.integers(0, 2**63), st.integers(0, 2**63))
PLACES = st.dictionaries(st.text(min_size=1, max_size=8), IDS, max_size=30)


@given(PLACES)
def test_a_cursor_tells_every_place(places: dict[str, Id]) -> None:
    """Those of the streams that changed last exactly, all others by a sum that only they have; and it is short."""
    text = encode("scope", places)
    cursor = decode(text)
    assert cursor
    assert cursor.scope == digest("scope")
    assert len(text) < 500
    there = {stream: place for stream, place in places.items() if place > START}
    listed = {stream for stream in there if digest(stream) in cursor.listed}
    assert len(listed) == min(LISTED, len(there))
    assert all(cursor.listed[digest(stream)] == there[stream] for stream in listed)
    others = [(stream, place) for stream, place in there.items() if stream not in listed]
    assert cursor.floor == max((place for _, place in others), default=START)
    assert cursor.rest == sum_of(others)
    assert all(there[stream] >= cursor.floor for stream in listed)


@given(PLACES, st.data())
def test_another_place_makes_another_sum(places: dict[str, Id], data: st.DataObject) -> None:
    """Nothing can come or go among the others unnoticed."""
    there = {stream: place for stream, place in places.items() if place > START}
    if there:
        stream = data.draw(st.sampled_from(sorted(there)))
        moved = there | {stream: data.draw(IDS.filter(lambda place: place != there[stream]))}
        assert sum_of(moved.items()) != sum_of(there.items())


@given(st.text())
def test_what_is_no_cursor_is_none(text: str) -> None:
    """Whatever somebody sends, it is a cursor or none, and never an error."""
    cursor = decode(text)
    assert cursor is None or text.startswith("1.")


@asynccontextmanager
async def hearing(redis: Redis) -> AsyncIterator[Store]:
    """Return the store of a process that hears of changes."""
    store = Store(redis, CONFIG, RELEASES)
    listening = asyncio.create_task(store.wakeups.listen())
    try:
        await until(store.wakeups.trusted)
        yield store
    finally:
        await store.feed.close()
        await end_task(listening)
        await store.ping()  # so that the last batch is not left half way
        await store._listening.aclose()  # noqa: SLF001 - the client is the test's


async def put(store: Store, number: int, project: str = "ceph", ref: str = "main", **said: Any) -> None:
    """Write a repo."""
    body: dict[str, Any] = {"distro": "ubuntu", "distro_version": "jammy", "archs": ["x86_64"], "status": "ready"}
    body |= {"ref": ref, "sha1": f"a{number}", "chacra_url": f"https://chacra/{project}/{number}/"}
    await store.repos.put(project, PostedRepo(**(body | said)), RULES)


async def heard(store: Store, wanted: Wanted, cursor: str, count: int) -> tuple[list[Told | Gap], str]:
    """Listen from a cursor on until so much was told; what, and the cursor behind it."""
    told: list[Told | Gap] = []
    if not count:
        return told, cursor
    async with asyncio.timeout(20), aclosing(store.feed.listen(wanted, cursor)) as items:
        async for item in items:
            cursor = item.cursor or cursor
            if item.told:
                told.append(item.told)
            if len(told) == count:
                break
    return told, cursor


def sha1s(told: list[Told | Gap]) -> list[str]:
    """Return the sha1s of what was told; of a gap, what it says."""
    return [
        each.record.sha1 if isinstance(each, Told) and isinstance(each.record, RecordTold) else str(each)
        for each in told
    ]


async def test_what_comes_is_told_in_order(redis: Redis) -> None:
    """Of every project, also of one that was not there before, and of the nodes."""
    async with hearing(redis) as store:
        await put(store, 0)
        cursor = await store.feed.now(Wanted())
        for number in range(1, 4):
            await put(store, number)
            await put(store, number, "ceph-iscsi")
        told, _ = await heard(store, Wanted(), cursor, 6)
        for project in ("ceph", "ceph-iscsi"):
            of = [each for each in told if isinstance(each, Told) and each.record.project == project]  # type: ignore[union-attr]
            assert sha1s(list(of)) == ["a1", "a2", "a3"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(), ["a1", "a2", "a2", "a3"]),
        (Wanted(project="ceph"), ["a1", "a2", "a2"]),
        (Wanted(project="other"), ["a3"]),
        (Wanted(ref="main"), ["a1", "a2", "a3"]),
        (Wanted(ref="wip"), ["a2", "a2"]),
        (Wanted(sha1="a2"), ["a2", "a2"]),
        (Wanted(project="ceph", ref="main", sha1="a2"), ["a2"]),
        (Wanted(kind="repo", sha1="a3"), ["a3"]),
    ],
)
async def test_only_what_is_wanted_is_told(redis: Redis, wanted: Wanted, expected: list[str]) -> None:
    """By project, ref, sha1 and kind; what is moved is told to where it was, too."""
    async with hearing(redis) as store:
        cursor = await store.feed.now(wanted)
        live = asyncio.create_task(heard(store, wanted, cursor, len(expected)))
        await put(store, 1)
        await put(store, 2, ref="wip")
        await put(store, 2)
        await put(store, 3, "other")
        told, _ = await live
        again, _ = await heard(store, wanted, cursor, len(expected))
        assert sorted(sha1s(told)) == sorted(sha1s(again)) == expected


async def test_listeners_share_what_is_read(redis: Redis) -> None:
    """Whoever has nothing to catch up on costs no call, and neither does a write that nobody wants."""
    async with hearing(redis) as store:
        await put(store, 0)
        cursor = await store.feed.now(Wanted(project="ceph"))
        reads: list[str] = []
        behind = store.feed._streams.behind  # noqa: SLF001 - counts them

        async def counted(stream: str, after: Id) -> Any:
            reads.append(stream)
            return await behind(stream, after)

        store.feed._streams.behind = counted  # type: ignore[method-assign]  # noqa: SLF001
        listeners = [asyncio.create_task(heard(store, Wanted(project="ceph"), cursor, 1)) for _ in range(200)]
        await asyncio.sleep(0)
        await put(store, 1)
        await asyncio.gather(*listeners)
        assert 1 <= len(reads) <= 3  # of the wake-up here, and of the one that comes by the store
        await put(store, 2, "other")
        assert keys.changes("other") not in reads


async def test_one_that_is_slow_loses_nothing(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a queue holds is read again from the store."""
    monkeypatch.setattr(feed, "QUEUE", 4)
    async with hearing(redis) as store:
        cursor = await store.feed.now(Wanted())
        told: list[str] = []
        async with asyncio.timeout(20), aclosing(store.feed.listen(Wanted(), cursor)) as items:
            await put(store, 0)
            async for item in items:
                if isinstance(item.told, Told):
                    if not told:
                        for number in range(1, 20):
                            await put(store, number)
                    told += sha1s([item.told])
                if len(told) == 20:
                    break
        assert told == [f"a{number}" for number in range(20)]


@pytest.mark.parametrize("wanted", [Wanted(), Wanted(project="ceph")])
@pytest.mark.parametrize("lost", ["trimmed", "gone", "of another version"])
async def test_what_cannot_be_told_is_said(redis: Redis, wanted: Wanted, lost: str) -> None:
    """Where entries are not there any more, or cannot be read, there is a gap, and then what comes."""
    async with hearing(redis) as store:
        await put(store, 0)
        cursor = await store.feed.now(wanted)
        if lost == "of another version":
            await redis.xadd(keys.changes("ceph"), {"event": b"{}"})
        for number in range(1, 4):
            await put(store, number)
        if lost == "trimmed":
            await redis.xtrim(keys.changes("ceph"), maxlen=1, approximate=False)
        if lost == "gone":
            await redis.delete(keys.changes("ceph"))
        (gap,), cursor = await heard(store, wanted, cursor, 1)
        assert isinstance(gap, Gap)
        for number in (4, 5):
            await put(store, number)
            told, cursor = await heard(store, wanted, cursor, 1)
            if not isinstance(told[0], Gap):  # which is told once more if nobody had read the stream in between
                break
        assert sha1s(told) == [f"a{number}"]
        await redis.delete(keys.changes("ceph"))  # as the audit could not read it


async def test_a_stream_that_was_empty_and_is_full_may_have_lost_some(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can tell what was its first entry."""
    monkeypatch.setattr(streams, "STREAM_LENGTH", 3)
    async with hearing(redis) as store:
        cursor = await store.feed.now(Wanted(project="ceph"))
        for number in range(3):
            await put(store, number)
        ((gap,), _) = await heard(store, Wanted(project="ceph"), cursor, 1)
        assert isinstance(gap, Gap)


async def test_a_clock_that_goes_back_hides_nothing(redis: Redis) -> None:
    """An entry that is numbered before others that were told is told, or said to be missing."""
    async with hearing(redis) as store:
        for number in range(LISTED + 3):
            await put(store, number, f"p{number}")
        await redis.delete(keys.changes("p0"))
        cursor = await store.feed.now(Wanted())
        floor = decode(cursor).floor  # type: ignore[union-attr]
        entries: Any = await redis.xrange(keys.changes("p1"))
        await redis.xadd(keys.changes("p0"), entries[0][1], id=f"{floor.time - 1}-0")
        (gap,), _ = await heard(Store(redis, CONFIG, RELEASES), Wanted(), cursor, 1)
        assert isinstance(gap, Gap)


async def test_a_cursor_is_good_for_its_own_parameters(redis: Redis) -> None:
    """That of another project is not taken for one of this."""
    async with hearing(redis) as store:
        cursor = await store.feed.now(Wanted(project="other"))
        (gap,), _ = await heard(store, Wanted(project="ceph"), cursor, 1)
        assert isinstance(gap, Gap)


async def test_nobody_who_listens_leaves_nothing_behind(redis: Redis) -> None:
    """After the next write there is no listener, no place and no read."""
    async with hearing(redis) as store:
        cursor = await store.feed.now(Wanted())
        live = asyncio.create_task(heard(store, Wanted(), cursor, 1))
        await put(store, 0)
        await live
        assert not store.feed._listeners  # noqa: SLF001 - nothing else tells
        await put(store, 1)
        await until(lambda: not store.feed._tail._places)  # noqa: SLF001


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 11)),
        st.tuples(st.just("hear"), st.integers(1, 4)),
        st.tuples(st.just("wait"), st.integers(0, 5)),
        st.just(("elsewhere", 0)),
    ),
    max_size=40,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, everything=st.booleans(), burst=st.integers(0, 2 * PAGE))
async def test_whoever_comes_back_hears_each_write_once(
    redis: Redis, steps: list[tuple[str, int]], burst: int, *, everything: bool
) -> None:
    """Whatever is written while it listens or is away, at this process or another, and whenever it leaves."""
    await redis.flushall()
    wanted = Wanted() if everything else Wanted(project="p0")
    async with hearing(redis) as store, hearing(redis) as other:
        at, cursor = store, await store.feed.now(wanted)
        written: list[str] = []
        told: list[str] = []

        async def write(project: int) -> None:
            number = len(written)
            await put(at, number, f"p{project}")
            if everything or project == 0:
                written.append(f"a{number}")
            else:
                written.append("")

        for step, number in [*steps, *[("write", 0)] * burst]:
            due = len([name for name in written if name]) - len(told)
            if step == "write":
                await write(number)
            elif step == "elsewhere":
                at = other if at is store else store
            elif step == "wait":
                for _ in range(number):
                    await asyncio.sleep(0)
            elif due:
                some, cursor = await heard(at, wanted, cursor, min(number, due))
                told += sha1s(some)
        rest = len([name for name in written if name]) - len(told)
        some, cursor = await heard(at, wanted, cursor, rest)
        told += sha1s(some)
        assert sorted(told) == sorted(name for name in written if name)
