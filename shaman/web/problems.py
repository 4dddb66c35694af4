"""Every error that leaves the service: one table from error to status, one shape (RFC 9457)."""

import logging
from http import HTTPStatus

import msgspec
from msgspec import Struct
from quart import Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from shaman import errors

REALM = "Shaman :: API"
"""The name in the browser's question for credentials; clients of the old server know it."""

RETRY_AFTER = "1"
"""Seconds: a store that fails over is back in a few, and a builder should not wait longer than it must."""

STATUSES: dict[type[errors.ShamanError], HTTPStatus] = {
    errors.Invalid: HTTPStatus.BAD_REQUEST,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.WrongType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.Unauthorized: HTTPStatus.UNAUTHORIZED,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.NotReady: HTTPStatus.GATEWAY_TIMEOUT,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}

_log = logging.getLogger(__name__)


class Problem(Struct, frozen=True, kw_only=True):
    """The body of an error."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


def problem(status: HTTPStatus, detail: str) -> Response:
    """Return the answer that says what is wrong."""
    body = msgspec.json.encode(Problem(title=status.phrase, status=status, detail=detail))
    response = Response(body, status, content_type="application/problem+json")
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = f'Basic realm="{REALM}", charset="UTF-8"'
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = RETRY_AFTER
    return response


async def handle_shaman_error(error: errors.ShamanError) -> Response:
    """Answer an error of the registry."""
    if isinstance(error, errors.Unavailable):
        _log.warning("%s", error)
    return problem(STATUSES[type(error)], str(error))


async def handle_http_error(error: HTTPException) -> Response:
    """Answer an error of the framework: no such route, wrong method, body too large or too slow."""
    status = HTTPStatus(error.code or 500)
    details = {
        HTTPStatus.NOT_FOUND: "there is no such path",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "the body is longer than 1 MiB",
    }
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        response = problem(status, f"this path takes only {allowed}")
        response.headers["Allow"] = allowed
        return response
    return problem(status, details.get(status, error.description or status.phrase))


async def handle_bug(error: Exception) -> Response:
    """Answer an error that nobody foresaw; the log has its traceback, the answer has not."""
    _log.error("unforeseen error", exc_info=error)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "this is a fault of the service; its log says more")
