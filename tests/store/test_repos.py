"""Repos in the store, on every backend."""

import asyncio
import itertools
import random
from collections import defaultdict
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from shaman.config import RedisSettings
from shaman.errors import Invalid, Unavailable
from shaman.merge import PostRules
from shaman.models import PostedRepo, Repo
from shaman.store import Store, keys, open_store, scripts
from shaman.store.connection import connect
from shaman.store.repos import Outcome, Pattern
from shaman.tasks import end_task
from tests.backends import admin_url
from tests.conftest import CONFIG, RELEASES

RULES = PostRules(required=("ref", "sha1", "distro", "distro_version", "url", "arch"), archs_replace=True)
READY = Pattern(status="ready")


def posted(**changes: Any) -> PostedRepo:
    """Return a body with every required field, changed as told."""
    body = {"ref": "main", "sha1": "a1", "distro": "ubuntu", "distro_version": "jammy", "arch": "x86_64"}
    return PostedRepo(**({"url": "https://chacra/r/"} | body | changes))


async def put(store: Store, project: str = "ceph", **changes: Any) -> Repo:
    """Put a repo and return it."""
    _, repo = await store.repos.put(project, posted(**changes), RULES)
    assert repo is not None
    return repo


async def test_a_put_repo_is_found(store: Store) -> None:
    """What was put is found by ref and sha1, with every field."""
    repo = await put(store, extra={"version": "1.2", "deep": [1, {"é": None}]}, flavor="debug")
    assert await store.repos.find_sha1("ceph", "main", "a1", [READY]) == [repo]
    assert repo.extra == {"version": "1.2", "deep": [1, {"é": None}]}
    assert (repo.id, repo.flavor, repo.archs, repo.status) == (1, "debug", ("x86_64",), "ready")
    assert repo.created == repo.modified


async def test_ids_count_up_within_a_project(store: Store) -> None:
    """Each project numbers its own records."""
    assert [(await put(store, sha1=sha1)).id for sha1 in ("a", "b", "c")] == [1, 2, 3]
    assert (await put(store, "other")).id == 1


async def test_the_same_put_twice_changes_nothing(store: Store, redis: Any) -> None:
    """A repeated POST is acknowledged, and neither the record nor the stream knows of it."""
    first = await put(store)
    outcome, second = await store.repos.put("ceph", posted(), RULES)
    assert (outcome, second) == (Outcome.UNCHANGED, first)
    assert await redis.xlen(keys.changes("ceph")) == 1


async def test_a_version_is_the_same_by_number_and_by_codename(store: Store) -> None:
    """`14.04` and `trusty` are one identity."""
    await put(store, distro="Ubuntu", distro_version="Trusty")
    outcome, repo = await store.repos.put("ceph", posted(distro_version="14.04", status="failed"), RULES)
    assert outcome is Outcome.UPDATED
    assert repo is not None
    assert (repo.distro, repo.version) == ("ubuntu", "trusty")


async def test_changed_coordinates_move_the_record(store: Store, redis: Any) -> None:
    """A record known by its chacra_url leaves no index behind at its old place."""
    await put(store, chacra_url="https://chacra/1/", flavor="debug")
    moved = await put(
        store, chacra_url="https://chacra/1/", sha1="b2", ref="other", distro="centos", distro_version="9"
    )
    assert moved.flavor == "debug"
    assert await store.repos.refs("ceph", "ready") == ["other"]
    assert await store.repos.find_sha1("ceph", "main", "a1", [Pattern()]) == []
    assert await store.repos.find_sha1("ceph", "other", "b2", [Pattern()]) == [moved]
    assert not await redis.exists(keys.rows("ceph", "main"))


async def test_deletion_removes_the_record_and_its_names(store: Store) -> None:
    """The last record of a project takes project, ref and sha1 with it."""
    await put(store, chacra_url="https://chacra/1/")
    outcome, _ = await store.repos.put("ceph", PostedRepo(chacra_url="https://chacra/1", status="deleted"), RULES)
    assert outcome is Outcome.DELETED
    assert await store.repos.projects(None) == []
    assert await store.repos.refs("ceph", None) == []
    assert await store.repos.sha1s("ceph", "main", None) == []


