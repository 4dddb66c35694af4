"""Settings: every name, every rule, and who wins."""

from pathlib import Path

import pytest

from shaman.config import Auth, Config, RedisSettings, RetentionSettings, Server, User, hash_key, load
from shaman.errors import Invalid
from shaman.retention import Rule

HASH = hash_key("secret")

EVERYTHING = f"""
chacra_nodes = ["https://a.example", "http://b.example:8000/"]
fail_check_trigger_path = "/tmp/stop"

[server]
host = "::"
port = 80
workers = 3
data_dir = "/srv/shaman"
engine = "granian"

[redis]
url = "redis://store/1"
connections = 5

[[auth.users]]
name = "builder"
key_sha256 = "{HASH}"

[[auth.users]]
name = "guest"
key_sha256 = "{HASH}"
projects = ["ceph", "a/b"]

[retention]
interval = 3600

[[retention.rules]]
project = "ceph"
ref = "wip-*"
sha1s = 5
days = 1.5

[[retention.rules]]
project = "*"
ref = "wip-*"
days = 30
keep_newest = false

[distros.ubuntu]
"26.10" = "stonking"
"""


HOOK = "[[webhooks]]\nname = 'ci'\nurl = 'https://ci.example.org/'\nsecret = 'sixteen letters!'\n"
RULE = "[[retention.rules]]\nproject = 'a'\nref = '*'\n"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the config.toml of the current folder; it is not there yet."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "config.toml"


def refusal(environ: dict[str, str]) -> str:
    """Return why these settings are refused."""
    with pytest.raises(Invalid) as caught:
        load(environ=environ)
    return str(caught.value)


def test_without_a_file_there_are_defaults(file: Path) -> None:
    """Nothing needs to be set."""
    assert not file.exists()
    assert load(environ={}) == Config()
    assert Config().server == Server(host="127.0.0.1", port=8080, workers=1, data_dir="var", engine="hypercorn")


def test_every_setting_is_read(file: Path) -> None:
    """Each name of the file arrives where it belongs."""
    file.write_text(EVERYTHING)
    assert load(environ={}) == Config(
        chacra_nodes=("https://a.example", "http://b.example:8000/"),
        fail_check_trigger_path="/tmp/stop",  # noqa: S108 - only a name
        server=Server(host="::", port=80, workers=3, data_dir="/srv/shaman", engine="granian"),
        redis=RedisSettings(url="redis://store/1", connections=5),
        auth=Auth(
            users=(
                User(name="builder", key_sha256=HASH),
                User(name="guest", key_sha256=HASH, projects=("ceph", "a/b")),
            )
        ),
        retention=RetentionSettings(
            interval=3600,
            rules=(
                Rule(project="ceph", ref="wip-*", sha1s=5, days=1.5),
                Rule(project="*", ref="wip-*", days=30, keep_newest=False),
            ),
        ),
        distros={"ubuntu": {"26.10": "stonking"}},
    )


def test_a_file_names_only_what_it_changes(file: Path) -> None:
    """The rest of a table keeps its defaults."""
    file.write_text("[server]\nworkers = 2")
    assert load(environ={}) == Config(server=Server(workers=2))


def test_the_environment_wins(file: Path) -> None:
    """Each variable stands above the file; an empty one says nothing."""
    file.write_text(EVERYTHING)
    names = ("PORT", "WEB_CONCURRENCY", "SHAMAN_DATA_DIR", "REDIS_URL", "SHAMAN_API_USER", "SHAMAN_API_KEY")
    assert load(environ=dict.fromkeys(names, "")) == load(environ={})
    values = ("0", "1024", "elsewhere", "unix:///run/redis.sock", "guest", "new")
    config = load(environ=dict(zip(names, values, strict=True)))
    assert config.server == Server(host="::", port=0, workers=1024, data_dir="elsewhere", engine="granian")
    assert config.redis == RedisSettings(url="unix:///run/redis.sock", connections=5)
    assert config.auth.users == (
        User(name="builder", key_sha256=HASH),
        User(name="guest", key_sha256=hash_key("new")),
    )


def test_the_file_can_be_another(file: Path) -> None:
    """SHAMAN_CONFIG names it, and the option wins over that."""
    file.write_text("[server]\nport = 1")
    second, third = file.with_name("second.toml"), file.with_name("third.toml")
    second.write_text("[server]\nport = 2")
    third.write_text("[server]\nport = 3")
    assert load(environ={}).server.port == 1
    assert load(environ={"SHAMAN_CONFIG": str(second)}).server.port == 2
    assert load(third, {"SHAMAN_CONFIG": str(second)}).server.port == 3
    assert load(third, {"PORT": "4"}).server.port == 4


@pytest.mark.parametrize("name", ["nothing.toml", "."])
def test_a_file_that_is_named_must_be_there(file: Path, name: str) -> None:
    """A path that is wrong is not taken for no settings."""
    assert name in refusal({"SHAMAN_CONFIG": name})
    assert not file.exists()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("colour = 1", "colour"),
        ("[server]\ncolour = 1", "colour"),
        ("[redis]\nurls = 'x'", "urls"),
        ("[auth]\nuser = []", "user"),
        (f"[[auth.users]]\nname = 'a'\nkey_sha256 = '{HASH}'\nkey = 'x'", "key"),
        ("[[retention.rules]]\nproject = 'a'\nref = 'b'\nsha1 = 5", "sha1"),
        ("[retention]\ndays = 5", "days"),
        ("[color]\nserver = 1", "color"),
    ],
)
def test_an_unknown_name_is_refused(file: Path, text: str, name: str) -> None:
    """A misspelt setting is named, and so is the file."""
    file.write_text(text)
    told = refusal({})
    assert f"`{name}`" in told
    assert "config.toml" in told


