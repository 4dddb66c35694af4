"""What a server tells, as Structs."""

from datetime import datetime
from typing import Any

from msgspec import Struct

RESET = "reset"
"""The kind of an event that says: what happened before may not have been told, so ask anew."""


class Repo(Struct, frozen=True, kw_only=True):
    """A built package repository, for one arch."""

    arch: str
    project: str
    ref: str
    sha1: str
    distro: str
    distro_version: str
    distro_codename: str | None
    flavor: str
    url: str
    chacra_url: str
    status: str
    modified: datetime
    extra: dict[str, Any]


class Event(Struct, frozen=True, kw_only=True):
    """A change of a repo, a build or a node; None is what such a thing has not.

    `event` is created, updated or deleted. Of the kind RESET nothing else is told. `cursor` is where to go on.
    """

    kind: str
    event: str | None = None
    id: int | str | None = None
    project: str | None = None
    ref: str | None = None
    sha1: str | None = None
    distro: str | None = None
    distro_version: str | None = None
    distro_codename: str | None = None
    flavor: str | None = None
    archs: tuple[str, ...] | None = None
    status: str | None = None
    old_status: str | None = None
    old_ref: str | None = None
    old_sha1: str | None = None
    modified: datetime | None = None
    host: str | None = None
    healthy: bool | None = None
    cursor: str = ""
