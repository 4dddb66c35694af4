"""`/openapi.json`: the API as a document for programs, and `/docs/`, the same for people."""

from typing import Any

from quart import Blueprint, Response

from shaman.web.answers import answers
from shaman.web.context import shaman
from shaman.web.responses import check_no_parameters, encoded_response

blueprint = Blueprint("docs", __name__)


@blueprint.get("/openapi.json/")
@answers(dict[str, Any])
async def get_openapi() -> Response:
    """Tell every route, parameter, answer and error as OpenAPI 3.1: this document."""
    check_no_parameters()
    return encoded_response(shaman().document)
