"""Passwords and keys are in no output, no answer and no name of a process, whatever goes wrong."""

import asyncio
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from traceback import format_exception

import httpx
import pytest

from shaman.config import Auth, Config, RedisSettings, User, hash_key
from shaman.distros import Releases
from shaman.errors import ShamanError
from shaman.store import open_store
from shaman.store.connection import connect
from shaman.store.embedded import Embedded
from tests.backends import path_to
from tests.cli.test_commands import run
from tests.conftest import basic
from tests.test_serve import GET, REPO, Service, Wire, descendants

PASSWORD, KEY, OTHER_KEY = "marked-password", "marked-key", "marked-other-key"

SECRETS = [
    PASSWORD,
    KEY,
    OTHER_KEY,
    *(hash_key(key) for key in (KEY, OTHER_KEY)),
    *(basic(user, key)["Authorization"].removeprefix("Basic ") for user, key in (("a", KEY), ("b", OTHER_KEY))),
    b64encode(PASSWORD.encode()).decode().rstrip("="),
]

USERS = f"""
[[auth.users]]
name = "b"
key_sha256 = "{hash_key(OTHER_KEY)}"
"""


def assert_untold(text: str) -> None:
    """Assert that no secret is in a text."""
    for secret in (*SECRETS, "marked"):
        assert secret not in text


def titles(service: Service) -> str:
    """Return the command lines of a service and of what it has started."""
    lines = []
    for process in {service.process.pid} | descendants(service.process.pid):
        with suppress(OSError):
            lines += [Path(f"/proc/{process}/{file}").read_text("utf-8", "replace") for file in ("cmdline", "comm")]
    return "\n".join(lines)


def answers(http: httpx.Client) -> Iterator[httpx.Response]:
    """Ask for everything, rightly and wrongly, with and without credentials."""
    paths = ["/_health/", "/repos/", "/repos/ceph/", "/search/ceph/main/", "/nodes/", "/nodes/next/", "/nothing/"]
    paths += ["/api/", "/api/repos/", "/api/search/", "/api/builds/", "/api/nodes/", "/api/nodes/next/", "/api/x/%zz"]
    for auth in (None, ("a", KEY), ("b", OTHER_KEY), ("a", "wrong")):
        for path in paths:
            for accept in ("*/*", "application/json"):
                yield http.get(path, auth=auth, headers={"Accept": accept})
        for path in ("/repos/ceph/", "/api/repos/ceph/", "/api/builds/ceph/", "/api/nodes/localhost:1/"):
            for body in (b"{", b'{"extra": NaN}', b"[]", str(REPO).replace("'", '"').encode()):
                yield http.request("POST", path, auth=auth, content=body, headers={"Content-Type": "application/json"})
                yield http.request("PUT", path, auth=auth, content=body)


STORES = {
    "away": ["--requirepass", PASSWORD],
    "another password": ["--requirepass", "other"],
    "an old protocol": ["--requirepass", PASSWORD, "--rename-command", "HELLO", ""],
    "no permissions": ["--user", "default", "on", f">{PASSWORD}", "~*", "&*", "-@all", "+@connection"],
    "few permissions": ["--user", "default", "on", f">{PASSWORD}", "~*", "&*", "+@all", "-evalsha", "-zrange"],
}
"""Servers that fail each in its own way a service that is given the password."""


