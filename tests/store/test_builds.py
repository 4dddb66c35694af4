"""Builds in the store, on every backend."""

import asyncio
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from shaman.errors import Invalid, Unavailable
from shaman.models import Build, PostedBuild
from shaman.store import Store, keys
from shaman.store.build_scripts import BuildSwap, OpenedBuild, Wanted
from shaman.store.connection import connect
from shaman.store.repos import Outcome
from shaman.store.restores import Restored
from tests.conftest import CONFIG, RELEASES
from tests.store import test_repos as repos
from tests.store.trips import trips_of

CELLS: list[dict[str, Any]] = [
    {"distro": distro, "distro_version": version, "distro_arch": arch}
    for distro, version, arch in (
        ("ubuntu", "jammy", "x86_64"),
        ("ubuntu", "noble", "x86_64"),
        ("ubuntu", "noble", "arm64"),
        ("centos", "9", "x86_64"),
        ("centos", "9", "arm64"),
    )
]


def posted(**changes: Any) -> PostedBuild:
    """Return a started build of a cell, changed as told."""
    body = {"url": "https://ci/1/", "ref": "main", "sha1": "a1", "status": "started"}
    return PostedBuild(**(body | CELLS[0] | changes))


def trigger(**changes: Any) -> PostedBuild:
    """Return a queued build without a cell, changed as told."""
    body = {"url": "https://ci/trigger/", "ref": "main", "sha1": "a1", "status": "queued"}
    return PostedBuild(**(body | changes))


async def put(store: Store, body: PostedBuild, project: str = "ceph") -> Build:
    """Put a build and return it."""
    _, build = await store.builds.put(project, body)
    return build


async def events(redis: Any) -> list[dict[str, Any]]:
    """Return the change events of the project."""
    return [msgspec.json.decode(entry[b"event"]) for _, entry in await redis.xrange(keys.changes("ceph"))]


async def test_a_put_build_is_found(store: Store) -> None:
    """What was put is found by ref and sha1, with every field."""
    extra = {"version": "1.2", "deep": [[], {}, 12345678901234567890, {"é": None}]}
    outcome, build = await store.builds.put("ceph", posted(extra=extra, build_id=7, log_url=""))
    assert outcome is Outcome.CREATED
    assert await store.builds.find_sha1("ceph", "main", "a1") == [build]
    assert (build.id, build.extra, build.build_id, build.log_url) == (1, extra, "7", "")
    assert build.started == build.modified


async def test_builds_and_repos_count_for_themselves(store: Store) -> None:
    """An id is one of a build or one of a repo, and neither is listed with the other."""
    await repos.put(store)
    assert (await put(store, posted())).id == 1
    await store.builds.delete("ceph", 1)
    assert await store.repos.refs("ceph", None) == ["main"]
    assert await store.builds.refs("ceph") == []
    assert await store.builds.projects() == {}


async def test_a_run_of_five_cells_is_five_builds(store: Store) -> None:
    """One url for all cells makes one record for each, through its whole life."""
    for status in ("queued", "started", "completed"):
        for cell in CELLS:
            await put(store, posted(status=status, **cell))
    found = await store.builds.find_sha1("ceph", "main", "a1")
    assert [build.id for build in found] == [5, 4, 3, 2, 1]
    assert {build.status for build in found} == {"completed"}
    assert all(build.started < (build.completed or 0) == build.modified for build in found)


async def test_the_same_put_twice_changes_nothing(store: Store, redis: Any) -> None:
    """A repeated POST is acknowledged, and neither the record nor the stream knows of it."""
    first = await put(store, posted(status="completed"))
    assert await store.builds.put("ceph", posted(status="completed")) == (Outcome.UNCHANGED, first)
    assert len(await events(redis)) == 1


