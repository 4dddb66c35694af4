"""Pages of names, compared with a plain list of the same names."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from shaman.models import PostedBuild
from shaman.store import Store, keys
from shaman.store.recent import Named
from tests.store.test_repos import put
from tests.store.trips import trips_of

members = st.sampled_from([*"abcdefgh", "ab", "a-b", "é", "Z", "z"])
sets = st.dictionaries(members, st.integers(1, 4), max_size=10)


async def walk(store: Store, count: int, *, status: str | None = None) -> list[Named]:
    """Return the rows of all pages of refs, one behind the other."""
    found: list[Named] = []
    after = None
    for _ in range(200):
        page = await store.recent.refs("p", status, after, count)
        assert len(page.rows) <= count
        found += page.rows
        after = page.after
        if after is None:
            return found
    raise AssertionError("the pages never end")


def expected(*told: dict[str, int]) -> list[Named]:
    """Return each name once, with its greatest time, as the store orders them."""
    names = {name for each in told for name in each}
    newest = [(max(each.get(name, 0) for each in told), name.encode()) for name in names]
    return [Named(time, name.decode()) for time, name in sorted(newest, reverse=True)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(repos=sets, builds=sets, count=st.integers(1, 6))
async def test_pages_show_every_name_once_at_its_newest(
    redis: Redis, store: Store, repos: dict[str, int], builds: dict[str, int], count: int
) -> None:
    """Of repos and builds together, of repos alone, whatever the page's length, and however many have the same time."""
    await redis.flushall()
    for key, told in ((keys.refs("p"), repos), (keys.build_refs("p"), builds), (keys.refs("p", "ready"), repos)):
        if told:
            await redis.zadd(key, told)
    try:
        assert await walk(store, count) == expected(repos, builds)
        assert await walk(store, count, status="ready") == expected(repos)
    finally:
        await redis.flushall()


@pytest.mark.parametrize("count", [1, 2, 7])
async def test_a_page_goes_on_where_its_last_name_is_gone(redis: Redis, store: Store, count: int) -> None:
    """The place is a time and a name, and needs nobody there."""
    names: Sequence[str] = [f"n{number}" for number in range(8)]
    await redis.zadd(keys.refs("p"), dict.fromkeys(names, 5))
    page = await store.recent.refs("p", None, Named(5, "n4x"), count)
    assert [row.name for row in page.rows] == ["n4", "n3", "n2", "n1", "n0"][:count]
    await redis.flushall()


async def test_names_that_stand_higher_elsewhere_are_passed_over_step_by_step(redis: Redis, store: Store) -> None:
    """A page looks at a bounded number of names; it may be short, even empty, and the next one goes on."""
    names = [f"n{number:03}" for number in range(100)]
    await redis.zadd(keys.refs("p"), {name: 1000 + index for index, name in enumerate(names)})
    await redis.zadd(keys.build_refs("p"), {name: 10 + index for index, name in enumerate(names)} | {"last": 1})
    assert [row.name for row in await walk(store, 2)] == [*names[::-1], "last"]
    await redis.flushall()


@pytest.mark.parametrize("sha1s", [1, 30])
async def test_what_a_page_shows_is_read_in_few_round_trips(store: Store, sha1s: int) -> None:
    """As many for thirty sha1s as for one, and each asks for a page only."""
    for number in range(sha1s):
        sha1 = f"{number:040x}"
        await put(store, sha1=sha1, chacra_url=f"https://c.example.org/{number}/")
        await store.builds.put(
            "ceph", PostedBuild(ref="main", sha1=sha1, url="https://j.example.org/", status="queued")
        )
    await store.recent.refs("ceph", None, None, 1)  # the script is there from now on
    trips = trips_of(store._client)  # noqa: SLF001
    page = await store.recent.sha1s("ceph", "main", None, None, 25)
    names = [row.name for row in page.rows]
    lines = await store.recent.lines("ceph", "main", names)
    builds = await store.recent.builds_of("ceph", "main", names, 100)
    assert len(names) == len(lines) == len(builds) == min(sha1s, 25)
    assert all(len(lines[name]) == len(builds[name]) == 1 for name in names)
    assert len(trips) == 4
    await store.recent.projects()
    await store.recent.ready(["ceph"], 10)
    await store.recent.builds(["ceph"], 10)
    assert await store.recent.volume(["ceph"], [0, 2**52]) == [sha1s]
    assert len(trips) == 12


async def test_however_many_projects_a_page_has_about_a_hundred(redis: Redis, store: Store) -> None:
    """Each is on one of the pages, once, also if it has builds only; those that have nothing are on none."""
    names = {f"project-{number}" for number in range(1000)}
    await redis.sadd(keys.PROJECTS, "empty", *names)
    for number, name in enumerate(sorted(names)):
        await redis.zadd(keys.refs(name) if number % 2 else keys.build_refs(name), {"main": number + 1})
    cursor, found = -1, []
    while cursor:
        page, cursor = await store.recent.projects(max(cursor, 0))
        assert len(page) < 300
        assert [project.newest for project in page] == sorted((project.newest for project in page), reverse=True)
        found += [project.name for project in page]
    assert sorted(found) == sorted(names)
    await redis.flushall()
