"""What is too much or ambiguous of a request, byte by byte over real sockets: refused, and the service goes on."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from shaman.app import BODY_LIMIT
from shaman.engines import REQUEST_LINE_LIMIT
from shaman.web.heads import HEADER_BYTES, HEADERS_LIMIT
from shaman.web.paths import PATH_LIMIT
from tests.conftest import basic
from tests.test_serve import GET, REPO, Service, Wire, descendants

HOST = b"Host: shaman\r\nConnection: close\r\n"
LOGIN = b"Authorization: " + basic("builder", "secret")["Authorization"].encode() + b"\r\n"
POST = b"POST /repos/limits/ HTTP/1.1\r\nContent-Type: application/json\r\n" + HOST + LOGIN
API_POST = POST.replace(b"/repos/", b"/api/repos/") + b"Accept: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
BODY = json.dumps(REPO).encode()
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
SMUGGLED = b"GET /smuggled/ HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.fixture(params=["process_url", "granian_url"])
def url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a real service on each engine."""
    told: str = request.getfixturevalue(request.param)
    return told


def ask(url: str, *sent: bytes) -> list[tuple[int, bytes]]:
    """Send bytes on a connection of their own; status and body of every answer until its end."""
    answers = []
    with Wire(url) as wire:
        with suppress(OSError):  # whoever is refused may be cut off while he still sends
            for data in sent:
                wire.send(data)
        while not wire.ended():
            status, _, body = wire.answer()
            answers.append((status, body))
    return answers


def assert_alive(url: str) -> None:
    """Assert that the service answers others."""
    assert ask(url, get("/repos/"))[0][0] == 200


def get(path: str, headers: bytes = b"") -> bytes:
    """Return a GET."""
    return f"GET {path} HTTP/1.1\r\n".encode() + HOST + headers + b"\r\n"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"x: y\r\n" * (HEADERS_LIMIT - 2), 404),
        (b"x: y\r\n" * (HEADERS_LIMIT - 1), 431),
        (b"x: y\r\n" * 20_000, 431),
        (b"x: " + b"y" * (HEADER_BYTES - 100) + b"\r\n", 404),
        (b"x: " + b"y" * HEADER_BYTES + b"\r\n", 431),
        (b"x" * HEADER_BYTES + b": y\r\n", 431),
    ],
)
def test_too_many_headers_are_431(url: str, headers: bytes, status: int) -> None:
    """In number and in bytes, in the shape of the dialect, as far as the engine lets the application see them."""
    for path in ("/nothing/", "/api/nothing/"):
        [(told, body), *_] = ask(url, get(path, headers))
        assert told == status
        assert body == b"" or (b"# 431" in body or b'"status":431' in body) is (status == 431)
    assert_alive(url)


def test_what_never_ends_is_cut_off(process_url: str) -> None:
    """A line, a header, a chunk's extension and trailers without end are not kept in memory for long."""
    endless = b"y" * (REQUEST_LINE_LIMIT + 65_536)
    for sent, statuses in (
        (b"GET /" + endless, {431}),
        (get("/repos/")[:-2] + b"x: " + endless, {431}),
        (get("/repos/")[:-2] + b"x: y\r\n" * 60_000, {431}),
        (CHUNKED + b"2;x=" + endless, {431}),
        (CHUNKED + b"2\r\n{}\r\n0\r\n" + b"x: y\r\n" * 60_000, {431}),
        (endless, {400, 431}),
    ):
        assert {status for status, _ in ask(process_url, sent)} <= statuses
        assert_alive(process_url)


def test_long_paths_and_queries_are_named(url: str) -> None:
    """One byte more than the limit is 400 and says which; the limit itself is none."""
    for before, named in (("/repos/", b"path"), ("/repos/?", b"query")):
        for length, told in ((PATH_LIMIT, False), (PATH_LIMIT + 1, True), (60_000, True)):
            path = before + "x" * (length - (len(before) if named == b"path" else 0))
            [(status, body), *_] = ask(url, get(path))
            assert status in {400, 404}
            assert (b"longer than 8192" in body) is told
            assert named in body or not told


@pytest.mark.parametrize("post", [POST, API_POST])
def test_a_long_body_is_413(url: str, post: bytes) -> None:
    """With its length told before and without; who sends on for ever is cut off, with the answer or without."""
    told = post + b"Content-Length: %d\r\n\r\n" % (BODY_LIMIT + 1) + b" " * (BODY_LIMIT + 1)
    untold = post + b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n%b\r\n" % (b" " * 65_536) * 17 + b"0\r\n\r\n"
    for sent in (told, untold):
        [(status, body)] = ask(url, sent)
        assert (status, b"1 MiB" in body) == (413, True)
    endless = post + b"Content-Length: 99999999999\r\n\r\n"
    assert [status for status, _ in ask(url, endless, *[b" " * BODY_LIMIT] * 20)] in ([413], [])
    assert_alive(url)