@pytest.mark.parametrize("kind", STORES)
def test_a_broken_store_tells_no_secret(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever way the store fails in: in no answer, on no output, in no process title; that it fails is logged."""
    monkeypatch.setenv("PATH", path_to("system"), prepend=":")
    (tmp_path / "config.toml").write_text(USERS)
    login = {"SHAMAN_API_USER": "a", "SHAMAN_API_KEY": KEY}
    with Embedded(tmp_path / "store", flags=STORES[kind]) as store:
        url = store.url.replace("unix://", f"unix://:{PASSWORD}@")
        with Service(tmp_path, REDIS_URL=url, **login) as service:
            assert_untold(titles(service))
            if kind == "away":
                store.stop()
            told = []
            for answer in answers(service.http):
                assert_untold(f"{answer.headers}{answer.text}")
                told.append(answer.status_code)
            assert {401 if kind == "away" else 503, 404} <= set(told)  # a store never seen is looked at first
            assert set(told) & {500, 503}
            for _ in range(8):  # who has gone when the store fails leaves an error that nobody asks for
                with Wire(service.url) as wire:
                    wire.send(GET)
            assert service.stop() == 0
            assert_untold(service.said())
            assert "away" in service.said() or "unforeseen" in service.said()


def stores_away() -> Iterator[str]:
    """Yield REDIS_URLs with the password that cannot be served."""
    for scheme in ("redis", "rediss", "redis+sentinel", "redis+cluster", "unix", "http", "redi"):
        for rest in (
            "@store:port/",
            "@[::1/",
            "/3@store/",
            "@store:99999/0",
            "@:0/",
            "@store:1/0?socket_timeout=y",
        ):
            yield f"{scheme}://:{PASSWORD}{rest}"
            yield f"{scheme}://{PASSWORD}:{PASSWORD}{rest}"
    yield f"redis://localhost:1/0?password={PASSWORD}&port=x"
    yield f"redis://localhost:1/0?db={PASSWORD}"
    yield PASSWORD
    yield f":{PASSWORD}@store:6379"


@pytest.mark.parametrize("url", list(stores_away()))
def test_a_wrong_url_of_the_store_is_not_repeated(url: str) -> None:
    """Who connects is told the rule that it breaks; where it breaks none, nobody answers."""

    async def call() -> None:
        store = open_store(url, Config(), Releases())
        try:
            await store.ping()
        finally:
            await store.close()

    with pytest.raises(ShamanError) as told:
        asyncio.run(call())
    assert_untold("".join(format_exception(told.value)))


@pytest.mark.parametrize("command", [("export",), ("import", "records.ndjson")])
@pytest.mark.parametrize("url", [f"redis://:{PASSWORD}@localhost:port/", f"redis://:{PASSWORD}@localhost:1/"])
def test_a_command_does_not_repeat_the_url_of_the_store(tmp_path: Path, command: list[str], url: str) -> None:
    """It ends with one line that says what is wrong."""
    (tmp_path / "records.ndjson").write_text("")
    said = run(tmp_path, *command, REDIS_URL=url)
    assert "Traceback" not in said.stderr
    assert_untold(said.stdout + said.stderr)


CONFIGS = [
    f'[redis]\nurl = "redis://:{PASSWORD}@store',
    f'[redis]\nurl = "redis://:{PASSWORD}@store:port/"',
    f'[redis]\nurl = ["redis://:{PASSWORD}@store"]',
    f'[redis]\nurls = "redis://:{PASSWORD}@store"',
    f"[redis]\nurl = redis://:{PASSWORD}@store",
    f'[redis]\nurl = "redis://:{PASSWORD}@store"\nurl = "redis://:{PASSWORD}@store"',
    f'[redis]\nurl = "a\\q{PASSWORD}"',
    f'[auth]\nusers = "{KEY}"',
    f'[auth]\nusers = {{b = "{KEY}"}}',
    f'[[auth.users]]\nname = "a"\nkey = "{KEY}"\nkey_sha256 = "{hash_key(KEY)}"',
    f'[[auth.users]]\nname = "a"\nkey_sha256 = "{KEY}"',
    f'[[auth.users]]\nname = "a:{KEY}"\nkey_sha256 = "{hash_key(KEY)}"',
    f'[[auth.users]]\nname = "a"\nkey_sha256 = "{hash_key(KEY)}"\nprojects = "{KEY}"',
    f'[[auth.users]]\nname = "a"\nkey_sha256 = "{hash_key(KEY)}"\n' * 2,
    USERS + f'chacra_nodes = ["https://a:{PASSWORD}@node.example.org"]',
]
"""Settings that cannot be read, each with a secret."""


@pytest.mark.parametrize("config", CONFIGS)
def test_a_wrong_setting_is_not_repeated(tmp_path: Path, config: str) -> None:
    """The error names the setting, not the secret that is in it."""
    (tmp_path / "config.toml").write_text(config)
    said = run(tmp_path, "serve", "--port", "0")
    assert said.returncode == 1
    assert "config.toml" in said.stderr or "redis.url" in said.stderr
    assert_untold(said.stdout + said.stderr)


@pytest.mark.parametrize("environ", [{"SHAMAN_API_KEY": KEY}, {"SHAMAN_API_USER": f"a:{KEY}", "SHAMAN_API_KEY": KEY}])
def test_a_wrong_variable_is_not_repeated(tmp_path: Path, environ: dict[str, str]) -> None:
    """Nor is a key that stands where the name of its user should."""
    said = run(tmp_path, "serve", "--port", "0", **environ)
    assert said.returncode == 1
    assert_untold(said.stdout + said.stderr)


def test_settings_can_be_printed() -> None:
    """The text of settings, of a user, and of a connection has neither the password nor the hash of a key."""
    url = f"redis://a:{PASSWORD}@localhost:1/0"
    config = Config(redis=RedisSettings(url=url), auth=Auth(users=(User(name="a", key_sha256=hash_key(KEY)),)))
    for each in (config, config.redis, config.auth, *config.auth.users, connect(url, 1)):
        assert_untold(f"{each!r}{each}")
