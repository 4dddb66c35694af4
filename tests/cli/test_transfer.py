"""`shaman export` and `shaman import` as people call them."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from shaman.store import keys
from shaman.store.connection import connect
from tests.backends import STORES, admin_url
from tests.test_serve import LOGIN, REPO, Service, environment
from tests.test_transfer import BUILD, NODE, lines
from tests.test_transfer import REPO as REPO_LINE


def shaman(
    folder: Path, *arguments: str, given: bytes = b"", code: int = 0, redis_url: str = ""
) -> subprocess.CompletedProcess[bytes]:
    """Run a command in `folder` to its end, which must be with `code`."""
    done = subprocess.run(
        [sys.executable, "-m", "shaman", *arguments],
        cwd=folder,
        env=environment(REDIS_URL=redis_url),
        input=given,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == code, done.stderr.decode()
    return done


@pytest.fixture
def old_server(tmp_path: Path) -> Iterator[Service]:
    """Start a server of the production dialect that has repos and builds in two projects."""
    with Service(tmp_path / "old", **LOGIN) as service:
        for project in ("ceph", "a/b c"):
            records = [
                {**record, "project": project, "ref": ref, "id": number}
                for number, ref in ((1, "main"), (2, "wip/x"), (3, "50%"))
                for record in (REPO_LINE | {"chacra_url": f"https://chacra.example.org/{number}/"}, BUILD)
            ]
            shaman(tmp_path / "old", "import", "-", given=b"".join(lines(*records)))
        shaman(tmp_path / "old", "import", "-", given=b"".join(lines(NODE)))
        yield service


def export(folder: Path, *arguments: str, redis_url: str = "") -> list[dict[str, Any]]:
    """Return the records of an export."""
    said = shaman(folder, "export", *arguments, redis_url=redis_url)
    return [json.loads(line) for line in said.stdout.splitlines()]


def test_a_round_trip_is_identical(tmp_path: Path) -> None:
    """An export, imported into an empty store and exported again, is the same file."""
    given = b"".join(lines(REPO_LINE, BUILD, NODE))
    (tmp_path / "records").write_bytes(given)
    shaman(tmp_path, "import", "records")
    first = shaman(tmp_path, "export").stdout
    assert first == given
    assert shaman(tmp_path, "export", "--project", "ceph").stdout == b"".join(lines(REPO_LINE, BUILD))
    (tmp_path / "other").mkdir()
    said = shaman(tmp_path / "other", "import", "-", given=first)
    assert said.stderr.splitlines()[-2:] == [b"(nodes): 1 nodes written", b"ceph: 1 builds written, 1 repos written"]
    shaman(tmp_path / "other", "export", "-o", "out")
    assert (tmp_path / "other" / "out").read_bytes() == given


def test_a_bad_line_is_told_and_the_rest_is_written(tmp_path: Path) -> None:
    """The exit code is 1, the number of the line is on standard error, nothing is on standard output."""
    said = shaman(tmp_path, "import", "-", given=b"".join([*lines(REPO_LINE), b"{\n", *lines(BUILD)]), code=1)
    assert b"line 2: body: is not JSON" in said.stderr
    assert said.stderr.splitlines()[-1] == b"1 refused"
    assert said.stdout == b""
    assert [record["kind"] for record in export(tmp_path)] == ["repo", "build"]


def test_a_running_service_shares_its_data(tmp_path: Path) -> None:
    """Both commands use the server of the data folder that a service has started, and the service sees the records."""
    with Service(tmp_path, **LOGIN) as service:
        assert service.post("b1") == 201
        shaman(tmp_path, "import", "-", given=b"".join(lines(REPO_LINE)))
        assert service.sha1s() == {"a0", "b1"}
        assert {record["sha1"] for record in export(tmp_path)} == {"a0", "b1"}
        assert service.post("c2") == 201


def test_a_named_server_is_used(tmp_path: Path, server_url: str) -> None:
    """With REDIS_URL the records are there, and no data folder is made."""
    with Redis.from_url(server_url) as client:
        client.flushall()
    shaman(tmp_path, "import", "-", given=b"".join(lines(REPO_LINE)), redis_url=server_url)
    assert [record["sha1"] for record in export(tmp_path, redis_url=server_url)] == ["a0"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", STORES)
def test_every_command_takes_every_kind_of_store(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    """What is imported into a cluster or another store a service answers with, and what it is told is exported."""
    url = request.getfixturevalue(f"{kind}_url")
    asyncio.run(emptied(admin_url(url)))
    shaman(tmp_path, "import", "-", given=b"".join(lines(REPO_LINE)), redis_url=url)
    with Service(tmp_path, REDIS_URL=url, **LOGIN) as service:
        assert service.sha1s() == {"a0"}
        assert service.post("b1") == 201
    assert {record["sha1"] for record in export(tmp_path, redis_url=url)} == {"a0", "b1"}
    asyncio.run(damaged(admin_url(url)))
    assert b"is missing" in shaman(tmp_path, "check", redis_url=url, code=1).stdout
    shaman(tmp_path, "check", "--repair", redis_url=url)
    assert shaman(tmp_path, "reindex", redis_url=url).stdout == b""
    assert shaman(tmp_path, "retain", "--dry-run", redis_url=url).stdout == b""


async def damaged(url: str) -> None:
    """Take a ref from the list of refs."""
    async with connect(url, 1) as admin:
        assert await admin.zrem(keys.refs("ceph"), "main")


async def emptied(url: str) -> None:
    """Remove every key of a store."""
    async with connect(url, 1) as admin:
        await admin.flushall()


def test_a_running_server_is_copied(tmp_path: Path, old_server: Service) -> None:
    """Every repo and build comes along with its times and its number, whatever its names are."""
    said = shaman(tmp_path, "import", "--from", old_server.url)
    assert b"ceph: 3 builds written, 3 repos written" in said.stderr.splitlines()
    here, there = export(tmp_path), export(tmp_path / "old")
    lost = {"created", "sent"}  # an old server does not tell them
    assert [_without(record, lost) for record in here] == [_without(record, lost) for record in there]
    assert not (tmp_path / "var" / "import.journal").exists()


def test_a_copy_goes_on_where_it_stopped(tmp_path: Path, old_server: Service) -> None:
    """What the journal has is not asked for again; a copy that ends begins the next one anew."""
    (tmp_path / "var").mkdir()
    parts = [{"kind": "repo", "project": "ceph", "ref": ref} for ref in ("main", "wip/x")]
    journal = "\n".join([old_server.url, *map(json.dumps, parts), '{"kind":"repo","proj'])
    (tmp_path / "var" / "import.journal").write_text(journal)
    shaman(tmp_path, "import", "--from", old_server.url)
    copied = {record["ref"] for record in export(tmp_path, "--project", "ceph") if record["kind"] == "repo"}
    assert copied == {"50%"}
    shaman(tmp_path, "import", "--from", old_server.url)
    assert len(export(tmp_path)) == 13


def test_the_journal_of_another_server_counts_for_nothing(tmp_path: Path, old_server: Service) -> None:
    """A copy of one server does not go on where that of another one stopped."""
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "import.journal").write_text(
        'http://127.0.0.1:1\n{"kind":"repo","project":"ceph","ref":"main"}\n'
    )
    shaman(tmp_path, "import", "--from", old_server.url)
    assert len(export(tmp_path)) == 13


def test_a_changed_record_is_copied_again(tmp_path: Path, old_server: Service) -> None:
    """A second copy brings what has changed there, and leaves what is newer here."""
    shaman(tmp_path, "import", "--from", old_server.url)
    assert old_server.http.post("/repos/ceph/", json=REPO | {"sha1": "d4"}).status_code == 201
    said = shaman(tmp_path, "import", "--from", old_server.url)
    assert b"ceph: 3 builds unchanged, 3 repos unchanged, 1 repos written" in said.stderr.splitlines()


@pytest.mark.parametrize("arguments", [[], ["--from", "http://127.0.0.1:1", "-"]])
def test_one_source_is_needed(tmp_path: Path, arguments: list[str]) -> None:
    """A file and a server at once, or neither, is an error of usage."""
    assert b"give either FILE or --from URL" in shaman(tmp_path, "import", *arguments, code=2).stderr


@pytest.mark.parametrize("url", ["http://u:marked@127.0.0.1:1", "http://[::marked", "old.example.org", "ftp://h/", ""])
def test_the_url_of_a_server_is_one(tmp_path: Path, url: str) -> None:
    """What is wrong with it is told at once, in a line that has no password."""
    [line] = shaman(tmp_path, "import", "--from", url, code=1).stderr.splitlines()
    assert line.startswith(b"shaman: --from: ")
    assert b"marked" not in line


def test_what_is_no_such_server_is_named(tmp_path: Path, old_server: Service) -> None:
    """The question that it does not answer is told, in one line."""
    [line] = shaman(tmp_path, "import", "--from", f"{old_server.url}/repos/", code=1).stderr.splitlines()
    assert line == f"shaman: {old_server.url}/repos/api/repos/: answers 404".encode()


def _without(record: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in names}
