"""Settings: config.toml, then the environment on top; a name that is not known is refused."""

import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct, field
from msgspec.structs import replace

from shaman.checks import check_host, check_url
from shaman.distros import Releases
from shaman.errors import Invalid
from shaman.hooks import Webhook, check_webhooks
from shaman.logs import Form, Level
from shaman.retention import Rule, check_rules

Port = Annotated[int, Meta(ge=0, le=65535)]
Count = Annotated[int, Meta(ge=1, le=1024)]
Hops = Annotated[int, Meta(ge=0, le=16)]
Seconds = Annotated[float, Meta(gt=0, le=24 * 3600)]
Engine = Literal["hypercorn", "granian"]
KeyHash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Server(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[server]`: where the service listens, with how many processes, and where its own data is.

    `engine` is what speaks HTTP in each of them. `trusted_proxies` is how many routers stand in front, each of which
    adds to X-Forwarded-For; nobody must come in but through them.
    `longest_wait` is the seconds that `wait=` may ask for.
    """

    host: str = "127.0.0.1"
    port: Port = 8080
    workers: Count = 1
    data_dir: str = "var"
    engine: Engine = "hypercorn"
    trusted_proxies: Hops = 0
    longest_wait: Seconds = 25.0


class RedisSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[redis]`: the server to use (none: a private one), and the connections of one process to it.

    A POST is acknowledged when `replicas_to_ack` replicas of the server have what it wrote.
    """

    url: str = ""
    connections: Count = 16
    replicas_to_ack: Annotated[int, Meta(ge=0, le=16)] = 0

    def __repr__(self) -> str:
        """Leave out the URL, as it may hold a password."""
        return f"RedisSettings(url=..., connections={self.connections})"


class User(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[auth.users]]`: who may write; `projects` limits to those named, `key_sha256` is the hex hash of the key."""

    name: Annotated[str, Meta(min_length=1, pattern="^[^:]*$")]
    key_sha256: KeyHash
    projects: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        """Leave out the hash, as a short key can be found from it."""
        return f"User(name={self.name!r}, key_sha256=..., projects={self.projects})"


class Auth(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[auth]`: the users."""

    users: tuple[User, ...] = ()


class HealthSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[health]`: seconds between two checks of a node, and that one may take.

    Without `interval` only nodes that have registered are checked, at an interval of their own.
    """

    interval: Seconds | None = None
    timeout: Seconds = 5.0


class CacheSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[cache]`: the megabytes of answers that one process keeps; 0 keeps none."""

    megabytes: Annotated[int, Meta(ge=0, le=65536)] = 64


class LogSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[log]`: from which level on, in which form (`auto`: JSON unless stderr is a terminal), and whether of requests.

    What retention removes is told at any level up to `info`.
    """

    level: Level = "warning"
    format: Form = "auto"
    requests: bool = True


class MetricsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[metrics]`: whether anybody may read `/metrics`, as anybody may look up repos; else who has credentials."""

    public: bool = True


class RetentionSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[retention]`: what to keep, and the seconds between two removals of the rest by the service itself.

    Without rules everything is kept, and without `interval` only `shaman retain` removes anything.
    """

    rules: tuple[Rule, ...] = ()
    interval: Seconds | None = None


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. `distros` adds releases: distro -> version number -> codename."""

    chacra_nodes: tuple[str, ...] = ()
    chacra_verify_ssl: bool = True
    health_check_retries: Count = 3
    fail_check_trigger_path: str = ""
    server: Server = field(default_factory=Server)
    redis: RedisSettings = field(default_factory=RedisSettings)
    auth: Auth = field(default_factory=Auth)
    health: HealthSettings = field(default_factory=HealthSettings)
    cache: CacheSettings = field(default_factory=CacheSettings)
    log: LogSettings = field(default_factory=LogSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    webhooks: tuple[Webhook, ...] = ()
    distros: dict[str, dict[str, str]] = field(default_factory=dict)


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Return the settings: of `path`, else of SHAMAN_CONFIG, else of config.toml where the command is called.

    Raises Invalid naming the file or variable, the setting and the rule it breaks.
    """
    named = path or (Path(environ["SHAMAN_CONFIG"]) if environ.get("SHAMAN_CONFIG") else None)
    file = named or Path("config.toml")
    try:
        config = msgspec.toml.decode(file.read_bytes(), type=Config)
    except FileNotFoundError:
        if named:
            raise Invalid(f"{file}: there is no such file") from None
        config = Config()
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise Invalid(f"{file}: {error}") from None
    _check_nodes(f"{file}: chacra_nodes", config.chacra_nodes)
    names = [user.name for user in config.auth.users]
    for name in names:
        if names.count(name) > 1:
            raise Invalid(f"{file}: auth.users: {name!r} is there twice")
    try:
        check_rules(config.retention.rules)
        check_webhooks(config.webhooks)
        Releases(config.distros)
    except Invalid as error:
        raise Invalid(f"{file}: {error}") from None
    return with_environment(config, environ)


def with_environment(config: Config, environ: Mapping[str, str]) -> Config:
    """Return `config` with what the environment says in its place."""
    server = replace(
        config.server,
        port=_number(environ, "PORT", config.server.port, 0, 65535),
        workers=_number(environ, "WEB_CONCURRENCY", config.server.workers, 1, 1024),
        data_dir=environ.get("SHAMAN_DATA_DIR") or config.server.data_dir,
    )
    redis = replace(config.redis, url=environ.get("REDIS_URL") or config.redis.url)
    name, key = environ.get("SHAMAN_API_USER", ""), environ.get("SHAMAN_API_KEY", "")
    if bool(name) != bool(key):
        raise Invalid("SHAMAN_API_USER and SHAMAN_API_KEY: only one of the two is set")
    if ":" in name:
        raise Invalid("SHAMAN_API_USER: must have no colon, as HTTP Basic credentials end a name with it")
    config = replace(config, server=server, redis=redis)
    return with_user(config, name, key) if name else config


def with_user(config: Config, name: str, key: str) -> Config:
    """Return `config` with one more user, who may write everywhere."""
    user = User(name=name, key_sha256=hash_key(key))
    others = tuple(known for known in config.auth.users if known.name != name)
    return replace(config, auth=Auth(users=(*others, user)))


def hash_key(key: str) -> str:
    """Return the hex SHA-256 of a key. Keys are random and long, so a slow hash would protect nothing more."""
    return sha256(key.encode()).hexdigest()


def host_of(url: str) -> str:
    """Return the host, or host:port, that the URL of a node names."""
    return urlsplit(url).netloc.lower()


def _check_nodes(name: str, urls: tuple[str, ...]) -> None:
    hosts = set()
    for url in urls:
        check_url(name, url)
        if not url.startswith(("http://", "https://")):
            raise Invalid(f"{name}: {url!r} must begin with http:// or https://")
        if "?" in url or "#" in url:
            raise Invalid(f"{name}: {url!r} must end with the path")
        check_host(f"{name}: {url!r}", host_of(url))
        if host_of(url) in hosts:
            raise Invalid(f"{name}: {host_of(url)} is there twice")
        hosts.add(host_of(url))


def _number(environ: Mapping[str, str], name: str, otherwise: int, low: int, high: int) -> int:
    text = environ.get(name)
    if not text:
        return otherwise
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise Invalid(f"{name}: must be a number from {low} to {high}, not {text!r}")
    return int(text)