async def test_names_are_listed_newest_first(store: Store) -> None:
    """A name is as new as its newest build."""
    for ref, sha1 in (("main", "a1"), ("main", "b2"), ("next", "c3")):
        await put(store, posted(ref=ref, sha1=sha1))
    await put(store, posted(), "other")
    await put(store, posted(status="completed"))
    assert await store.builds.refs("ceph") == ["main", "next"]
    assert await store.builds.sha1s("ceph", "main") == ["a1", "b2"]
    told = await store.builds.projects()
    assert list(told.items()) == [("ceph", ["main", "next"]), ("other", ["main"])]


async def test_nothing_is_found_where_nothing_is(store: Store) -> None:
    """Unknown names have empty lists; a project is known by its builds or its repos."""
    assert await store.builds.projects() == {}
    assert await store.builds.refs("ceph") == []
    assert await store.builds.sha1s("ceph", "main") == []
    assert await store.builds.find_sha1("ceph", "main", "a1") == []
    assert not await store.builds.knows("ceph")
    await repos.put(store)
    assert await store.builds.knows("ceph")
    await put(store, posted(), "other")
    assert await store.builds.knows("other")


async def test_deletion_takes_the_names_along(store: Store, redis: Any) -> None:
    """A name whose last build goes is in no list; other builds keep theirs."""
    for ref, sha1 in (("main", "a1"), ("main", "b2"), ("next", "c3")):
        await put(store, posted(ref=ref, sha1=sha1))
    await store.builds.delete("ceph", 1)
    assert (await store.builds.refs("ceph"), await store.builds.sha1s("ceph", "main")) == (["next", "main"], ["b2"])
    await store.builds.delete("ceph", 2)
    assert await store.builds.refs("ceph") == ["next"]
    await store.builds.delete("ceph", 2)
    await store.builds.delete("ceph", 3)
    assert await store.builds.projects() == {}
    assert not await store.builds.knows("ceph")
    assert (await put(store, posted())).id == 4
    told = [(event["event"], event["id"], event["status"]) for event in await events(redis)]
    assert told[3:] == [("deleted", number, "deleted") for number in (1, 2, 3)] + [("created", 4, "started")]


async def test_a_deleted_queued_build_is_not_taken_over(store: Store) -> None:
    """Nobody finds what has gone."""
    await put(store, trigger())
    await put(store, posted(status="queued", ref="next"))
    await store.builds.delete("ceph", 1)
    await store.builds.delete("ceph", 2)
    assert (await put(store, posted())).id == 3
    assert (await put(store, posted(ref="next"))).id == 4


async def test_a_queued_build_of_the_same_cell_is_taken_over(store: Store, redis: Any) -> None:
    """Whatever its url, it goes on as the run that came, and its old url finds it no more."""
    queued = await put(store, posted(status="queued", log_url="https://ci/1/log"))
    taken = await put(store, posted(url="https://ci/2/", distro_version="22.04", distro_arch="amd64"))
    assert (taken.id, taken.started, taken.url, taken.log_url) == (1, queued.started, "https://ci/2/", None)
    assert await store.builds.find_sha1("ceph", "main", "a1") == [taken]
    assert [(event["event"], event.get("was"), event["status"]) for event in await events(redis)] == [
        ("created", None, "queued"),
        ("updated", "queued", "started"),
    ]
    assert (await put(store, posted(url="https://ci/2/", status="completed"))).id == 1
    assert (await put(store, posted(status="failed"))).id == 2


@pytest.mark.parametrize("empty", [{}, {"distro": "", "distro_version": "", "distro_arch": ""}])
async def test_a_trigger_is_taken_over_by_the_first_build_of_its_sha1(store: Store, empty: dict[str, str]) -> None:
    """The second cell is a build of its own, and nothing stays queued."""
    await put(store, trigger(flavor="debug", **empty))
    for cell in CELLS:
        await put(store, posted(**cell))
    found = await store.builds.find_sha1("ceph", "main", "a1")
    assert [(build.id, build.status, build.flavor) for build in found] == [
        (number, "started", "default") for number in (5, 4, 3, 2, 1)
    ]


