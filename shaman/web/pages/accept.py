"""Who gets a page and who gets JSON where one path has both.

A page is for who names HTML and likes it better than JSON, as browsers do. `*/*` names nothing, and `text/*` neither.
Java names HTML for every program that does not say what it wants, and none of those is a browser.
"""

from collections.abc import Awaitable, Callable
from functools import wraps

from msgspec.structs import replace
from quart import Request, Response, Websocket, request

from shaman.errors import NotFound
from shaman.web.answers import told_by

Handler = Callable[..., Awaitable[Response]]

_HTML, _JSON = "text/html", "application/json"

_JAVA = "text/html, image/gif, image/jpeg, *"
"""What its HttpURLConnection sends begins so, in every version; the rest is `; q=.2, */*; q=.2` or `/*; q=0.2`."""


def or_page(page: Handler) -> Callable[[Handler], Handler]:
    """Have `page` answer browsers in the place of a handler that answers programs."""

    def answer_both(handler: Handler) -> Handler:
        @wraps(handler)
        async def answer(**names: str) -> Response:
            if prefers_html(request):
                return await page(**names)
            response = await handler(**names)
            response.headers["Vary"] = "Accept"
            return response

        answer.answers = replace(told_by(handler), media=(_JSON, _HTML))  # type: ignore[attr-defined]
        return answer

    return answer_both


def or_json(handler: Handler) -> Callable[[Handler], Handler]:
    """Have `handler` answer those who ask for JSON in the place of a page; the memory of answers keeps neither."""

    def answer_both(page: Handler) -> Handler:
        @wraps(page)
        async def answer(**names: str) -> Response:
            if not prefers_json(request):
                return await page(**names)
            response = await handler(**names)
            response.headers["Vary"] = "Accept"
            response.headers["Cache-Control"] = "no-cache"
            return response

        told = told_by(handler)
        of_both = replace(told, media=(_HTML, _JSON), no_store=True, errors=(*told.errors, NotFound))
        answer.answers = of_both  # type: ignore[attr-defined]
        return answer

    return answer_both


def prefers_html(asked: Request | Websocket) -> bool:
    """Tell whether a client names HTML, and likes it better than JSON."""
    accept = asked.headers.get("Accept")
    if accept is None or _HTML not in accept.lower() or accept.startswith(_JAVA):
        return False
    return _named(asked, _HTML) > max(_named(asked, _JSON), _named(asked, "application/*"))


def prefers_json(asked: Request) -> bool:
    """Tell whether a client names JSON, and likes it no less than HTML."""
    json = _named(asked, _JSON)
    return json > 0 and json >= _named(asked, _HTML)


def _named(asked: Request | Websocket, kind: str) -> float:
    """Return how much a client likes what it names by this very name."""
    liked = [quality for name, quality in asked.accept_mimetypes if name.partition(";")[0].strip().lower() == kind]
    return max(liked, default=0.0)
