"""Requests to a server: sent again while it is away, and what it refuses is an error of the registry."""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar
from urllib.parse import quote

import httpx
import msgspec
from msgspec import Struct

from shaman.checks import check_text
from shaman.errors import Invalid, NotFound, NotReady, ShamanError, TooManyTries, Unauthorized, Unavailable

CONNECT_SECONDS = 5.0
"""For a connection: more is a server that is away."""

ANSWER_SECONDS = 30.0
"""Silence before an answer: routers of hosting platforms give up then, too."""

FIRST_PAUSE = 0.1
"""Seconds before a request is sent again; the next pauses are twice as long each."""

LONGEST_PAUSE = 0.8
"""Seconds: who waits for hours should know within one what was posted as soon as the server was back."""

LONGEST_RETRY_AFTER = 60
"""Seconds that a server may send a client away for."""

AWAY = frozenset({408, 502, 503, 504})
"""Statuses of a server, or of a router in front of it, that may soon answer."""

REFUSED: dict[int, type[ShamanError]] = {
    400: Invalid,
    401: Unauthorized,
    403: Unauthorized,
    404: NotFound,
    405: Invalid,
    413: Invalid,
    415: Invalid,
    504: NotReady,
}
"""What an answer of the registry itself means."""

Answered = TypeVar("Answered")
OnRetry = Callable[[Unavailable], object]


class Away(Unavailable):
    """The server is not there or not well; `after` is the seconds that it asks for, if it does."""

    def __init__(self, text: str, after: float | None = None) -> None:
        super().__init__(text)
        self.after = after


class Pauses:
    """Longer and longer pauses, of a random part, so that those who were sent away together come back apart.

    A server tells whole seconds: who is asked to come back after one comes during it, and later each time.
    """

    def __init__(self) -> None:
        self._next = FIRST_PAUSE

    def next(self, after: float | None) -> float:
        """Return the seconds to wait now, as many as the server asks for, if it does."""
        pause = random.uniform(0.5, 1) * self._next  # noqa: S311 - nobody gains by guessing it
        self._next = min(2 * self._next, LONGEST_PAUSE)
        return max(pause, (after or 0) - random.uniform(0.25, 0.75))  # noqa: S311


class _Told(Struct, frozen=True):
    """The text of an error, in either dialect."""

    detail: str | None = None
    description: str | None = None


class Server:
    """The server at a URL. Credentials go with what writes, and never to another host."""

    def __init__(self, url: str, login: tuple[str, str] | None, patience: float, on_retry: OnRetry | None) -> None:
        """Connect to nothing yet. `patience` is the seconds for which a request is sent again."""
        self.patience = patience
        self._login = login
        self._on_retry = on_retry
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={"User-Agent": "shaman"},
            limits=httpx.Limits(max_connections=None),  # as many as wait at the same time
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> httpx.Response:
        """Return the answer. Raises what the server refuses, Unavailable if it stays away."""
        return await self.insist(lambda: self.ask("GET", path, params), self.patience)

    async def location(self, path: str, params: Mapping[str, str]) -> str:
        """Return the URL that the answer leads to; raises as `get` does."""
        response = await self.insist(lambda: self.ask("GET", path, params, leads=True), self.patience)
        return str(response.headers["Location"])

    async def fetch(self, url: str) -> str:
        """Return the text at a URL of any host; raises as `get` does."""
        return (await self.insist(lambda: self.ask("GET", url, accept="*/*"), self.patience)).text

    async def post(self, path: str, body: object) -> httpx.Response:
        """Send JSON with the credentials, and return the answer; raises as `get` does.

        It is sent again as well: the registry makes the same of the same POST, however often it comes.
        """
        content = msgspec.json.encode(body)
        return await self.insist(lambda: self.ask("POST", path, content=content), self.patience)

    async def insist(self, ask: Callable[[], Awaitable[Answered]], patience: float) -> Answered:
        """Return what `ask` returns, as soon as it does not raise Away; raise that after `patience` seconds."""
        clock, pauses = asyncio.get_running_loop().time, Pauses()
        end = clock() + patience
        while True:
            try:
                return await ask()
            except Away as error:
                pause = pauses.next(error.after)
                if clock() + pause > end:
                    raise
                self.tell(error)
            await asyncio.sleep(pause)

    def tell(self, error: Unavailable) -> None:
        """Tell whoever wants to know why a request is sent again."""
        if self._on_retry is not None:
            self._on_retry(error)

    async def ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        content: bytes | None = None,
        accept: str = "application/json",
        seconds: float = 0,
        leads: bool = False,
    ) -> httpx.Response:
        """Send a request once; the server may think for so many seconds more. Raises Away, or as `get` does.

        With `leads` the answer must be a redirection; else there must be none, but of what is not JSON.
        """
        timeout = httpx.Timeout(ANSWER_SECONDS + seconds, connect=CONNECT_SECONDS)
        login = self._login if method == "POST" else None
        headers = {"Accept": accept} | ({} if content is None else {"Content-Type": "application/json"})
        try:
            request = self._http.build_request(
                method, path, params=params, content=content, headers=headers, timeout=timeout
            )
            response = await self._http.send(request, auth=login, follow_redirects=accept == "*/*")
        except httpx.InvalidURL as error:
            raise Unavailable(f"{path}: {error}") from error
        except httpx.HTTPError as error:
            raise _away(request.url, error) from error
        check(response, leads=leads)
        return response

    @asynccontextmanager
    async def stream(
        self, path: str, params: Mapping[str, str], headers: Mapping[str, str], silence: float
    ) -> AsyncIterator[httpx.Response]:
        """Yield an answer whose body is yet to come, never silent for so many seconds. Raises as `ask` does."""
        timeout = httpx.Timeout(silence, connect=CONNECT_SECONDS)
        try:
            async with self._http.stream("GET", path, params=params, headers=headers, timeout=timeout) as response:
                if not response.is_success:
                    await response.aread()
                check(response, leads=False)
                yield response
        except httpx.HTTPError as error:
            raise _away(self._http.base_url.join(path), error) from error