async def test_a_trigger_is_taken_over_by_queued_cells(store: Store) -> None:
    """A run with the url of its trigger that queues all its cells makes as many builds as cells."""
    await put(store, trigger())
    for status in ("queued", "started", "completed"):
        for cell in CELLS:
            await put(store, posted(url="https://ci/trigger/", status=status, **cell))
    assert [build.id for build in await store.builds.find_sha1("ceph", "main", "a1")] == [5, 4, 3, 2, 1]


async def test_other_builds_do_not_take_over(store: Store) -> None:
    """Another ref, sha1, project, cell or flavor leaves what is queued as it is, and so does a known build."""
    known = await put(store, posted(url="https://ci/known/"))
    cell = await put(store, posted(status="queued"))
    for changes in ({"ref": "next"}, {"sha1": "b2"}, {"distro_arch": "arm64"}, {"flavor": "debug"}):
        await put(store, posted(**changes))
    unnamed = await put(store, trigger())
    await put(store, posted(ref="next", status="failed"))
    await put(store, posted(url="https://ci/known/", status="failed"))
    assert (await put(store, posted(), "other")).id == 1
    found = {build.id: build for build in await store.builds.find_sha1("ceph", "main", "a1")}
    assert (found[cell.id], found[unnamed.id]) == (cell, unnamed)
    assert found[known.id].status == "failed"


async def test_a_build_that_is_no_longer_queued_is_not_taken_over(store: Store) -> None:
    """Only what waits gives way, and it waits again when it is queued again."""
    await put(store, posted(status="queued"))
    await put(store, posted(status="started"))
    assert (await put(store, posted(url="https://ci/2/"))).id == 2
    await put(store, posted(status="queued"))
    assert (await put(store, posted(url="https://ci/3/"))).id == 1


async def test_the_cell_itself_is_taken_over_before_a_trigger(store: Store) -> None:
    """Of two that wait for a build, the one of its own coordinates is meant."""
    await put(store, posted(status="queued", **CELLS[1]))
    await put(store, trigger())
    assert (await put(store, posted(url="https://ci/2/", **CELLS[1]))).id == 1
    assert (await put(store, posted(url="https://ci/2/"))).id == 2


@pytest.mark.parametrize("waiting", [posted(status="queued"), trigger()], ids=["cell", "trigger"])
async def test_what_is_queued_between_read_and_write_is_taken_over(store: Store, waiting: PostedBuild) -> None:
    """A build that found nothing queued looks again when it writes."""
    scripts = store.builds._build_scripts  # noqa: SLF001
    open_build = scripts.open_build

    async def overtaken(project: str, wanted: Wanted) -> OpenedBuild:
        opened = await open_build(project, wanted)
        scripts.open_build = open_build  # type: ignore[method-assign]
        await put(store, waiting)
        return opened

    scripts.open_build = overtaken  # type: ignore[method-assign]
    assert (await put(store, posted(url="https://ci/2/"))).id == 1
    [build] = await store.builds.find_sha1("ceph", "main", "a1")
    assert (build.url, build.status) == ("https://ci/2/", "started")


async def test_racing_for_one_queued_build_only_one_wins(store: Store) -> None:
    """Exactly one of many takes it over, and each of the others has a build of its own."""
    await put(store, posted(status="queued"))
    await put(store, trigger())
    await asyncio.gather(*(put(store, posted(url=f"https://ci/{number}/")) for number in range(2, 22)))
    found = await store.builds.find_sha1("ceph", "main", "a1")
    assert {build.url for build in found} == {f"https://ci/{number}/" for number in range(2, 22)}
    assert len(found) == 20
    assert {1, 2} < {build.id for build in found}


async def test_a_trigger_and_its_builds_may_come_at_once(store: Store) -> None:
    """Whichever is first, no cell is lost and none is there twice."""
    bodies = [posted(**cell) for cell in CELLS]
    await asyncio.gather(*(put(store, body) for body in [trigger(), *bodies]))
    found = await store.builds.find_sha1("ceph", "main", "a1")
    cells = [(build.distro, build.distro_version, build.distro_arch) for build in found if build.distro]
    assert sorted(cells, key=str) == sorted((tuple(cell.values()) for cell in CELLS), key=str)


