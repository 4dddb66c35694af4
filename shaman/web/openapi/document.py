"""The OpenAPI document, made of the URL map, the handlers' docstrings and declarations, and the Structs."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from inspect import getdoc
from typing import Any

import msgspec
from quart import Quart
from werkzeug.routing import Rule

from shaman.web.answers import Answers
from shaman.web.openapi import operations, responses
from shaman.web.openapi.words import word_of
from shaman.web.problems import ApiError, Problem

Json = dict[str, Any]

REFS = "#/components/schemas/{name}"

ABOUT = """\
What is built of which project, ref and sha1, for which distro, and where it lives.

`/api/` is the production dialect, all else is native; both tell of the same records. The slash at the end of a path is
optional, and a slash inside a name is `%2F`. Every path that takes GET takes HEAD, and every path OPTIONS; another
method is 405, with `Allow`. A page of `/repos/` or `/builds/` whose list goes on leads there by a parameter `after`,
which is for pages alone. What can be asked again has an `ETag`: with it in `If-None-Match` the answer is 304 while
nothing has changed. Errors are problem documents (RFC 9457); those of `/api/` are JSON for who accepts it by name, and
else text whose lines are comments. 503 says by `Retry-After` when to ask again, 429 until when nobody may log in."""


def make_document(app: Quart) -> Json:
    """Return the document of every route of `app`. Raises TypeError for one that tells nothing."""
    routes = list(routes_of(app))
    schemas, components = _schemas(told for _, told in routes)
    paths: dict[str, Json] = {}
    tags: dict[str, Json] = {}
    for rule, told in routes:
        handler = app.view_functions[rule.endpoint]
        tag = rule.endpoint.rpartition(".")[0]
        tags.setdefault(tag, {"name": tag, "description": _first_line(sys.modules[handler.__module__].__doc__)})
        about = {"tags": [tag]} | _texts(getdoc(handler) or "")
        item = paths.setdefault(path_of(rule), {})
        item |= operations.of_route(path_of(rule), rule.methods or set(), told, about, schemas)
    parameters = _share_parameters(paths)
    return {
        "openapi": "3.1.0",
        "info": {"title": "shaman", "version": version("shaman"), "description": ABOUT},
        "servers": [{"url": "/"}],
        "tags": list(tags.values()),
        "paths": paths,
        "components": {
            "schemas": components,
            "parameters": parameters,
            "responses": responses.errors_of_all(),
            "headers": responses.HEADERS,
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
        },
    }


def routes_of(app: Quart) -> Iterator[tuple[Rule, Answers]]:
    """Yield every rule with what its handler says of itself."""
    for rule in app.url_map.iter_rules():
        told = getattr(app.view_functions[rule.endpoint], "answers", None)
        if told is None:
            raise TypeError(f"{rule.endpoint}: says nothing of its answers, see shaman/web/answers.py")
        yield rule, told


def path_of(rule: Rule) -> str:
    """Return the path of a rule as the document has it."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)


def _share_parameters(paths: Mapping[str, Json]) -> Json:
    """Put a reference in the place of each parameter; what they refer to."""
    shared = {}
    for path, item in paths.items():
        for method, operation in item.items():
            refs = []
            for parameter in operation["parameters"]:
                name = f"{parameter['in']}.{parameter['name']}"
                if parameter["in"] == "query" and path.startswith("/api/"):
                    name = f"api.{name}"
                elif method not in {"get", "head"}:
                    name = f"{method}.{name}"
                shared[name] = parameter
                refs.append({"$ref": f"#/components/parameters/{name}"})
            operation["parameters"] = refs
    return shared


def _texts(doc: str) -> Json:
    summary, _, rest = doc.partition("\n\n")
    return {"summary": summary} | ({"description": rest} if rest else {})


def _first_line(doc: str | None) -> str:
    return (doc or "").partition("\n")[0]


def _schemas(all_told: Iterable[Answers]) -> tuple[dict[Any, Json], Json]:
    """Return the schema of each type that is answered, and the components they refer to, in the words of the API."""
    kinds = {kind for told in all_told for one in told.kinds.values() for kind in operations.kinds_of(one)}
    bodies = {told.body.kind for told in all_told if told.body}
    ordered = sorted(kinds | bodies | {Problem, ApiError}, key=repr)
    made, components = msgspec.json.schema_components(ordered, ref_template=REFS)
    for name, component in components.items():
        for field, schema in component.get("properties", {}).items():
            word = word_of(name, field)
            schema["description"] = word.means
            schema["examples"] = [word.example]
    return dict(zip(ordered, made, strict=True)), components
