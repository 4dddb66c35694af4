"""What a value from outside must be like. A check raises Invalid naming the field and the rule that it breaks."""

import re
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Any
from urllib.parse import urlsplit

from msgspec import UNSET

from shaman.errors import Invalid
from shaman.models import PostedBuild, PostedRepo
from shaman.times import parse_time

TEXT_LIMIT = 255
"""Characters in a name: the longest ref git servers take."""

URL_LIMIT = 2048
"""Characters in a URL: what the clients' own tools take."""

PORT_LIMIT = 65535
"""The highest port of TCP."""

DEPTH_LIMIT = 64
"""Levels of nesting in `extra`: far below what makes reading fail, which an answer must never do."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SHA1 = re.compile(r"[A-Za-z0-9]{1,64}")
_WEB = re.compile(r"https?://", re.IGNORECASE)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_HOST_AND_PORT = re.compile(r"[A-Za-z0-9.-]+\.[A-Za-z0-9-]+:\d{1,5}(/|$)|localhost:\d{1,5}(/|$)")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[(?P<v6>[0-9A-Fa-f:.]+)\])(?::(?P<port>[0-9]{{1,5}}))?")


def check_text(name: str, text: str) -> None:
    """Raise Invalid unless `text` can be a name: not empty, not blank, not too long, no control characters."""
    if not text.strip():
        raise Invalid(f"{name}: must not be empty")
    if len(text) > TEXT_LIMIT:
        raise Invalid(f"{name}: longer than {TEXT_LIMIT} characters")
    if _CONTROL.search(text):
        raise Invalid(f"{name}: has control characters")


def check_sha1(name: str, text: str) -> None:
    """Raise Invalid unless `text` can be a sha1: 1 to 64 letters or digits, and not the word `latest`."""
    if not _SHA1.fullmatch(text):
        raise Invalid(f"{name}: must be 1 to 64 letters or digits")
    if text.lower() == "latest":
        raise Invalid(f"{name}: `latest` is the word for the newest sha1, not one")


def check_url(name: str, text: str) -> None:
    """Raise Invalid unless `text` is empty, an http(s) URL, or one without a scheme as some builders send."""
    if len(text) > URL_LIMIT:
        raise Invalid(f"{name}: longer than {URL_LIMIT} characters")
    if _CONTROL.search(text) or text != text.strip():
        raise Invalid(f"{name}: has control characters or blanks around it")
    if not text:
        return
    scheme = _SCHEME.match(text)
    if scheme and not _WEB.match(text) and not _HOST_AND_PORT.match(text):
        raise Invalid(f"{name}: must be an http or https URL, not {scheme[1]}:")
    try:
        place = urlsplit(whole_url(text)).netloc
    except ValueError as error:
        raise Invalid(f"{name}: is not a URL ({error})") from None
    if not place:
        raise Invalid(f"{name}: is not a URL (it names no host)")
    check_host(f"{name}: its host", place)


def whole_url(text: str) -> str:
    """Return a URL by https if `text` names no scheme."""
    return text if _WEB.match(text) else "https://" + text.removeprefix("//")


def check_host(name: str, text: str) -> None:
    """Raise Invalid unless `text` is a host or host:port: a name, an IPv4 address, or an IPv6 address in brackets."""
    if len(text) > TEXT_LIMIT:
        raise Invalid(f"{name}: longer than {TEXT_LIMIT} characters")
    if _CONTROL.search(text):
        raise Invalid(f"{name}: has control characters")
    if "@" in text:
        raise Invalid(f"{name}: must not name a user")
    if any(mark in text for mark in "/\\?#"):
        raise Invalid(f"{name}: must be a host without a scheme or a path")
    parts = _HOST.fullmatch(text)
    if not parts or (parts["v6"] is not None and not _is_ipv6(parts["v6"])):
        raise Invalid(f"{name}: must be a host or host:port, not {text!r}")
    if parts["port"] is not None and not 1 <= int(parts["port"]) <= PORT_LIMIT:
        raise Invalid(f"{name}: the port must be from 1 to {PORT_LIMIT}")


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def check_archs(name: str, archs: list[str]) -> None:
    """Raise Invalid unless each of `archs` can be a name."""
    for arch in archs:
        check_text(name, arch)


def check_extra(name: str, extra: dict[str, Any]) -> None:
    """Raise Invalid if `extra` has a number that could not be sent on, or is nested too deeply."""
    level: list[Any] = [extra]
    for _ in range(DEPTH_LIMIT + 1):  # the last one is for what is no level any more
        if any(isinstance(value, int) and not -(2**63) <= value < 2**64 for value in level):
            raise Invalid(f"{name}: has a number of more than 64 bits")
        below = [value for value in level if isinstance(value, dict | list)]
        level = [item for value in below for item in (value.values() if isinstance(value, dict) else value)]
        if not level:
            return
    raise Invalid(f"{name}: is nested more than {DEPTH_LIMIT} levels deep")


def check_posted_repo(posted: PostedRepo) -> None:
    """Raise Invalid naming the first field of `posted` that breaks its rule; absent fields break none."""
    checks: dict[str, Callable[[str, Any], object]] = dict.fromkeys(
        ("ref", "distro", "distro_version", "arch", "flavor", "status"), check_text
    )
    checks |= {"sha1": check_sha1, "url": check_url, "chacra_url": check_url}
    checks |= {"archs": check_archs, "extra": check_extra, "modified": parse_time}
    for name, check in checks.items():
        value = getattr(posted, name)
        if value is not UNSET:
            check(name, value)
    if posted.status is not UNSET and posted.status.lower() == "any":
        raise Invalid("status: `any` is the word for all of them, not one")
    if posted.arch is not UNSET and posted.archs is not UNSET:
        raise Invalid("arch: give either `arch` or `archs`")


def check_posted_build(posted: PostedBuild) -> None:
    """Raise Invalid naming the first field of `posted` that breaks its rule; absent and empty fields break none."""
    checks: dict[str, Callable[[str, Any], object]] = dict.fromkeys(
        ("ref", "status", "flavor", "distro", "distro_version", "distro_arch"), check_text
    )
    checks |= {"sha1": check_sha1, "url": check_url, "log_url": check_url, "extra": check_extra}
    checks |= {"build_id": lambda name, value: check_text(name, str(value))}
    for name, check in checks.items():
        value = getattr(posted, name)
        if value is not UNSET and value != "":
            check(name, value)