async def test_concurrent_writers_of_one_build_make_one_build(store: Store) -> None:
    """All of them mean the same record, though none has found it."""
    await asyncio.gather(*(put(store, posted(status=f"s{number}")) for number in range(30)))
    assert len(await store.builds.find_sha1("ceph", "main", "a1")) == 1


async def test_a_script_that_the_client_sends_twice_writes_once(store: Store, redis: Any) -> None:
    """Whatever the connection does, a write is one record and one event; also a take-over and a deletion."""
    swap = store.builds._build_scripts.swap_build  # noqa: SLF001

    async def twice(project: str, arguments: BuildSwap) -> int | None:
        first = await swap(project, arguments)
        again = await swap(project, arguments)
        assert again == (first if arguments.new else None)
        return again

    store.builds._build_scripts.swap_build = twice  # type: ignore[method-assign,assignment] # noqa: SLF001
    await put(store, trigger())
    await put(store, posted(status="queued"))
    await put(store, posted(url="https://ci/2/"))
    await put(store, posted(url="https://ci/2/", status="completed"))
    await store.builds.delete("ceph", 1)
    told = [(event["event"], event["id"], event["status"]) for event in await events(redis)]
    assert told == [
        ("created", 1, "queued"),
        ("updated", 1, "queued"),
        ("updated", 1, "started"),
        ("updated", 1, "completed"),
        ("deleted", 1, "deleted"),
    ]
    assert await store.builds.projects() == {}


async def test_a_write_is_one_event_of_the_shape_that_repos_have(store: Store, redis: Any) -> None:
    """The event tells what is built for what; nothing is told of a cell that is not named."""
    build = await put(store, posted())
    await put(store, trigger(sha1="b2"))
    first, second = await events(redis)
    assert first == {
        "id": 1,
        "kind": "build",
        "event": "created",
        "project": "ceph",
        "ref": "main",
        "sha1": "a1",
        "flavor": "default",
        "status": "started",
        "modified": build.modified,
        "distro": "ubuntu",
        "distro_version": "jammy",
        "archs": ["x86_64"],
    }
    assert (second["distro"], second["distro_version"], second["archs"]) == ("", "", [])


async def test_an_event_is_published(store: Store, redis: Any) -> None:
    """Whoever listens hears of a write with the same words as the stream has."""
    listener = redis.pubsub()
    await listener.subscribe(keys.CHANNEL)
    await put(store, posted())
    while True:
        message = await listener.get_message(timeout=5)
        assert message is not None
        if message["type"] == "message":
            break
    await listener.aclose()
    assert [msgspec.json.decode(message["data"])] == await events(redis)


async def restored_in(store: Store, saved: Build) -> tuple[Restored, Build]:
    """Restore a build, and return what became of it and how it is told now."""
    [outcome] = await store.restores.builds("ceph", [saved])
    found = await store.builds.find_sha1("ceph", saved.ref, saved.sha1)
    [build] = [build for build in found if build.url == saved.url]
    return outcome, build


async def test_a_restored_build_has_its_own_values(store: Store) -> None:
    """Its id and times are its own, new builds count on from there, and the same again changes nothing."""
    saved = replace(await put(store, posted(**CELLS[3])), id=70, ref="old", modified=5, started=3, completed=4)
    saved = replace(saved, status="completed", distro="ubuntu", distro_version="24.04", canonical_version="noble")
    outcome, restored = await restored_in(store, saved)
    assert (outcome, restored) == (Restored.WRITTEN, saved)
    assert await store.builds.find_sha1("ceph", "old", "a1") == [restored]
    assert await restored_in(store, saved) == (Restored.UNCHANGED, restored)
    assert await store.builds.refs("ceph") == ["main", "old"]
    assert (await put(store, posted(ref="next"))).id == 71
    assert (await put(store, posted(ref="old", status="failed", **CELLS[1]))).id == 70