async def test_deleting_what_is_unknown_is_acknowledged(store: Store, redis: Any) -> None:
    """A deletion of nothing is no change."""
    gone = PostedRepo(chacra_url="https://chacra/1", status="deleted", modified="2026-01-01 00:00:00")
    assert await store.repos.put("ceph", gone, RULES) == (Outcome.DELETED, None)
    assert await redis.xlen(keys.changes("ceph")) == 0


async def test_a_late_callback_is_not_applied(store: Store) -> None:
    """A body older than the last accepted one changes nothing; one without a time does."""
    url = "https://chacra/1/"
    await put(store, chacra_url=url, status="ready", modified="2026-06-17 18:04:30.190595")
    late = await put(store, chacra_url=url, status="building", modified="2026-06-17T18:04:30Z")
    assert late.status == "ready"
    assert (await put(store, chacra_url=url, status="building")).status == "building"


async def test_a_late_callback_does_not_bring_a_deleted_repo_back(store: Store) -> None:
    """The sender's time of a deletion is remembered; a younger body makes a new record."""
    url = "https://chacra/1/"
    await put(store, chacra_url=url, modified="2026-06-17 18:00:00")
    gone = PostedRepo(chacra_url=url, status="deleted", modified="2026-06-17 19:00:00")
    await store.repos.put("ceph", gone, RULES)
    late = posted(chacra_url=url, modified="2026-06-17 18:30:00")
    assert await store.repos.put("ceph", late, RULES) == (Outcome.UNCHANGED, None)
    assert await store.repos.projects(None) == []
    young = await put(store, chacra_url=url, modified="2026-06-17 20:00:00")
    assert young.id == 2


async def test_absent_fields_keep_their_value(store: Store) -> None:
    """An update of a known chacra_url needs only what changes."""
    url = "https://chacra/1/"
    before = await put(store, chacra_url=url, extra={"a": 1}, status="building", flavor="debug")
    _, after = await store.repos.put("ceph", PostedRepo(chacra_url=url, status="ready"), RULES)
    assert after is not None
    assert (after.extra, after.url, after.flavor, after.archs) == (
        before.extra,
        before.url,
        before.flavor,
        before.archs,
    )
    assert (after.status, after.created) == ("ready", before.created)
    assert after.modified > before.modified


async def test_archs_grow_by_one_and_are_replaced_by_a_list(store: Store) -> None:
    """`arch` adds to the record's archs, also under its other name; `archs` is the whole list."""
    url = "https://chacra/1/"
    await put(store, chacra_url=url, arch="aarch64")
    assert (await put(store, chacra_url=url, arch="x86_64")).archs == ("aarch64", "x86_64")
    assert (await put(store, chacra_url=url, arch="arm64")).archs == ("aarch64", "x86_64")
    _, repo = await store.repos.put("ceph", PostedRepo(chacra_url=url, archs=["ppc64le"]), RULES)
    assert repo is not None
    assert repo.archs == ("ppc64le",)


async def test_a_new_record_needs_every_required_field(store: Store) -> None:
    """What is missing is named, and nothing is stored."""
    with pytest.raises(Invalid, match="ref: is missing"):
        await store.repos.put("ceph", PostedRepo(chacra_url="https://chacra/1", status="ready"), RULES)
    with pytest.raises(Invalid, match="arch: is missing"):
        await store.repos.put("ceph", PostedRepo(ref="a", sha1="b", distro="c", distro_version="d"), RULES)
    assert await store.repos.projects(None) == []


