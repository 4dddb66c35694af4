"""Who may write, and who is known."""

import binascii
import hmac
import time
from base64 import b64decode

from quart import request

from shaman.config import User, hash_key
from shaman.errors import Unauthorized, WrongLogin
from shaman.web.context import shaman
from shaman.web.logins import client_address

_NOBODY = User(name="nobody", key_sha256="0" * 64)


def check_may_write(project: str | None) -> None:
    """Raise Unauthorized unless the request has credentials of a user who may write to `project` (None: anywhere)."""
    user = check_is_known()
    if user.projects is not None and project not in user.projects:
        raise Unauthorized(f"{user.name} may not write here" + (f": {project}" if project else ""))


def check_is_known() -> User:
    """Return the user whose credentials the request has.

    Raises Unauthorized if there is none, TooManyTries if too many wrong ones came from the address of the client.
    """
    header, failed = request.headers.get("Authorization", ""), shaman().failed_logins
    if header and failed and not failed.knows(header):
        failed.check(_address(), time.monotonic())
    try:
        user = authenticate(header, shaman().settings.auth.users)
    except WrongLogin:
        failed.add(_address(), time.monotonic())
        raise
    failed.add_right(header)
    return user


def _address() -> str:
    proxies = shaman().settings.server.trusted_proxies
    return client_address(request.remote_addr or "", request.headers.getlist("X-Forwarded-For"), proxies)


def authenticate(header: str | None, users: tuple[User, ...]) -> User:
    """Return the user whose credentials `header` has, in the same time whether the name or the key is wrong."""
    if not users:
        raise Unauthorized("no credentials are configured, so nobody may write: set SHAMAN_API_USER and SHAMAN_API_KEY")
    name, key = _credentials(header)
    known = next((user for user in users if user.name == name), _NOBODY)
    if not hmac.compare_digest(hash_key(key), known.key_sha256) or known is _NOBODY:
        raise WrongLogin("the user or the key is wrong")
    return known


def _credentials(header: str | None) -> tuple[str, str]:
    if not header:
        raise Unauthorized("this needs HTTP Basic credentials")
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise Unauthorized("Authorization: must be of the scheme Basic")
    try:
        name, colon, key = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise Unauthorized("Authorization: is not the base64 of user:key") from None
    if not colon:
        raise Unauthorized("Authorization: has no colon between user and key")
    return name, key
