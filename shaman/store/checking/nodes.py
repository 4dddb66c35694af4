"""The keys of the storage nodes against each other: what the checks found of a node is the truth."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from shaman.models import Health
from shaman.store import keys
from shaman.store.checking.project import type_unit
from shaman.store.checking.steps import Command, Fault, Steps, Unit, Verdict
from shaman.store.checking.stream import broken_unit, entries
from shaman.store.checking.tree import TREE_OF_NODES
from shaman.store.nodes import NodeChange


def node_types() -> Iterator[Unit]:
    """Yield the checks of the types of the keys."""
    for name, wanted in TREE_OF_NODES.items():
        yield type_unit(name, wanted, Command("RENAMENX", name, (f"{keys.NODES_ASIDE}:{name.rpartition(':')[2]}",)))


async def node_units(client: Redis, steps: Steps) -> AsyncIterator[Unit]:
    """Yield the checks of all nodes, of the count of turns, and of the entries of the change stream."""
    for command, key in (
        ("HSCAN", keys.NODE_FACTS),
        ("ZSCAN", keys.NODES_KNOWN),
        ("HSCAN", keys.NODES_USED),
        ("SSCAN", keys.NODES_DOWN),
    ):
        async for found in steps.scan(command, key):
            yield _node_unit(found if command == "SSCAN" else found[0])
    yield _turn_unit()
    async for number, event in entries(client, keys.NODE_CHANGES):
        try:
            msgspec.json.decode(event, type=NodeChange)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            yield broken_unit(keys.NODE_CHANGES, number, f"is no change event: {error}")


def _node_unit(host: bytes) -> Unit:
    reads = (
        Command("HGET", keys.NODE_FACTS, (host,)),
        Command("SISMEMBER", keys.NODES_DOWN, (host,)),
        Command("ZSCORE", keys.NODES_KNOWN, (host,)),
        Command("HGET", keys.NODES_USED, (host,)),
    )

    def judge(replies: Sequence[Any]) -> Verdict:
        facts, down, known, used = replies
        health, faults = _facts(host, facts, registered=known is not None)
        if down and health.healthy:
            mend = Command("SREM", keys.NODES_DOWN, (host,))
            faults.append(Fault(key=mend.key, member=host, wrong="is not known to be unhealthy", mend=(mend,)))
        if not down and not health.healthy:
            mend = Command("SADD", keys.NODES_DOWN, (host,))
            faults.append(Fault(key=mend.key, member=host, wrong="is missing, and is not healthy", mend=(mend,)))
        if used is not None and not used.isdigit():
            mend = Command("HDEL", keys.NODES_USED, (host,))
            wrong = f"is {used.decode(errors='replace')!r}, which is no time"
            faults.append(Fault(key=mend.key, member=host, wrong=wrong, mend=(mend,)))
        return faults

    return Unit(reads, judge)


def _facts(host: bytes, document: bytes | None, *, registered: bool) -> tuple[Health, list[Fault]]:
    """Return what is known of a node, and what is wrong with that."""
    blank = Command("HSET", keys.NODE_FACTS, (host, msgspec.json.encode(Health())))
    if document is None:
        missing = Fault(key=blank.key, member=host, wrong="is missing, and the node has registered", mend=(blank,))
        return Health(), [missing] if registered else []
    try:
        return msgspec.json.decode(document, type=Health), []
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        aside = Command("HSET", keys.NODES_ASIDE, (host, document))
        forget = blank if registered else Command("HDEL", keys.NODE_FACTS, (host,))
        wrong = f"is not what is known of a node: {error}; to be set aside"
        return Health(), [Fault(key=blank.key, member=host, wrong=wrong, mend=(aside, forget))]


def _turn_unit() -> Unit:
    def judge(replies: Sequence[Any]) -> Verdict:
        if replies[0] is None or replies[0].isdigit():
            return []
        wrong = f"is {replies[0].decode(errors='replace')!r}, which is no count"
        return [Fault(key=keys.NODE_TURN, wrong=wrong, mend=(Command("SET", keys.NODE_TURN, (0,)),))]

    return Unit((Command("GET", keys.NODE_TURN),), judge)