async def test_every_effective_write_is_one_change_event(store: Store, redis: Any) -> None:
    """The stream tells what was created, updated, moved and deleted, with the status before."""
    url = "https://chacra/1/"
    await put(store, chacra_url=url, status="building")
    await put(store, chacra_url=url, status="ready")
    await put(store, chacra_url=url, sha1="b2")
    await store.repos.put("ceph", PostedRepo(chacra_url=url, status="deleted"), RULES)
    events = [msgspec.json.decode(entry[b"event"]) for _, entry in await redis.xrange(keys.changes("ceph"))]
    told = [(event["event"], event["id"], event.get("was"), event["status"], event.get("old_sha1")) for event in events]
    assert told == [
        ("created", 1, None, "building", None),
        ("updated", 1, "building", "ready", None),
        ("updated", 1, "ready", "ready", "a1"),
        ("deleted", 1, "ready", "deleted", None),
    ]


async def test_names_are_listed_newest_first_by_status(store: Store) -> None:
    """A ref is as new as its newest repo of the status asked for."""
    await put(store, ref="old")
    await put(store, ref="new")
    await put(store, ref="old", sha1="b2", status="building")
    assert await store.repos.refs("ceph", "ready") == ["new", "old"]
    assert await store.repos.refs("ceph", None) == ["old", "new"]
    assert await store.repos.sha1s("ceph", "old", None) == ["b2", "a1"]
    assert await store.repos.refs("ceph", "failed") == []


async def test_projects_are_listed_newest_first(store: Store) -> None:
    """Projects without a repo of the status asked for are left out."""
    for project in ("one", "two", "{three}:*"):
        await put(store, project)
    await put(store, "one", sha1="b2")
    await put(store, "four", status="failed")
    assert await store.repos.projects("ready") == ["one", "{three}:*", "two"]


async def test_the_newest_of_each_cell_is_found_over_all_sha1s(store: Store) -> None:
    """A ref is told by the newest repo of whatever it was ever built for."""
    await put(store, sha1="a1", distro="centos", distro_version="9")
    await put(store, sha1="a1")
    await put(store, sha1="b2")
    kind, found = await store.repos.find_newest("ceph", "main", "ready", [READY])
    assert kind == "ref"
    assert [(repo.sha1, repo.distro) for repo in found] == [("b2", "ubuntu"), ("a1", "centos")]


async def test_a_name_that_is_no_ref_is_a_sha1(store: Store) -> None:
    """By sha1 every repo of it is found, in all refs, newest first."""
    await put(store, ref="main")
    await put(store, ref="tag/v1", status="failed")
    kind, found = await store.repos.find_newest("ceph", "a1", "ready", [READY])
    assert kind == "sha1"
    assert [repo.ref for repo in found] == ["tag/v1", "main"]


async def test_the_newest_common_sha1_is_found(store: Store) -> None:
    """The newest sha1 with a match for each pattern wins, though newer ones match some."""
    centos, ubuntu = Pattern(status="ready", distro="centos"), Pattern(status="ready", distro="ubuntu")
    for sha1 in ("a1", "b2", "c3"):
        await put(store, sha1=sha1)
    for sha1 in ("a1", "b2"):
        await put(store, sha1=sha1, distro="centos", distro_version="9")
    _, found = await store.repos.find_common("ceph", "main", "ready", [centos, ubuntu])
    assert [(repo.sha1, repo.distro) for repo in found] == [("b2", "centos"), ("b2", "ubuntu")]
    assert await store.repos.find_common("ceph", "main", "ready", [centos, Pattern(distro="debian")]) == ("ref", [])


