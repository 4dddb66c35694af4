"""`/openapi.json` and `/docs/`: that nothing is missing there, and what they say of themselves."""

import re
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from shaman.web.held import HELD_LIMIT
from tests.conftest import own_address
from tests.test_serve import ROOT
from tests.web.test_openapi_calls import APP, DOCUMENT, NOBODY

PUSHES = (ROOT / "tests" / "data" / "pushes.tsv").read_text("utf-8")

OPERATIONS = [
    (method, path, operation) for path, item in DOCUMENT["paths"].items() for method, operation in item.items()
]

READS = [(path, operation) for method, path, operation in OPERATIONS if method == "get"]


def resolved(value: dict[str, Any]) -> dict[str, Any]:
    """Return what a reference refers to."""
    found: Any = DOCUMENT
    for name in value.get("$ref", "#/").removeprefix("#/").split("/"):
        found = found[name] if name else value
    return dict(found)


def parameters(operation: dict[str, Any], place: str) -> dict[str, Any]:
    """Return the parameters that stand in a place, with their examples."""
    found = [resolved(each) for each in operation["parameters"]]
    return {each["name"]: each["example"] for each in found if each["in"] == place}


def example(path: str, operation: dict[str, Any]) -> str:
    """Return a path with the examples of its names."""
    return path.format(**parameters(operation, "path") | {"host": NOBODY})


def is_stream(operation: dict[str, Any]) -> bool:
    """Tell whether the answer of an operation has no end."""
    return "text/event-stream" in operation["responses"].get("200", {}).get("content", {})


def test_every_route_is_there() -> None:
    """Every rule of the URL map by every method but OPTIONS, which all of them have."""
    rules = {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in APP.url_map.iter_rules()
        for method in (rule.methods or set()) - {"OPTIONS"}
    }
    assert {(method, path) for method, path, _ in OPERATIONS} == rules


def test_every_operation_has_a_name_of_its_own() -> None:
    """So that clients can be made of the document."""
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("schema", DOCUMENT["components"]["schemas"])
def test_every_field_says_what_it_means(schema: str) -> None:
    """In every schema."""
    for name, field in DOCUMENT["components"]["schemas"][schema].get("properties", {}).items():
        assert field["description"], name


def test_the_examples_are_a_real_push() -> None:
    """Its project, ref and sha1 are those of one."""
    named = DOCUMENT["components"]["parameters"]
    names = {name: named[f"path.{name}"]["example"] for name in ("project", "ref", "sha1")}
    assert f"\t{names['project']}\t{names['ref']}\t{names['sha1']}\n" in PUSHES


async def test_the_document_is_served(http: httpx.AsyncClient) -> None:
    """As JSON with an ETag, to HEAD too, and as long as the answers are that have one."""
    response = await http.get("/openapi.json", auth=None)
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == DOCUMENT
    assert len(response.content) <= HELD_LIMIT
    head = await http.request("HEAD", "/openapi.json", auth=None)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["ETag"] == response.headers["ETag"]
    again = await http.get("/openapi.json", headers={"If-None-Match": response.headers["ETag"]}, auth=None)
    assert (again.status_code, again.content) == (304, b"")


async def test_every_parameter_is_told(http: httpx.AsyncClient) -> None:
    """Each that the document has is known to its route, and another one is refused by name."""
    for path, operation in READS:
        named = parameters(operation, "query")
        if "wait" in named:
            named["wait"] = 0
        if not is_stream(operation):
            known = await http.get(example(path, operation), params=named)
            assert "is not a parameter" not in known.text, path
        other = await http.get(example(path, operation), params={"nonsense": "1"})
        assert other.status_code == 204 or "nonsense: is not a parameter" in other.text, path


async def test_who_needs_credentials_is_told(http: httpx.AsyncClient) -> None:
    """Without them the answer is 401 where the document says that it needs them, and nowhere else."""
    for method, path, operation in OPERATIONS:
        asked = "head" if is_stream(operation) else method
        response = await http.request(asked, example(path, operation), headers=own_address(), auth=None)
        assert (response.status_code == 401) == ("security" in operation), (method, path)


async def test_a_head_is_told(http: httpx.AsyncClient) -> None:
    """It has no body, and a status that the document has."""
    for path, operation in READS:
        head = await http.head(example(path, operation))
        assert str(head.status_code) in DOCUMENT["paths"][path]["head"]["responses"], path
        assert head.content == b""


class Page(HTMLParser):
    """What a page loads and links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of a tag."""
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.add(value or "")
            elif name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in {"href", "src"}:
                self.loaded.append(value or "")


async def test_people_can_read_it(http: httpx.AsyncClient) -> None:
    """The page tells every route and schema, is whole without scripts, and has links that lead somewhere."""
    response = await http.get("/docs/")
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    page = Page(response.text)
    for method, path, operation in OPERATIONS:
        if method != "head":
            assert f"<b>{method.upper()}</b> <code>{path}</code>" in response.text
            assert operation["operationId"] in page.ids
    assert page.ids >= set(DOCUMENT["components"]["schemas"]) | set(DOCUMENT["components"]["responses"])
    assert {link[1:] for link in page.links if link.startswith("#")} <= page.ids
    assert len(response.content) < 200 * 1000


async def test_the_page_stays_on_this_host(http: httpx.AsyncClient) -> None:
    """It loads nothing from elsewhere, and says so to browsers."""
    response = await http.get("/docs/")
    page = Page(response.text)
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
    assert page.loaded
    for url in page.loaded:
        assert re.match("/[^/]", url), url
        assert (await http.get(url)).status_code == 200
    assert not re.search(r"<[^>]+\s(style|on\w+)=", response.text)
