"""HTML out: templates are filled in here and nowhere else, and every page leaves with the same strict headers."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from quart import Response, request

from shaman.checks import check_url, whole_url
from shaman.errors import Invalid
from shaman.store.keys import quoted
from shaman.store.recent import Line, Named
from shaman.web.context import shaman
from shaman.web.pages.static import url_of

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",  # also what keeps it out of the memory of answers, which knows nothing of Accept
    "Vary": "Accept",
}

REMEMBERED = 4096
"""Times whose text is remembered: what is built together is shown together, and again."""

_WEB = ("https://", "http://")
_DRAWN = {name: name for name in ("ready", "failed", "building", "queued", "requested")} | {"started": "building"}
_UNITS = ((365 * 86400, "y"), (86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def render(template: str, answer: int = HTTPStatus.OK, **values: object) -> Response:
    """Return a page."""
    return page(fill(template, values), answer)


def fill(template: str, values: Mapping[str, object]) -> str:
    """Return the text of a page."""
    return _environment.get_template(template).render(values)


def page(text: str, answer: int = HTTPStatus.OK) -> Response:
    """Return a text as a page."""
    return Response(text, answer, content_type="text/html; charset=utf-8", headers=HEADERS)


def redirect(path: str) -> Response:
    """Send a browser to another page of this service."""
    return Response(
        "", HTTPStatus.FOUND, content_type="text/plain; charset=utf-8", headers=HEADERS | {"Location": path}
    )


def origin() -> str:
    """Return scheme and host by which this service is reached, as far as the request tells."""
    scheme = request.scheme
    if shaman().settings.server.trusted_proxies and request.headers.get("X-Forwarded-Proto") in {"http", "https"}:
        scheme = request.headers["X-Forwarded-Proto"]
    return f"{scheme}://{request.host}"


def cut(lines: Sequence[Line], begin: Named | None, count: int) -> tuple[Sequence[Line], Named | None]:
    """Return `count` of the lines behind a position, newest first, and the position behind which the next page is."""
    if begin:
        place = (begin.time, int(begin.name) if begin.name.isdecimal() else 0)
        lines = [line for line in lines if (line.time, line.id) < place]
    shown = lines[:count]
    return shown, Named(shown[-1].time, str(shown[-1].id)) if len(lines) > count else None


def path(*names: str | Sequence[str], **parameters: str | None) -> str:
    """Return the path of a page: every name is quoted whole, and parameters that are empty are left out."""
    each = [name for some in names for name in ((some,) if isinstance(some, str) else some)]
    query = urlencode({name: value for name, value in parameters.items() if value})
    return "/" + "".join(quoted(name) + "/" for name in each) + (f"?{query}" if query else "")


def after(position: Named | None) -> str:
    """Return a position in a list as a parameter of the query."""
    return f"{position.time}-{position.name}" if position else ""


def read_after() -> Named | None:
    """Return the position that the query names. Raises Invalid if it is none."""
    text = request.args.get("after")
    if not text:
        return None
    time_text, _, name = text.partition("-")
    if not (time_text.isascii() and time_text.isdigit() and len(time_text) <= 16 and name):  # noqa: PLR2004 - as kept
        raise Invalid("after: is not a place in this list")
    return Named(int(time_text), name)


def read_cursor() -> int:
    """Return where the query goes on in a list that has no order. Raises Invalid if it is no such place."""
    text = request.args.get("after") or "0"
    if not (text.isascii() and text.isdigit() and int(text) < 1 << 64):
        raise Invalid("after: is not a place in this list")
    return int(text)


def href(url: str | None) -> str | None:
    """Return where a posted URL leads, by https where it names no scheme; None if that is no web page."""
    if not url or url.startswith(_WEB):
        return url or None
    try:
        check_url("url", url)
    except Invalid:
        return None
    return whole_url(url)


def age(microseconds: int) -> str:
    """Return how long ago a time is, in its greatest unit."""
    seconds = time.time() - microseconds / 1_000_000
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "now"


def ago(microseconds: int) -> Markup:
    """Return a time as people read it, with the exact one for machines and for who points at it."""
    return Markup(f"{_exact(microseconds // 1_000_000)}{age(microseconds)}</time>")  # noqa: S704 - digits and units


@lru_cache(REMEMBERED)
def _exact(seconds: int) -> str:
    exact = datetime.fromtimestamp(seconds, UTC)
    return f'<time datetime="{exact:%Y-%m-%dT%H:%M:%SZ}" title="{exact:%Y-%m-%d %H:%M:%S} UTC">'


def kind_of(status: str) -> str:
    """Return the class that a status is drawn with."""
    return _DRAWN.get(status, "other")


_environment = Environment(
    loader=PackageLoader("shaman.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.globals |= {"path": path, "ago": ago, "age": age, "href": href, "after": after, "static": url_of}
_environment.filters["kind"] = kind_of
