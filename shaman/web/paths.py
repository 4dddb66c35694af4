"""Paths as they were sent: a `%2F` is a slash inside a name, not between two."""

import re
from urllib.parse import quote, unquote, unquote_to_bytes

from quart import request
from werkzeug.routing import BaseConverter

from shaman.errors import Invalid, NotFound
from shaman.web.held import App, Scope

PATH_LIMIT = 8192
"""Bytes of a path or of a query: eight names of the greatest length, quoted, fit in."""

_FILE = re.compile(r"/api/repos/(?:[^/]+/){6}.*")
"""A path into a repo: whether it ends with a slash is part of what it names."""

_BROKEN = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class NameConverter(BaseConverter):
    """One name of a path. The router has seen it with its slashes and percent signs quoted."""

    regex = "[^/]+"
    part_isolating = True

    def to_python(self, value: str) -> str:
        """Return the name."""
        return unquote(value)

    def to_url(self, value: str) -> str:
        """Return the name as it stands in a URL."""
        return quote(value, safe="")


class TailConverter(BaseConverter):
    """The rest of a path, in the quoting of `NameConverter`."""

    regex = ".+"
    part_isolating = False


def keep_slashes(app: App) -> App:
    """Wrap an ASGI application so that its router sees `%2F` in a name as `%2F`, and a slash at the end of a path.

    The server has decoded the one already; without the other the router takes a wrong method for a wrong path.
    """

    async def wrapped(scope: Scope, receive: object, send: object) -> None:
        path, raw = scope.get("path", ""), scope.get("raw_path")
        if raw and b"%" in raw:
            names = [unquote_to_bytes(name).decode("utf-8", "replace") for name in raw.split(b"/")]
            path = "/".join(name.replace("%", "%25").replace("/", "%2F") for name in names)
        if not path.endswith("/") and not _FILE.fullmatch(path):
            path += "/"
        await app({**scope, "path": path}, receive, send)

    return wrapped


def check_url() -> None:
    """Raise Invalid if the URL of the request is too long, or its escapes break a rule.

    Raises NotFound for an empty name at either end, as the router would pass over it and answer for the level above.
    """
    scope = request.scope
    if scope["path"].startswith("//") or scope["path"].endswith("//"):
        raise NotFound("a name in this path is empty")
    for part, raw in (("path", scope.get("raw_path") or b""), ("query", scope.get("query_string") or b"")):
        if len(raw) > PATH_LIMIT:
            raise Invalid(f"{part}: longer than {PATH_LIMIT} bytes")
        if b"%" not in raw:
            continue
        broken = _BROKEN.search(raw)
        if broken:
            escape = raw[broken.start() : broken.start() + 3].decode("ascii", "replace")
            raise Invalid(f"{part}: broken percent-escape {escape!r}")
        try:
            text = unquote_to_bytes(raw).decode()
        except UnicodeDecodeError:
            raise Invalid(f"{part}: its percent-escapes are not UTF-8") from None
        if not text.isprintable() and any(character < " " or character == "\x7f" for character in text):
            raise Invalid(f"{part}: has control characters")
    asks_to_wait = b"wait=" in scope.get("query_string", b"") and "wait" in request.args
    if asks_to_wait and not request.routing_exception:
        raise Invalid("wait: must be given once, to a lookup, as a number of seconds")
