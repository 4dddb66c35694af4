"""`shaman serve` as people run it: started, stopped, killed in every part, and started again."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from http.client import parse_headers
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import httpx
import pytest
from redis import Redis

from shaman.store.embedded import Embedded
from tests.backends import free_port
from tests.conftest import CONFIG, basic

ROOT = Path(__file__).parent.parent

LIMIT = 20
"""Seconds to wait for what must happen at all; only a fault waits as long."""

STOP_LIMIT = 10
"""Seconds for a stop, generously; more is one that somebody holds."""

LOGIN = {"SHAMAN_API_USER": "builder", "SHAMAN_API_KEY": "secret"}
AUTHORIZATION = "Authorization: " + basic("builder", "secret")["Authorization"]
CONTINUE = "Expect: 100-continue"

REPO = {
    "distro": "ubuntu",
    "distro_version": "jammy",
    "ref": "main",
    "sha1": "a0",
    "url": "https://chacra.ceph.com/r/ceph/main/",
    "arch": "x86_64",
}

GET = b"GET /repos/ HTTP/1.1\r\nHost: shaman\r\n\r\n"

Happened = TypeVar("Happened")


def until(happened: Callable[[], Happened], limit: float = LIMIT) -> Happened:
    """Wait until something true is returned, and return it."""
    deadline = time.monotonic() + limit
    while not (result := happened()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)
    return result


def environment(**settings: str) -> dict[str, str]:
    """Return an environment with nothing of this one but what finds the programs."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **settings}


