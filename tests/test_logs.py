"""What is logged, and how it leaves the process."""

import io
import json
import logging
import os
import pty
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shaman import logs
from shaman.logs import Lines, Said, stamp
from tests.backends import free_port
from tests.cli.test_commands import run
from tests.test_serve import ROOT, STOP_LIMIT, Service, environment, until


def said(text: str, *, form: logs.Form = "json", trace: bool = False) -> str:
    """Log a text, and return what is written."""
    stream = io.StringIO()
    error = ValueError(text) if trace else None
    Lines(stream, form).handle(record(text, error))
    return stream.getvalue()


def record(text: str, error: Exception | None = None) -> logging.LogRecord:
    """Return what a logger makes of a text, and of an error."""
    fault = (type(error), error, None) if error else None
    return logging.LogRecord("test", logging.ERROR, __file__, 1, "%s", (text,), fault)


@given(st.text(st.characters(codec=None)), st.booleans())
def test_any_text_is_one_line(text: str, trace: bool) -> None:  # noqa: FBT001
    """Of JSON, whatever is in it; a traceback is part of it."""
    written = said(text, trace=trace)
    assert written.count("\n") == 1
    line = json.loads(written)
    assert line["message"] == text.encode("utf-8", "backslashreplace").decode()
    assert ("ValueError" in line["traceback"]) == trace
    written.encode()


@given(st.text(st.characters(codec=None)), st.booleans())
def test_a_person_reads_what_is_safe(text: str, trace: bool) -> None:  # noqa: FBT001
    """Nothing in a text can play with the terminal, or end the line; a traceback has lines of its own."""
    written = said(text, form="text", trace=trace)
    assert written.endswith("\n")
    assert written.replace("\n", "").isprintable()
    assert trace or written.count("\n") == 1
    assert " ERROR test: " in written


@given(st.integers(0, 2**33), st.integers(0, 999))
def test_times_are_those_of_the_clock(second: int, thousandth: int) -> None:
    """To the millisecond, in UTC."""
    told = stamp(second + (thousandth + 0.5) / 1000)
    assert datetime.fromisoformat(told) == datetime.fromtimestamp(second, UTC).replace(microsecond=thousandth * 1000)


class Stuck(io.StringIO):
    """A stream that nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = Event()

    def write(self, text: str) -> int:
        """Wait for a reader."""
        self.reading.wait()
        return super().write(text)


def line(number: int) -> Said:
    """Return a line with a number."""
    return Said(time="", level="info", logger="test", message=str(number))


def test_a_log_that_nobody_reads_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too much is dropped, counted, and told as soon as somebody reads."""
    monkeypatch.setattr(logs, "MOST", 100)
    stream = Stuck()
    lines = Lines(stream, "json")
    lines.start()
    for number in range(1000):
        lines.append(lambda number=number: line(number))  # type: ignore[misc]
    assert lines.dropped >= 800
    stream.reading.set()
    lines.stop()
    told = [json.loads(each)["message"] for each in stream.getvalue().splitlines()]
    missing = [each for each in told if "missing" in each]
    assert sum(int(each.split()[0]) for each in missing) == lines.dropped
    kept = [int(each) for each in told if each not in missing]
    assert len(kept) == 1000 - lines.dropped
    assert kept == sorted(kept)


def test_a_warning_is_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what was said before it, before it."""
    monkeypatch.setattr(logs, "EVERY", 3600)
    stream = io.StringIO()
    lines = Lines(stream, "json")
    lines.start()
    lines.append(lambda: line(1))
    lines.handle(record("2"))
    until(lambda: stream.getvalue().count("\n") == 2)
    assert [json.loads(each)["message"] for each in stream.getvalue().splitlines()] == ["1", "2"]
    lines.stop()


def test_a_terminal_gets_text(tmp_path: Path) -> None:
    """And anything else JSON, if the settings do not say otherwise."""
    reader, writer = pty.openpty()
    with os.fdopen(writer, "w") as terminal:
        lines = Lines(terminal, "auto")
        lines.append(lambda: line(1))
    assert b"INFO test: 1" in os.read(reader, 1000)
    os.close(reader)
    with (tmp_path / "log").open("w") as file:
        lines = Lines(file, "auto")
        lines.append(lambda: line(1))
    assert json.loads((tmp_path / "log").read_text())["message"] == "1"


def test_an_end_of_a_worker_is_a_line(tmp_path: Path) -> None:
    """Of the parent, which writes at once."""
    with Service(tmp_path) as service:
        [worker] = service.workers()
        os.kill(worker, 9)
        until(lambda: "has ended with" in service.said())
        [told] = [json.loads(each) for each in service.said().splitlines() if "has ended with" in each]
        assert (told["level"], told["logger"], told["pid"]) == ("error", "shaman.serve", service.process.pid)


def test_a_wrong_level_is_refused(tmp_path: Path) -> None:
    """With the setting's name and what it may be."""
    (tmp_path / "config.toml").write_text('[log]\nlevel = "loud"\n')
    told = run(tmp_path, "serve", "--port", "0")
    assert told.returncode == 1
    assert "log.level" in told.stderr


def test_an_unforeseen_end_is_a_line() -> None:
    """With its traceback in it."""
    program = "from shaman.logs import set_up; set_up(); raise RuntimeError('one\\ntwo')"
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert told.returncode == 1
    [line] = map(json.loads, told.stderr.splitlines())
    assert line["level"] == "critical"
    assert "RuntimeError: one\ntwo" in line["traceback"]


def test_a_service_whose_log_nobody_reads_goes_on(tmp_path: Path) -> None:
    """It answers, and ends in its time."""
    command = [sys.executable, "-m", "shaman", "serve", "--port", "0"]
    unread, writer = os.pipe()
    try:
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=writer
        ) as process:
            try:
                assert process.stdout
                url = process.stdout.readline().decode().split()[2]
                with httpx.Client(base_url=url, timeout=20, trust_env=False) as http:
                    for _ in range(400):  # of which each is a line of at least 250 bytes, and a pipe holds 65,536
                        assert http.get("/nothing/").status_code == 404
                process.terminate()
                assert process.wait(STOP_LIMIT) == 0
            finally:
                process.kill()
    finally:
        os.close(writer)
        os.close(unread)


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_a_service_without_an_output_serves_all_the_same(tmp_path: Path, closed: str) -> None:
    """It answers, and ends as it should."""
    port = free_port()
    told = f"exec {sys.executable} -m shaman serve --port {port} {closed}"
    with subprocess.Popen(["/bin/sh", "-c", told], cwd=tmp_path, env=environment()) as process:
        until(lambda: process.poll() is not None or is_healthy(port))
        process.terminate()
    assert process.returncode == 0


def is_healthy(port: int) -> bool:
    """Tell whether a service on this machine says so."""
    with suppress(httpx.TransportError):
        return httpx.get(f"http://127.0.0.1:{port}/_health/", trust_env=False).status_code == 204
    return False
