"""The check of a store: every damage is found, named and mended, and what is right is left alone."""

import re
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import pytest

from shaman.merge import PostRules
from shaman.models import Health, PostedBuild, PostedRepo
from shaman.store import Store, keys
from shaman.store.checking import Fault
from shaman.store.checking.tree import TREE, TREE_OF_ALL, Key, read_key
from tests.store.audit import audit

RULES = PostRules(required=("ref", "sha1", "distro", "distro_version", "url", "arch"), archs_replace=True)
REFS = ("main", "a/b:c {d}", "wip-é")
PROJECTS = ("ceph", "a/b {c}")


def repo(number: int, **fields: Any) -> PostedRepo:
    """Return one of many repos: of several refs, sha1s, versions and states."""
    body = {
        "ref": REFS[number % 3],
        "sha1": f"s{number % 4}",
        "distro": "ubuntu",
        "distro_version": ("jammy", "24.04", "unknown")[number % 3],
        "arch": ("x86_64", "aarch64")[number % 2],
        "url": "https://chacra/r/",
        "chacra_url": f"https://chacra/{number}/",
        "status": "failed" if number % 5 == 0 else "ready",
    }
    return PostedRepo(**body | fields)


def build(number: int, **fields: Any) -> PostedBuild:
    """Return one of many builds, every other one queued."""
    body = {
        "url": f"https://ci/{number}/",
        "ref": REFS[number % 3],
        "sha1": f"s{number % 4}",
        "status": "queued" if number % 2 else "completed",
        "distro": "ubuntu",
        "distro_version": "jammy",
        "distro_arch": f"arch{number}",
    }
    return PostedBuild(**body | fields)


async def fill(store: Store, count: int = 12) -> None:
    """Write records that give every key of the tree at least one member."""
    for project in PROJECTS:
        for number in range(1, count + 1):
            await store.repos.put(project, repo(number), RULES)
            await store.builds.put(project, build(number))
        for status in ("building", "ready"):
            await store.repos.put(project, repo(2, status=status), RULES)
        await store.repos.put(project, repo(count, status="deleted", modified="2026-01-01 00:00:00"), RULES)
        await store._client.xadd(keys.removals(project), {"removal": "{}"})  # noqa: SLF001 - as retention does
    await fill_nodes(store)
    await store.schema.check()


async def fill_nodes(store: Store) -> None:
    """Register one node that is up and one that is down."""
    await store.nodes.put("up.example.org", lambda _: Health(), registered=5)
    await store.nodes.put("down.example.org", lambda _: Health(healthy=False), registered=7)
    await store.nodes.take()


async def faults_of(store: Store, projects: Collection[str] = (), **options: bool) -> list[Fault]:
    """Check the store; the faults."""
    faults: list[Fault] = []
    await store.checking.check(faults.append, projects, **options)
    return faults


def named(faults: list[Fault]) -> set[tuple[str, bytes]]:
    """Return key and member of each fault."""
    return {(fault.key, fault.member.encode() if isinstance(fault.member, str) else fault.member) for fault in faults}


async def content(redis: Any) -> dict[str, Any]:
    """Return all that the indexes hold, without order."""
    found: dict[str, Any] = {}
    for name in [name.decode() for name in await redis.keys("*")]:
        kind = (await redis.type(name)).decode()
        if kind == "hash":
            fields = await redis.hgetall(name)
            found[name] = {field: sorted(value.split(b"\n")) for field, value in fields.items()}
        elif kind == "zset":
            found[name] = dict(await redis.zrange(name, 0, -1, withscores=True))
        elif kind == "set":
            found[name] = await redis.smembers(name)
        elif kind == "string":
            found[name] = await redis.get(name)
    return found


async def one_of_each(redis: Any) -> dict[str, Key]:
    """Return a key of each kind that a project has."""
    found = [read_key(name) for name in sorted(await redis.keys("shaman:{*"))]
    return {key.template: key for key in found if isinstance(key, Key)}


async def assert_mended(store: Store, redis: Any) -> list[Fault]:
    """Mend the store; what was told. Afterwards there is nothing wrong with it, for this check or another."""
    told = await faults_of(store, repair=True)
    assert await faults_of(store) == []
    await audit(redis)
    return told


def test_the_tree_is_the_one_that_is_drawn() -> None:
    """The check knows exactly the keys that store/keys.py draws, and their types."""
    drawn = dict(re.findall(r"^    (shaman:\S+) +(\w+) ", keys.__doc__ or "", re.MULTILINE))
    assert drawn.pop(keys.CHANNEL) == "channel"
    known = {f"shaman:{{P}}:{template}": kind for template, kind in TREE.items()} | TREE_OF_ALL
    assert drawn == known


def test_every_key_is_read_back() -> None:
    """A key tells its project and the names in it, however they are written."""
    name = "a:b/{c} é%"
    key = read_key(keys.ref_sha1s(name, name, name).encode())
    assert key == (keys.ref_sha1s(name, name, name), name, "ref:R:sha1s:S", name, "", name, "")
    assert read_key(b"shaman:{a:b}:refs") == "shaman:{a:b}:refs"
    stranger = read_key(b"shaman:{ceph}:ref:main:other")
    assert isinstance(stranger, Key)
    assert stranger.template == ""


