"""The `shaman` command: what it prints, keeps and refuses."""

import re
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from shaman.cli.key import keep_key
from shaman.config import hash_key, load
from shaman.errors import Invalid
from tests.test_serve import REPO, ROOT, Service, environment, until


def run(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    command = [sys.executable, "-m", "shaman", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(**environ), capture_output=True, text=True, timeout=30, check=False
    )


def read(file: Path) -> str:
    """Return a key as `$(cat ...)` does."""
    return file.read_text("ascii").rstrip("\n")


def test_a_local_key_is_made_once(tmp_path: Path) -> None:
    """Without credentials there is a random key in the data folder, for its owner only, the same at every start."""
    keys = []
    for status in (201, 200):
        with Service(tmp_path, "--local-key") as service:
            file = tmp_path / "var" / "api-key"
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
            keys.append(read(file))
            answer = service.http.post("/repos/ceph/", json=REPO | {"extra": {}}, auth=("shaman", keys[-1]))
            assert answer.status_code == status
            assert service.http.post("/repos/ceph/", json=REPO, auth=("shaman", "other")).status_code == 401
            assert keys[-1] not in service.said()
    assert keys[0] == keys[1]
    assert re.fullmatch(r"[\w-]{43}", keys[0])


def test_the_printed_line_writes(tmp_path: Path) -> None:
    """What the start prints about writing works in a shell as it stands, but for the names in capitals."""
    (tmp_path / "repo.json").write_text(str(REPO).replace("'", '"'))
    with Service(tmp_path, "--local-key") as service:
        until(lambda: "PROJECT" in service.said())
        line = service.said().partition("Write: ")[2].replace("PROJECT", "ceph")
        subprocess.run(("/bin/sh", "-ec", f"alias curl='curl -sSf'\n{line}"), cwd=tmp_path, check=True, timeout=30)
        assert service.sha1s() == {"a0"}


def test_keys_differ(tmp_path: Path) -> None:
    """No two data folders share a key."""
    assert keep_key(tmp_path / "one") != keep_key(tmp_path / "two")


def test_starts_at_once_agree_on_the_key(tmp_path: Path) -> None:
    """Whoever comes first makes it, and nothing else stays in the folder."""
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: keep_key(tmp_path / "api-key"), range(64)))
    assert len(keys) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["api-key"]


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe"])
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: bytes) -> None:
    """An empty key would let everybody in; the error names the file and what to do."""
    file = tmp_path / "api-key"
    file.write_bytes(content)
    with pytest.raises(Invalid, match=r"api-key: has no key; delete it"):
        keep_key(file)
    assert file.read_bytes() == content


def test_with_credentials_no_local_key_is_made(tmp_path: Path) -> None:
    """Who has set credentials gets no second way in."""
    with Service(tmp_path, "--local-key", SHAMAN_API_USER="a", SHAMAN_API_KEY="b") as service:
        assert "Write:" not in service.said()
        assert not (tmp_path / "var" / "api-key").exists()
        assert service.http.post("/repos/ceph/", json=REPO, auth=("a", "b")).status_code == 201


