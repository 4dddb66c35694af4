"""`shaman check` and `shaman reindex` as people call them, and the version of a store at a start."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from shaman.store import keys
from shaman.store.embedded import Embedded
from tests.cli.test_transfer import export, shaman
from tests.test_serve import LOGIN, Service, until
from tests.test_transfer import BUILD, NODE, REPO, lines

RECORDS = b"".join(lines(REPO, BUILD, NODE))


@pytest.fixture
def store(server_url: str) -> Iterator[Redis]:
    """Return a client of a store that has a repo, a build and a node."""
    with Redis.from_url(server_url) as client:
        client.flushall()
        yield client
        client.flushall()


def test_a_right_store_is_told_so(tmp_path: Path) -> None:
    """Nothing is on standard output, and the exit code is 0."""
    shaman(tmp_path, "import", "-", given=RECORDS)
    said = shaman(tmp_path, "check")
    assert (said.stdout, said.stderr) == (b"", b"1 projects, 1 repos, 1 builds: 0 faults\n")
    assert shaman(tmp_path, "check", "--repair").stderr == b"1 projects, 1 repos, 1 builds: 0 faults, 0 mended\n"


def test_each_fault_is_a_line(tmp_path: Path) -> None:
    """The exit code of a check is 1, of a repair 0; both work while a service runs, which then finds what was lost."""
    with Service(tmp_path, **LOGIN) as service:
        assert service.post("b1") == 201
        with Redis.from_url(Embedded(tmp_path / "var").url) as client:
            client.zrem(keys.modified("ceph"), 1)
            client.zrem(keys.refs("ceph", "ready"), "main")
        assert service.http.get("/repos/").json() == []
        lost = [b"shaman:{ceph}:modified 1: is missing", b"shaman:{ceph}:refs:ready main: is missing"]
        for options, code in (((), 1), (("--repair",), 0), ((), 0)):
            said = shaman(tmp_path, "check", *options, code=code)
            assert [line.rpartition(b",")[0] for line in said.stdout.splitlines()] == lost
            lost = lost if code else []
        until(lambda: service.http.get("/repos/").json() == ["ceph"])


def test_what_cannot_be_mended_stays_a_fault(tmp_path: Path, store: Redis, server_url: str) -> None:
    """A key that nobody knows is told, and left; a reindex drops it, and says what is wrong with a document."""
    shaman(tmp_path, "import", "-", given=RECORDS, redis_url=server_url)
    store.set("shaman:{ceph}:old", "x")
    told = b"shaman:{ceph}:old: is no key of this version; `shaman reindex` drops it\n"
    for options in ((), ("--repair",), ("--project", "ceph")):
        assert shaman(tmp_path, "check", *options, code=1, redis_url=server_url).stdout == told
    store.hset(keys.repos("ceph"), "1", "{")
    said = shaman(tmp_path, "reindex", "ceph", redis_url=server_url)
    assert said.stdout.startswith(b"shaman:{ceph}:repos 1: is no repo: ")
    assert store.exists("shaman:{ceph}:old") == 0
    shaman(tmp_path, "check", redis_url=server_url)


def test_indexes_come_back_from_the_documents(tmp_path: Path, store: Redis, server_url: str) -> None:
    """With nothing left but the documents, a reindex makes all that was there."""
    shaman(tmp_path, "import", "-", given=RECORDS, redis_url=server_url)
    before, names = export(tmp_path, redis_url=server_url), set(_names(store))
    store.delete(*(name for name in names if not name.endswith((":repos", ":builds", ":facts", ":known", ":used"))))
    said = shaman(tmp_path, "reindex", redis_url=server_url)
    assert said.stdout == b""
    assert names - set(_names(store)) <= {keys.changes("ceph"), keys.NODE_CHANGES, keys.NODE_TURN}
    assert export(tmp_path, redis_url=server_url) == before
    shaman(tmp_path, "check", redis_url=server_url)


def test_an_older_store_is_brought_to_this_version(tmp_path: Path, store: Redis, server_url: str) -> None:
    """It is refused, with the command that brings it to this version in all projects at once."""
    shaman(tmp_path, "import", "-", given=RECORDS, redis_url=server_url)
    names = [name for name in _names(store) if ":sha1-names:" in name or name.endswith(":build-names")]
    store.set(keys.SCHEMA, "1")
    store.delete(*names)  # which the first version did not have
    store.rename(keys.cells("ceph", "main"), "shaman:{ceph}:cells-of-old:main")
    for command in ("serve", "check"):
        said = shaman(tmp_path, command, code=1, redis_url=server_url).stderr
        assert said.startswith(b"shaman: the store has keys of version 1 (shaman:schema), and this shaman needs 2: ")
        assert said.endswith(b" run `shaman reindex`\n")
    assert b"version 1" in shaman(tmp_path, "import", "-", given=RECORDS, code=1, redis_url=server_url).stderr
    said = shaman(tmp_path, "reindex", "ceph", code=1, redis_url=server_url).stderr
    assert said == b"shaman: PROJECTS: the store is of an older version, so all must be reindexed at once\n"
    assert store.get(keys.SCHEMA) == b"1"
    shaman(tmp_path, "reindex", redis_url=server_url)
    assert store.get(keys.SCHEMA) == b"2"
    assert set(names) <= set(_names(store))
    assert shaman(tmp_path, "check", redis_url=server_url).stdout == b""


@pytest.mark.parametrize("command", [["serve"], ["import", "-"], ["check"], ["check", "--repair"], ["reindex"]])
def test_a_newer_store_is_left_alone(tmp_path: Path, store: Redis, server_url: str, command: list[str]) -> None:
    """No command writes to it or tells anything of it but its version."""
    store.set(keys.SCHEMA, "3")
    said = shaman(tmp_path, *command, given=RECORDS, code=1, redis_url=server_url)
    told = b"shaman: the store has keys of version 3 (shaman:schema), and this shaman knows 2 at most: run a newer one"
    assert said.stderr.splitlines() == [told]
    assert store.keys() == [keys.SCHEMA.encode()]


def test_a_store_that_comes_later_is_checked_then(tmp_path: Path) -> None:
    """A service starts without it; when it comes and is a newer one, nothing is read or written, and that is told."""
    embedded = Embedded(tmp_path / "data", flags=("--appendfsync", "no"))
    with embedded, Redis.from_url(embedded.url) as client:
        client.set(keys.SCHEMA, "3")
        url = embedded.url
    with Service(tmp_path, REDIS_URL=url, **LOGIN) as service:
        assert service.http.get("/repos/").status_code == 503
        assert service.http.get("/_health/").status_code == 500
        with embedded, Redis.from_url(embedded.url) as client:
            told = "the store has keys of version 3 (shaman:schema)"
            for path in ("/repos/", "/api/search", "/nodes/next/"):
                assert service.http.get(path).status_code == 503
                assert told in service.http.get(path).text
            assert (service.http.get("/_health/").status_code, service.post("b1")) == (500, 503)
            assert _names(client) == [keys.SCHEMA]
            client.set(keys.SCHEMA, "2")
            assert service.post("b1") == 201
            assert service.http.get("/_health/").status_code == 204


def _names(client: Redis) -> list[str]:
    found: Any = client.keys()
    return [name.decode() for name in found]
