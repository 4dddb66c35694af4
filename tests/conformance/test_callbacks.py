"""Callbacks of storage nodes out of order, late, repeated and at once, and the end of a record."""

import asyncio
import itertools

import pytest

from tests.conformance.api import OTHER_BACKEND, Api, Json, refused, repo_body, sha1

# The sender's own times, one after the other.
T1, T2, T3, T4 = (f"2026-06-17 18:04:3{second}.190595" for second in range(4))


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
async def test_callbacks_may_come_in_any_order(api: Api, order: tuple[int, ...]) -> None:
    """However the callbacks of one life arrive, and twice each, the record ends as the sender saw it last."""
    body = repo_body(api.project)
    life = [
        body | {"status": status, "modified": time, "extra": {"step": time}}
        for status, time in (("requested", T1), ("queued", T2), ("building", T3), ("ready", T4))
    ]
    for number in (*order, *order):
        await api.post("repos", life[number])
    repo = await api.one_repo()
    assert (repo["status"], repo["extra"]) == ("ready", {"step": T4})


async def test_a_late_callback_moves_nothing(api: Api) -> None:
    """An older body is acknowledged, and neither its coordinates nor its archs are taken."""
    body = await api.post_repo(modified=T2)
    before = await api.one_repo()
    await api.post("repos", body | {"modified": T1, "sha1": sha1(2), "archs": ["arm64"], "status": "queued"})
    assert await api.one_repo() == before


async def test_a_repeated_post_changes_nothing(api: Api) -> None:
    """The same body twice is the same state, down to the time of the last change."""
    for body in (repo_body(api.project), repo_body(api.project, modified=T1)):
        await api.post("repos", body)
        before = await api.one_repo()
        await api.post("repos", body)
        assert await api.one_repo() == before


async def test_a_body_of_the_same_time_is_taken(api: Api) -> None:
    """Only an older one is late: senders with coarse clocks tell two states in one tick."""
    body = await api.post_repo(modified=T1, status="building")
    await api.post("repos", body | {"status": "ready"})
    assert (await api.one_repo())["status"] == "ready"


async def test_a_body_without_a_time_is_always_taken(api: Api) -> None:
    """Who tells no time is never late; what was accepted with a time before still counts for those who do."""
    body = await api.post_repo(modified=T2)
    await api.post("repos", {"chacra_url": body["chacra_url"], "status": "building"})
    assert (await api.one_repo())["status"] == "building"
    await api.post("repos", body | {"modified": T1})
    assert (await api.one_repo())["status"] == "building"


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("2026-06-17T18:04:30Z", "2026-06-17 18:04:30.000001"),
        ("2026-06-17 20:04:30+02:00", "2026-06-17T18:04:31"),
        ("2026-06-17 18:04:30.9", "2026-06-17T18:04:30.95+00:00"),
    ],
)
async def test_a_sender_may_write_its_time_in_either_way(api: Api, older: str, newer: str) -> None:
    """With `T` or a blank, with or without a zone and decimals: what counts is the time."""
    body = await api.post_repo(modified=newer)
    await api.post("repos", body | {"modified": older, "status": "queued"})
    assert (await api.one_repo())["status"] == "ready"


async def test_newest_is_by_the_registrys_own_clock(api: Api) -> None:
    """A sender's clock that runs ahead or behind puts no record out of its place."""
    await api.post_repo(sha1=sha1(1), modified="2099-01-01 00:00:00")
    await api.post_repo(sha1=sha1(2), modified="2001-01-01 00:00:00")
    await api.post_repo(sha1=sha1(3))
    assert await api.repos("main") == [sha1(3), sha1(2), sha1(1)]
    assert [repo["sha1"] for repo in await api.search(sha1="latest")] == [sha1(3)]
    assert max(repo["modified"] for repo in await api.search()) < "2099"


async def test_deleted_removes_by_chacra_url_alone(api: Api) -> None:
    """Whatever else the body says, the record is gone from every list, and the project with its last record."""
    bodies: list[Json] = [
        {},
        {"ref": 7, "sha1": "latest", "distro": None, "url": "javascript:alert(1)", "extra": [], "archs": "x"},
        {"modified": "yesterday"},
        {"modified": 5},
        {"unknown": {"deep": []}},
        repo_body(api.project, status="deleted", sha1=sha1(9)) | {"modified": T4},
    ]
    for more in bodies:
        body = repo_body(api.project)
        await api.post("repos", body)
        await api.one_repo()
        await api.delete_repo(body, **{name: value for name, value in more.items() if name != "chacra_url"})
        await api.nothing_stored()
        assert api.project not in (await api.get("/api/"))["repos"]
        assert api.project not in await api.get("/api/repos/")


async def test_deleting_what_is_unknown_is_taken(api: Api) -> None:
    """The end of a record that was never there, or is gone already, is 200 and stores nothing."""
    for _ in range(2):
        await api.delete_repo(repo_body(api.project))
        await api.nothing_stored()


async def test_a_deletion_needs_its_chacra_url(api: Api) -> None:
    """The one key that counts is named when it is missing, empty or no text."""
    await api.post_repo()
    assert "chacra_url" in await refused(api, {"status": "deleted"})
    for value in ("", None, 7, ["x"]):
        assert "chacra_url" in await refused(api, {"status": "deleted", "chacra_url": value})
    await api.one_repo()


async def test_a_late_deletion_removes_nothing(api: Api) -> None:
    """A deletion older than what was accepted since is late as any other callback; one of the same time is not."""
    body = await api.post_repo(modified=T2)
    await api.delete_repo(body, modified=T1)
    await api.one_repo()
    await api.delete_repo(body, modified=T2)
    await api.nothing_stored()


@pytest.mark.parametrize("more", [{}, {"modified": T3}, {"modified": None}], ids=["no time", "a time", "null"])
async def test_a_late_callback_brings_nothing_back(api: Api, more: Json) -> None:
    """After a deletion, with a time of its own or without, an older callback is acknowledged; a newer one is taken."""
    body = await api.post_repo(modified=T2)
    await api.delete_repo(body, **more)
    await api.post_repo(OTHER_BACKEND)
    await api.delete_repo(repo_body(api.project, OTHER_BACKEND), modified=T1)
    await api.post("repos", body | {"modified": T1, "status": "queued"})
    await api.nothing_stored()
    await api.delete_repo(body)
    await api.post("repos", body | {"modified": T1, "status": "queued"})
    await api.nothing_stored()
    await api.post("repos", body | {"modified": T4})
    await api.one_repo()


async def test_many_senders_at_once_make_one_record(api: Api) -> None:
    """Concurrent callbacks for one chacra_url are one record with the archs of all."""
    archs = [f"arch{number}" for number in range(12)]
    await asyncio.gather(*(api.post_repo(archs=[arch]) for arch in archs))
    assert sorted((await api.one_repo())["archs"]) == sorted(archs)
