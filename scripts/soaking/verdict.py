"""Compares a store with what its builders were told: every acknowledged write once, and nothing half there."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct, field
from redis.asyncio import Redis

from shaman.models import Build, Repo
from shaman.store import keys
from shaman.store.swaps import Change
from soaking.builders import PROJECTS, Builder
from soaking.records import Cell, Entry, Record, State, state_of
from tests.store.audit import audit


class Kept(Struct):
    """What the store has of a cell: documents, and entries of the change stream; `times` are those of both."""

    states: list[State] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    told: list[int] = field(default_factory=list)

    def faults(self, record: Record) -> list[str]:
        """Say what is wrong with it."""
        if len(self.states) > 1:
            return [f"{record.url()}: is there {len(self.states)} times"]
        if self.told != sorted(set(self.told)):
            return [f"{record.url()}: entries out of order: {self.told}"]
        if self.times and self.times != self.told[-1:]:
            return [f"{record.url()}: was modified at {self.times[0]}, and the change stream says {self.told[-1:]}"]
        return record.faults(self.states[0] if self.states else None, self.entries)


async def faults_of(client: Redis, builders: Iterable[Builder]) -> list[str]:
    """Say everything that is wrong with a store."""
    records = {cell: record for builder in builders for cell, record in builder.records.items()}
    kept = await read(client)
    faults = [f"{cell}: nobody has written it" for cell in kept.keys() - records.keys()]
    for cell, record in records.items():
        faults += kept.get(cell, Kept()).faults(record)
    try:
        await audit(client)
    except AssertionError as error:
        faults.append(f"an index is wrong: {error!r}"[:1000])
    return faults


async def read(client: Redis) -> dict[Cell, Kept]:
    """Read every document and every entry of the change streams."""
    kept: dict[Cell, Kept] = defaultdict(Kept)
    for project in PROJECTS:
        for kind, name, shape in (("repo", keys.repos(project), Repo), ("build", keys.builds(project), Build)):
            documents: Any = await client.hvals(name)
            for document in documents:
                record: Any = msgspec.json.decode(document, type=shape)
                each = kept[_cell(kind, record)]
                each.states.append(state_of(record))
                each.times.append(record.modified)
        entries: Any = await client.xrange(keys.changes(project))
        for _, fields in entries:
            change = msgspec.json.decode(fields[b"event"], type=Change)
            each = kept[_cell(change.kind, change)]
            each.entries.append(Entry(change.event, change.ref, change.status))
            if change.event != "deleted":
                each.told.append(change.modified)
    return kept


def _cell(kind: str, record: Any) -> Cell:
    names = (record.project, record.flavor, record.sha1, record.distro, record.distro_version)
    return Cell(kind, *names)
