"""The operations of a route: its parameters, its body, and every answer it has."""

import re
from collections.abc import Collection, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from shaman.errors import TooLarge, TooManyTries, Unauthorized, Unavailable
from shaman.web.answers import EVENTS, HTML, JSON, TEXT, Answers, Body
from shaman.web.cache import KEPT_STATUSES
from shaman.web.openapi import responses
from shaman.web.openapi.words import NAME, PRINTABLE, VERSIONED_TERMS, WORDS, Schema, word_of
from shaman.web.problems import STATUSES
from shaman.web.waiting import can_wait

Json = dict[str, Any]

IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The ETag of an answer that is known: 304 if it is still so.",
    "schema": {"type": "string"},
}


LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "The id of the last event that was heard of: the answer begins behind it.",
    "schema": {"type": "string"},
}


def of_route(
    path: str, methods: Collection[str], told: Answers, about: Json, schemas: Mapping[Any, Json]
) -> dict[str, Json]:
    """Return the operations of a route by method: GET and HEAD, or the ones that write."""
    found = {}
    for method in sorted(set(methods) - {"OPTIONS"}):
        name = re.sub(r"\W+", "_", f"{method.lower()}{path}").strip("_")
        operation = about | {"operationId": name, "parameters": list(_parameters(path, method, told))}
        if told.body:
            operation["requestBody"] = {"required": True, "content": {JSON: _body(told.body)}}
        if told.login:
            operation["security"] = [{"basic": []}]
        operation["responses"] = _responses(path, method, told, schemas)
        found[method.lower()] = operation
    return found


def kinds_of(kind: Any) -> tuple[Any, ...]:
    """Return the types that an answer is one of."""
    return kind if isinstance(kind, tuple) else (kind,)


def _is_read(method: str) -> bool:
    return method in {"GET", "HEAD"}


def _has_etag(method: str, told: Answers) -> bool:
    kept = not told.no_store and not told.login and EVENTS not in told.media
    return kept and _is_read(method) and not KEPT_STATUSES.isdisjoint(told.kinds)


def _parameters(path: str, method: str, told: Answers) -> Iterator[Json]:
    for name in re.findall(r"{(\w+)}", path):
        yield _parameter(name, "path", NAME if _is_read(method) else WORDS[name].schema) | {"required": True}
    for name in told.query:
        yield _parameter(name, "query", _asked(path, name))
    if EVENTS in told.media:
        yield LAST_EVENT_ID
    if can_wait(path) and _is_read(method):
        yield _parameter("wait", "query", WORDS["wait"].schema)
    if _has_etag(method, told) and HTTPStatus.OK in told.kinds:
        yield IF_NONE_MATCH


def _asked(path: str, name: str) -> Schema:
    """Return what is taken for a filter; the production dialect takes whatever could be one, and nothing for none."""
    if not path.startswith("/api/"):
        return NAME if name == "sha1" else WORDS[name].schema
    return VERSIONED_TERMS if name == "distros" else PRINTABLE


def _parameter(name: str, place: str, schema: Schema) -> Json:
    word = WORDS[name]
    return {"name": name, "in": place, "description": word.means, "schema": schema, "example": word.example}


def _body(body: Body) -> Json:
    owner = body.kind.__name__
    words = {name: word_of(owner, name) for name in body.fields or body.kind.__struct_fields__}
    properties = {}
    for name, word in words.items():
        silent = [] if name in body.old else [value for value in body.silent if value is None or name != "extra"]
        schema = {"anyOf": [word.schema, {"enum": silent}]} if silent else word.schema
        properties[name] = schema | {"description": word.means}
    left_out = {"modified", "archs" if "arch" in body.new else "arch"}
    example = {name: word.example for name, word in words.items() if name not in left_out}
    return {"schema": {"type": "object", "properties": properties} | _required(body), "example": example}


def _required(body: Body) -> Json:
    """Return which fields there must be: those of a new record, or those that name an old one."""
    needs = "A new record needs " + ", ".join(body.new) + "."
    if set(body.old) <= set(body.new):
        return {"required": body.old, "description": needs}
    with_archs = ["archs" if name == "arch" else name for name in body.new]
    either = [{"required": names} for names in (body.new, with_archs, body.old)]
    return {"anyOf": either, "not": {"required": ["arch", "archs"]}, "description": needs}


def _responses(path: str, method: str, told: Answers, schemas: Mapping[Any, Json]) -> Json:
    etag = ("ETag", "Cache-Control") if _has_etag(method, told) else ()
    found: Json = {}
    for code, kind in sorted(told.kinds.items()):
        status = HTTPStatus(code)
        more = etag if status == HTTPStatus.OK else ()
        found[str(code)] = {"description": status.phrase} | responses.headers(status, *more)
        if kind is not None and method != "HEAD":
            of_each = [schemas[one] for one in kinds_of(kind)]
            schema = of_each[0] if len(of_each) == 1 else {"anyOf": of_each}
            medias = (TEXT,) if status == HTTPStatus.FOUND else told.media
            content = {media: {"schema": {"type": "string"} if media == HTML else schema} for media in medias}
            found[str(code)]["content"] = content
    if etag and HTTPStatus.OK in told.kinds:
        found["304"] = {"description": "It is still what is known."} | responses.headers(HTTPStatus.NOT_MODIFIED)
    for status in _errors(told):
        found[str(status.value)] = responses.error(path, status)
    return found


def _errors(told: Answers) -> list[HTTPStatus]:
    """Return the statuses of the errors of a route: those of any, those of what it takes, and its own."""
    own = {each if isinstance(each, HTTPStatus) else STATUSES[each] for each in told.errors}
    statuses = own | {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE}
    if HTTPStatus.INTERNAL_SERVER_ERROR not in own:  # which is how `/_health/` tells of a store that is away
        statuses.add(STATUSES[Unavailable])
    if told.login:
        statuses |= {STATUSES[Unauthorized], STATUSES[TooManyTries]}
    if told.body:
        statuses |= {STATUSES[TooLarge], HTTPStatus.REQUEST_TIMEOUT}
    return sorted(statuses)
