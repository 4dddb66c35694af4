"""Every request has an id and a line in the log."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shaman.logs import Line
from shaman.web.held import Message, Receive, Scope, Send
from shaman.web.telemetry import LONGEST_ID, TOLD_PARAMETERS, Telemetry, sane_id
from tests.test_serve import GET, LOGIN, Service, Wire, until
from tests.web.test_openapi_calls import DOCUMENT

SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=@-]*")


class Told(list[Line]):
    """Lines, as they are made."""

    def append(self, make: Any) -> None:
        """Take one."""
        super().append(make())


def asked(headers: list[tuple[bytes, bytes]], path: bytes = b"/", query: bytes = b"") -> tuple[Message, dict[str, Any]]:
    """Ask an application that says nothing by itself; the start of the answer, and the line in the log."""
    started: list[Message] = []
    told = Told()

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Message) -> None:
        started.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "raw_path": path, "query_string": query}
    scope |= {"headers": headers, "client": ("127.0.0.1", 1)}
    asyncio.run(Telemetry(app, lambda _: None, told, 1)(scope, receive, send))  # type: ignore[arg-type]
    [line] = told
    written = line_of(line)
    line.text().encode()
    assert line.text().isprintable()
    return started[0], written


async def receive() -> Message:
    """Tell that the client is there."""
    return await asyncio.Future()


def line_of(line: Line) -> dict[str, Any]:
    """Return a line as whoever reads the log has it."""
    written: dict[str, Any] = json.loads(msgspec.json.encode(line))
    return written


def test_the_parameters_that_a_line_tells_are_those_there_are() -> None:
    """Each that the document has, and no other."""
    documented = {each["name"] for each in DOCUMENT["components"]["parameters"].values() if each["in"] == "query"}
    assert {name.decode() for name in TOLD_PARAMETERS} == documented


@given(st.binary(max_size=200) | st.from_regex(SANE, fullmatch=True).map(str.encode))
def test_any_id_gives_a_sane_one(value: bytes) -> None:
    """A sane id is the one of the answer and of the line; in place of any other there is a new one."""
    start, line = asked([(b"x-request-id", value)])
    [(name, given_back)] = start["headers"]
    assert name == b"x-request-id"
    assert SANE.fullmatch(given_back.decode())
    assert len(given_back) <= LONGEST_ID
    assert line["request"] == given_back.decode()
    assert (given_back == value) == bool(sane_id(value))
    assert bool(sane_id(value)) == (len(value) <= LONGEST_ID and bool(re.fullmatch(SANE.pattern.encode(), value)))


@given(st.binary(max_size=2000), st.binary(max_size=2000), st.binary(max_size=100))
def test_any_request_is_one_line(path: bytes, query: bytes, forwarded: bytes) -> None:
    """Whatever bytes come, the line is JSON, of a bounded length, and the text of it has no control characters."""
    _, line = asked([(b"x-forwarded-for", forwarded)], path, query)
    assert len(json.dumps(line)) < 20_000
    assert line["route"] == "unknown"
    assert line["status"] == 204


@given(st.lists(st.sampled_from(["distros", "sha1", "token", "key", "", "%64istros"]), max_size=5), st.booleans())
def test_values_of_unknown_parameters_are_not_told(names: list[str], credentials: bool) -> None:  # noqa: FBT001
    """Nobody knows what they hold; and what looks like the credentials of a URL is told of none."""
    value = "https://u:marked%40host" if credentials else "told"
    _, line = asked([], b"/", "&".join(f"{name}={value}" for name in names).encode())
    known = [name for name in names if name in {"distros", "sha1"}]
    assert line["query"].count("told") == (0 if credentials else len(known))
    assert "marked" not in line["query"]
    assert "token" not in line["query"]


@pytest.mark.parametrize("path", [b"http://u:marked@host/repos/", b"/find/https://marked@host", b"//marked%40h/"])
def test_credentials_in_a_path_are_not_told(path: bytes) -> None:
    """Such as those of a URL that somebody pastes."""
    _, line = asked([], path)
    assert "marked" not in line["path"]


async def test_ids_differ(http: httpx.AsyncClient) -> None:
    """No two requests get the same, and every answer has one, errors and answers from memory too."""
    paths = ["/repos/", "/repos/", "/repos/", "/nothing/", "/repos/%zz/", "/metrics", "/_health/"]
    answers = [await http.get(path) for path in paths]
    answers.append(await http.post("/repos/ceph/", content=b"{"))
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)


def lines(service: Service) -> list[dict[str, Any]]:
    """Return what has been logged, all of which must be JSON."""
    return [json.loads(line) for line in service.said().splitlines() if line.startswith("{")]


def requests(service: Service) -> list[dict[str, Any]]:
    """Return the lines of requests."""
    return [line for line in lines(service) if line["logger"] == "shaman.requests"]


@pytest.mark.parametrize("engine", ["hypercorn", "granian"])
def test_a_request_is_a_line(tmp_path: Path, engine: str) -> None:
    """It tells what was asked by whom, which route answered from where, and what it took."""
    with Service(tmp_path, "--trusted-proxies", "1", "--server", engine, **LOGIN) as service:
        assert service.post("a0") == 201
        headers = {"X-Request-ID": "one", "X-Forwarded-For": "9.9.9.9, 192.0.2.7"}
        for _ in range(3):
            answer = service.http.get("/repos/ceph/main/?status=ready&token=marked", headers=headers)
            assert answer.headers["x-request-id"] == "one"
        until(lambda: len(requests(service)) == 4)
        posted, *_, last = requests(service)
        assert (posted["method"], posted["status"]) == ("POST", 201)
        told = {name: last[name] for name in ("level", "method", "path", "query", "route", "status", "client")}
        assert told == {
            "level": "info",
            "method": "GET",
            "path": "/repos/ceph/main/",
            "query": "status=ready&...",
            "route": "/repos/<project>/<ref>/",
            "status": 400,
            "client": "192.0.2.7",
        }
        assert last["bytes"] == len(answer.content)
        assert last["pid"] in service.workers()
        assert 0 < last["ms"] < 20_000
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", last["time"])
        assert "marked" not in service.said()


def test_an_answer_from_memory_is_a_line(tmp_path: Path) -> None:
    """With the route that made it."""
    with Service(tmp_path, **LOGIN) as service:
        assert service.post("a0") == 201
        until(
            lambda: (
                service.http.get("/repos/ceph/main/", auth=None).is_success
                and any(each["memory"] for each in requests(service))
            )
        )
        assert {line["route"] for line in requests(service) if line["memory"]} == {"/repos/<project>/<ref>/"}


def test_what_happens_meanwhile_has_the_id(tmp_path: Path) -> None:
    """A warning while a request is answered names it, and comes before its line."""
    with Service(tmp_path, REDIS_URL="redis://127.0.0.1:1/0") as service:
        service.http.get("/repos/", headers={"X-Request-ID": "the-one"})
        until(lambda: any(line["request"] == "the-one" for line in requests(service)))
        warning, line = (line for line in lines(service) if line["request"] == "the-one")
        assert (warning["level"], warning["logger"]) == ("warning", "shaman.web.problems")
        assert "away" in warning["message"]
        assert line["status"] == 503


@pytest.mark.parametrize("engine", ["hypercorn", "granian"])
def test_no_line_is_lost_at_the_end(tmp_path: Path, engine: str) -> None:
    """Whoever was answered before the service ends is in the log."""
    with Service(tmp_path, "--workers", "2", "--server", engine) as service:
        ids = [service.http.get("/repos/").headers["x-request-id"] for _ in range(50)]
        assert service.stop() == 0
        assert set(ids) <= {line["request"] for line in requests(service)}


def test_requests_can_be_left_out(tmp_path: Path) -> None:
    """Of the log; they have an id all the same."""
    (tmp_path / "config.toml").write_text("[log]\nrequests = false\n")
    with Service(tmp_path) as service:
        assert service.http.get("/repos/").headers["x-request-id"]
        assert service.stop() == 0
        assert requests(service) == []


def test_the_log_can_be_text(tmp_path: Path) -> None:
    """As on a terminal: one line a request, for people."""
    (tmp_path / "config.toml").write_text('[log]\nformat = "text"\n')
    with Service(tmp_path) as service:
        service.http.get("/repos/", headers={"X-Request-ID": "one"})
        until(lambda: "[one]" in service.said())
        line = next(line for line in service.said().splitlines() if "[one]" in line)
        assert re.fullmatch(r"\S+Z INFO 127\.0\.0\.1 \[one\] GET /repos/ 200 2 B [\d.]+ ms", line)


def test_a_client_that_goes_is_told(tmp_path: Path) -> None:
    """Its line says that it has waited."""
    with Service(tmp_path) as service:
        with Wire(service.url) as wire:
            wire.send(GET.replace(b"/repos/", b"/repos/ceph/?wait=20"))
            until(lambda: "shaman_waiters 1.0" in service.http.get("/metrics").text)
        until(lambda: any(line["waited"] for line in requests(service)))
