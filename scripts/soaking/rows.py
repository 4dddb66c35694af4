"""One line of the table: a figure, what was promised of it, and whether the promise was kept."""

from collections.abc import Iterable

from msgspec import Struct


class Row(Struct, frozen=True, kw_only=True):
    """A figure of a point of the soak; `promised` is empty where it is measured only."""

    point: str
    what: str
    figure: str
    promised: str = ""
    kept: bool = True


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a table in Markdown."""
    lines = [("point", "what", "promised", "seen", ""), ("---",) * 5]
    lines += [(row.point, row.what, row.promised, row.figure, "" if row.kept else "BROKEN") for row in rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
