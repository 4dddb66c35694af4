"""A command may reach the store long after its sender has given up on it: what was done since stays done."""

import msgspec
import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from shaman.errors import Unavailable
from shaman.merge import Unchanged, merge_repo
from shaman.models import PostedRepo, Repo
from shaman.store import Store, keys
from shaman.store.batches import Batches
from shaman.store.connection import connect
from shaman.store.repos import Outcome, Pattern
from shaman.store.scripts import Scripts, Swap
from shaman.store.swaps import swap_of
from tests.backends import admin_url
from tests.conftest import CONFIG, RELEASES
from tests.store.audit import audit
from tests.store.test_removals import NEWEST
from tests.store.test_repos import RULES, posted

URL = "https://chacra.example.org/r/1"
DIGEST = keys.digest("chacra_url", URL)
CREATION = posted(chacra_url=URL)
DELETION = PostedRepo(chacra_url=URL, status="deleted")


def scripts_of(redis: Redis) -> Scripts:
    """Return the scripts as a store uses them."""
    batches = Batches(redis)
    return Scripts(redis, batches, batches)


async def prepared(redis: Redis, body: PostedRepo) -> Swap:
    """Return the write of a POST that has read what it needs, as `Repos.put` makes it, before it is sent."""
    opened = await scripts_of(redis).open_repo("ceph", DIGEST)
    old = msgspec.json.decode(opened.document, type=Repo) if opened.document else None
    merged = merge_repo(old, body, project="ceph", rules=RULES, releases=RELEASES, now=opened.now, gone=opened.gone)
    assert not isinstance(merged, Unchanged)
    return swap_of(DIGEST, opened, old, merged)


async def test_a_late_creation_does_not_bring_a_deleted_repo_back(store: Store, redis: Redis) -> None:
    """The builder was told 503, posted again, and deleted the repo: the first command comes after all that."""
    late = await prepared(redis, CREATION)
    await store.repos.put("ceph", CREATION, RULES)
    await store.repos.put("ceph", DELETION, RULES)
    assert await scripts_of(redis).swap_repo("ceph", late) is None
    assert await store.repos.find_sha1("ceph", "main", "a1", [Pattern()]) == []


async def test_a_late_creation_does_not_come_behind_a_deletion_that_found_nothing(store: Store, redis: Redis) -> None:
    """The builder was told 503 and took it back: nothing was there to delete, and nothing is there afterwards."""
    late = await prepared(redis, CREATION)
    assert await store.repos.put("ceph", DELETION, RULES) == (Outcome.DELETED, None)
    assert await scripts_of(redis).swap_repo("ceph", late) is None
    assert await store.repos.find_sha1("ceph", "main", "a1", [Pattern()]) == []


async def test_a_late_creation_knows_one_deletion_from_the_next(store: Store, redis: Redis) -> None:
    """Deleted twice at the same time by the sender's clock, a repo stays deleted."""
    dated = replace(DELETION, modified="2026-06-17 19:00:00")
    await store.repos.put("ceph", dated, RULES)
    late = await prepared(redis, CREATION)
    await store.repos.put("ceph", CREATION, RULES)
    await store.repos.put("ceph", dated, RULES)
    assert await scripts_of(redis).swap_repo("ceph", late) is None
    assert await store.repos.find_sha1("ceph", "main", "a1", [Pattern()]) == []


async def test_a_late_deletion_of_nothing_leaves_a_new_repo_alone(store: Store, redis: Redis) -> None:
    """What was not there when the deletion was read is not deleted when it comes."""
    late = await prepared(redis, DELETION)
    await store.repos.put("ceph", CREATION, RULES)
    assert await scripts_of(redis).swap_repo("ceph", late) is None
    assert len(await store.repos.find_sha1("ceph", "main", "a1", [Pattern()])) == 1


async def test_a_late_update_changes_no_newer_record(store: Store, redis: Redis) -> None:
    """Not even one that says the same as the record did when the update was read."""
    await store.repos.put("ceph", CREATION, RULES)
    late = await prepared(redis, replace(CREATION, status="failed"))
    await store.repos.put("ceph", DELETION, RULES)
    _, again = await store.repos.put("ceph", CREATION, RULES)
    assert await scripts_of(redis).swap_repo("ceph", late) is None
    assert await store.repos.find_sha1("ceph", "main", "a1", [Pattern()]) == [again]


@pytest.mark.parametrize("dated", [{}, {"modified": "2026-06-17 19:00:00"}])
async def test_a_late_creation_does_not_bring_back_what_retention_removed(
    store: Store, redis: Redis, dated: dict[str, str]
) -> None:
    """Neither the one that was removed, nor one from between two removals."""
    for number in range(2):
        late = await prepared(redis, CREATION)
        await store.repos.put("ceph", replace(CREATION, **dated), RULES)
        await store.repos.put("ceph", posted(sha1="b2", extra={"number": number}), RULES)
        now = await store.removals.now("ceph")
        assert await store.removals.remove("ceph", "main", "a1", NEWEST, now)
        assert await scripts_of(redis).swap_repo("ceph", late) is None
        assert await store.repos.sha1s("ceph", "main", None) == ["b2"]


@pytest.mark.parametrize("changes", [{}, {"modified": "2026-06-17 19:00:00"}])
async def test_a_full_store_takes_deletions(system_url: str, server_url: str, changes: dict[str, str]) -> None:
    """Deletions are what makes room: of what is there, and again of what has gone."""
    for url in (system_url, server_url):
        admin, store = connect(admin_url(url), 4), Store(connect(url, 4), CONFIG, RELEASES)
        await admin.flushall()
        await store.repos.put("ceph", CREATION, RULES)
        await admin.config_set("maxmemory", "1")
        try:
            with pytest.raises(Unavailable):
                await store.repos.put("ceph", replace(CREATION, chacra_url=URL + "2"), RULES)
            for _ in range(2):
                await store.repos.put("ceph", replace(DELETION, **changes), RULES)
            assert await store.repos.find_sha1("ceph", "main", "a1", [Pattern()]) == []
        finally:
            await admin.config_set("maxmemory", "0")
        await audit(admin)
        await admin.aclose()
        await store.close()