def processes() -> dict[int, int]:
    """Return the parent of every process that has not ended."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = status.read_text(errors="replace").rpartition(")")[2].split()[:2]
            if state not in {"Z", "X"}:
                parents[int(status.parent.name)] = int(parent)
    return parents


def descendants(ancestor: int) -> set[int]:
    """Return the processes that a process has started, and those that they have."""
    parents = processes()
    found = {ancestor}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {ancestor}


class Service:
    """A `shaman serve` with a folder of its own, and one connection for each request."""

    def __init__(self, folder: Path, *options: str, **environ: str) -> None:
        """Prepare the call; it is made in `folder`, which holds config.toml, if any, and the data."""
        self.folder = folder
        self._command = [sys.executable, "-m", "shaman", "serve", "--port", "0", *options]
        self._environ = environment(**environ)
        self._log = folder / f"said-{time.monotonic_ns()}"

    def __enter__(self) -> Self:
        """Start, and wait for the URL."""
        self.folder.mkdir(exist_ok=True)
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                self._command,
                cwd=self.folder,
                env=self._environ,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        with ExitStack() as stack:
            stack.callback(self.process.wait)
            stack.callback(self.process.kill)
            self.url = until(self._announced)
            self.http = stack.enter_context(self.connection(kept=0))
            self._stack = stack.pop_all()
        return self

    def connection(self, kept: int = 1) -> httpx.Client:
        """Return a client that keeps so many connections open between its requests."""
        return httpx.Client(
            base_url=self.url,
            auth=("builder", "secret"),
            limits=httpx.Limits(max_keepalive_connections=kept),
            timeout=LIMIT,
            trust_env=False,
        )

    def __exit__(self, *_: object) -> None:
        """End, at once if it still runs."""
        self._stack.close()

    def _announced(self) -> str:
        announced = re.search(r"^shaman serves (http://\S+)", self.said(), re.MULTILINE)
        assert announced or self.process.poll() is None, self.said()
        return announced[1] if announced else ""

    def said(self) -> str:
        """Return everything printed and logged so far."""
        return self._log.read_text()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop, and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_LIMIT)

    def post(self, sha1: str) -> int:
        """Post a repo, and return the status."""
        return self.http.post("/repos/ceph/", json=REPO | {"sha1": sha1}).status_code

    def sha1s(self) -> set[str]:
        """Return the sha1s that are told to be built."""
        answer = self.http.get("/repos/ceph/main/")
        assert answer.status_code in {200, 404}, answer.text
        return set(answer.json()) if answer.status_code == 200 else set()

    def store(self) -> int:
        """Return the process id of the private server."""
        with Redis.from_url(Embedded(self.folder / "var").url) as client:
            return int(client.info("server")["process_id"])

    def workers(self) -> set[int]:
        """Return the process ids of the workers, while the private server is there."""
        return descendants(self.process.pid) - {self.store()}


class Wire:
    """A connection on which the test decides what is sent when."""

    def __init__(self, url: str) -> None:
        """Connect."""
        address = urlsplit(url)
        assert address.hostname
        assert address.port
        self._socket = socket.create_connection((address.hostname, address.port), LIMIT)
        self._answers = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        """Return the connection."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self._answers.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send some bytes."""
        self._socket.sendall(data)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Read one whole answer: status, headers in lower case, body."""
        line = self._answers.readline()
        assert line.startswith(b"HTTP/1.1 "), f"no answer but {line!r}"
        headers = {name.lower(): value for name, value in parse_headers(self._answers).items()}
        length = int(headers.get("content-length", "0"))
        body = self._answers.read(length)
        assert len(body) == length, "half an answer"
        return int(line.split()[1]), headers, body

    def ended(self) -> bool:
        """Wait for the next byte or the end, and tell whether it is the end."""
        with suppress(ConnectionResetError):
            return not self._answers.peek(1)
        return True


def head(path: str, length: int, *headers: str) -> bytes:
    """Return the beginning of a POST, up to its body."""
    lines = [f"POST {path} HTTP/1.1", "Host: shaman", "Content-Type: application/json", f"Content-Length: {length}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode()


class HalfPost(Wire):
    """A POST that the service has begun to read, and waits for the rest of."""

    def __init__(self, url: str, sha1: str) -> None:
        """Send the first half; the answer to the headers shows that they have been read."""
        super().__init__(url)
        body = json.dumps(REPO | {"sha1": sha1}).encode()
        self.sha1 = sha1
        self._rest = body[20:]
        self.send(head("/repos/ceph/", len(body), AUTHORIZATION, CONTINUE))
        assert self.answer()[0] == 100
        self.send(body[:20])

    def finish(self) -> tuple[int, Any]:
        """Send the rest; the status and the object."""
        self.send(self._rest)
        status, _, body = self.answer()
        return status, json.loads(body)


def call_until_refused(url: str, calls: list[tuple[float, int]]) -> None:
    """Ask on one new connection after the other until nobody listens; note when, and the status, 0 for no answer."""
    while True:
        try:
            wire = Wire(url)
        except OSError:
            return
        with wire:
            with suppress(OSError):
                wire.send(GET)
            sent = time.monotonic()
            calls.append((sent, 0 if wire.ended() else wire.answer()[0]))


def refuses(url: str) -> bool:
    """Tell whether nobody listens."""
    try:
        Wire(url).__exit__()
    except ConnectionRefusedError:
        return True
    return False


@pytest.fixture(params=["hypercorn", "granian"])
def engine(request: pytest.FixtureRequest) -> str:
    """Return the name of each engine: what is promised holds for both."""
    name: str = request.param
    return name


@pytest.fixture
def service(tmp_path: Path, engine: str) -> Iterator[Service]:
    """Start a service with two workers that knows a builder."""
    with Service(tmp_path, "--workers", "2", "--server", engine, **LOGIN) as service:
        yield service


def test_one_command_is_enough(tmp_path: Path) -> None:
    """Without any setting there is a service, its URL, one line to try, and the data beside it."""
    with Service(tmp_path) as service:
        until(lambda: "SHAMAN_API_KEY" in service.said())
        (line,) = [line for line in service.said().splitlines() if "curl" in line]
        assert line == f"Try:   curl {service.url}/repos/"
        assert service.http.get(line.split()[-1]).json() == []
        assert (tmp_path / "var" / "appendonlydir").is_dir()


def test_data_outlives_every_restart(tmp_path: Path) -> None:
    """What was acknowledged is there after a stop and a start, and so is the turn of the nodes."""
    written: set[str] = set()
    turns = []
    (tmp_path / "config.toml").write_text(f"chacra_nodes = {list(CONFIG.chacra_nodes)}")
    for sha1 in ("a0", "b1", "c2"):
        with Service(tmp_path, **LOGIN) as service:
            assert service.sha1s() == written
            assert service.post(sha1) == 201
            turns += [service.http.get("/nodes/next/").json()["url"] for _ in range(2)]
            assert service.stop() == 0
        written.add(sha1)
    assert turns == [*CONFIG.chacra_nodes, *CONFIG.chacra_nodes]


def test_two_services_share_a_folder(tmp_path: Path) -> None:
    """A second service on the folder uses the first one's server, and starts its own when the first one stops."""
    with Service(tmp_path, **LOGIN) as first, Service(tmp_path, **LOGIN) as second:
        assert first.post("a0") == 201
        assert second.post("b1") == 201
        assert first.sha1s() == second.sha1s() == {"a0", "b1"}
        assert first.stop() == 0
        until(lambda: second.post("c2") in {200, 201})
        assert second.sha1s() == {"a0", "b1", "c2"}


