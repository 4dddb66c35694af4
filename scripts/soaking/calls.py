"""What is recorded of a history: each call to the service with its begin and end, what it asked, and what was told."""

from typing import Literal

from msgspec import Struct

What = Literal["put", "note", "delete", "dump", "ref", "newest", "sha1s"]
"""`put` writes a whole record, `note` its `extra` alone, `delete` takes it away; `dump` asks for every record of the
project, `ref` for every one of a ref, `newest` for the newest ready one of a ref, `sha1s` for the sha1s of a ref."""


class Version(Struct, frozen=True, kw_only=True):
    """What a `put` makes of a record, as far as questions ask for it."""

    ref: str
    sha1: str
    status: str


class Told(Struct, frozen=True, kw_only=True):
    """A record as an answer tells it: the number of the `put` that it is of, and that of the last write of `extra`."""

    record: str
    number: str
    note: str
    version: Version
    modified: str


class Call(Struct, frozen=True, kw_only=True):
    """One call; `status` is 0 if the connection ended instead. What keeps its connection stays with its worker.

    `question` is the path that was asked; `ready` tells whether only ready records count, `missing` how many of the
    records that nobody writes to a dump has not told.
    """

    what: What
    connection: int
    begin: float
    end: float
    status: int
    question: str = ""
    record: str = ""
    number: str = ""
    version: Version | None = None
    ref: str = ""
    ready: bool = False
    told: tuple[Told, ...] = ()
    names: tuple[str, ...] = ()
    missing: int = 0

    @property
    def unknown(self) -> bool:
        """Whether nobody knows what became of it: the connection ended, or the store was slow to answer."""
        return self.status in {0, 503}

    @property
    def acknowledged(self) -> bool:
        """Whether the service has said yes."""
        return self.status in {200, 201}
