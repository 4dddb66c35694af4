"""One line of the table: a figure, what was promised of it, and whether the promise was kept."""

from msgspec import Struct


class Row(Struct, frozen=True, kw_only=True):
    """A figure of a point of the soak; `promised` is empty where it is measured only."""

    point: str
    what: str
    figure: str
    promised: str = ""
    kept: bool = True
