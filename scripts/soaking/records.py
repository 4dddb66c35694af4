"""What a builder has been told of a record of its own, and so what must be in the store."""

from typing import Any, NamedTuple

from msgspec import Struct, field

from shaman.models import DELETED


class Cell(NamedTuple):
    """What makes a record one and the same in every event: the writer has a flavor of its own."""

    kind: str
    project: str
    flavor: str
    sha1: str
    distro: str
    version: str


class State(NamedTuple):
    """What a write makes of a record; `number` is one that only this write has. None in its place: it is not there."""

    ref: str
    status: str
    number: int


class Entry(NamedTuple):
    """As much of an entry of the change stream as a write decides."""

    event: str
    ref: str
    status: str


class Record(Struct, kw_only=True):
    """A record that one builder writes, one write after the other.

    `entries` are those that its acknowledged writes must have left in the change stream. `doubt` is a write that nobody
    acknowledged and nobody repeats: it has happened or not, and no other comes behind it.
    """

    cell: Cell
    state: State | None = None
    entries: list[Entry] = field(default_factory=list)
    doubt: tuple[State | None, Entry] | None = None

    def url(self) -> str:
        """Return the identity."""
        cell = self.cell
        return f"https://chacra.example.org/{cell.kind}/{'/'.join(cell[1:])}"

    def entry(self, state: State | None) -> Entry:
        """Return the entry that a write leaves which makes the record `state`."""
        if state is None:
            old = self.state or State("", "", 0)
            return Entry("deleted", old.ref, DELETED)
        return Entry("updated" if self.state else "created", state.ref, state.status)

    def written(self, state: State | None) -> None:
        """Take a write as acknowledged. A deletion of what is not there leaves nothing behind."""
        if state or self.state:
            self.entries.append(self.entry(state))
        self.state = state

    def doubted(self, state: State | None) -> None:
        """Take a write as one of which nothing is known."""
        self.doubt = state, self.entry(state)

    def faults(self, found: State | None, entries: list[Entry]) -> list[str]:
        """Say what is wrong with the record as it was found, and with its entries in the change stream."""
        may_be = [(self.state, self.entries)]
        if self.doubt:
            may_be.append((self.doubt[0], [*self.entries, self.doubt[1]]))
        if (found, entries) in may_be:
            return []
        return [f"{self.url()}: is {found}, with {entries}; must be one of {may_be}"]


def state_of(record: Any) -> State:
    """Return the state that a document of the store tells."""
    return State(record.ref, record.status, int(record.extra["number"]))