@pytest.mark.parametrize(
    ("text", "setting", "rule"),
    [
        ("[server]\nport = 65536", "server.port", "65535"),
        ("[server]\nport = '80'", "server.port", "int"),
        ("[server]\nworkers = 0", "server.workers", "1"),
        ("[server]\nhost = 1", "server.host", "str"),
        ("[redis]\nconnections = 0", "redis.connections", "1"),
        ("chacra_nodes = 'https://a/'", "chacra_nodes", "array"),
        ("chacra_nodes = ['chacra01.ceph.com']", "chacra_nodes", "http"),
        ("chacra_nodes = ['ftp://a/']", "chacra_nodes", "http"),
        ("chacra_nodes = ['']", "chacra_nodes", "http"),
        ("[[auth.users]]\nname = 'a'", "auth.users", "key_sha256"),
        ("[[auth.users]]\nname = 'a'\nkey_sha256 = 'secret'", "key_sha256", "[0-9a-f]{64}"),
        (f"[[auth.users]]\nname = 'a:b'\nkey_sha256 = '{HASH}'", "name", "[^:]"),
        (f"[[auth.users]]\nname = ''\nkey_sha256 = '{HASH}'", "name", "1"),
        (2 * f"[[auth.users]]\nname = 'a'\nkey_sha256 = '{HASH}'\n", "auth.users", "twice"),
        ("[distros.ubuntu]\n'26.10' = ''", "distros.ubuntu", "empty"),
        ("[distros.ubuntu]\n'26.10' = 'noble'", "distros.ubuntu", "noble"),
        ("[distros]\nubuntu = 1", "distros", "object"),
        ("[retention]\ninterval = 0", "retention.interval", "> 0"),
        (RULE, "retention.rules[0]", "`sha1s` and `days` are both missing"),
        (HOOK.replace("https", "ftp"), "webhooks[0].url", "must begin with http:// or https://"),
        (HOOK.replace("ci.", "me:pw@ci."), "webhooks[0].url", "must not name a user"),
        (HOOK.replace("example", "exa mple"), "webhooks[0].url", "without blanks"),
        (HOOK + HOOK, "webhooks[1].name", "'ci' is there twice"),
        (HOOK + "kinds = ['nodes']", "webhooks[0].kinds", "nodes"),
        (HOOK + "tries = 0", "webhooks[0].tries", ">= 1"),
        (HOOK.replace("sixteen letters!", "short"), "webhooks[0].secret", ">= 16"),
        (RULE + "sha1s = 0", "retention.rules[0].sha1s", ">= 1"),
        (RULE + "days = 0", "retention.rules[0].days", "> 0"),
        (RULE + "days = inf", "retention.rules[0].days", "36500"),
        (RULE + "sha1s = 1\nkeep_newest = false", "retention.rules[0].keep_newest", "cannot be false"),
        (2 * (RULE + "sha1s = 1\n"), "retention.rules[1].ref", "never reached"),
        ("[[retention.rules]]\nproject = 'a'\nsha1s = 1", "retention.rules", "`ref`"),
        ("[[retention.rules]]\nproject = ''\nref = 'a'\nsha1s = 1", "project", "1"),
        ("port = ", "config.toml", "end of document"),
        ("\x00", "config.toml", "line 1"),
    ],
)
def test_a_bad_value_names_setting_and_rule(file: Path, text: str, setting: str, rule: str) -> None:
    """Whatever is wrong in the file is told with its place and what it should be."""
    file.write_text(text)
    told = refusal({})
    assert setting in told
    assert rule in told
    assert "config.toml" in told


def test_a_file_that_is_no_text_is_refused(file: Path) -> None:
    """TOML is UTF-8."""
    file.write_bytes(b"chacra_nodes = ['\xff']")
    assert "config.toml" in refusal({})


@pytest.mark.parametrize("value", ["-1", "65536", "http", "8080.5", " 80", "٨٠"])
def test_a_bad_port_is_named(file: Path, value: str) -> None:
    """PORT is a number that a port can have."""
    assert "PORT: must be a number from 0 to 65535" in refusal({"PORT": value})
    assert not file.exists()


@pytest.mark.parametrize("value", ["0", "1025", "many"])
def test_a_bad_number_of_workers_is_named(file: Path, value: str) -> None:
    """WEB_CONCURRENCY is a number of processes."""
    assert "WEB_CONCURRENCY: must be a number from 1 to 1024" in refusal({"WEB_CONCURRENCY": value})
    assert not file.exists()


@pytest.mark.parametrize("environ", [{"SHAMAN_API_USER": "a"}, {"SHAMAN_API_KEY": "a"}])
def test_half_of_the_credentials_is_refused(file: Path, environ: dict[str, str]) -> None:
    """A user without a key, or a key without a user, would let nobody in unnoticed."""
    told = refusal(environ)
    assert "SHAMAN_API_USER and SHAMAN_API_KEY" in told
    assert not file.exists()


def test_a_user_with_a_colon_is_refused(file: Path) -> None:
    """No client could log in under such a name."""
    assert "SHAMAN_API_USER" in refusal({"SHAMAN_API_USER": "a:b", "SHAMAN_API_KEY": "c"})
    assert not file.exists()


def test_the_file_of_the_project_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """The config.toml that comes with shaman is read, and beside its nodes it says what holds anyway."""
    monkeypatch.chdir(Path(__file__).parent.parent)
    config = load(environ={})
    assert len(config.chacra_nodes) == 2
    assert config == Config(chacra_nodes=config.chacra_nodes)
