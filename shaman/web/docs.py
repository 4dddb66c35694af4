"""`/openapi.json`: the API as a document for programs, and `/docs/`, the same for people."""

from functools import lru_cache
from typing import Any

import msgspec
from quart import Blueprint, Response

from shaman.web.answers import HTML, answers
from shaman.web.context import Shaman, shaman
from shaman.web.openapi.document import make_document
from shaman.web.openapi.page import reading
from shaman.web.pages.rendering import fill, page
from shaman.web.responses import check_no_parameters, encoded_response

blueprint = Blueprint("docs", __name__)


@blueprint.get("/openapi.json/")
@answers(dict[str, Any])
async def get_openapi() -> Response:
    """Tell every route, parameter, answer and error as OpenAPI 3.1: this document."""
    check_no_parameters()
    return encoded_response(openapi_document(shaman()))


@blueprint.get("/docs/")
@answers(str, media=HTML, no_store=True)
async def show_docs() -> Response:
    """Show this document to people."""
    check_no_parameters()
    return page(_docs(openapi_document(shaman())))


@lru_cache(1)
def openapi_document(app: Shaman) -> bytes:
    """Return the document of all routes of the application, which stay as they are."""
    return msgspec.json.encode(make_document(app))


@lru_cache(1)
def _docs(document: bytes) -> str:
    return fill("docs.html", reading(msgspec.json.decode(document)))
