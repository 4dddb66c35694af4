"""The records of the registry and the bodies that make them; no I/O.

Times are integers: microseconds since 1970, UTC.
"""

from typing import Any

from msgspec import UNSET, Struct, UnsetType, field

READY = "ready"
DELETED = "deleted"
QUEUED = "queued"
COMPLETED = "completed"
DEFAULT_FLAVOR = "default"


class Repo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A built package repository, as the store keeps it.

    `id` stays first: the store writes it into the encoded document itself. `sent` is the `modified` of the sender that
    was accepted last, `modified` and `created` are the store's. `canonical_version` is told where it is not
    `distro_version`: the indexes hold what was canonical at the time of the write, and must find it again.
    """

    id: int
    project: str
    ref: str
    sha1: str
    distro: str
    distro_version: str
    archs: tuple[str, ...]
    modified: int
    created: int
    flavor: str = DEFAULT_FLAVOR
    url: str = ""
    chacra_url: str = ""
    status: str = READY
    extra: dict[str, Any] = field(default_factory=dict)
    sent: int | None = None
    canonical_version: str = ""

    @property
    def version(self) -> str:
        """The distro version as the indexes know it."""
        return self.canonical_version or self.distro_version


class PostedRepo(Struct, frozen=True, kw_only=True):
    """The body of a POST of a repo. `arch` adds one architecture, `archs` is the whole list of them."""

    ref: str | UnsetType = UNSET
    sha1: str | UnsetType = UNSET
    distro: str | UnsetType = UNSET
    distro_version: str | UnsetType = UNSET
    arch: str | UnsetType = UNSET
    archs: list[str] | UnsetType = UNSET
    flavor: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    chacra_url: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    extra: dict[str, Any] | UnsetType = UNSET
    modified: str | UnsetType = UNSET


class Build(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One run that builds a project for one cell, as the store keeps it; None is what its builder never told.

    `id` stays first: the store writes it into the encoded document itself. `started` is when it was told first,
    `completed` when it was told to be so. `canonical_version` is as in Repo.
    """

    id: int
    project: str
    ref: str
    sha1: str
    url: str
    status: str
    modified: int
    started: int
    completed: int | None = None
    flavor: str = DEFAULT_FLAVOR
    distro: str | None = None
    distro_version: str | None = None
    distro_arch: str | None = None
    log_url: str | None = None
    build_id: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    canonical_version: str = ""

    @property
    def version(self) -> str:
        """The distro version as the indexes know it, "" if there is none."""
        return self.canonical_version or self.distro_version or ""


class PostedBuild(Struct, frozen=True, kw_only=True):
    """The body of a POST of a build."""

    url: str | UnsetType = UNSET
    ref: str | UnsetType = UNSET
    sha1: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    flavor: str | UnsetType = UNSET
    distro: str | UnsetType = UNSET
    distro_version: str | UnsetType = UNSET
    distro_arch: str | UnsetType = UNSET
    log_url: str | UnsetType = UNSET
    build_id: str | int | UnsetType = UNSET
    extra: dict[str, Any] | UnsetType = UNSET


class Health(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the checks of a node have found; `down_count` is how many failed in a row, `last_check` when one began."""

    healthy: bool = True
    down_count: int = 0
    last_check: int | None = None


class Node(Struct, frozen=True, kw_only=True):
    """A storage node of the pool. `registered` tells whether it has registered itself, in the configuration or not."""

    host: str
    url: str
    health: Health
    last_used: int | None = None
    registered: bool = False


class RecordTold(Struct, frozen=True, kw_only=True):
    """What became of a repo or a build: how it is now, and how it was where that is another."""

    kind: str
    event: str
    id: int
    project: str
    ref: str
    sha1: str
    distro: str | None
    distro_version: str | None
    distro_codename: str | None
    flavor: str
    archs: tuple[str, ...]
    status: str
    old_status: str | None
    modified: str
    old_ref: str | None
    old_sha1: str | None


class NodeTold(Struct, frozen=True, kw_only=True):
    """What became of a storage node: it came into the pool, went up or went down; `modified` is when it was checked."""

    kind: str
    event: str
    host: str
    healthy: bool
    status: str
    modified: str | None
