"""Which server the commands ask, and as whom: options, then the environment, then the client's own file."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from shaman.checks import check_url
from shaman.errors import Invalid

LOCAL_URL = "http://127.0.0.1:8080"
"""Where `shaman serve` is unless it is told otherwise."""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The server at `url`, and the credentials for what writes."""

    url: str = ""
    user: str = ""
    key: str = ""

    def __repr__(self) -> str:
        """Leave out the key."""
        return f"Settings(url={self.url!r}, user={self.user!r}, key=...)"


def load_settings(url: str | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings: `url` before SHAMAN_URL, SHAMAN_API_USER and SHAMAN_API_KEY before those of the file.

    Credentials of a file that names a server are for that one alone. Raises Invalid naming the file or variable.
    """
    kept = _read(environ)
    user, key = environ.get("SHAMAN_API_USER", ""), environ.get("SHAMAN_API_KEY", "")
    if bool(user) != bool(key):
        raise Invalid("SHAMAN_API_USER and SHAMAN_API_KEY: only one of the two is set")
    named = url or environ.get("SHAMAN_URL") or kept.url or LOCAL_URL
    if not user and (not kept.url or kept.url.rstrip("/") == named.rstrip("/")):
        user, key = kept.user, kept.key
    source = "--url" if url else "SHAMAN_URL" if environ.get("SHAMAN_URL") else f"{_file(environ)}: url"
    check_server(named, user, key, source)
    return replace(kept, url=named, user=user, key=key)


def check_server(url: str, user: str, key: str, source: str = "url") -> None:
    """Raise Invalid unless these can be the URL of a server, and credentials or none."""
    check_url(source, url)
    if not url.lower().startswith(("http://", "https://")):
        raise Invalid(f"{source}: must begin with http:// or https://")
    if "?" in url or "#" in url:
        raise Invalid(f"{source}: must end with the path")
    if bool(user) != bool(key):
        raise Invalid("user and key: only one of the two is given")
    if ":" in user:
        raise Invalid("user: must have no colon, as HTTP Basic credentials end a name with it")


def _file(environ: Mapping[str, str]) -> Path:
    """Return where the file is, whether there is one or not."""
    if named := environ.get("SHAMAN_CLIENT_CONFIG"):
        return Path(named)
    return Path(environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser()) / "shaman" / "client.toml"


def _read(environ: Mapping[str, str]) -> Settings:
    file = _file(environ)
    try:
        settings = msgspec.toml.decode(file.read_bytes(), type=Settings)
    except FileNotFoundError:
        if environ.get("SHAMAN_CLIENT_CONFIG"):
            raise Invalid(f"{file}: there is no such file") from None
        return Settings()
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise Invalid(f"{file}: {error}") from None
    if bool(settings.user) != bool(settings.key):
        raise Invalid(f"{file}: user and key: only one of the two is set")
    return settings