async def test_nothing_is_wrong_with_what_was_written(store: Store, redis: Any) -> None:
    """A store that only shaman has written has no fault, and a repair changes nothing in it."""
    await fill(store)
    before = await content(redis)
    assert {f"shaman:{{P}}:{template}" for template in await one_of_each(redis)} == {
        f"shaman:{{P}}:{template}" for template in TREE if not template.startswith("aside")
    }
    assert await faults_of(store) == []
    assert await faults_of(store, repair=True, drop=True) == []
    assert await content(redis) == before


Damage = Callable[[Any, str], Awaitable[bytes]]


async def lose_member(redis: Any, name: str) -> bytes:
    """Take the first member away."""
    [member] = await redis.zrange(name, 0, 0)
    await redis.zrem(name, member)
    return bytes(member)


async def add_member(redis: Any, name: str) -> bytes:
    """Add one that nobody knows."""
    await redis.zadd(name, {"x/y/777": 5})
    return b"x/y/777"


async def add_garbage(redis: Any, name: str) -> bytes:
    """Add one that is no text."""
    await redis.zadd(name, {b"\xff\n": 5})
    return b"\xff\n"


async def move_member(redis: Any, name: str) -> bytes:
    """Give the first member another score."""
    [member] = await redis.zrange(name, 0, 0)
    await redis.zincrby(name, 7, member)
    return bytes(member)


async def lose_field(redis: Any, name: str) -> bytes:
    """Take a field away."""
    [field, *_] = sorted(await redis.hkeys(name))
    await redis.hdel(name, field)
    return bytes(field)


async def add_field(redis: Any, name: str) -> bytes:
    """Add one that nobody knows."""
    await redis.hset(name, b"\xff\xfe", "a/b/c/d/e/0000000000000001/777\n\n")
    return b"\xff\xfe"


async def alter_field(redis: Any, name: str) -> bytes:
    """Write other lines over the first field."""
    [field, *_] = sorted(await redis.hkeys(name))
    await redis.hset(name, field, "777\n")
    return bytes(field)


async def empty_field(redis: Any, name: str) -> bytes:
    """Leave nothing in the first field."""
    [field, *_] = sorted(await redis.hkeys(name))
    await redis.hset(name, field, "")
    return bytes(field)


async def double_field(redis: Any, name: str) -> bytes:
    """Write twice what is in the first field."""
    [field, *_] = sorted(await redis.hkeys(name))
    await redis.hset(name, field, (await redis.hget(name, field)) * 2)
    return bytes(field)


INDEXES = [template for template, kind in TREE.items() if kind == "zset"]
HASHES = ["ref:R:rows", "identities", "build-identities"]


@pytest.mark.parametrize(
    ("templates", "damage"),
    [
        *((INDEXES, damage) for damage in (lose_member, add_member, add_garbage, move_member)),
        *((HASHES, damage) for damage in (lose_field, add_field, alter_field, empty_field, double_field)),
    ],
)
async def test_a_damaged_index_is_found_and_mended(
    store: Store, redis: Any, templates: list[str], damage: Damage
) -> None:
    """Whatever is lost, added or altered in an index is named by key and member, and is as before after a repair."""
    await fill(store)
    before, found = await content(redis), await one_of_each(redis)
    damaged = set()
    for template in templates:
        name = found[template].name
        member = await damage(redis, name)
        damaged.add((name, member.hex().encode() if "identities" in template else member))
    assert damaged <= named(await faults_of(store))
    assert damaged <= named(await assert_mended(store, redis))
    assert await content(redis) == before


async def test_a_lost_index_is_found_and_mended(store: Store, redis: Any) -> None:
    """Keys that are gone altogether are made anew from the documents."""
    await fill(store)
    before, found = await content(redis), await one_of_each(redis)
    lost = {found[template].name for template in (*INDEXES, *HASHES)}
    await redis.delete(*lost)
    assert keys.modified("ceph") in {fault.key for fault in await faults_of(store)}
    assert lost <= {fault.key for fault in await assert_mended(store, redis)}
    assert await content(redis) == before


@pytest.mark.parametrize("documents", [False, True])
async def test_a_key_of_another_type_is_found_and_set_aside(store: Store, redis: Any, *, documents: bool) -> None:
    """It is named and kept under another name, and what it should hold is made anew as far as documents tell."""
    await fill(store)
    found = {
        name: key for name, key in (await one_of_each(redis)).items() if (name in {"repos", "builds"}) == documents
    }
    for template, key in found.items():
        await redis.delete(key.name)
        await redis.sadd(key.name, template)
    wrong = {f"{key.name}: is a set, not a {TREE[template]}" for template, key in found.items()}
    assert wrong <= {str(fault) for fault in await faults_of(store)}
    await assert_mended(store, redis)
    for template, key in found.items():
        aside = f"{keys.aside(key.project)}:{keys.quoted(key.rest_of_name)}"
        assert await redis.smembers(aside) == {template.encode()}
