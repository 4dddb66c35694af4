"""`/find/`: the search box."""

from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit

from quart import Blueprint, Response, request

from shaman.errors import NotFound
from shaman.finding import find
from shaman.web.answers import HTML, answers
from shaman.web.context import shaman
from shaman.web.pages.rendering import path, redirect, render
from shaman.web.responses import check_no_parameters

blueprint = Blueprint("find", __name__, url_prefix="/find")


@blueprint.get("/")
@answers({200: str, 302: str}, media=HTML, query=("q",), errors=(NotFound,), no_store=True)
async def show_found() -> Response:
    """Lead to what was asked for, or list what may be meant; 404 where nothing is."""
    check_no_parameters("q")
    asked = request.args.get("q", "").strip()
    here = _path_here(asked)
    if here:
        return redirect(here)
    hits = await find(shaman().store, asked)
    if len(hits) == 1:
        return redirect(path(*hits[0].path))
    code = HTTPStatus.OK if hits or not asked else HTTPStatus.NOT_FOUND
    return render("find.html", code, asked=asked, hits=hits)


def _path_here(asked: str) -> str | None:
    """Return the path of a URL of this very service, made anew, so that nothing in it can lead elsewhere."""
    try:
        url = urlsplit(asked)
    except ValueError:
        return None
    if url.scheme not in {"http", "https"} or url.netloc.lower() != request.host.lower() or not asked.isprintable():
        return None
    names = [unquote(name) for name in url.path.split("/") if name]
    return None if names[:1] == ["find"] else path(*names, **dict(parse_qsl(url.query)))