def test_a_given_server_is_used(tmp_path: Path, server_url: str) -> None:
    """With REDIS_URL the data is there, and nothing is started or kept beside the service."""
    with Redis.from_url(server_url) as client, Service(tmp_path, REDIS_URL=server_url, **LOGIN) as service:
        client.flushall()
        assert service.post("a0") == 201
        assert client.dbsize()
        assert "REDIS_URL" in service.said()
        assert len(descendants(service.process.pid)) == 1
        assert not (tmp_path / "var").exists()
        assert service.stop() == 0
        assert client.dbsize()


def test_the_password_of_the_store_is_not_told(tmp_path: Path) -> None:
    """The service logs in at REDIS_URL, and neither output nor errors repeat the password."""
    with Embedded(tmp_path / "data", flags=("--requirepass", "hunter2")) as server:
        url = server.url.replace("unix://", "unix://:hunter2@")
        with Service(tmp_path, REDIS_URL=url, **LOGIN) as service:
            assert service.post("a0") == 201
            server.stop()
            assert service.http.get("/repos/").status_code == 503
            assert service.stop() == 0
            assert "hunter2" not in service.said()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_in_flight_is_answered(tmp_path: Path, engine: str, workers: int, number: int) -> None:
    """A POST whose second half comes after the signal is taken, answered and kept."""
    with (
        Service(tmp_path, "--workers", str(workers), "--server", engine, **LOGIN) as service,
        Wire(service.url) as idle,
        ExitStack() as stack,
    ):
        idle.send(GET)
        assert idle.answer()[0] == 200
        posts = [stack.enter_context(HalfPost(service.url, f"a{number}")) for number in range(8)]
        os.killpg(service.process.pid, number)
        assert idle.ended()  # so the stop has begun
        for post in posts:
            status, repo = post.finish()
            assert (status, repo["sha1"]) == (201, post.sha1)
        assert service.process.wait(STOP_LIMIT) == 0
        assert "Traceback" not in service.said()
    with Service(tmp_path) as service:
        assert service.sha1s() == {post.sha1 for post in posts}


@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_sent_before_the_signal_is_answered(tmp_path: Path, engine: str, workers: int) -> None:
    """Each of many whole requests is answered, though the signal comes while most of them still wait."""
    posted = {f"a{number}" for number in range(40)}
    with ExitStack() as stack:
        service = stack.enter_context(Service(tmp_path, "--workers", str(workers), "--server", engine, **LOGIN))
        gets, posts = [], []
        for sha1 in posted:
            body = json.dumps(REPO | {"sha1": sha1}).encode()
            gets.append(stack.enter_context(Wire(service.url)))
            gets[-1].send(GET)
            posts.append(stack.enter_context(Wire(service.url)))
            posts[-1].send(head("/repos/ceph/", len(body), AUTHORIZATION) + body)
        service.process.terminate()
        assert {wire.answer()[0] for wire in gets} == {200}
        assert {wire.answer()[0] for wire in posts} == {201}
        assert service.process.wait(STOP_LIMIT) == 0
    with Service(tmp_path) as service:
        assert service.sha1s() == posted


