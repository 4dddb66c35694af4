"""What there is is told, and what is told is there: routes, filters, settings, variables, commands and options.

What is added is in these tests without a line here. `openapi.json` has its own in `tests/web/test_openapi.py`.
"""

import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import click
import pytest
from commands import FILE, document
from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields

from shaman.cli import commands
from shaman.config import Config
from shaman.web.openapi.words import WORDS
from tests.test_serve import ROOT
from tests.web.test_openapi_calls import DOCUMENT

README = (ROOT / "README.md").read_text("utf-8")

TEXTS = {file.name: file.read_text("utf-8") for file in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]}

LETTERS = {"project": "P", "ref": "R", "sha1": "S", "distro": "D", "version": "V", "arch": "A", "flavor": "F"}
LETTERS |= {"host": "H", "tail": "FILE"}

FOR_PEOPLE = {"text/html", "text/css", "text/javascript", "image/svg+xml"}
"""What a page is made of; of those routes the document tells, and the pages lead from one to the other."""


def is_page(operation: dict[str, Any]) -> bool:
    """Tell whether an operation answers with a page, or a part of one, who does not ask for anything else."""
    medias = [media for each in operation["responses"].values() for media in each.get("content", {})]
    return medias[:1] != [] and medias[0] in FOR_PEOPLE


def routes() -> Iterator[str]:
    """Yield every route for programs as the README spells them, such as `GET /repos/P/`."""
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            if method == "head" or is_page(operation):
                continue
            for name in ("R", "S") if "{name}" in path else ("",):  # a search by ref or by sha1
                letters = LETTERS | {"name": name}
                spelt = re.sub(r"{(\w+)}", lambda found, letters=letters: letters[found[1]], path)  # type: ignore[misc]
                yield f"{method.upper()} {spelt.rstrip('/')}"


ROUTES = set(routes())


def told_routes() -> Iterator[tuple[str, set[str]]]:
    """Yield each route that the tables of the README name, with those that it can mean: `...` is any beginning."""
    room = ""
    for row in re.findall(r"^\| (`(?:GET|POST|DELETE) .*?) \|", README, re.MULTILINE):
        method = ""
        for item in re.findall(r"`([^`]+)`", row):
            words = item.split()
            method = words[0] if len(words) == 2 else method
            path = words[-1].partition("?")[0].rstrip("/")
            if path.startswith("..."):
                means = {each for each in ROUTES if each.startswith(f"{method} {room}") and each.endswith(path[3:])}
            else:
                means = {f"{method} {path}"} & ROUTES
                room = "/".join(path.split("/")[: 3 if path.startswith("/api") else 2])
            yield item, means


def test_the_readme_names_no_route_that_is_not_there() -> None:
    """Each in its tables is one of the URL map."""
    told = list(told_routes())
    assert len(told) > 30
    for item, means in told:
        assert means, item


def test_the_readme_names_every_route() -> None:
    """Those of programs."""
    assert {route for _, means in told_routes() for route in means} == ROUTES


def filters() -> Iterator[tuple[bool, str]]:
    """Yield each filter, and whether it is one of those by which pages lead to one another."""
    for item in DOCUMENT["paths"].values():
        for operation in [operation for method, operation in item.items() if method != "head"]:
            for each in operation["parameters"]:
                place, _, name = each["$ref"].rpartition(".")
                if place.endswith("query"):
                    yield is_page(operation), name


def test_the_readme_names_every_filter() -> None:
    """In a code span, or in a question that it shows."""
    for name in {name for of_page, name in filters() if not of_page}:
        assert re.search(rf"`\??{name}\b|[?&]{name}=", README), name


def test_the_documents_ask_by_no_filter_that_is_not_there() -> None:
    """In any question that they show."""
    known = {name for _, name in filters()}
    for file, text in TEXTS.items():
        for name in re.findall(r"/[?][^\s`'\"]*", text):
            assert set(re.findall(r"[?&](\w+)=", name)) <= known, (file, name)


def test_every_word_is_used() -> None:
    """What a name means is told of names that there are."""
    schemas = DOCUMENT["components"]["schemas"]
    bodies = [
        operation["requestBody"]
        for item in DOCUMENT["paths"].values()
        for operation in item.values()
        if "requestBody" in operation
    ]
    used = {each["name"] for each in DOCUMENT["components"]["parameters"].values()}
    used |= {name for schema in schemas.values() for name in schema.get("properties", {})}
    used |= {name for body in bodies for name in body["content"]["application/json"]["schema"]["properties"]}
    assert {name.partition(".")[2] or name for name in WORDS} <= used


