"""Looks at a store in small steps, each of which sees all that it compares in one moment.

So what a step finds wrong is wrong, whoever writes meanwhile; and a mend is a script that looks again before it writes.
"""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

from msgspec import Struct
from redis.asyncio import Redis

from shaman.errors import Damaged, Unavailable
from shaman.store import keys
from shaman.store.batches import Argument, Batches, Script
from shaman.store.connection import ask

LOOK = 50
"""Reads in one step: a hundred, of a sha1 with many repos, took up to 5.1 ms of the store's time."""

SCAN = 100
"""Members read ahead in one step, such as documents."""

LOOKS = 1000
"""How often a part is looked at while others write it, before the check gives up."""


class Command(NamedTuple):
    """A command for the store; see lua/looking.lua."""

    name: str
    key: str
    arguments: tuple[Argument, ...] = ()


class Fault(Struct, frozen=True, kw_only=True):
    """What is wrong with a member of a key, and the writes that mend it; none if that is not known."""

    key: str
    wrong: str
    member: bytes | str = b""
    mend: tuple[Command, ...] = ()

    def __str__(self) -> str:
        """Return key, member and what is wrong with it, on one line."""
        member = self.member if isinstance(self.member, bytes) else self.member.encode()
        try:
            text = member.decode()
        except UnicodeDecodeError:
            text = member.hex()
        told = " ".join(filter(None, [self.key, text])) + f": {self.wrong}"
        return told.encode("unicode_escape").decode() if not told.isprintable() else told


class Unit(Struct, frozen=True):
    """A part of the store that is right or wrong by itself: what to read, and what to think of the replies.

    `judge` returns faults, and units where something else must be read to know. `after` are looked at after a mend.
    """

    reads: tuple[Command, ...]
    judge: Callable[[Sequence[Any]], Sequence["Fault | Unit"]]
    after: tuple["Unit", ...] = ()


Verdict = Sequence[Fault | Unit]


class Steps:
    """The steps of one check."""

    def __init__(self, client: Redis, batches: Batches, report: Callable[[Fault], None], *, repair: bool) -> None:
        """Call `report` for each fault; with `repair` mend it."""
        self._client = client
        self._look = Script(client, batches, "look")
        self._mend = Script(client, batches, "mend")
        self._report = report
        self._repair = repair
        self._told: set[str] = set()

    async def run(self, units: Iterable[Unit] | AsyncIterable[Unit]) -> None:
        """Look at `units`, some at a time, and at what follows from them."""
        page: list[Unit] = []
        async for unit in _each(units):
            page.append(unit)
            if _length(page) >= LOOK:
                await self._settle(page)
                page = []
        await self._settle(page)

    async def scan(self, command: str, key: str) -> AsyncIterator[Any]:
        """Yield the members of a sorted set (ZSCAN), or the fields and values of a hash (HSCAN); some twice."""
        cursor: Any = 0
        while True:
            call = partial(self._client.execute_command, command, key, cursor, "COUNT", SCAN)
            cursor, found = await ask_typed(call, (0, ()))
            pairs = found.items() if isinstance(found, dict) else found
            for pair in pairs:
                yield pair
            if int(cursor) == 0:
                return

    async def _settle(self, units: list[Unit]) -> None:
        """Look at `units`, and at what must be looked at then, until nothing is left."""
        for _ in range(LOOKS):
            page: list[Unit] = []
            while units and _length(page) < LOOK:
                page.append(units.pop(0))
            if not page:
                return
            units += await self._look_at(page)
        raise Unavailable("the store is written to faster than it can be checked")

    async def _look_at(self, page: list[Unit]) -> list[Unit]:
        """Look at all in one moment; what must be looked at then."""
        reads = [read for unit in page for read in unit.reads]
        arguments: list[Argument] = [len(reads), *_arguments(reads)]
        replies: list[Any] = await ask(partial(self._look, [read.key for read in reads], arguments))
        again: list[Unit] = []
        for unit in page:
            own, replies = replies[: len(unit.reads)], replies[len(unit.reads) :]
            found = unit.judge(own)
            faults = [each for each in found if isinstance(each, Fault)]
            again += [each for each in found if isinstance(each, Unit)]
            for fault in faults:
                self._tell(fault)
            if self._repair and any(fault.mend for fault in faults):
                again += unit.after if await self._write(unit, own, faults) else [unit]
        return again

    async def _write(self, unit: Unit, replies: list[Any], faults: list[Fault]) -> bool:
        writes = dict.fromkeys(write for fault in faults for write in fault.mend)
        names = [command.key for command in (*unit.reads, *writes)]
        arguments: list[Argument] = [len(unit.reads), len(writes), flat(replies), keys.CHANNEL, keys.ANYTHING]
        arguments += _arguments([*unit.reads, *writes])
        return bool(await ask(partial(self._mend, names, arguments)))

    def _tell(self, fault: Fault) -> None:
        if str(fault) not in self._told:
            self._told.add(str(fault))
            self._report(fault)


async def ask_typed(call: Callable[[], Awaitable[Any]], otherwise: Any) -> Any:
    """Return what `call` returns, `otherwise` if the key is of another type: that is a fault of its own."""
    try:
        return await ask(call)
    except Damaged as error:
        if not str(error.__cause__).startswith("WRONGTYPE"):
            raise
        return otherwise


def flat(reply: Any) -> bytes:
    """Return a reply as mend.lua writes it."""
    if isinstance(reply, list):
        return b"*%d\n%s" % (len(reply), b"".join(map(flat, reply)))
    if reply is None:
        return b"-\n"
    return b":%d\n" % reply if isinstance(reply, int) else b"$%d %s\n" % (len(reply), reply)


def _length(units: Iterable[Unit]) -> int:
    return sum(len(unit.reads) for unit in units)


def _arguments(commands: Iterable[Command]) -> list[Argument]:
    return [part for name, _, rest in commands for part in (name, len(rest), *rest)]


async def _each(units: Iterable[Unit] | AsyncIterable[Unit]) -> AsyncIterator[Unit]:
    if isinstance(units, AsyncIterable):
        async for unit in units:
            yield unit
    else:
        for unit in units:
            yield unit
