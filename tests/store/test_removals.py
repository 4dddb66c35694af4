"""Sha1s out of the store, on every backend."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import pytest

from shaman.models import PostedBuild
from shaman.retention import DAY, Rule, Sha1
from shaman.store import Store, keys, removal_scripts, removals
from shaman.store.removal_scripts import Answer, Sha1Removal
from shaman.store.removals import Removal
from shaman.store.repos import Outcome, Pattern
from tests.conftest import CONFIG, RELEASES
from tests.store.test_repos import RULES, posted, put

NEWEST = Rule(project="*", ref="*", sha1s=1)
CELLS = [("ubuntu", "jammy"), ("ubuntu", "noble"), ("centos", "9")]


async def build(store: Store, **changes: Any) -> None:
    """Post a build."""
    body = {"url": "https://ci/1/", "ref": "main", "sha1": "a1", "status": "completed"}
    await store.builds.put("ceph", PostedBuild(**(body | changes)))


async def fill(store: Store, *sha1s: str, ref: str = "main") -> None:
    """Put the repos of some sha1s, the oldest first."""
    for sha1 in sha1s:
        for distro, version in CELLS:
            await put(store, ref=ref, sha1=sha1, distro=distro, distro_version=version)


async def remove(store: Store, sha1: str, rule: Rule = NEWEST, ref: str = "main", age: int = 0) -> Removal | None:
    """Remove a sha1 as if so many days had passed."""
    return await store.removals.remove("ceph", ref, sha1, rule, await store.removals.now("ceph") + age * DAY)


async def test_a_sha1_goes_with_all_that_is_known_of_it(store: Store, redis: Any) -> None:
    """Its repos and builds are gone from the ref, and what it has in other refs stays."""
    await fill(store, "a1", ref="other")
    await fill(store, "a1")
    await build(store)
    await fill(store, "b2")
    await build(store, sha1="b2")
    gone = await remove(store, "a1")
    assert gone is not None
    assert (gone.project, gone.ref, gone.sha1, gone.repos, gone.builds) == ("ceph", "main", "a1", 3, 1)
    assert await store.repos.sha1s("ceph", "main", None) == ["b2"]
    assert await store.builds.sha1s("ceph", "main") == ["b2"]
    assert len(await store.repos.find_everywhere("ceph", "a1")) == 3
    assert await redis.hlen(keys.repos("ceph")) == 6


async def test_a_removal_looks_like_a_deletion(store: Store, redis: Any) -> None:
    """The change stream tells of each repo what it tells of one that a POST deletes, and the wake-ups do."""
    for project in ("ceph", "other"):
        for sha1 in ("a1", "b2"):
            await put(store, project, sha1=sha1, chacra_url=f"https://c/{sha1}/", status="failed", arch="arm64")
    before = store.wakeups.now
    assert await remove(store, "a1")
    assert store.wakeups.changed_since([("repo", "ceph", "ref", "main")], before)
    assert store.wakeups.changed_since([("repo", "ceph", "sha1", "a1")], before)
    assert not store.wakeups.changed_since([("repo", "ceph", "sha1", "b2")], before)
    await store.repos.put("other", posted(chacra_url="https://c/a1/", status="deleted"), RULES)
    events = []
    for project in ("ceph", "other"):
        [(_, fields)] = await redis.xrevrange(keys.changes(project), count=1)
        event = msgspec.json.decode(fields[b"event"])
        assert event.pop("project") == project
        events.append({name: value for name, value in event.items() if name != "modified"})
    assert events[0] == events[1]


async def test_what_was_removed_may_come_again(store: Store) -> None:
    """A POST makes it anew; a late one that is older than what went is acknowledged and not applied."""
    sent = {"chacra_url": "https://c/a1/", "modified": "2026-01-02T00:00:00Z"}
    await put(store, **sent)
    await put(store, sha1="b2")
    assert await remove(store, "a1")
    outcome, _ = await store.repos.put("ceph", posted(**sent | {"modified": "2026-01-01T00:00:00Z"}), RULES)
    assert outcome is Outcome.UNCHANGED
    assert (await put(store, **sent)).sha1 == "a1"
    assert await store.repos.sha1s("ceph", "main", "ready") == ["a1", "b2"]


async def test_the_last_of_a_ref_takes_it_out_of_every_list(store: Store) -> None:
    """A ref that may go as a whole is not listed any more, nor is its project."""
    whole = Rule(project="*", ref="*", days=1, keep_newest=False)
    await fill(store, "a1")
    await build(store)
    assert await remove(store, "a1", whole) is None
    assert await remove(store, "a1", whole, age=2)
    assert await store.repos.refs("ceph", None) == []
    assert await store.repos.projects(None) == []
    assert await store.builds.refs("ceph") == []
    assert await remove(store, "a1", whole, age=2) is None


async def test_the_newest_is_never_removed_by_age(store: Store) -> None:
    """However old, the newest sha1 stays, and so does the newest that is ready."""
    old = Rule(project="*", ref="*", days=1)
    await fill(store, "a1", "b2")
    await put(store, sha1="c3", status="building")
    assert [bool(await remove(store, sha1, old, age=9)) for sha1 in ("c3", "b2", "a1")] == [False, False, True]


async def test_builds_alone_go_by_the_same_rules(store: Store) -> None:
    """A sha1 that has only builds goes when newer ones stand in its ref, and the last one stays."""
    for sha1 in ("a1", "b2"):
        await build(store, sha1=sha1)
    assert await remove(store, "b2") is None
    gone = await remove(store, "a1")
    assert gone is not None
    assert (gone.repos, gone.builds) == (0, 1)
    assert await store.builds.sha1s("ceph", "main") == ["b2"]


async def test_the_sha1s_of_a_ref_are_read_with_their_times(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """In whatever steps: when the newest build, the newest repo and the newest one that is ready were written."""
    monkeypatch.setattr(removals, "STEP", 2)
    ready = [await put(store, sha1=sha1) for sha1 in ("a1", "b2", "c3", "d4", "e5")]
    failed = await put(store, sha1="e5", status="failed", distro_version="noble")
    await build(store, sha1="f6")
    [build_of_f6] = await store.builds.find_sha1("ceph", "main", "f6")
    found = {sha1.sha1: sha1 for sha1 in await store.removals.sha1s("ceph", "main")}
    assert found["a1"] == Sha1(sha1="a1", repo=ready[0].modified, ready=ready[0].modified)
    assert found["e5"] == Sha1(sha1="e5", repo=failed.modified, ready=ready[4].modified)
    assert found["f6"] == Sha1(sha1="f6", build=build_of_f6.modified)
    assert len(found) == 6
    assert await store.removals.refs("ceph") == ["main"]


async def test_the_log_tells_what_went(store: Store, redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each removed sha1 has an entry, what was kept has none, and the log does not grow for ever."""
    monkeypatch.setattr(removals, "STEP", 2)
    await fill(store, "a1", "b2", "c3")
    gone = [await remove(store, "a1"), await remove(store, "b2")]
    assert await remove(store, "c3") is None
    assert [entry for _, entry in await store.removals.log("ceph")] == gone
    now = await store.removals.now("ceph")
    assert all(now - 60_000_000 < time <= now for time, _ in await store.removals.log("ceph"))
    monkeypatch.setattr(removal_scripts, "LOG_LENGTH", 1)
    for number in range(250):
        await put(store, sha1=f"d{number}")
        await remove(store, f"d{number - 1}" if number else "c3")
    assert await redis.xlen(keys.removals("ceph")) < 210