@pytest.mark.parametrize(
    "sent",
    [
        POST + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % len(CHUNKS) + CHUNKS,
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n" + CHUNKS,
        get("/repos/")[:-2] + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
        POST + b"Content-Length: 2\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY,
        POST + b"Content-Length: %d, 2\r\n\r\n" % len(BODY) + BODY,
        POST + b"Content-Length: -1\r\n\r\n" + BODY,
        POST + b"Content-Length: +%d\r\n\r\n" % len(BODY) + BODY,
        POST + b"Content-Length: 0x10\r\n\r\n" + BODY,
        POST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n" + BODY,
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKS,
        POST + b"Transfer-Encoding: identity\r\n\r\n" + BODY,
        POST + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKS,
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + CHUNKS,
        POST + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNKS,
        POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + CHUNKS,
        CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"2 2\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"0" * 100 + b"2\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"2\r\n{}" + CHUNKS,
    ],
)
def test_a_body_of_unclear_end_smuggles_nothing(process_url: str, sent: bytes) -> None:
    """One answer at most, which is an error, and the connection ends: what follows is never a request of its own."""
    for _ in range(2):  # a question that was answered before is no other one
        answers = ask(process_url, sent + SMUGGLED)
        assert len(answers) <= 1
        assert {status for status, _ in answers} <= {400, 501}
    assert_alive(process_url)
    assert ask(process_url, get("/repos/limits/"))[0][0] == 404


def test_no_upgrade_is_taken(process_url: str) -> None:
    """HTTP/2 without TLS, asked for or assumed, and websockets: HTTP/1.1 goes on, or the connection ends."""
    settings = b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" + settings
    assert [status for status, _ in ask(process_url, GET[:-2] + upgrade + b"\r\n", get("/repos/"))] == [200, 200]
    prior = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    assert {status for status, _ in ask(process_url, prior)} <= {400, 404, 405, 505}
    key = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    websocket = b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + key
    for path in (b"/repos/", b"/nothing/", b"/api/nodes/next/"):
        [(status, _)] = ask(process_url, GET.replace(b"/repos/", path)[:-2] + websocket + b"\r\n")
        assert status in {400, 404, 405}
    assert_alive(process_url)


def resident(service: Service) -> int:
    """Return the bytes of memory that a service and all its processes have."""
    pages = 0
    for process in {service.process.pid} | descendants(service.process.pid):
        pages += int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1])
    return pages * 4096


@pytest.fixture
def senders() -> Iterator[list[Wire]]:
    """Keep connections open until the end of the test."""
    wires: list[Wire] = []
    yield wires
    for wire in wires:
        wire.__exit__()


def test_memory_does_not_grow_with_what_is_refused(tmp_path: Path, senders: list[Wire]) -> None:
    """100 clients who send 8 MB each, of a line, a header, a chunk or a body, cost less than 100 MB in all."""
    with Service(tmp_path, SHAMAN_API_USER="builder", SHAMAN_API_KEY="secret") as service:
        assert_alive(service.url)
        before = resident(service)
        beginnings = [
            b"GET /",
            get("/repos/")[:-2] + b"x: ",
            CHUNKED + b"2;x=",
            POST + b"Content-Length: 99999999\r\n\r\n",
        ]
        for number in range(100):
            senders.append(Wire(service.url))
            with suppress(OSError):
                senders[-1].send(beginnings[number % 4] + b"y" * (8 * 1024 * 1024))
        assert resident(service) - before < 100 * 1024 * 1024
        assert_alive(service.url)


def test_answers_say_little_about_the_server(url: str) -> None:
    """No `Server`, nothing that lets other sites read, and `nosniff` on whatever a body has come with."""
    for sent in (
        get("/repos/"),
        get("/nothing/"),
        get("/api/nothing/"),
        POST + b"\r\n",
        get("/api/search/"),
        get("/nodes/next/"),
    ):
        with Wire(url) as wire:
            wire.send(sent)
            _, headers, _ = wire.answer()
        assert headers["x-content-type-options"] == "nosniff"
        assert not [name for name in headers if name.startswith("access-control") or name in {"x-powered-by", "via"}]
        assert "granian" in headers.get("server", "granian")