def test_the_key_command_makes_a_user(tmp_path: Path) -> None:
    """What it prints is a configuration as it stands: it holds the hash, and the key only in a comment."""
    said = run(tmp_path, "key").stdout
    key = re.search(r"^# .*: (\S+)$", said, re.MULTILINE)
    assert key
    (tmp_path / "config.toml").write_text(said)
    (user,) = load(tmp_path / "config.toml", {}).auth.users
    assert (user.name, user.key_sha256, user.projects) == ("builder", hash_key(key[1]), None)
    assert said.count(key[1]) == 1
    assert run(tmp_path, "key").stdout != said
    with Service(tmp_path) as service:
        assert service.http.post("/repos/ceph/", json=REPO, auth=("builder", key[1])).status_code == 201


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"PORT": "http"}, "PORT"),
        ({"WEB_CONCURRENCY": "0"}, "WEB_CONCURRENCY"),
        ({"SHAMAN_CONFIG": "nothing.toml"}, "nothing.toml"),
        ({"SHAMAN_CONFIG": "bad.toml"}, "distros.ubuntu"),
        ({"SHAMAN_API_USER": "a"}, "SHAMAN_API_KEY"),
        ({"REDIS_URL": "store:6379"}, "REDIS_URL"),
        ({"REDIS_URL": "http://store"}, "REDIS_URL"),
        ({"REDIS_URL": "redis://:hunter2@store:port/"}, "REDIS_URL"),
        ({"REDIS_URL": "redis://:hunter2/3@store/"}, "REDIS_URL"),
        ({"SHAMAN_DATA_DIR": "file"}, "file"),
    ],
)
def test_what_cannot_be_served_is_one_line(tmp_path: Path, environ: dict[str, str], named: str) -> None:
    """A setting that makes no sense ends the start: exit code 1, its name, no traceback and no password."""
    (tmp_path / "bad.toml").write_text("[distros.ubuntu]\n'26.10' = ''")
    (tmp_path / "file").touch()
    ended = run(tmp_path, "serve", "--port", "0", **environ)
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("shaman: ")
    assert named in line
    assert "hunter2" not in line


def test_an_engine_that_is_not_installed_is_one_line(tmp_path: Path) -> None:
    """It tells what installs it, by whichever way it was chosen, and nothing has been started."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['granian'] = None")
    (tmp_path / "granian.toml").write_text("server.engine = 'granian'")
    for chosen in (("--server", "granian"), ("--config", "granian.toml")):
        ended = run(tmp_path, "serve", "--port", "0", *chosen, PYTHONPATH=f"{tmp_path}:{ROOT}")
        assert (ended.returncode, ended.stdout) == (1, "")
        (line,) = ended.stderr.splitlines()
        assert line.startswith("shaman: server.engine: granian is not installed")
        assert "pip install 'shaman[fast]'" in line
        assert not (tmp_path / "var").exists()


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    """The address is named, and the private server that was started for nothing is gone."""
    with Service(tmp_path / "first") as service:
        port = service.url.rpartition(":")[2]
        ended = run(tmp_path, "serve", "--port", port)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert port in line
    assert not (tmp_path / "var" / "store.sock").exists()


@pytest.mark.parametrize("arguments", [("serve", "--port", "x"), ("serve", "--workers", "0"), ("nothing",)])
def test_a_wrong_call_is_explained(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """An option or a command that is none is exit code 2, and the way to help."""
    ended = run(tmp_path, *arguments)
    assert ended.returncode == 2
    assert "--help" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_every_command_explains_itself(tmp_path: Path) -> None:
    """Help names every option, and the variable behind it."""
    for arguments in ((), ("serve",), ("key",)):
        assert run(tmp_path, *arguments, "--help").stdout.startswith("Usage:")
    said = run(tmp_path, "serve", "-h").stdout
    for name in (
        "PORT",
        "WEB_CONCURRENCY",
        "SHAMAN_DATA_DIR",
        "SHAMAN_CONFIG",
        "--server",
        "--ephemeral",
        "--local-key",
    ):
        assert name in said


def test_an_ephemeral_service_keeps_nothing(tmp_path: Path) -> None:
    """It says so aloud, starts no server, writes no file, and works until it ends."""
    credentials = {"SHAMAN_API_USER": "builder", "SHAMAN_API_KEY": "secret"}
    for _ in range(2):
        with Service(tmp_path, "--ephemeral", **credentials) as service:
            assert "EPHEMERAL: every record is lost" in service.said()
            assert service.sha1s() == set()
            assert service.post("a0") == 201
            assert service.sha1s() == {"a0"}
            assert httpx.get(f"{service.url}/_health/").status_code == 204
            assert service.stop() == 0
    assert not (tmp_path / "var").exists()


def test_an_ephemeral_service_has_one_worker(tmp_path: Path) -> None:
    """Two workers would each have a store of their own."""
    ended = run(tmp_path, "serve", "--ephemeral", "--workers", "2")
    assert ended.returncode == 1
    assert "--ephemeral" in ended.stderr
