"""A record as a line of NDJSON, and back.

A line has `kind` and `project`, and the fields as the production dialect names them. Times and `id` are the record's
own; `sent` is the `modified` of the builder that was accepted last.
"""

from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from shaman.checks import check_host, check_posted_build, check_posted_repo
from shaman.decoding import read_as
from shaman.distros import Releases
from shaman.errors import Invalid
from shaman.merge import new_repo
from shaman.merge_build import new_build
from shaman.models import Build, Health, Node, PostedBuild, PostedRepo, Repo
from shaman.times import format_time, parse_time

REPO_FIELDS = frozenset(PostedRepo.__struct_fields__) - {"arch", "modified"}
BUILD_FIELDS = frozenset(PostedBuild.__struct_fields__)


class RepoLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A repo in an export; nothing of it is lost."""

    kind: Literal["repo"]
    project: str
    ref: str
    sha1: str
    distro: str
    distro_version: str
    flavor: str
    archs: tuple[str, ...]
    status: str
    url: str
    chacra_url: str
    extra: dict[str, Any]
    modified: str
    created: str
    sent: str | None = None
    id: int


class BuildLine(Struct, frozen=True, kw_only=True):
    """A build in an export; nothing of it is lost."""

    kind: Literal["build"]
    project: str
    ref: str
    sha1: str
    distro: str | None
    distro_version: str | None
    distro_arch: str | None
    flavor: str
    status: str
    url: str
    log_url: str | None
    build_id: str | None
    extra: dict[str, Any]
    modified: str
    started: str
    completed: str | None
    id: int


class NodeLine(Struct, frozen=True, kw_only=True):
    """A node in an export; those that only the configuration names are not in it."""

    kind: Literal["node"]
    host: str
    healthy: bool
    down_count: int
    last_check: str | None
    last_used: str | None


class NodeFields(Struct, frozen=True, kw_only=True):
    """A node as a line tells it, or an old server does: what is null was never so."""

    host: str
    healthy: bool | None = None
    down_count: int | None = None
    last_check: str | None = None
    last_used: str | None = None


def repo_line(repo: Repo, releases: Releases) -> RepoLine:
    """Return a repo as an export tells it: its version by number, its times with a blank between and no zone."""
    return RepoLine(
        kind="repo",
        project=repo.project,
        ref=repo.ref,
        sha1=repo.sha1,
        distro=repo.distro,
        distro_version=releases.number(repo.distro, repo.version),
        flavor=repo.flavor,
        archs=repo.archs,
        status=repo.status,
        url=repo.url,
        chacra_url=repo.chacra_url,
        extra=repo.extra,
        modified=format_time(repo.modified, " "),
        created=format_time(repo.created, " "),
        sent=None if repo.sent is None else format_time(repo.sent, " "),
        id=repo.id,
    )


def build_line(build: Build, releases: Releases) -> BuildLine:
    """Return a build as an export tells it, as `repo_line` does."""
    return BuildLine(
        kind="build",
        project=build.project,
        ref=build.ref,
        sha1=build.sha1,
        distro=build.distro,
        distro_version=build.distro_version and releases.number(build.distro or "", build.version),
        distro_arch=build.distro_arch,
        flavor=build.flavor,
        status=build.status,
        url=build.url,
        log_url=build.log_url,
        build_id=build.build_id,
        extra=build.extra,
        modified=format_time(build.modified, " "),
        started=format_time(build.started, " "),
        completed=None if build.completed is None else format_time(build.completed, " "),
        id=build.id,
    )


def node_line(node: Node) -> NodeLine:
    """Return a node as an export tells it."""
    return NodeLine(
        kind="node",
        host=node.host,
        healthy=node.health.healthy,
        down_count=node.health.down_count,
        last_check=None if node.health.last_check is None else format_time(node.health.last_check, " "),
        last_used=None if node.last_used is None else format_time(node.last_used, " "),
    )


def read_repo(project: str, fields: dict[str, Any], releases: Releases) -> Repo:
    """Return the repo that a line tells; what is null is absent, a time of 0 is one that is not told.

    Raises Invalid naming the field that is missing or breaks its rule.
    """
    posted = read_as(PostedRepo, _told(fields, REPO_FIELDS))
    check_posted_repo(posted)
    modified, created, sent = (_time(name, fields) for name in ("modified", "created", "sent"))
    repo = new_repo(project, posted, releases)
    return replace(repo, id=_id(fields), modified=modified or 0, created=created or 0, sent=sent)


def read_build(project: str, fields: dict[str, Any], releases: Releases) -> Build:
    """Return the build that a line tells, as `read_repo` does."""
    posted = read_as(PostedBuild, _told(fields, BUILD_FIELDS))
    check_posted_build(posted)
    modified, started, completed = (_time(name, fields) for name in ("modified", "started", "completed"))
    build = new_build(project, posted, releases)
    return replace(build, id=_id(fields), modified=modified or 0, started=started or 0, completed=completed)


def read_node(fields: dict[str, Any]) -> Node:
    """Return the registered node that a line tells. Raises Invalid naming what is missing or breaks its rule."""
    told = read_as(NodeFields, fields)
    host = told.host.lower()
    check_host("host", host)
    return Node(
        host=host,
        url=f"https://{host}",
        health=Health(
            healthy=told.healthy is not False,
            down_count=told.down_count or 0,
            last_check=_time("last_check", fields),
        ),
        last_used=_time("last_used", fields),
        registered=True,
    )


def _told(fields: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name in names and value is not None}


def _time(name: str, fields: dict[str, Any]) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Invalid(f"{name}: is not a time such as 2026-06-17T18:04:30.190595Z")
    return parse_time(name, value)


def _id(fields: dict[str, Any]) -> int:
    number = fields.get("id")
    if number is None:
        return 0
    # More digits would not fit into the score of a sorted set.
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 2**53:
        raise Invalid("id: must be a positive number of at most 53 bits")
    return number
