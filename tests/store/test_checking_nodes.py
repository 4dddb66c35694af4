"""The check of a store: the nodes."""

from typing import Any

import msgspec
import pytest

from shaman.models import Health
from shaman.store import Store, keys
from tests.store.test_checking import fill
from tests.store.test_checking_documents import assert_told

NODES = [
    (("srem", keys.NODES_DOWN, "down.example.org"), "down down.example.org: is missing, and is not healthy"),
    (("sadd", keys.NODES_DOWN, "up.example.org"), "down up.example.org: is not known to be unhealthy"),
    (("sadd", keys.NODES_DOWN, "new.example.org"), "down new.example.org: is not known to be unhealthy"),
    (("hdel", keys.NODE_FACTS, "up.example.org"), "facts up.example.org: is missing, and the node has registered"),
    (("hset", keys.NODE_FACTS, "up.example.org", "{"), "facts up.example.org: is not what is known of a node: .*"),
    (("hset", keys.NODE_FACTS, "new.example.org", "{"), "facts new.example.org: is not what is known of a node: .*"),
    (("hset", keys.NODES_USED, "up.example.org", "x"), "used up.example.org: is 'x', which is no time"),
    (("set", keys.NODE_TURN, "x"), "turn: is 'x', which is no count"),
    (("set", keys.NODES_DOWN, "x"), "down: is a string, not a set"),
    (("set", keys.NODES_KNOWN, "x"), "known: is a string, not a zset"),
]


@pytest.mark.parametrize(("damage", "told"), NODES)
async def test_the_nodes_agree_with_what_is_known_of_them(
    store: Store, redis: Any, damage: tuple[str, ...], told: str
) -> None:
    """Down are exactly those that are not healthy, and something is known of each that has registered."""
    await fill(store)
    await redis.execute_command(*damage)
    await assert_told(store, redis, rf"shaman:nodes:{{nodes}}:{told}")
    if damage[-1] == "{":
        assert await redis.hget(keys.NODES_ASIDE, damage[2]) == b"{"


async def test_what_is_known_of_a_node_is_the_truth(store: Store, redis: Any) -> None:
    """A node that is known to be unhealthy is not handed out after a repair."""
    await fill(store)
    await redis.hset(keys.NODE_FACTS, "up.example.org", msgspec.json.encode(Health(healthy=False)))
    await assert_told(store, redis, r".*:down up.example.org: is missing, and is not healthy")
    assert await redis.smembers(keys.NODES_DOWN) == {b"up.example.org", b"down.example.org"}
