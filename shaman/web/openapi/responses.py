"""Errors and headers of answers, in both dialects, as the document has them."""

from http import HTTPStatus
from typing import Any

from shaman.errors import Unauthorized, Unavailable
from shaman.web.problems import STATUSES

Json = dict[str, Any]

HEADERS: Json = {
    "ETag": {"description": "Changes with the body; for If-None-Match.", "schema": {"type": "string"}},
    "Cache-Control": {"description": "`no-cache`: ask whether it has changed.", "schema": {"type": "string"}},
    "Location": {"description": "Where it is.", "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "Asks for Basic credentials.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
    "Allow": {"description": "The methods that the path takes.", "schema": {"type": "string"}},
}

OF_STATUS = {
    STATUSES[Unauthorized]: ("WWW-Authenticate",),
    STATUSES[Unavailable]: ("Retry-After",),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After",),
    HTTPStatus.METHOD_NOT_ALLOWED: ("Allow",),
    HTTPStatus.FOUND: ("Location", "ETag", "Cache-Control"),
    HTTPStatus.NOT_MODIFIED: ("ETag", "Cache-Control"),
}
"""The headers that an answer of a status has, whatever it tells."""

FRAMEWORK = (
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    HTTPStatus.INTERNAL_SERVER_ERROR,
)
"""Errors that are none of the registry's own."""


def errors_of_all() -> Json:
    """Return every error of each dialect, by the name that `error` refers to."""
    texts = {status: kind.__doc__ or "" for kind, status in reversed(STATUSES.items())}
    texts |= {status: status.description for status in FRAMEWORK}
    return {
        _name(dialect, status): {"description": text, "content": content} | headers(status)
        for dialect, content in (("native", _native()), ("api", _api()))
        for status, text in sorted(texts.items())
    }


def error(path: str, status: HTTPStatus) -> Json:
    """Return the answer that tells an error of a path."""
    return {"$ref": f"#/components/responses/{_name('api' if path.startswith('/api/') else 'native', status)}"}


def headers(status: HTTPStatus, *more: str) -> Json:
    """Return the headers of an answer, as a member of it."""
    names = (*OF_STATUS.get(status, ()), *more)
    return {"headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names}} if names else {}


def _name(dialect: str, status: HTTPStatus) -> str:
    return f"{dialect}.{status.value}"


def _native() -> Json:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return problem | {"text/html": {"schema": {"type": "string", "description": "A page, for browsers."}}}


def _api() -> Json:
    lines = {"type": "string", "pattern": "^# [0-9]{3} ", "description": "Lines that are comments."}
    return {
        "text/plain": {"schema": lines, "example": "# 404 Not Found\n# no such project: nfs-ganesha\n"},
        "application/json": {"schema": {"$ref": "#/components/schemas/ApiError"}},
    }
