"""The version of a store's keys."""

import re
from typing import Any

import pytest

from shaman.errors import WrongSchema
from shaman.models import PostedBuild
from shaman.store import Store, keys, schema

BUILD = PostedBuild(url="https://ci/1/", ref="main", sha1="a1", status="queued")


@pytest.fixture(autouse=True)
async def _untold(redis: Any) -> None:
    await redis.delete(keys.SCHEMA)


async def test_an_empty_store_gets_the_version(store: Store, redis: Any) -> None:
    """Before anything else is written, the store tells the version of its keys."""
    await store.schema.check()
    assert await redis.keys("*") == [keys.SCHEMA.encode()]
    assert await redis.get(keys.SCHEMA) == str(schema.VERSION).encode()


@pytest.mark.parametrize("version", [None, "1"])
async def test_an_older_version_is_refused(store: Store, redis: Any, version: str | None) -> None:
    """What to do is said, and the version stays, whether it is told or the store was made before."""
    await store.builds.put("ceph", BUILD)
    if version:
        await redis.set(keys.SCHEMA, version)
    with pytest.raises(WrongSchema, match=r"has keys of version 1 .* needs 2: .* run `shaman reindex`"):
        await store.schema.check()
    assert await redis.get(keys.SCHEMA) == (version and version.encode())


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("999", "the store has keys of version 999 (shaman:schema), and this shaman knows 2 at most"),
        ("new", "shaman:schema is 'new', which is no version"),
        ("-1", "shaman:schema is '-1', which is no version"),
    ],
)
async def test_a_version_that_is_not_known_is_refused(store: Store, redis: Any, version: str, told: str) -> None:
    """A store that a newer shaman has written is left alone, as often as it is asked for."""
    await redis.set(keys.SCHEMA, version)
    for _ in range(2):
        with pytest.raises(WrongSchema, match=re.escape(told)):
            await store.schema.check()
    assert await redis.get(keys.SCHEMA) == version.encode()
