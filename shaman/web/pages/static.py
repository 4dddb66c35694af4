"""`/static/`: what pages are drawn with. The files are few and small, and stay in memory."""

from hashlib import sha256
from importlib.resources import files

from quart import Blueprint, Response

from shaman.errors import NotFound
from shaman.web.answers import answers
from shaman.web.responses import check_no_parameters

blueprint = Blueprint("static", __name__, url_prefix="/static")

KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
FILES = {file.name: file.read_bytes() for file in (files("shaman.web") / "static").iterdir()}


def url_of(name: str) -> str:
    """Return the URL of a file; another content has another URL, so browsers never ask again."""
    return f"/static/{name}?v={sha256(FILES[name]).hexdigest()[:12]}"


@blueprint.get("/<name:file>/")
@answers(str, media=tuple(KINDS.values()), query=("v",), errors=(NotFound,), no_store=True)
async def get_file(file: str) -> Response:
    """Return a file that pages are drawn with."""
    check_no_parameters("v")
    if file not in FILES:
        raise NotFound("there is no such file")
    response = Response(FILES[file], content_type=f"{KINDS[file.rpartition('.')[2]]}; charset=utf-8")
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
