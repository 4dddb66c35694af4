"""`/matrix/`: a ref at a glance, its sha1s by what they are built for."""

import asyncio
from itertools import accumulate

from quart import Blueprint, Response

from shaman.errors import NotFound
from shaman.matrix import Matrix, Row, matrix_of, row_of
from shaman.store.recent import Named
from shaman.web.answers import HTML, answers
from shaman.web.context import shaman
from shaman.web.pages.rendering import path, read_after, render
from shaman.web.responses import check_no_parameters

blueprint = Blueprint("matrix", __name__, url_prefix="/matrix")

ROWS = 25
COLUMNS = 60
"""Columns of a page; hardly any project is built for as many."""

BUILDS = 100
"""Builds of a sha1 that are looked at, the newest of them."""

SIZE = 150_000
"""Bytes of the cells of a page, about; a page has at least one row."""

CELL = 260
"""Bytes of a cell beside its names and URLs."""


@blueprint.get("/<name:project>/<name:ref>/")
@answers(str, media=HTML, query=("after",), errors=(NotFound,), no_store=True)
async def show_matrix(project: str, ref: str) -> Response:
    """Show the newest sha1s of a ref, or those behind a place in the list."""
    check_no_parameters("after")
    begin = read_after()
    matrix, after = await _read(project, ref, begin)
    if not matrix.rows and not begin:
        raise NotFound(f"nothing of the ref {ref} of {project} is known")
    return render("matrix.html", project=project, ref=ref, matrix=matrix, next=after, first=not begin)


async def _read(project: str, ref: str, begin: Named | None) -> tuple[Matrix, Named | None]:
    recent = shaman().store.recent
    page = await recent.sha1s(project, ref, None, begin, ROWS)
    names = [row.name for row in page.rows]
    lines, builds = await asyncio.gather(
        recent.lines(project, ref, names), recent.builds_of(project, ref, names, BUILDS)
    )
    rows = [row_of(row, lines[row.name], builds[row.name], older=len(builds[row.name]) == BUILDS) for row in page.rows]
    shown = _fitting(rows, CELL + len(path(project, ref)))
    after = page.after if len(shown) == len(rows) else page.rows[len(shown) - 1]
    return matrix_of(shown, shaman().releases, COLUMNS), after


def _fitting(rows: list[Row], each: int) -> list[Row]:
    """Return the first rows, as many as fit into a page; a cell takes `each` bytes and its link to a log."""
    sizes = accumulate(
        sum(each + len(cell.build.log_url or cell.build.url) if cell.build else each for cell in row.cells.values())
        for row in rows
    )
    return [row for number, (row, size) in enumerate(zip(rows, sizes, strict=True)) if size <= SIZE or not number]
