"""Records as lines: what an export has is what an import restores."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from shaman.merge import PostRules
from shaman.models import PostedRepo, Repo
from shaman.store import Store
from shaman.times import format_time
from shaman.transfer import Import, export, export_nodes
from tests.conftest import RELEASES

RULES = PostRules(required=("ref", "sha1", "distro", "distro_version"), archs_replace=True)

REPO = {
    "kind": "repo",
    "project": "ceph",
    "ref": "main",
    "sha1": "a0",
    "distro": "ubuntu",
    "distro_version": "24.04",
    "flavor": "default",
    "archs": ["x86_64", "arm64"],
    "status": "ready",
    "url": "https://1.chacra.example.org/r/ceph/",
    "chacra_url": "https://1.chacra.example.org/repos/ceph/",
    "extra": {"version": "19.2.0", "nested": [1, {"empty": []}]},
    "modified": "2024-06-17 18:04:30.190595",
    "created": "2024-06-17 17:00:00.000000",
    "sent": "2024-06-17 18:04:29.000000",
    "id": 7,
}


BUILD = {
    "kind": "build",
    "project": "ceph",
    "ref": "main",
    "sha1": "a0",
    "distro": "ubuntu",
    "distro_version": "24.04",
    "distro_arch": "arm64",
    "flavor": "default",
    "status": "completed",
    "url": "https://ci.example.org/1/",
    "log_url": "https://ci.example.org/1/log",
    "build_id": "17",
    "extra": {"node_name": "builder-1"},
    "modified": "2024-06-17 18:04:30.190595",
    "started": "2024-06-17 17:00:00.000000",
    "completed": "2024-06-17 18:04:29.000000",
    "id": 7,
}


NODE = {
    "kind": "node",
    "host": "1.chacra.example.org:8443",
    "healthy": False,
    "down_count": 3,
    "last_check": "2024-06-17 18:04:30.190595",
    "last_used": "2024-06-17 17:00:00.000000",
}


def lines(*records: dict[str, Any]) -> list[bytes]:
    """Return the records as an export has them."""
    return [json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode() + b"\n" for record in records]


async def imported(store: Store, given: Iterable[bytes]) -> tuple[Import, list[str]]:
    """Import lines; the import, and what it said."""
    said: list[str] = []
    importing = Import(store, RELEASES, said.append)
    async for _ in importing.add_lines(given):
        pass
    return importing, said


async def exported(store: Store, *projects: str) -> list[bytes]:
    """Return the lines of an export."""
    chunks = [chunk async for chunk in export(store, RELEASES, projects or ("ceph",))]
    return b"".join(chunks).splitlines(keepends=True)


async def test_an_export_of_an_import_is_the_same(store: Store) -> None:
    """Every value comes back: id, times, and what the registry itself would not have chosen."""
    other = REPO | {"id": 9, "sha1": "b1", "chacra_url": "", "modified": "2024-06-18 00:00:00.000000"}
    trigger = BUILD | dict.fromkeys(("distro", "distro_version", "distro_arch", "log_url", "build_id", "completed"))
    trigger |= {"id": 9, "status": "queued", "flavor": "", "modified": "2024-06-18 00:00:00.000000"}
    given = lines(REPO, other, BUILD, trigger)
    importing, said = await imported(store, given)
    assert (importing.faults, said) == (0, [])
    assert await exported(store) == given
    assert importing.counts == {"ceph": {"repos written": 2, "builds written": 2}}


async def test_an_import_again_changes_nothing(store: Store) -> None:
    """The same lines twice are the same state, with and without a time."""
    times = ("modified", "created", "sent", "started", "completed", "id")
    untimed = _without(REPO, *times) | {"chacra_url": "https://2.chacra.example.org/"}
    given = lines(REPO, untimed, BUILD, _without(BUILD, *times) | {"url": "https://ci.example.org/2/"})
    await imported(store, given)
    before = await exported(store)
    importing, _ = await imported(store, given)
    assert importing.counts == {"ceph": {"repos unchanged": 2, "builds unchanged": 2}}
    assert await exported(store) == before


async def test_nodes_come_back_in_the_order_of_their_turns(store: Store) -> None:
    """A registered node is as healthy as it was; the configuration's own are not in an export."""
    fresh = NODE | {"host": "2.chacra.example.org", "healthy": True, "down_count": 0, "last_check": None}
    given = lines(NODE, fresh | {"last_used": None})
    importing, _ = await imported(store, given)
    assert importing.counts == {"(nodes)": {"nodes written": 2}}
    assert await export_nodes(store) == b"".join(given)
    importing, _ = await imported(store, given)
    assert importing.counts == {"(nodes)": {"nodes unchanged": 2}}
    await imported(store, lines(NODE | {"healthy": True, "down_count": 0, "last_check": "2024-06-18 00:00:00.000000"}))
    assert json.loads((await export_nodes(store)).splitlines()[0])["healthy"] is True


async def test_either_time_format_is_taken(store: Store) -> None:
    """A time with T and zone is the same as one with a blank."""
    await imported(
        store, lines(REPO | {"modified": "2024-06-17T20:04:30.190595+02:00", "sent": "2024-06-17T18:04:29Z"})
    )
    assert await exported(store) == lines(REPO)


