"""What the workers of one service tell each other of themselves: memory that the parent makes, and all share.

It has no name and no file: it ends with the last process, however that ends.
"""

import mmap
import struct

import msgspec
from msgspec import Struct

Rows = dict[tuple[str, ...], list[float]]
"""Numbers by the name of what is measured and the values of its labels."""

HALF = 1024 * 1024
"""Bytes for the rows of a worker, which take a tenth at most; a page that nobody writes to takes no memory."""

_HEAD = 16
_LENGTH = struct.Struct("<I")


class _Told(Struct, frozen=True, array_like=True):
    name: tuple[str, ...]
    numbers: list[float]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[_Told])
_NOTHING = _encoder.encode([])


class Board:
    """A place for each worker; it must be made before they are forked."""

    def __init__(self, places: int) -> None:
        """Make so many empty places."""
        self.places = [Place(self) for _ in range(places)]


class Place:
    """The place of one worker; whoever takes over that of a dead one finds what it has told.

    It is written in halves by turns: who reads finds what was told last or the time before, never a mixture.
    """

    def __init__(self, board: Board) -> None:
        """Make it empty; it is one of those of `board`."""
        self.board = board
        self._memory = mmap.mmap(-1, _HEAD + 2 * HALF)

    def write(self, rows: Rows) -> None:
        """Put `rows` there in place of what was told before."""
        told = _encoder.encode([_Told(name, numbers) for name, numbers in rows.items()])
        if len(told) > HALF:
            raise ValueError("more is told than there is place for")
        half = 1 - self._memory[0]
        start = _HEAD + half * HALF
        self._memory[start : start + len(told)] = told
        _LENGTH.pack_into(self._memory, 4 + 4 * half, len(told))
        self._memory[0] = half

    def read(self) -> Rows:
        """Return what was last written there."""
        half = self._memory[0]
        (length,) = _LENGTH.unpack_from(self._memory, 4 + 4 * half)
        start = _HEAD + half * HALF
        return {told.name: told.numbers for told in _decoder.decode(self._memory[start : start + length] or _NOTHING)}
