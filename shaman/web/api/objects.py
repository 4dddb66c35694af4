"""Records as the production dialect tells them."""

from typing import Any

from msgspec import Struct

from shaman.distros import Releases
from shaman.models import Build, Node, Repo
from shaman.times import format_time


class RepoObject(Struct, frozen=True, kw_only=True):
    """A repo of this dialect: with all its archs."""

    url: str
    chacra_url: str
    ref: str
    sha1: str
    distro: str
    distro_version: str
    distro_codename: str | None
    modified: str
    status: str
    flavor: str
    project: str
    archs: tuple[str, ...]
    extra: dict[str, Any]
    id: int


class NodeObject(Struct, frozen=True, kw_only=True):
    """A node of this dialect."""

    host: str
    last_used: str | None
    last_check: str | None
    healthy: bool
    down_count: int


def repo_object(repo: Repo, releases: Releases) -> RepoObject:
    """Return a repo as this dialect tells it: its version by number, its URLs with a slash at the end."""
    return RepoObject(
        url=with_slash(repo.url),
        chacra_url=with_slash(repo.chacra_url),
        ref=repo.ref,
        sha1=repo.sha1,
        distro=repo.distro,
        distro_version=releases.number(repo.distro, repo.version),
        distro_codename=releases.codename(repo.distro, repo.version),
        modified=format_time(repo.modified, " "),
        status=repo.status,
        flavor=repo.flavor,
        project=repo.project,
        archs=repo.archs,
        extra=repo.extra,
        id=repo.id,
    )


class BuildObject(Struct, frozen=True, kw_only=True):
    """A build of this dialect."""

    url: str
    log_url: str | None
    ref: str
    sha1: str
    flavor: str
    status: str
    extra: dict[str, Any]
    modified: str
    started: str
    completed: str | None
    project: str
    distro: str | None
    distro_version: str | None
    distro_codename: str | None
    distro_arch: str | None
    build_id: str | None
    id: int


def build_object(build: Build, releases: Releases) -> BuildObject:
    """Return a build as this dialect tells it: its version by number, and null for what was never told."""
    distro, version = build.distro or "", build.version
    return BuildObject(
        url=build.url if "?" in build.url or "#" in build.url else with_slash(build.url),
        log_url=build.log_url,
        ref=build.ref,
        sha1=build.sha1,
        flavor=build.flavor,
        status=build.status,
        extra=build.extra,
        modified=format_time(build.modified, " "),
        started=format_time(build.started, " "),
        completed=_time(build.completed),
        project=build.project,
        distro=build.distro,
        distro_version=build.distro_version and releases.number(distro, version),
        distro_codename=releases.codename(distro, version) if version else None,
        distro_arch=build.distro_arch,
        build_id=build.build_id,
        id=build.id,
    )


def node_object(node: Node) -> NodeObject:
    """Return a node as this dialect tells it."""
    return NodeObject(
        host=node.host,
        last_used=_time(node.last_used),
        last_check=_time(node.health.last_check),
        healthy=node.health.healthy,
        down_count=node.health.down_count,
    )


def _time(microseconds: int | None) -> str | None:
    return None if microseconds is None else format_time(microseconds, " ")


def with_slash(url: str) -> str:
    """Return `url` with a slash at its end, unless it is empty."""
    return url if not url or url.endswith("/") else url + "/"