async def test_a_restored_build_takes_nobody_elses_place(store: Store) -> None:
    """A taken id makes it another one, a queued build is left alone, a newer one of its identity stays."""
    queued = await put(store, posted(status="queued"))
    other = replace(queued, url="https://ci/2/", status="completed", modified=5)
    outcome, restored = await restored_in(store, other)
    assert (outcome, restored.id) == (Restored.RENUMBERED, 2)
    assert await store.builds.find_sha1("ceph", "main", "a1") == [queued, restored]
    assert await restored_in(store, replace(queued, id=9, modified=5)) == (Restored.UNCHANGED, queued)
    _, newer = await restored_in(store, replace(queued, id=9, modified=queued.modified + 1))
    assert newer == replace(queued, modified=queued.modified + 1)
    _, unnumbered = await restored_in(store, replace(queued, id=0, url="https://ci/3/"))
    assert unnumbered.id == 3


async def test_builds_of_one_time_are_in_the_order_of_their_ids(store: Store) -> None:
    """A tie is broken by id, as a number."""
    saved = await put(store, posted())
    for number in range(2, 13):
        await restored_in(store, replace(saved, id=number, url=f"https://ci/{number}/"))
    found = await store.builds.find_sha1("ceph", "main", "a1")
    assert [build.id for build in found] == list(range(12, 0, -1))


async def test_a_missing_field_stores_nothing(store: Store, redis: Any) -> None:
    """What is missing is named, and not even the project is known."""
    with pytest.raises(Invalid, match="url: is missing"):
        await store.builds.put("ceph", PostedBuild(ref="main", sha1="a1", status="started"))
    assert await redis.keys("*") == [keys.SCHEMA.encode()]


async def test_names_with_every_odd_character_keep_apart(store: Store) -> None:
    """Braces, slashes, percent signs and blanks in names reach no other key and no other place."""
    names = ["a/b", "a%2Fb", "a b", "a+b", "{a}", "a}", "größe", "a:b", "*", "%", "日本語", "a/", "/a", "a//"]
    for name in names:
        for status in ("queued", "started"):
            cell = {"flavor": name, "distro": name, "distro_version": name, "distro_arch": name}
            await put(store, posted(ref=name, url=f"https://ci/{status}/", status=status, **cell), name)
            await put(store, posted(ref=name, url=f"https://ci/{status}/", status=status, **cell), "one")
    assert sorted(await store.builds.projects()) == sorted([*names, "one"])
    for name in names:
        for project in (name, "one"):
            [build] = await store.builds.find_sha1(project, name, "a1")
            assert (build.flavor, build.status, build.url) == (name, "started", "https://ci/started/")


async def test_a_post_costs_one_read_and_one_script(store: Store) -> None:
    """Once a project is known, a take-over among other queued builds is two questions to the store."""
    for number in range(20):
        await put(store, posted(url=f"https://ci/{number}/", status="queued", ref=f"r{number}"))
    await store.builds.find_sha1("ceph", "r7", "a1")
    trips = trips_of(store._client)  # noqa: SLF001
    await put(store, posted(url="https://ci/new/", ref="r7"))
    assert trips == [["EVALSHA"], ["EVALSHA"]]
    trips.clear()
    await store.builds.find_sha1("ceph", "r7", "a1")
    await store.builds.refs("ceph")
    await store.builds.sha1s("ceph", "r7")
    await store.builds.knows("ceph")
    assert len(trips) == 4


async def test_a_store_that_is_away_is_unavailable() -> None:
    """Nobody listening is told as such, not as nothing found."""
    client = connect("unix:///nowhere/at/all.sock", 2)
    store = Store(client, CONFIG, RELEASES)
    with pytest.raises(Unavailable):
        await store.builds.refs("ceph")
    with pytest.raises(Unavailable):
        await put(store, posted())
    with pytest.raises(Unavailable):
        await store.builds.delete("ceph", 1)
    await store.close()
