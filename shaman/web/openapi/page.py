"""The document as people read it: what the template of `/docs/` is filled with."""

import shlex
from collections.abc import Iterator
from itertools import groupby
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

Json = dict[str, Any]

ASKED = ("project", "distros", "common_sha1", "kind", "q")
"""The filters that an example has; the others are as good without."""


def reading(document: Json) -> Json:
    """Return what the page tells: the routes by tag, every error and every schema."""
    tags = {tag["name"]: tag["description"] for tag in document["tags"]}
    rooms = groupby(_operations(document), key=lambda operation: operation["tag"])
    groups = [{"name": tag, "about": tags[tag], "operations": list(found)} for tag, found in rooms]
    components = document["components"]
    found = {"errors": components["responses"], "schemas": components["schemas"]}
    return found | {"info": document["info"], "groups": groups}


def _operations(document: Json) -> Iterator[Json]:
    names = [tag["name"] for tag in document["tags"]]
    found = [
        _operation(document, path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method != "head"
    ]
    yield from sorted(found, key=lambda operation: names.index(operation["tag"]))


def _operation(document: Json, path: str, method: str, operation: Json) -> Json:
    parameters = [_resolved(document, each) for each in operation["parameters"]]
    responses = operation["responses"]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return {
        "id": operation["operationId"],
        "tag": operation["tags"][0],
        "method": method.upper(),
        "path": path,
        "summary": operation["summary"],
        "description": operation.get("description", ""),
        "login": "security" in operation,
        "parameters": parameters,
        "body": body,
        "responses": {status: each for status, each in responses.items() if "$ref" not in each},
        "errors": {status: each["$ref"].rpartition("/")[2] for status, each in responses.items() if "$ref" in each},
        "curl": _curl(path, parameters, body, method, login="security" in operation),
    }


def _resolved(document: Json, value: Json) -> Json:
    """Return what a reference refers to."""
    if "$ref" not in value:
        return value
    found: Any = document
    for name in value["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found  # type: ignore[no-any-return]


def _curl(path: str, parameters: list[Json], body: Json | None, method: str, *, login: bool) -> str:
    """Return the line that asks for the examples of the parameters."""
    names = {each["name"]: quote(str(each["example"]), safe="/") for each in parameters if each["in"] == "path"}
    asked = {each["name"]: each["example"] for each in parameters if each["in"] == "query" and each["name"] in ASKED}
    url = "$SHAMAN" + path.format(**names) + ("?" + urlencode(asked, safe="/,") if asked else "")
    words = ["curl"]
    if login:
        words.append('-u "$USER:$KEY"')
    if body:
        text = msgspec.json.encode(body["example"]).decode()
        words.append(f"-H 'Content-Type: application/json' -d {shlex.quote(text)}")
    elif method == "post":
        words.append("-X POST")
    return " ".join([*words, f'"{url}"'])
