"""What a handler takes and answers, said beside it as far as nothing else says so; `openapi/` tells it to others."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from msgspec import Meta, Struct

from shaman.errors import ShamanError

Handler = TypeVar("Handler", bound=Callable[..., Any])

JSON = "application/json"
TEXT = "text/plain"
HTML = "text/html"
EVENTS = "text/event-stream"

Done = Annotated[dict[str, str], Meta(max_length=0, description="An empty object: it is done.")]


class Body(Struct, frozen=True, kw_only=True):
    """A body of a request: an object of `kind`, of which a new record needs the fields `new`, an old one `old`.

    `fields` are those that are looked at, all unless said otherwise, and `silent` the values that say nothing.
    """

    kind: type[Struct]
    new: tuple[str, ...]
    old: tuple[str, ...]
    fields: tuple[str, ...] = ()
    silent: tuple[str | None, ...] = ()


class Answers(Struct, frozen=True, kw_only=True):
    """What `answers` says of a handler: the types of its bodies by status, and the rest as it is called there.

    Of several `media` the first is for who names none.
    """

    kinds: Mapping[int, Any]
    media: tuple[str, ...]
    query: tuple[str, ...]
    body: Body | None
    errors: tuple[type[ShamanError] | HTTPStatus, ...]
    login: bool
    no_store: bool


def answers(
    kinds: Any,
    *,
    media: str | tuple[str, ...] = JSON,
    query: tuple[str, ...] = (),
    body: Body | None = None,
    errors: tuple[type[ShamanError] | HTTPStatus, ...] = (),
    login: bool = False,
    no_store: bool = False,
) -> Callable[[Handler], Handler]:
    """Say what a handler answers: bodies of a type, or of the types in a mapping by status (a tuple: one of them).

    A redirect has text, whatever the `media` of the rest. `errors` are those that only some routes have: not those of
    any URL, any store, a body or a `login`. An answer that is `no_store` is good for one request, so it has no ETag.
    """

    def note(handler: Handler) -> Handler:
        handler.answers = Answers(  # type: ignore[attr-defined]
            kinds=kinds if isinstance(kinds, Mapping) else {HTTPStatus.OK: kinds},
            media=(media,) if isinstance(media, str) else media,
            query=query,
            body=body,
            errors=errors,
            login=login,
            no_store=no_store,
        )
        return handler

    return note


def told_by(handler: Callable[..., Any]) -> Answers:
    """Return what is said of a handler."""
    told: Answers = handler.answers  # type: ignore[attr-defined]
    return told