def path_of(*names: str) -> str:
    """Return the path with these names in it. Raises Invalid if one can be none."""
    for name in names:
        check_text("path", name)
    quoted = (quote(name, safe="") for name in names)
    return "/" + "".join((part.replace(".", "%2E") if set(part) == {"."} else part) + "/" for part in quoted)


def decoded(response: httpx.Response, kind: type[Answered]) -> Answered:
    """Return what an answer says. Raises Unavailable if that is not what a registry says."""
    try:
        return msgspec.json.decode(response.content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unavailable(f"{place(response.url)}: is no registry: {error}") from error


def check(response: httpx.Response, *, leads: bool) -> None:
    """Raise what an answer refuses; `leads` tells whether it must be a redirection.

    Only what leads to a file can be not there: to any other question 404 is the answer of another server.
    """
    status = response.status_code
    if response.has_redirect_location and not leads:
        raise Unavailable(
            f"{place(response.url)}: leads to {response.headers['Location']}, which may be the URL to use"
        )
    if response.has_redirect_location if leads else response.is_success:
        return
    detail = _detail(response)
    text = detail or f"{status} {response.reason_phrase}"
    after = response.headers.get("Retry-After", "")
    seconds = min(int(after), LONGEST_RETRY_AFTER) if after.isascii() and after.isdigit() else None
    if status in AWAY and not (status in REFUSED and detail):
        raise Away(f"{place(response.url)}: {text}", seconds)
    if status == httpx.codes.TOO_MANY_REQUESTS:
        raise TooManyTries(text, seconds or 0)
    if status in REFUSED and (detail or REFUSED[status] is Unauthorized) and (leads or status != httpx.codes.NOT_FOUND):
        raise REFUSED[status](text)
    raise Unavailable(f"{place(response.url)}: {text}")


def _detail(response: httpx.Response) -> str | None:
    try:
        told = msgspec.json.decode(response.content, type=_Told)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return told.detail or told.description


def _away(url: httpx.URL, error: Exception) -> Unavailable:
    """Return what to raise when there was no answer; who cannot be trusted now is not to be trusted a second later."""
    kind: type[Unavailable] = Away
    below = error.__context__
    while below is not None:
        if isinstance(below, ssl.SSLCertVerificationError):
            kind = Unavailable
        below = below.__context__
    return kind(f"{place(url)}: {str(error) or type(error).__name__}")


def place(url: httpx.URL) -> str:
    """Return a URL as errors name it: without the query, which changes from one request to the next."""
    return str(url.copy_with(query=None))
