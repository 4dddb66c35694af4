"""Bodies in and out: JSON is read and written here and nowhere else."""

from collections.abc import AsyncIterator

import msgspec
from quart import Response, request, stream_with_context
from werkzeug.http import parse_options_header

from shaman.decoding import Body, decode_body
from shaman.errors import Invalid, WrongType

UNHURRIED = 32 * 1024
"""Bytes that a connection takes without waiting for its client; watching the time of it costs a task each."""

_encoder = msgspec.json.Encoder()


def json_response(value: object, status: int = 200) -> Response:
    """Return `value` as JSON."""
    return encoded_response(_encoder.encode(value), status)


def encoded_response(body: bytes, status: int = 200) -> Response:
    """Return what is JSON already."""
    response = Response(body, status, content_type="application/json")
    if len(body) <= UNHURRIED:
        response.timeout = None
    return response


def streamed_list(pages: AsyncIterator[list[object]]) -> Response:
    """Return the pages as one JSON array, sent page by page.

    When a page cannot be had the connection is cut before the array ends, so that no client takes a part for the whole.
    """

    async def body() -> AsyncIterator[bytes]:
        separator = b"["
        async for page in pages:
            if page:
                yield separator + _encoder.encode(page)[1:-1]
                separator = b","
        yield b"[]" if separator == b"[" else b"]"

    response = Response(stream_with_context(body)(), content_type="application/json")
    response.timeout = None
    return response


async def json_body(decoder: msgspec.json.Decoder[Body]) -> Body:
    """Return the body of the request. Raises Invalid or WrongType naming what is wrong with it."""
    kind, options = parse_options_header(request.headers.get("Content-Type", "application/json"))
    kind = kind.lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise WrongType(f"Content-Type: must be application/json, not {kind[:100]!r}")
    if options.get("charset", "utf-8").lower() not in {"utf-8", "utf8"}:
        raise WrongType("Content-Type: JSON is always UTF-8")
    return decode_body(await request.get_data(), decoder)


def check_no_parameters(*known: str) -> None:
    """Raise Invalid naming the first query parameter that is not `known`, or is given twice."""
    if not request.query_string:
        return
    for name, values in request.args.lists():
        if name not in known:
            raise Invalid(f"{name}: is not a parameter of this path")
        if len(values) > 1:
            raise Invalid(f"{name}: is given twice")
