"""The check of a store: documents, counters and the change stream."""

import re
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from shaman.merge_build import build_identity
from shaman.models import Build, Repo
from shaman.store import Store, keys
from tests.store.test_checking import assert_mended, faults_of, fill

PLACES = {"repo": keys.repos("ceph"), "build": keys.builds("ceph")}
TYPES: dict[str, Any] = {"repo": Repo, "build": Build}


async def document(redis: Any, kind: str, number: int) -> Any:
    """Return a record as it is stored."""
    return msgspec.json.decode(await redis.hget(PLACES[kind], str(number)), type=TYPES[kind])


async def put(redis: Any, kind: str, number: int | str, record: Any) -> bytes:
    """Write a document past every index."""
    data = record if isinstance(record, bytes) else msgspec.json.encode(record)
    await redis.hset(PLACES[kind], str(number), data)
    return bytes(data)


async def assert_told(store: Store, redis: Any, *patterns: str) -> None:
    """Assert that each pattern is a line of the check, and that the store can be mended."""
    lines = [str(fault) for fault in await faults_of(store)]
    for pattern in patterns:
        assert any(re.fullmatch(pattern, line) for line in lines), (pattern, lines)
    told = [str(fault) for fault in await assert_mended(store, redis)]
    for pattern in patterns:
        assert any(re.fullmatch(pattern, line) for line in told), (pattern, told)


async def aside(redis: Any) -> dict[bytes, bytes]:
    """Return what was set aside."""
    return {name.rpartition(b"/")[0]: data for name, data in (await redis.hgetall(keys.aside("ceph"))).items()}


BROKEN = [
    (b"{", "Input data was truncated"),
    (b"\xff\x00", "JSON is malformed.*"),
    (b'{"id":2}', "Object missing required field .*"),
    (b"", "Input data was truncated"),
]


@pytest.mark.parametrize("kind", ["repo", "build"])
@pytest.mark.parametrize(("data", "wrong"), BROKEN)
async def test_a_broken_document_is_set_aside(store: Store, redis: Any, kind: str, data: bytes, wrong: str) -> None:
    """It is not lost, it is in no index any more, and the change stream tells that the record is gone."""
    await fill(store)
    await put(redis, kind, 2, data)
    await assert_told(store, redis, rf"shaman:{{ceph}}:{kind}s 2: is no {kind}: {wrong}; to be set aside")
    assert await aside(redis) == {f"{kind}s/2".encode(): data}
    [(_, fields)] = await redis.xrevrange(keys.changes("ceph"), count=1)
    assert b'"event":"deleted"' in fields[b"event"]


@pytest.mark.parametrize(
    ("field", "value", "wrong"),
    [
        ("project", "other", "project: is other"),
        ("sha1", "a/b", "sha1: must be 1 to 64 letters or digits"),
        ("modified", 10**16, "modified: is 10000000000000000, which is no time"),
        ("modified", -1, "modified: is -1, which is no time"),
        ("id", -2, "id: is -2"),
    ],
)
async def test_a_document_that_breaks_a_rule_is_broken(
    store: Store, redis: Any, field: str, value: object, wrong: str
) -> None:
    """What the indexes could not hold, or of another project, is set aside."""
    await fill(store)
    data = await put(redis, "repo", 2, replace(await document(redis, "repo", 2), **{field: value}))
    await assert_told(store, redis, rf"shaman:{{ceph}}:repos 2: is no repo: {wrong}; to be set aside")
    assert await aside(redis) == {b"repos/2": data}


@pytest.mark.parametrize("kind", ["repo", "build"])
async def test_a_document_under_another_id_comes_back(store: Store, redis: Any, kind: str) -> None:
    """It is put under its own, and found by that again."""
    await fill(store)
    right = await document(redis, kind, 2)
    for name in ("77", "name"):
        await put(redis, kind, name, right)
        await redis.hdel(PLACES[kind], "2")
        await assert_told(
            store, redis, rf"shaman:{{ceph}}:{kind}s {name}: is the document of {kind} 2, to be put there"
        )
        assert await document(redis, kind, 2) == right
    assert not await redis.exists(keys.aside("ceph"))


async def test_a_second_document_of_an_id_is_set_aside(store: Store, redis: Any) -> None:
    """The one that stands under its own id stays."""
    await fill(store)
    right = await document(redis, "repo", 2)
    data = await put(redis, "repo", 77, replace(right, url="https://other/"))
    told = r"shaman:{ceph}:repos 77: is a document of repo 2, which has another one; to be set aside"
    await assert_told(store, redis, told)
    assert await document(redis, "repo", 2) == right
    assert await aside(redis) == {b"repos/77": data}


