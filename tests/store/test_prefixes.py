"""Sha1s by their first characters."""

import random
from typing import Any

import pytest

from shaman.store import Store, keys
from tests.store.test_removals import build
from tests.store.test_repos import RULES, posted, put
from tests.store.trips import trips_of

SHA1S = ("a", "ab", "abc", "abcd", "abcd1", "abcd1f", "ABCD1", "abce", "b2", "zzzz", "0000")


async def found(store: Store, prefix: str, limit: int = 100) -> list[str]:
    """Return what is found in the project of the tests."""
    return await store.repos.find_prefix("ceph", prefix, limit)


@pytest.mark.parametrize("of", ["repos", "builds", "both"])
@pytest.mark.parametrize(
    ("prefix", "sha1s"),
    [
        ("abcd", ["abcd", "abcd1", "abcd1f"]),
        ("abcd1", ["abcd1", "abcd1f"]),
        ("ABCD", ["ABCD1"]),
        ("Abcd", []),
        ("zzzz", ["zzzz"]),
        ("zzzzz", []),
        ("abc", ["abc"]),
        ("ab", ["ab"]),
        ("a", ["a"]),
        ("b", []),
        ("b2", ["b2"]),
        ("", []),
        ("é{}*", []),
        ("abcd/", []),
    ],
)
async def test_a_prefix_finds_what_begins_so(store: Store, of: str, prefix: str, sha1s: list[str]) -> None:
    """By four characters or more, in lexical order and case-sensitive; by fewer the sha1 of exactly that name."""
    for number, sha1 in enumerate(SHA1S):
        if of != "builds":
            await put(store, sha1=sha1)
        if of == "builds" or (of == "both" and number % 2):
            await build(store, sha1=sha1, ref="a/b 0")
            await build(store, sha1=sha1, ref="main")
    assert await found(store, prefix) == sha1s


async def test_no_more_are_found_than_are_asked_for(store: Store) -> None:
    """The first ones, whether they have repos or builds, and in however many refs."""
    sha1s = [f"abcd{number:02}" for number in range(20)]
    for sha1 in sha1s:
        if int(sha1[-2:]) % 3:
            for ref in ("main", "r0", "r1", "r2"):
                await build(store, sha1=sha1, ref=ref)
        else:
            await put(store, sha1=sha1)
    for limit in (1, 2, 5, 19, 20, 21):
        assert await found(store, "abcd", limit) == sha1s[:limit]


async def test_a_sha1_is_found_as_long_as_something_is_of_it(store: Store) -> None:
    """It comes with the first record, moves with it, and goes with the last one, in whatever ref that is."""
    await put(store, chacra_url="https://c/1/", sha1="abcd1")
    await put(store, chacra_url="https://c/2/", sha1="abcd1", ref="other")
    await put(store, chacra_url="https://c/1/", sha1="abcd2")
    assert await found(store, "abcd") == ["abcd1", "abcd2"]
    await put(store, chacra_url="https://c/2/", sha1="ffff2")
    assert (await found(store, "abcd"), await found(store, "ffff")) == (["abcd2"], ["ffff2"])
    await build(store, sha1="abcd2")
    await store.repos.put("ceph", posted(chacra_url="https://c/1/", sha1="abcd2", status="deleted"), RULES)
    assert await found(store, "abcd") == ["abcd2"]
    await store.builds.delete("ceph", 1)
    assert await found(store, "abcd") == []


async def test_a_lookup_is_one_round_trip(store: Store) -> None:
    """Repos and builds are asked together."""
    await put(store, sha1="abcd1")
    trips = trips_of(store._client)  # noqa: SLF001
    await found(store, "abcd")
    assert trips == [["ZRANGE", "ZRANGE"]]


@pytest.mark.parametrize("redis", ["server", "system"], indirect=True)
async def test_the_index_stays_small(store: Store, redis: Any) -> None:
    """Some thousand sha1s are kept in the store's smallest form, even if each is as long as one may be."""
    numbers = random.Random(5)  # noqa: S311 - made-up sha1s
    for _ in range(300):
        await put(store, sha1=f"{numbers.getrandbits(256):064x}")
    names = await redis.keys(keys.sha1_names("ceph", "").rpartition(":")[0] + ":*")
    assert len(names) > 200
    assert {await redis.object("encoding", name) for name in names} <= {b"listpack"}