def test_nothing_is_answered_in_part(service: Service) -> None:
    """Of many who go on asking, those who asked before the signal are answered, the others wholly or not at all."""
    calls: list[tuple[float, int]] = []
    with ThreadPoolExecutor(16) as pool:
        callers = [pool.submit(call_until_refused, service.url, calls) for _ in range(16)]
        until(lambda: len(calls) > 200)
        signalled = time.monotonic()
        assert service.stop() == 0
        for caller in callers:
            caller.result()
    assert {status for sent, status in calls if sent < signalled} == {200}
    assert {status for _, status in calls} <= {200, 0}


def test_a_service_that_stops_lets_nobody_in(service: Service) -> None:
    """While the last requests are answered connections are refused at once, rather than taken and dropped."""
    with HalfPost(service.url, "a0") as post:
        service.process.terminate()
        until(lambda: refuses(service.url))
        assert post.finish()[0] == 201
        assert service.process.wait(STOP_LIMIT) == 0


def hold(url: str, stack: ExitStack) -> None:
    """Leave connections open at every point where a client can fall silent."""
    body = json.dumps(REPO).encode()
    for begun in (
        b"",
        GET[:20],
        GET,
        head("/repos/ceph/", len(body), AUTHORIZATION) + body[:20],
        head("/repos/ceph/", len(body)) + body[:20],
        head("/repos/ceph/", 3_000_000, AUTHORIZATION) + body,
    ):
        stack.enter_context(Wire(url)).send(begun)
    stack.enter_context(HalfPost(url, "a0"))


def test_nobody_can_hold_the_stop(service: Service) -> None:
    """Idle connections, and clients that never finish what they began, are cut off."""
    with ExitStack() as stack:
        hold(service.url, stack)
        assert service.stop() == 0


def test_who_waits_is_let_go_at_a_stop(service: Service) -> None:
    """A service that stops gives everybody who waits the answer of now."""
    with Wire(service.url) as wire:
        wire.send(head("/search/ceph/main/?wait=25", 0).replace(b"POST", b"GET"))
        time.sleep(0.3)  # nothing tells from outside that somebody waits
        assert service.stop() == 0
        status, _, body = wire.answer()
    assert (status, body) == (200, b"[]")


def test_a_stop_is_quiet(service: Service) -> None:
    """Clients that are cut off are no errors in the log."""
    with ExitStack() as stack:
        hold(service.url, stack)
        assert service.stop() == 0
    assert "Traceback" not in service.said()


def test_a_second_signal_changes_nothing(service: Service) -> None:
    """One who presses Ctrl-C twice gets the same orderly stop."""
    with HalfPost(service.url, "a0") as post, Wire(service.url) as idle:
        idle.send(GET)
        assert idle.answer()[0] == 200
        os.killpg(service.process.pid, signal.SIGINT)
        assert idle.ended()
        os.killpg(service.process.pid, signal.SIGINT)
        service.process.terminate()
        assert post.finish()[0] == 201
        assert service.process.wait(STOP_LIMIT) == 0


def test_two_workers_hand_out_nodes_evenly(tmp_path: Path) -> None:
    """However many call, and whichever worker answers, each node is handed out equally often."""
    (tmp_path / "config.toml").write_text(f"chacra_nodes = {list(CONFIG.chacra_nodes)}")
    with Service(tmp_path, "--workers", "2") as service, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: service.http.get("/nodes/next/").json()["url"], range(120)))
    assert Counter(answers) == dict.fromkeys(CONFIG.chacra_nodes, 40)


def test_a_killed_worker_is_replaced(service: Service) -> None:
    """Another takes its place, and every request is answered again."""
    before = service.workers()
    killed = min(before)
    assert len(before) == 2
    os.kill(killed, signal.SIGKILL)
    after = until(lambda: len(now := service.workers() - {killed}) == 2 and now)
    assert after
    assert len(after & before) == 1
    assert {service.post(f"a{number}") for number in range(20)} == {201}
    assert service.stop() == 0
    assert str(killed) in service.said()


def test_nobody_is_refused_while_no_worker_lives(tmp_path: Path, engine: str) -> None:
    """A request that comes after the death of the only worker waits for the next one."""
    with Service(tmp_path, "--server", engine, **LOGIN) as service:
        for sha1 in ("a0", "b1", "c2"):
            (worker,) = until(service.workers)
            os.kill(worker, signal.SIGKILL)
            until(lambda: worker not in processes())  # noqa: B023 - called before the next round
            assert service.post(sha1) == 201
        assert service.sha1s() == {"a0", "b1", "c2"}
        assert service.stop() == 0


