"""Records as the production dialect tells them."""

from typing import Any

from msgspec import Struct

from shaman.distros import Releases
from shaman.models import Repo, format_time


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


def with_slash(url: str) -> str:
    """Return `url` with a slash at its end, unless it is empty."""
    return url if not url or url.endswith("/") else url + "/"
