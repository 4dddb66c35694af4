"""`shaman webhooks` as people call it."""

import asyncio
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from shaman.store import Store
from shaman.store.connection import connect
from shaman.store.letters import Letter
from tests.backends import free_port
from tests.cli.test_transfer import shaman
from tests.conftest import CONFIG, RELEASES
from tests.test_serve import LOGIN, Service, until

HOOK = """
[[webhooks]]
name = "ci"
url = "http://127.0.0.1:{port}/hook?token=marked"
secret = "marked-secret-of-the-hook"
tries = 1
"""


@pytest.fixture
def port(tmp_path: Path) -> int:
    """Return the port of a webhook that nobody answers at, which is configured in the test's folder."""
    port = free_port()
    (tmp_path / "config.toml").write_text(HOOK.format(port=port))
    return port


def listed(folder: Path) -> list[dict[str, Any]]:
    """Return the dead letters as scripts get them."""
    letters: list[dict[str, Any]] = json.loads(shaman(folder, "webhooks", "--json").stdout)
    return letters


@pytest.fixture
def service(tmp_path: Path, port: int) -> Iterator[Service]:
    """Start a service that could not deliver two changes to the webhook at `port`."""
    assert port
    with Service(tmp_path, "--workers", "2", **LOGIN) as service:
        until(lambda: service.post("a0") and listed(tmp_path))  # until it has begun to tell
        before = len(listed(tmp_path))
        assert service.post("b1") == 201
        until(lambda: len(listed(tmp_path)) > before)
        yield service
        assert service.stop() == 0
        assert "Traceback" not in service.said()
        assert "marked" not in service.said()


def test_the_list_tells_what_could_not_be_delivered(tmp_path: Path, service: Service) -> None:
    """One line each for people, everything for scripts, and nothing of secret or URL."""
    assert service.url
    letters = listed(tmp_path)
    last = letters[-1]
    assert (last["webhook"], last["why"], last["tries"]) == ("ci", "ConnectionRefusedError", 1)
    assert last["data"]["sha1"] == "b1"
    said = shaman(tmp_path, "webhooks")
    lines = said.stdout.decode().splitlines()
    assert len(lines) == len(letters)
    assert lines[-1].split() == [last["id"], last["time"], "ci", last["delivery"], "1", "ConnectionRefusedError"]
    assert "marked" not in said.stdout.decode() + said.stderr.decode()


def test_letters_are_dropped_by_id_or_all(tmp_path: Path, service: Service) -> None:
    """One that is not there is named."""
    assert service.url
    letters = listed(tmp_path)
    shaman(tmp_path, "webhooks", "drop", letters[0]["id"])
    assert listed(tmp_path) == letters[1:]
    said = shaman(tmp_path, "webhooks", "drop", letters[0]["id"], code=1)
    assert letters[0]["id"] in said.stderr.decode()
    shaman(tmp_path, "webhooks", "drop")
    assert listed(tmp_path) == []


def test_letters_are_delivered_once_more(tmp_path: Path, service: Service, port: int) -> None:
    """While the webhook is away they stay; then each comes with the id it had, and leaves the list."""
    assert service.url
    letters = listed(tmp_path)
    shaman(tmp_path, "webhooks", "retry", code=1)
    assert listed(tmp_path) == letters
    taken: list[str] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Take a delivery."""
            taken.append(self.headers["X-Shaman-Delivery"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", port), Hook) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            shaman(tmp_path, "webhooks", "retry")
        finally:
            server.shutdown()
            thread.join()
    assert taken == [letter["delivery"] for letter in letters]
    assert listed(tmp_path) == []


def test_a_letter_without_a_delivery_is_not_taken_for_delivered(tmp_path: Path, server_url: str) -> None:
    """One that tells of changes which were lost stays until somebody drops it, and a retry says so."""
    letter = Letter(webhook="ci", delivery="", why="changes may not have been told: why", tries=0)

    async def bury() -> None:
        client = connect(server_url, 16)
        await client.flushall()
        store = Store(client, CONFIG, RELEASES)
        await store.letters.bury(letter)
        await store.close()

    asyncio.run(bury())
    (listed,) = json.loads(shaman(tmp_path, "webhooks", "--json", redis_url=server_url).stdout)
    for ids in ((), (listed["id"],)):
        said = shaman(tmp_path, "webhooks", "retry", *ids, code=1, redis_url=server_url).stderr.decode()
        assert said == f"{listed['id']}: ci: changes may not have been told: why; drop it when that is seen to\n"
    shaman(tmp_path, "webhooks", "drop", listed["id"], redis_url=server_url)
    assert shaman(tmp_path, "webhooks", "--json", redis_url=server_url).stdout == b"[]\n"