def test_everything_ends_with_the_parent(tmp_path: Path, engine: str) -> None:
    """A parent that is killed leaves no process behind and no write undone."""
    with Service(tmp_path, "--workers", "2", "--server", engine, **LOGIN) as service:
        assert service.post("a0") == 201
        family = {*service.workers(), service.store()}
        assert len(family) == 3
        service.process.kill()
        until(lambda: not family & processes().keys())
    with Service(tmp_path) as service:
        assert service.sha1s() == {"a0"}


def test_a_killed_store_comes_back(service: Service) -> None:
    """Until its server is back the service says 503 and when to ask again; then it has every write, unasked."""
    acknowledged = set()
    for number in range(60):
        if number == 20:
            os.kill(service.store(), signal.SIGKILL)
        answer = service.http.post("/repos/ceph/", json=REPO | {"sha1": f"a{number}"})
        if answer.status_code == 201:
            acknowledged.add(f"a{number}")
            continue
        assert (answer.status_code, answer.headers["Content-Type"]) == (503, "application/problem+json")
        assert answer.json()["status"] == 503
        assert int(answer.headers["Retry-After"]) > 0
    until(lambda: service.post("b0") == 201)
    assert {service.post(f"c{number}") for number in range(10)} == {201}
    assert service.sha1s() >= acknowledged | {"b0"} | {f"c{number}" for number in range(10)}
    assert service.stop() == 0


def test_a_long_list_is_read_no_faster_than_the_client(tmp_path: Path, engine: str) -> None:
    """What a slow client has not come to is not read yet; if the store goes away, the client sees a broken list."""
    record: dict[str, Any] = REPO | {"kind": "repo", "project": "ceph", "archs": ["x86_64"], "status": "ready"}
    record |= {"flavor": "default", "chacra_url": "", "extra": {"log": "x" * 3000}}  # in all far more than sockets hold
    record |= {"created": "2026-01-01", "modified": "2026-01-01"}
    lines = [json.dumps(record | {"id": number, "sha1": f"a{number}"}) for number in range(1, 8001)]
    (tmp_path / "records").write_text("\n".join(lines))
    with ExitStack() as stack:
        store = stack.enter_context(Embedded(tmp_path / "data", flags=("--appendfsync", "no")))
        load = [sys.executable, "-m", "shaman", "import", "records"]
        subprocess.run(load, cwd=tmp_path, env=environment(REDIS_URL=store.url), check=True, stdout=subprocess.DEVNULL)
        service = stack.enter_context(Service(tmp_path, "--server", engine, REDIS_URL=store.url))
        answer = stack.enter_context(service.http.stream("GET", "/api/search?project=ceph"))
        assert answer.status_code == 200
        assert service.sha1s()
        store.stop()
        with pytest.raises(httpx.RemoteProtocolError):
            answer.read()
        assert service.stop() == 0


def test_the_procfile_serves(tmp_path: Path) -> None:
    """Its line, run as a platform runs it, listens on every address at PORT, and ends with its starter."""
    port = free_port()
    settings = LOGIN | {"PORT": str(port), "SHAMAN_DATA_DIR": str(tmp_path / "var"), "HOME": str(tmp_path)}
    settings["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = [sys.executable, "-m", "honcho", "start", "web"]
    log = tmp_path / "said"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=settings, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        until(lambda: process.poll() is not None or "Try:" in log.read_text())
        family = descendants(process.pid)
        with httpx.Client(auth=("builder", "secret"), trust_env=False) as client:
            for address in ("127.0.0.1", "127.0.0.2"):  # the second one leads only to who listens on all
                answer = client.post(f"http://{address}:{port}/repos/ceph/", json=REPO)
                assert answer.status_code in {200, 201}, log.read_text()
        process.terminate()
        process.wait(STOP_LIMIT)
        until(lambda: not family & processes().keys())
        assert "Traceback" not in log.read_text()
    finally:
        for pid in descendants(process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.kill()
        process.wait()
    with Service(tmp_path) as service:
        assert service.sha1s() == {"a0"}