Meddle = Callable[[Store], Awaitable[Any]]

REBUILT: dict[str, Meddle] = {
    "a repo is built again": lambda store: put(store, sha1="a1", status="building"),
    "a repo is built for another cell": lambda store: put(store, sha1="a1", distro="rocky", distro_version="9"),
    "a build begins": lambda store: build(store, url="https://ci/2/"),
    "a build goes on": lambda store: build(store, status="started"),
    "the newest is deleted": lambda store: put_deleted(store, "b2"),
}


async def put_deleted(store: Store, sha1: str) -> None:
    """Delete every repo of a sha1."""
    for distro, version in CELLS:
        gone = posted(sha1=sha1, distro=distro, distro_version=version, status="deleted")
        await store.repos.put("ceph", gone, RULES)


@pytest.mark.parametrize("meddle", REBUILT.values(), ids=REBUILT)
async def test_what_changes_at_the_last_moment_is_looked_at_again(store: Store, redis: Any, meddle: Meddle) -> None:
    """Between reading a sha1 and removing it anything may be written: if it is kept by then, all of it stays."""
    await fill(store, "a1")
    await build(store)
    await fill(store, "b2")
    scripts = store.removals._scripts  # noqa: SLF001
    remove_sha1 = scripts.remove_sha1

    async def late(project: str, removal: Sha1Removal) -> Answer:
        scripts.remove_sha1 = remove_sha1  # type: ignore[method-assign]
        await meddle(Store(redis, CONFIG, RELEASES))
        return await remove_sha1(project, removal)

    scripts.remove_sha1 = late  # type: ignore[method-assign]
    assert await remove(store, "a1") is None
    assert len(await store.repos.find_sha1("ceph", "main", "a1", [Pattern()])) >= 3
    assert len(await store.builds.find_sha1("ceph", "main", "a1")) >= 1
    assert await store.removals.log("ceph") == []


async def test_a_build_that_goes_on_after_its_repos_went_stays(store: Store) -> None:
    """The builds of a sha1 go one by one, each as it was read."""
    await fill(store, "a1")
    await build(store)
    await build(store, url="https://ci/2/")
    await fill(store, "b2")
    delete = store.builds.delete

    async def late(project: str, number: int, *, modified: int | None = None) -> None:
        await build(store, status="started")
        await delete(project, number, modified=modified)

    store.builds.delete = late  # type: ignore[method-assign]
    assert await remove(store, "a1")
    [left] = await store.builds.find_sha1("ceph", "main", "a1")
    assert (left.url, left.status) == ("https://ci/1/", "started")


async def test_a_removal_that_is_sent_twice_happens_once(store: Store) -> None:
    """When the answer is lost the client sends the script again: there is one entry in the log."""
    await fill(store, "a1", "b2")
    scripts = store.removals._scripts  # noqa: SLF001
    once = scripts._remove_sha1  # noqa: SLF001

    async def twice(names: Sequence[str], arguments: Sequence[Any] = ()) -> Any:
        await once(names, arguments)
        return await once(names, arguments)

    scripts._remove_sha1 = twice  # type: ignore[assignment]  # noqa: SLF001
    assert await remove(store, "a1") is None
    assert [entry.sha1 for _, entry in await store.removals.log("ceph")] == ["a1"]
    assert await store.repos.sha1s("ceph", "main", None) == ["b2"]
