"""Searches of the production dialect against reading every record."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shaman.distros import canonical_arch
from shaman.errors import Invalid, Unavailable
from shaman.listing import Filters, find, parse_filters
from shaman.models import PostedRepo, Repo
from shaman.store import Store
from shaman.store import snapshots as snapshots_module
from shaman.web.api.repos import RULES
from tests.conftest import RELEASES

CELLS = [("ubuntu", "jammy"), ("ubuntu", "24.04"), ("centos", "9"), ("centos", "8")]
rows = st.tuples(
    st.sampled_from(["one", "two"]),
    st.sampled_from(["main", "wip/x"]),
    st.sampled_from(["a1", "b2", "c3"]),
    st.sampled_from(CELLS),
    st.sampled_from([["x86_64"], ["arm64"], ["aarch64", "x86_64"], []]),
    st.sampled_from(["default", "debug"]),
    st.sampled_from(["ready", "ready", "building"]),
)
queries = st.fixed_dictionaries(
    {},
    optional={
        "project": st.sampled_from(["one", "two", "none", ""]),
        "ref": st.sampled_from(["main", "wip/x", ""]),
        "sha1": st.sampled_from(["a1", "latest", "latest", ""]),
        "flavor": st.sampled_from(["default", ""]),
        "status": st.sampled_from(["ready", ""]),
        "arch": st.sampled_from(["arm64", "amd64", ""]),
        "distros": st.sampled_from(["centos/9", "centos/9,ubuntu/22.04", "ubuntu/noble/x86_64,centos/8/arm64", ""]),
    },
)


async def put(store: Store, number: int, row: Any) -> Repo:
    """Put a repo of its own."""
    project, ref, sha1, (distro, version), archs, flavor, status = row
    posted = PostedRepo(
        chacra_url=f"https://c/{number}/",
        ref=ref,
        sha1=sha1,
        distro=distro,
        distro_version=version,
        archs=archs,
        flavor=flavor,
        status=status,
    )
    _, repo = await store.repos.put(project, posted, RULES)
    assert repo is not None
    return repo


async def told(store: Store, query: dict[str, str]) -> list[Repo]:
    """Return everything that a query finds."""
    filters = parse_filters(query.items(), RELEASES)
    return [repo async for page in find(store, filters) for repo in page]


def expected(repos: list[Repo], filters: Filters) -> list[Repo]:
    """Read every record."""
    ordered = sorted(repos, key=lambda repo: (repo.modified, repo.project, repo.id), reverse=True)
    chosen = [
        repo
        for repo in ordered
        if filters.project in {None, repo.project}
        and filters.ref in {None, repo.ref}
        and filters.sha1 in {None, "latest", repo.sha1}
        and filters.flavor in {None, repo.flavor}
        and filters.status in {None, repo.status}
        and (filters.arch is None or filters.arch in {canonical_arch(arch) for arch in repo.archs})
    ]

    def has(repo: Repo, term: Any) -> bool:
        archs = {canonical_arch(arch) for arch in repo.archs}
        version = RELEASES.canonical(repo.distro, repo.distro_version)
        arch_fits = term.arch is None or (term.arch in archs and filters.arch in {None, term.arch})
        return (term.distro, term.version) == (repo.distro, version) and arch_fits

    if filters.terms:
        chosen = [repo for repo in chosen if any(has(repo, term) for term in filters.terms)]
    if filters.sha1 != "latest":
        return chosen
    for first in chosen:
        same = [repo for repo in chosen if repo.sha1 == first.sha1]
        if not filters.terms:
            return same
        newest = [next((repo for repo in same if has(repo, term)), None) for term in filters.terms]
        if all(newest):
            return [repo for repo in newest if repo]
    return []


@pytest.mark.parametrize("at_once", [500, 2])
@settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), records=st.lists(rows, max_size=20))
def test_a_search_finds_what_reading_every_record_finds(
    at_once: int, data: st.DataObject, records: list[Any], server_url: str
) -> None:
    """Any filters over any records, in one reply of the store or in several."""
    asked = data.draw(st.lists(queries, min_size=4, max_size=8))

    async def compare() -> None:
        from shaman.config import Config  # noqa: PLC0415
        from shaman.store import open_store  # noqa: PLC0415

        store = open_store(server_url, Config(), RELEASES)
        await store.repos._client.flushall()  # noqa: SLF001
        repos = [await put(store, number, row) for number, row in enumerate(records)]
        for query in asked:
            assert await told(store, query) == expected(repos, parse_filters(query.items(), RELEASES)), query
        await store.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shaman.store.repos.AT_ONCE", at_once)
        patch.setattr(snapshots_module, "STEP", at_once)
        patch.setattr(snapshots_module, "PAGE", at_once)
        asyncio.run(compare())


async def fill(store: Store, count: int) -> list[Repo]:
    """Put repos in one ref."""
    return [
        await put(store, number, ("one", "main", f"s{number}", CELLS[0], ["x86_64"], "default", "ready"))
        for number in range(count)
    ]


@pytest.mark.parametrize("ref", [None, "main"])
async def test_a_record_that_exists_throughout_is_listed_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, ref: str | None
) -> None:
    """While every record moves within the indexes between any two steps, none is missed and none comes twice."""
    monkeypatch.setattr(snapshots_module, "STEP", 3)
    repos = await fill(store, 30)
    snapshots = store.snapshots
    scripts_or_redis = snapshots._client  # noqa: SLF001
    zrange = scripts_or_redis.zrange
    turn = iter(range(1000))

    async def zrange_amid_writes(*arguments: Any, **options: Any) -> Any:
        answer = await zrange(*arguments, **options)
        number = next(turn)
        for moved in (number % 30, (29 - number) % 30):
            row = ("one", "main", f"n{number}", CELLS[number % 2], ["x86_64"], "default", "ready")
            await put(store, moved, row)
        return answer

    monkeypatch.setattr(scripts_or_redis, "zrange", zrange_amid_writes)
    entries = await snapshots.entries("one", ref, None, [Filters().patterns()[0]])
    assert sorted(entry.id for entry in entries) == sorted(repo.id for repo in repos)
    assert entries == sorted(entries, reverse=True)


async def test_records_of_one_time_are_all_listed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """More records of the same microsecond than fit in a step are no obstacle."""
    monkeypatch.setattr(snapshots_module, "STEP", 3)
    repos = await fill(store, 20)
    client: Any = store.snapshots._client  # noqa: SLF001
    scores = {str(repo.id): repo.modified for repo in repos}
    await client.zadd("shaman:{one}:modified", dict.fromkeys(scores, repos[0].modified))
    entries = await store.snapshots.entries("one", None, None, [])
    assert sorted(entry.id for entry in entries) == sorted(repo.id for repo in repos)
    await client.zadd("shaman:{one}:modified", scores)


async def test_a_list_that_cannot_be_had_whole_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the stream loses its beginning again and again, there is no answer rather than a wrong one."""
    await fill(store, 3)

    async def other_change(_kind: str, _project: str) -> bytes:
        return b"1-1"

    monkeypatch.setattr(store.snapshots, "_last_change", other_change)
    with pytest.raises(Unavailable):
        await store.snapshots.entries("one", None, None, [])


@pytest.mark.parametrize("text", ["ubuntu", "ubuntu/", "centos.9", "centos/9,debian"])
def test_a_term_needs_a_version(text: str) -> None:
    """A term without version or codename names the distro."""
    with pytest.raises(Invalid, match="Invalid version or codename for distro: "):
        parse_filters([("distros", text)], RELEASES)
