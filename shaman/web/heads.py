"""The head of a request: what is refused of it before anybody reads on."""

from http import HTTPStatus

from quart import Response, request

from shaman.web.paths import check_url
from shaman.web.problems import problem

HEADERS_LIMIT = 100
"""Headers of a request: a browser behind three routers sends about 40."""

HEADER_BYTES = 64 * 1024
"""Bytes of all of them, names and values: servers of all kinds take 8 to 64 KiB."""


_ENDS = frozenset({b"content-length", b"transfer-encoding"})
"""What tells where the body ends. With two of them a router may take for the next request what belongs to this one."""


async def check_head() -> Response | None:
    """Answer a request with too many or ambiguous headers. Raises Invalid or NotFound for its URL."""
    number = size = ends = 0
    for name, value in request.scope["headers"]:
        number += 1
        size += len(name) + len(value)
        ends += name in _ENDS
    if number > HEADERS_LIMIT or size > HEADER_BYTES:
        detail = f"headers: more than {HEADERS_LIMIT}, or {HEADER_BYTES} bytes"
        return problem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
    if ends > 1:
        response = problem(HTTPStatus.BAD_REQUEST, "headers: the end of the body is told in two ways")
        response.headers["Connection"] = "close"
        return response
    check_url()
    return None
