"""Every error that leaves the service: one table from error to status, one shape for each dialect."""

import logging
from http import HTTPStatus

import msgspec
from msgspec import Struct
from quart import Request, Response, Websocket, has_request_context, request, websocket
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from shaman import errors
from shaman.web.pages.accept import prefers_html
from shaman.web.pages.rendering import render

REALM = "Shaman :: API"
"""The name in the browser's question for credentials; clients of the old server know it."""

RETRY_AFTER = "1"
"""Seconds: a store that fails over is back in a few, and a builder should not wait longer than it must."""

STATUSES: dict[type[errors.ShamanError], HTTPStatus] = {
    errors.Invalid: HTTPStatus.BAD_REQUEST,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.WrongType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.Unauthorized: HTTPStatus.UNAUTHORIZED,
    errors.WrongLogin: HTTPStatus.UNAUTHORIZED,
    errors.TooManyTries: HTTPStatus.TOO_MANY_REQUESTS,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.NotReady: HTTPStatus.GATEWAY_TIMEOUT,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.WrongSchema: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Damaged: HTTPStatus.SERVICE_UNAVAILABLE,
}

_log = logging.getLogger(__name__)


class Problem(Struct, frozen=True, kw_only=True):
    """The body of an error."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class ApiError(Struct, frozen=True, kw_only=True):
    """The body of an error of the production dialect, for those who ask for JSON."""

    code: int
    title: str
    description: str


def problem(status: HTTPStatus, detail: str) -> Response:
    """Return the answer that says what is wrong: in the dialect of the request's path, as a page for browsers."""
    if _asked().path.startswith("/api/"):
        response = _api_error(status, detail)
    elif prefers_html(_asked()):
        response = render("error.html", status, code=status.value, phrase=status.phrase, detail=detail)
    else:
        body = msgspec.json.encode(Problem(title=status.phrase, status=status, detail=detail))
        response = Response(body, status, content_type="application/problem+json")
    response.headers["Vary"] = "Accept"
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = f'Basic realm="{REALM}"'
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = RETRY_AFTER
    return response


def _asked() -> Request | Websocket:
    """Return the request, or the one for a websocket: nobody takes those, and the answer says so like any other."""
    return request if has_request_context() else websocket


def _api_error(status: HTTPStatus, detail: str) -> Response:
    """Return JSON to those who ask for it, else text whose lines are comments.

    Scripts write the answer into .repo and .list files without looking, and a comment is harmless there.
    """
    if _asks_for_json():
        body = msgspec.json.encode(ApiError(code=status, title=status.phrase, description=detail))
        return Response(body, status, content_type="application/json")
    lines = [f"{status.value} {status.phrase}", *detail.splitlines()]
    text = "".join(f"# {line}\n" for line in lines)
    return Response(text, status, content_type="text/plain; charset=utf-8")


def _asks_for_json() -> bool:
    """Tell whether the request names JSON, and likes it no less than text; `*/*` names nothing."""
    liked = {"application/json": 0.0, "application/*": 0.0, "text/plain": 0.0}
    for kind, quality in _asked().accept_mimetypes:
        name = kind.partition(";")[0].strip().lower()
        liked[name] = max(quality, liked.get(name, 0.0))
    json = max(liked["application/json"], liked["application/*"])
    return json > 0 and json >= liked["text/plain"]


async def handle_shaman_error(error: errors.ShamanError) -> Response:
    """Answer an error of the registry."""
    if isinstance(error, errors.Unavailable):
        _log.warning("%s", error)
    response = problem(STATUSES[type(error)], str(error))
    if isinstance(error, errors.TooManyTries):
        response.headers["Retry-After"] = str(error.after)
    return response


async def handle_http_error(error: HTTPException) -> Response:
    """Answer an error of the framework: no such route, wrong method, body too large or too slow."""
    status = HTTPStatus(error.code or 500)
    details = {
        HTTPStatus.NOT_FOUND: "there is no such path",
        HTTPStatus.REQUEST_TIMEOUT: "the body did not come to its end in time",
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
