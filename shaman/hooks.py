"""Webhooks as the configuration has them: where one is, what it wants to be told, and how it knows who tells it."""

import hmac
from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from msgspec import Meta, Struct

from shaman.checks import check_url
from shaman.errors import Invalid
from shaman.models import NodeTold, RecordTold

Glob = Annotated[str, Meta(min_length=1)]


class Webhook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[webhooks]]`: whom to tell of the changes that match all filters; an empty list is anything.

    `project` and `ref` are globs; a node has neither. A delivery is given up after so many `tries`, and one try after
    `timeout` seconds. `name` is that under which the service remembers what has been delivered.
    """

    name: Annotated[str, Meta(pattern="^[A-Za-z0-9_.-]{1,64}$")]
    url: str
    secret: Annotated[str, Meta(min_length=16)]
    project: Glob = "*"
    ref: Glob = "*"
    kinds: tuple[Literal["repo", "build", "node"], ...] = ()
    events: tuple[Literal["created", "updated", "deleted"], ...] = ()
    statuses: tuple[str, ...] = ()
    tries: Annotated[int, Meta(ge=1, le=100)] = 10
    timeout: Annotated[float, Meta(gt=0, le=60)] = 5.0

    def __repr__(self) -> str:
        """Leave out the secret, and the URL, as many hold one."""
        return f"Webhook(name={self.name!r}, ...)"

    def wants(self, record: RecordTold | NodeTold) -> bool:
        """Tell whether it is to be told; of a repo that was moved, too, if it was where the filters say."""
        return (
            _one_of(record.kind, self.kinds)
            and _one_of(record.event, self.events)
            and _one_of(record.status, self.statuses)
            and self._is_about(record)
        )

    def _is_about(self, record: RecordTold | NodeTold) -> bool:
        if isinstance(record, NodeTold):
            return self.project == self.ref == "*"
        refs = [record.ref] if record.old_ref is None else [record.ref, record.old_ref]
        return fnmatchcase(record.project, self.project) and any(fnmatchcase(ref, self.ref) for ref in refs)

    def signature(self, body: bytes) -> str:
        """Return what shows the receiver that `body` comes from who knows the secret."""
        return "sha256=" + hmac.digest(self.secret.encode(), body, "sha256").hex()


def check_webhooks(webhooks: Sequence[Webhook]) -> None:
    """Raise Invalid naming the webhook and the field that breaks a rule, without repeating a URL."""
    names = [webhook.name for webhook in webhooks]
    for number, webhook in enumerate(webhooks):
        place = f"webhooks[{number}]"
        if webhook.name in names[:number]:
            raise Invalid(f"{place}.name: {webhook.name!r} is there twice")
        if not webhook.url.startswith(("http://", "https://")):
            raise Invalid(f"{place}.url: must begin with http:// or https://")
        if "#" in webhook.url or not webhook.url.isascii() or " " in webhook.url:
            raise Invalid(f"{place}.url: must be ASCII, without blanks or a fragment")
        check_url(f"{place}.url", webhook.url)


def _one_of(value: str, wanted: Collection[str]) -> bool:
    return not wanted or value in wanted