async def test_a_newer_record_of_the_store_stays(store: Store) -> None:
    """What was posted after the export wins over it; what was there before does not."""
    await imported(store, lines(REPO))
    await imported(store, lines(BUILD))
    older, newer = (
        [record | {"modified": f"2024-06-{day} 00:00:00.000000", "status": "failed"} for record in (REPO, BUILD)]
        for day in (16, 18)
    )
    importing, _ = await imported(store, lines(*older))
    assert importing.counts == {"ceph": {"repos unchanged": 1, "builds unchanged": 1}}
    await imported(store, lines(*newer))
    assert await exported(store) == lines(*newer)


async def test_an_id_that_is_taken_is_replaced(store: Store) -> None:
    """Two records of one id are both kept; the second gets the next number, and it is told."""
    second = REPO | {"chacra_url": "https://2.chacra.example.org/"}
    importing, _ = await imported(store, lines(REPO, second))
    assert importing.counts == {"ceph": {"repos written": 1, "repos renumbered": 1}}
    assert sorted(json.loads(line)["id"] for line in await exported(store)) == [7, 8]


async def test_a_post_after_an_import_gets_a_new_id(store: Store) -> None:
    """The ids of records to come lie above those that were restored."""
    await imported(store, lines(REPO))
    posted = PostedRepo(ref="main", sha1="c2", distro="centos", distro_version="9", arch="x86_64")
    _, repo = await store.repos.put("ceph", posted, RULES)
    assert isinstance(repo, Repo)
    assert repo.id == 8


async def test_a_restored_record_is_the_one_that_is_posted_again(store: Store) -> None:
    """The identity of a record survives: a POST with its chacra_url updates it."""
    await imported(store, lines(REPO))
    await store.repos.put("ceph", PostedRepo(chacra_url=str(REPO["chacra_url"]), status="building"), RULES)
    [line] = await exported(store)
    assert json.loads(line) | {"modified": ""} == REPO | {"status": "building", "modified": ""}


async def test_a_deletion_wins_over_an_older_record(store: Store) -> None:
    """What its sender deleted after the export is not brought back by it."""
    await imported(store, lines(REPO))
    gone = PostedRepo(chacra_url=str(REPO["chacra_url"]), status="deleted", modified="2024-07-01 00:00:00")
    await store.repos.put("ceph", gone, RULES)
    importing, _ = await imported(store, lines(REPO))
    assert importing.counts == {"ceph": {"repos unchanged": 1}}
    assert await exported(store) == []


async def test_two_lines_of_one_record_end_as_the_newer(store: Store) -> None:
    """However they are ordered, and though both are written in one batch."""
    newer = REPO | {"modified": "2024-06-19 00:00:00.000000", "status": "failed"}
    for given in (lines(REPO, newer), lines(newer, REPO)):
        await imported(store, given)
        assert await exported(store) == lines(newer)


FAULTS = [
    (b"{", "body: is not JSON"),
    (b"[1]", "body: expected"),
    (b"\xff", "body: "),
    (*lines(REPO | {"kind": "cat"}), "kind: must be repo, build or node, not 'cat'"),
    (*lines({}), "kind: must be"),
    (*lines(REPO | {"project": None}), "project: is missing"),
    (*lines(REPO | {"project": 3}), "project: is not text"),
    (*lines(REPO | {"ref": None}), "ref: is missing"),
    (*lines(REPO | {"ref": ""}), "ref: must not be empty"),
    (*lines(REPO | {"status": None}), "status: is missing"),
    (*lines(REPO | {"sha1": "latest"}), "sha1: `latest`"),
    (*lines(REPO | {"archs": "x86_64"}), "archs: expected"),
    (*lines(REPO | {"modified": 5}), "modified: is not a time"),
    (*lines(REPO | {"created": "yesterday"}), "created: is not a time"),
    (*lines(REPO | {"id": "7"}), "id: must be a positive number"),
    (*lines(REPO | {"id": True}), "id: must be a positive number"),
    (*lines(REPO | {"id": 2**53}), "id: must be a positive number"),
    (*lines(REPO | {"url": "javascript:alert(1)"}), "url: must be an http or https URL"),
    (*lines(NODE | {"host": "a/b"}), "host: must be a host"),
    (*lines(NODE | {"down_count": "3"}), "down_count: expected"),
    (*lines({"kind": "node"}), "body: object missing required field `host`"),
    (*lines(BUILD | {"url": None}), "url: is missing"),
    (*lines(BUILD | {"started": 1}), "started: is not a time"),
    (*lines(BUILD | {"log_url": "data:x"}), "log_url: must be an http or https URL"),
]


@pytest.mark.parametrize(("line", "fault"), FAULTS)
async def test_a_bad_line_is_named_and_the_rest_goes_on(store: Store, line: bytes, fault: str) -> None:
    """Its number and what is wrong with it are told, and every other line is written."""
    importing, [said] = await imported(store, [b"\n", line, *lines(REPO)])
    assert importing.faults == 1
    assert said.startswith(f"line 2: {fault}")
    assert await exported(store) == lines(REPO)


async def test_a_long_import_is_complete(store: Store) -> None:
    """Records of several projects, more than fit in a batch, are all there, in the order of their times."""
    given = [
        REPO
        | {
            "project": f"p{number % 3}",
            "id": number,
            "chacra_url": f"https://chacra.example.org/{number}/",
            "modified": format_time(1_700_000_000_000_000 + number, " "),
        }
        for number in range(1, 1201)
    ]
    await imported(store, lines(*given))
    for project in ("p0", "p1", "p2"):
        wanted = lines(*(record for record in given if record["project"] == project))
        assert await exported(store, project) == wanted


def _without(record: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in names}