def settings(kind: type[Struct], before: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield every setting by its full name; of a list of tables, only the list."""
    for field in fields(kind):
        name = before + field.encode_name
        if isinstance(field.type, type) and issubclass(field.type, Struct):
            yield from settings(field.type, name + ".")
        else:
            yield name + (".<distro>" if get_origin(field.type) is dict else ""), field


def columns(header: str) -> dict[str, list[str]]:
    """Return the rows of every table with a header that begins so, by their first cell."""
    found = {}
    for text in TEXTS.values():
        for table in re.findall(rf"^\| {header} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE):
            for row in table.splitlines():
                cells = [cell.strip() for cell in row.strip("|").split("|")]
                found[cells[0].strip("`")] = cells
    return found


SETTINGS = dict(settings(Config))

ROWS = columns("setting")


def test_every_setting_is_told_and_no_other() -> None:
    """Each has a row in a table of settings."""
    assert set(ROWS) == set(SETTINGS)


def spelt(default: Any) -> str:
    """Return a default as a table has it."""
    if default is None or default == {}:
        return "none" if default is None else ""
    if isinstance(default, float):
        return f"`{default:g}`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return {"": '`""`', (): "`[]`"}.get(default, f"`{default}`")


@pytest.mark.parametrize("name", SETTINGS)
def test_a_row_tells_the_default(name: str) -> None:
    """As a settings file has it."""
    field = SETTINGS[name]
    default = field.default if field.default is not NODEFAULT else field.default_factory()
    assert ROWS[name][2] == spelt(default)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_row_of_tables_tells_their_settings(name: str) -> None:
    """Such as those of one user."""
    for kind in get_args(SETTINGS[name].type):
        if isinstance(kind, type) and issubclass(kind, Struct):
            for field in fields(kind):
                assert f"`{field.encode_name}`" in " ".join(ROWS[name][3:]), field.encode_name


def variables() -> set[str]:
    """Return the environment variables that the code reads."""
    sources = [file.read_text("utf-8") for file in (ROOT / "shaman").rglob("*.py")]
    return {name for text in sources for name in re.findall(r'environ(?:\.get\(|\[|, )"([A-Z_]+)"', text)}


def test_every_variable_is_told() -> None:
    """In a code span of the README or of a document."""
    assert len(variables()) > 5
    for name in variables():
        assert any(f"`{name}`" in text for text in TEXTS.values()), name


def test_no_variable_is_told_that_nobody_reads() -> None:
    """In a table of settings."""
    assert {name for row in ROWS.values() for name in re.findall(r"`(\w+)`", row[1])} <= variables()


def test_every_command_is_told() -> None:
    """docs/commands.md is what `python scripts/commands.py` writes: every command, and every option."""
    assert FILE.read_text("utf-8") == document()


def test_the_documents_call_no_command_or_option_that_is_not_there() -> None:
    """In any line of code that begins with `shaman`, or that a shell is given."""
    top = click.Context(commands, info_name="shaman")
    known = {name: commands.get_command(top, name) for name in commands.list_commands(top)}
    calls = [
        call
        for text in TEXTS.values()
        for call in re.findall(r"(?:^ {4}(?:\$ )?|`)(?:\.venv/bin/)?shaman ([a-z][^`\n#]*)", text, re.MULTILINE)
    ]
    assert len(calls) > 10
    for call in calls:
        name, *words = call.split()
        command = known.get(name)
        assert command, call
        context = command.make_context(name, [], top, resilient_parsing=True)
        options = {option for each in context.command.get_params(context) for option in each.opts}
        assert {word for word in words if word.startswith("--")} <= options, call


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_somewhere(name: str) -> None:
    """To a file that is there, as far as they do not lead to another host."""
    folder = ROOT if name == "README.md" else ROOT / "docs"
    links = re.findall(r"\]\(([^)#]+)", TEXTS[name])
    assert [link for link in links if "://" not in link and not (folder / link).exists()] == []


def test_every_room_is_on_the_map() -> None:
    """Each module and folder of the package; and what a row of "Where things are" names is in the room of that row."""
    rows = README.split("\n## Where things are\n")[1].split("\n## ")[0].split("| room |")[1].splitlines()[2:]
    rooms = {
        path.name
        for path in (ROOT / "shaman").iterdir()
        if not path.name.startswith("__") and (path.is_dir() or path.suffix == ".py")
    }
    named = {room: row for row in rows if row.startswith("|") for room in re.findall(r"\(([^)]+)\)", row)}
    assert rooms - {room.removeprefix("shaman/") for room in named} == set()
    for room in ("shaman/store", "shaman/web", "shaman/client"):
        inner = re.findall(r"`([\w.]+(?:\.py|/))`", named[room])
        assert [name for name in inner if not (ROOT / room / name).exists()] == []
    scripts = {path.stem for path in (ROOT / "scripts").iterdir() if path.is_file()}
    assert {name for name in scripts if name not in named["scripts"]} == {"setup"}


@pytest.mark.parametrize("name", ["README.md", "client.md"])
def test_nobody_is_sent_to_another_project(name: str) -> None:
    """What the public index calls `shaman` is something else, so it is installed from a clone."""
    assert re.findall(r"pip install '?shaman", TEXTS[name]) == []