@pytest.mark.parametrize("kind", ["repo", "build"])
@pytest.mark.parametrize("newer", [True, False])
async def test_of_two_with_one_identity_the_newest_stays(store: Store, redis: Any, kind: str, *, newer: bool) -> None:
    """The other is told and set aside, whichever of them the identity names."""
    await fill(store)
    first = await document(redis, kind, 2)
    second = replace(first, id=99, modified=first.modified + (1 if newer else -1))
    await put(redis, kind, 99, second)
    old, new = (2, 99) if newer else (99, 2)
    told = rf"shaman:{{ceph}}:{kind}s {old}: has the identity of {kind} {new}, which is newer; to be set aside"
    await assert_told(store, redis, told)
    assert await aside(redis) == {f"{kind}s/{old}".encode(): msgspec.json.encode(first if newer else second)}
    assert await document(redis, kind, new) == (second if newer else first)


async def test_a_changed_document_moves_in_the_indexes(store: Store, redis: Any) -> None:
    """The documents are the truth: what they say is what is found, and the change stream tells it."""
    await fill(store)
    repo, build = await document(redis, "repo", 2), await document(redis, "build", 3)
    await put(redis, "repo", 2, replace(repo, ref="new", sha1="n1", status="other", chacra_url="https://n/"))
    await put(redis, "build", 3, replace(build, ref="new", url="https://n/", distro_arch="n"))
    await assert_told(
        store,
        redis,
        rf"shaman:{{ceph}}:modified .*|shaman:{{ceph}}:ref:new:rows n1: has no line .*/{repo.modified}/2, .*",
        r"shaman:{ceph}:build-queued new/.*/0000000000000003: is missing, and build 3 calls for 0",
        r"shaman:{ceph}:changes repo 2: the newest entry tells ready at \d+, its document other at \d+",
    )
    assert await store.repos.refs("ceph", "other") == ["new"]
    assert [each.id for each in await store.builds.find_sha1("ceph", "new", build.sha1)] == [3]


@pytest.mark.parametrize("kind", ["repo", "build"])
async def test_a_lost_document_goes_from_every_index(store: Store, redis: Any, kind: str) -> None:
    """What the indexes tell of it is named and goes, and the change stream tells that the record is gone."""
    await fill(store)
    await redis.hdel(PLACES[kind], "2")
    prefix = "" if kind == "repo" else "build-"
    await assert_told(
        store,
        redis,
        rf"shaman:{{ceph}}:{prefix}modified 2: there is no such {kind}",
        rf"shaman:{{ceph}}:{prefix}identities [0-9a-f]{{24}}: is 2: there is no such {kind}",
        rf"shaman:{{ceph}}:changes {kind} 2: the newest entry tells \w+, and there is no such document",
    )


@pytest.mark.parametrize("key", [keys.next_id("ceph"), keys.next_build_id("ceph")])
@pytest.mark.parametrize(("value", "told"), [("3", "is 3"), ("new", "is new"), ("-1", "is -1"), (None, "is missing")])
async def test_a_low_counter_is_raised(store: Store, redis: Any, key: str, value: str | None, told: str) -> None:
    """It is the greatest id that was given out, be its record deleted: no id is given out twice."""
    await fill(store)
    await (redis.set(key, value) if value else redis.delete(key))
    await assert_told(store, redis, rf"{re.escape(key)}: {told}, and the id 12 has been given out")
    assert await redis.get(key) == b"12"


async def test_an_identity_names_its_record(store: Store, redis: Any) -> None:
    """One that names another record, or a broken one, is mended."""
    await fill(store)
    digest = keys.digest(*build_identity(await document(redis, "build", 2)))
    for value in ("3", "\x00"):
        await redis.hset(keys.build_identities("ceph"), digest, value)
        told = rf"shaman:{{ceph}}:build-identities {digest.hex()}: is .*, and build 2 has it"
        await assert_told(store, redis, told)
        assert await redis.hget(keys.build_identities("ceph"), digest) == b"2"


async def test_an_entry_of_the_change_stream_that_cannot_be_read_goes(store: Store, redis: Any) -> None:
    """Whoever reads the stream would stumble over it."""
    await fill(store)
    for fields in ({"event": "{"}, {"other": "x"}, {"event": b"\xff"}):
        number = (await redis.xadd(keys.changes("ceph"), fields)).decode()
        await assert_told(store, redis, rf"shaman:{{ceph}}:changes {number}: is no change event: .*")
        assert await redis.xrange(keys.changes("ceph"), number, number) == []
        number = (await redis.xadd(keys.NODE_CHANGES, fields)).decode()
        await assert_told(store, redis, rf"shaman:nodes:{{nodes}}:changes {number}: is no change event: .*")