async def test_a_common_sha1_far_down_is_found(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk goes on in further calls when one call may not look at more."""
    monkeypatch.setattr("shaman.store.scripts.COMMON_BUDGET", 3)
    await put(store, sha1="first")
    await put(store, sha1="first", distro="centos", distro_version="9")
    for number in range(20):
        await put(store, sha1=f"n{number}", distro=("ubuntu", "centos")[number % 2])
    patterns = [Pattern(status="ready", distro="centos", version="9"), Pattern(status="ready", distro="ubuntu")]
    _, found = await store.repos.find_common("ceph", "main", "ready", patterns)
    assert {repo.sha1 for repo in found} == {"first"}


async def test_concurrent_writers_of_one_record_all_succeed(store: Store) -> None:
    """Each of many writers of one record is applied."""
    url = "https://chacra/1/"
    await put(store, chacra_url=url)
    await asyncio.gather(*(put(store, chacra_url=url, arch=f"arch{number}") for number in range(30)))
    [repo] = await store.repos.find_sha1("ceph", "main", "a1", [READY])
    assert sorted(repo.archs) == sorted(["x86_64", *(f"arch{number}" for number in range(30))])


async def test_a_crowd_of_writers_of_one_record_in_two_processes_gets_through(
    server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is sent away because others write the same record."""
    # So that a small crowd is one: all of a large one take longer than a request may where the machine is busy.
    monkeypatch.setattr("shaman.store.repos.WRITE_ATTEMPTS", 16)
    stores = [Store(connect(server_url, 16), CONFIG, RELEASES) for _ in range(2)]
    async with connect(admin_url(server_url), 1) as admin:
        await admin.flushall()
    url = "https://chacra/1/"
    await asyncio.gather(*(put(stores[number % 2], chacra_url=url, extra={"number": number}) for number in range(50)))
    [repo] = await stores[0].repos.find_sha1("ceph", "main", "a1", [READY])
    assert repo.extra["number"] in range(50)
    for store in stores:
        await store.close()


async def test_a_script_that_the_client_sends_twice_writes_once(store: Store, redis: Any) -> None:
    """Whatever the connection does, a write is one record and one event."""
    swap = store.repos._scripts.swap_repo  # noqa: SLF001

    async def twice(project: str, arguments: Any) -> int | None:
        first = await swap(project, arguments)
        assert await swap(project, arguments) == first
        return first

    store.repos._scripts.swap_repo = twice  # type: ignore[method-assign,assignment] # noqa: SLF001
    await put(store, chacra_url="https://chacra/1/")
    await put(store, chacra_url="https://chacra/1/", sha1="b2")
    assert await redis.hlen(keys.repos("ceph")) == 1
    assert await redis.xlen(keys.changes("ceph")) == 2


async def test_names_with_every_odd_character_keep_apart(store: Store) -> None:
    """Braces, slashes, percent signs and blanks in names reach no other key."""
    names = ["a/b", "a%2Fb", "a b", "a+b", "a#b", "{a}", "a}", "größe", "a:b", "*", "%", "日本語", "a\u2028b"]
    for name in names:
        await put(store, name, ref=name, flavor=name, status=name, distro=name, distro_version=name, arch=name)
    assert sorted(await store.repos.projects(None)) == sorted(names)
    for name in names:
        lower = name.lower()
        pattern = Pattern(status=name, flavor=name, distro=lower, version=lower, arch=lower)
        _, found = await store.repos.find_newest(name, name, name, [pattern])
        assert [repo.ref for repo in found] == [name]


async def test_a_store_that_is_away_is_unavailable() -> None:
    """Nobody listening is told as such, not as nothing found."""
    client = connect("unix:///nowhere/at/all.sock", 2)
    store = Store(client, CONFIG, RELEASES)
    with pytest.raises(Unavailable):
        await store.repos.refs("ceph", None)
    with pytest.raises(Unavailable):
        await put(store)
    await store.close()


@pytest.mark.parametrize("budget", [1, 2, 100])
async def test_the_newest_common_sha1_is_found_however_far_back(
    store: Store, monkeypatch: pytest.MonkeyPatch, budget: int
) -> None:
    """Among many sha1s of which none of the newest is complete, the answer is that of looking at all of them."""
    monkeypatch.setattr(scripts, "COMMON_BUDGET", budget)
    chance = random.Random(budget)  # noqa: S311 - the same each time
    versions = ("7", "8", "9", "10")
    saved: list[Repo] = []
    for number in range(120):
        few = chance.sample(versions, chance.choice((1, 1, 2, 3) if number < 90 else (1, 1)))
        for version in few:
            saved.append(
                Repo(
                    id=len(saved) + 1,
                    project="ceph",
                    ref="main",
                    sha1=f"{number:04x}",
                    distro="centos",
                    distro_version=version,
                    archs=("x86_64",),
                    modified=1_000_000 + chance.randrange(200) + number,
                    created=1,
                    status=chance.choice(("ready", "ready", "failed")),
                    chacra_url=f"https://chacra/{number}/{version}",
                )
            )
    await store.restores.repos("ceph", saved)
    for wanted in itertools.chain.from_iterable(itertools.combinations(versions, count) for count in (1, 2, 3, 4)):
        patterns = [Pattern(status="ready", distro="centos", version=version) for version in wanted]
        kind, found = await store.repos.find_common("ceph", "main", "ready", patterns)
        matching: dict[str, list[Repo]] = defaultdict(list)
        for repo in saved:
            if repo.status == "ready" and repo.distro_version in wanted:
                matching[repo.sha1].append(repo)
        complete = [repos for repos in matching.values() if len(repos) == len(wanted)]
        expected = max(complete, key=lambda repos: max((repo.modified, repo.id) for repo in repos), default=[])
        assert kind == "ref"
        assert {repo.id for repo in found} == {repo.id for repo in expected}


@pytest.mark.parametrize("when", [2, 3, 4, 5])
@pytest.mark.parametrize("change", ["deleted", "building", "another cell"])
async def test_a_common_sha1_is_of_one_state(
    store: Store, monkeypatch: pytest.MonkeyPatch, when: int, change: str
) -> None:
    """Whatever changes between two calls of one question, the answer is that of before or of after."""
    monkeypatch.setattr(scripts, "COMMON_BUDGET", 1)
    url = "https://chacra/{}/{}".format
    for sha1 in ("best", *(f"n{number}" for number in range(40))):
        for version in ("jammy", "focal") if sha1 == "best" else (("jammy", "focal")[int(sha1[1:]) % 2],):
            await put(store, sha1=sha1, distro_version=version, chacra_url=url(sha1, version))
    find, calls = store.repos._scripts._find_common_repos, 0  # noqa: SLF001

    async def disturbed(names: Any, arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == when and change == "another cell":
            for version in ("bionic", "xenial", "noble"):
                await put(store, sha1="best", distro_version=version, chacra_url=url("best", version))
        elif calls == when:
            for version in ("jammy", "focal")[: 2 if change == "deleted" else 1]:
                await put(store, chacra_url=url("best", version), status=change)
        return await find(names, arguments)

    monkeypatch.setattr(store.repos._scripts, "_find_common_repos", disturbed)  # noqa: SLF001
    patterns = [Pattern(status="ready", distro="ubuntu", version=version) for version in ("jammy", "focal")]
    _, found = await store.repos.find_common("ceph", "main", "ready", patterns)
    assert len(found) == (2 if change == "another cell" or calls < when else 0)
    assert {repo.status for repo in found} <= {"ready"}


async def test_one_connection_is_enough(server_url: str) -> None:
    """The listener has its own; all calls share what is left, even if that is one."""
    config = replace(CONFIG, redis=RedisSettings(connections=1))
    store = open_store(server_url, config, RELEASES)
    listening = asyncio.create_task(store.wakeups.listen())
    while not store.wakeups.trusted():  # noqa: ASYNC110 - nothing in the service tells a test
        await asyncio.sleep(0.01)
    assert await asyncio.gather(*(store.repos.has("nothing") for _ in range(20))) == [False] * 20
    await end_task(listening)
    await store.close()


@pytest.mark.parametrize("status", ["ready", "failed", None])
async def test_the_newest_of_cells_of_any_length_is_found(store: Store, status: str | None) -> None:
    """Cells of one row and of many, in any order, are each told once and by their newest."""
    lengths = [1, 40, 1, 2, 31, 33, 70, 1, 1, 32]
    newest = {}
    for turn in range(max(lengths)):
        for number, length in enumerate(lengths):
            if turn < length:
                repo = await put(store, sha1=f"s{turn}", flavor=f"f{number}", status=("ready", "failed")[number % 2])
                newest[repo.flavor] = repo
    _, found = await store.repos.find_newest("ceph", "main", status, [Pattern(status=status)])
    expected = [repo for repo in newest.values() if status in {None, repo.status}]
    assert found == sorted(expected, key=lambda repo: (repo.modified, repo.id), reverse=True)
