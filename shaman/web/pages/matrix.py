"""`/matrix/`: a ref at a glance, its sha1s by what they are built for."""

from quart import Blueprint, Response

from shaman.errors import NotFound
from shaman.matrix import Matrix, matrix_of, row_of
from shaman.store.recent import Named
from shaman.web.context import shaman
from shaman.web.pages.rendering import read_after, render
from shaman.web.responses import check_no_parameters

blueprint = Blueprint("matrix", __name__, url_prefix="/matrix")

ROWS = 25
BUILDS = 60
"""Builds of a sha1 that are looked at, the newest of them."""

CELLS = 450
"""Cells of a page: each takes about 300 bytes."""

COLUMNS = 60
"""Columns of a page; no project is built for as many."""


@blueprint.get("/<name:project>/<name:ref>/")
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
    lines = await recent.lines(project, ref, names)
    builds = await recent.builds_of(project, ref, names, BUILDS)
    rows = [row_of(row, lines[row.name], builds[row.name]) for row in page.rows]
    return matrix_of(rows, shaman().releases), page.after