async def test_the_newest_entry_of_a_record_tells_how_it_is(store: Store, redis: Any) -> None:
    """Where it does not, the stream gets one that does: of a lost entry, of one too many, and of a deletion."""
    await fill(store)
    changes = keys.changes("ceph")
    entries = [(number, fields[b"event"]) for number, fields in await redis.xrange(changes)]
    last = next(number for number, event in reversed(entries) if b'"id":2,' in event and b'"repo"' in event)
    await redis.xdel(changes, last)
    told = r"shaman:{ceph}:changes repo 2: the newest entry tells building at \d+, its document ready at \d+"
    await assert_told(store, redis, told)
    created = next(event for _, event in entries if b'"id":3,' in event and b'"build"' in event)
    await redis.xadd(changes, {"event": created.replace(b'"created"', b'"deleted"')})
    told = r"shaman:{ceph}:changes build 3: the newest entry tells that it is deleted, and there is its document"
    await assert_told(store, redis, told)
    await redis.xadd(changes, {"event": created.replace(b'"id":3,', b'"id":11111,')})
    told = r"shaman:{ceph}:changes build 11111: the newest entry tells created, and there is no such document"
    await assert_told(store, redis, told)


async def test_a_trimmed_stream_is_no_fault(store: Store, redis: Any) -> None:
    """What the stream does not reach back to, it need not tell."""
    await fill(store)
    for length in (5, 0):
        await redis.xtrim(keys.changes("ceph"), maxlen=length, approximate=False)
        assert await faults_of(store) == []


async def test_a_deletion_is_remembered_for_a_time(store: Store, redis: Any) -> None:
    """What is left of a deleted record tells a time, expires, and is not beside the record."""
    await fill(store)
    [name] = await redis.keys(keys.gone("ceph", b"") + "*")
    await redis.persist(name)
    await assert_told(store, redis, rf"{re.escape(name.decode())}: never expires")
    await redis.set(name, "soon", ex=100)
    await assert_told(store, redis, rf"{re.escape(name.decode())}: is not the time of a deletion")
    digest = keys.digest(*build_identity(await document(redis, "build", 2)))
    await redis.hset(keys.identities("ceph"), digest, "2")
    [digest, *_] = await redis.hkeys(keys.identities("ceph"))
    await redis.set(keys.gone("ceph", digest), "5", ex=100)
    await assert_told(store, redis, r".*:gone:.*: tells of a deletion, and the record is there")
    await redis.set(keys.gone("ceph", b"short"), "5", ex=100)
    await assert_told(store, redis, r".*:gone:.*: is not the time of a deletion")


async def test_every_project_is_known(store: Store, redis: Any) -> None:
    """A project that has keys is in the set of all, and one without is no fault there."""
    await fill(store)
    await redis.sadd(keys.PROJECTS, "empty")
    await redis.srem(keys.PROJECTS, "ceph")
    await assert_told(store, redis, r"shaman:projects ceph: is missing, and has keys")
    await redis.delete(keys.PROJECTS)
    await redis.set(keys.PROJECTS, "x")
    await assert_told(store, redis, r"shaman:projects: is a string, not a set")
    assert await store.projects()


async def test_a_key_that_nobody_knows_is_told(store: Store, redis: Any) -> None:
    """A repair leaves it, as it may be of a newer version; a reindex drops it."""
    await fill(store)
    strangers = {"shaman:other", "shaman:{ceph}:other", "shaman:{ceph}:ref:main:other", "shaman:{a:b}:refs"}
    for name in strangers:
        await redis.set(name, "x")
    await redis.set("other", "x")
    for repair in (False, True):
        faults = await faults_of(store, repair=repair)
        assert {fault.key for fault in faults} == strangers
        assert not any(fault.mend for fault in faults)
    assert strangers < {name.decode() for name in await redis.keys("*")}
    await faults_of(store, repair=True, drop=True)
    assert strangers.isdisjoint({name.decode() for name in await redis.keys("*")})
    assert await redis.getdel("other") == b"x"


async def test_a_project_is_checked_alone(store: Store, redis: Any) -> None:
    """Of others nothing is told, and nothing mended."""
    await fill(store)
    await redis.delete(keys.modified("ceph"))
    await redis.hdel(keys.NODE_FACTS, "up.example.org")
    assert await faults_of(store, ["a/b {c}", "unknown"]) == []
    assert {fault.key for fault in await faults_of(store, ["ceph"], repair=True)} == {keys.modified("ceph")}
    assert len(await assert_mended(store, redis)) == 1
