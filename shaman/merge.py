"""What a POST makes of the record it finds: pure decisions, the same for every dialect."""

from collections.abc import Iterable
from typing import Any

from msgspec import UNSET, Struct
from msgspec.structs import replace

from shaman.distros import Releases, canonical_arch
from shaman.errors import Invalid
from shaman.models import DEFAULT_FLAVOR, DELETED, PostedRepo, Repo
from shaman.times import parse_time

REPO_COORDINATES = ("ref", "sha1", "distro", "distro_version", "arch")


class PostRules(Struct, frozen=True, kw_only=True):
    """Where the dialects differ: the fields a new record needs, and whether a list of archs replaces the known ones."""

    required: tuple[str, ...]
    archs_replace: bool


class Unchanged(Struct, frozen=True):
    """The POST is acknowledged and changes nothing: it came late, or says what is known."""


class Removed(Struct, frozen=True):
    """The POST takes the record away; `sent` is the sender's own time of it, else of what it took away, if told."""

    sent: int | None


def repo_identity(project: str, posted: PostedRepo, releases: Releases) -> tuple[str, ...]:
    """Return what makes the record of `posted` one and the same.

    Its chacra_url where it has one, else project, ref, sha1, distro, version, flavor and arch.
    Raises Invalid naming a coordinate that is missing.
    """
    if posted.chacra_url:
        return _identity_by_url(posted.chacra_url)
    _check_required(posted, REPO_COORDINATES, new=True)
    distro = str(posted.distro).strip().lower()
    version = releases.canonical(distro, str(posted.distro_version))
    flavor = DEFAULT_FLAVOR if posted.flavor is UNSET else posted.flavor
    names = (project, str(posted.ref), str(posted.sha1), distro, version, flavor)
    return _identity_by_coordinates(names, _archs(posted))


def repo_identity_of(repo: Repo) -> tuple[str, ...]:
    """Return what makes a record one and the same, as `repo_identity` does for the POSTs that it came from."""
    if repo.chacra_url:
        return _identity_by_url(repo.chacra_url)
    names = (repo.project, repo.ref, repo.sha1, repo.distro, repo.version, repo.flavor)
    return _identity_by_coordinates(names, repo.archs)


def _identity_by_url(chacra_url: str) -> tuple[str, ...]:
    return ("chacra_url", chacra_url.rstrip("/"))


def _identity_by_coordinates(names: tuple[str, ...], archs: Iterable[str]) -> tuple[str, ...]:
    return ("coordinates", *names, *sorted({canonical_arch(arch) for arch in archs}))


def merge_repo(
    old: Repo | None,
    posted: PostedRepo,
    *,
    project: str,
    rules: PostRules,
    releases: Releases,
    now: int,
    gone: int | None,
) -> Repo | Unchanged | Removed:
    """Decide what `posted` makes of `old`, the record of its identity, or None.

    `now` is the store's clock, `gone` the sender's time of the identity's deletion, if it was deleted.
    The id of a new record is 0 until the store gives it one. Raises Invalid naming a field that is missing or empty.
    """
    sent = None if posted.modified is UNSET else parse_time("modified", posted.modified)
    last = gone if old is None else old.sent
    if sent is not None and last is not None and sent < last:
        return Unchanged()
    if posted.status == DELETED:
        return Removed(last if sent is None else sent)
    _check_required(posted, rules.required, new=old is None)
    base = old or _blank(project, now)
    new = replace(base, **_changes(base, posted, rules), sent=base.sent if sent is None else sent)
    new = _with_version(new, releases)
    if new == base:
        return Unchanged()
    return replace(new, modified=max(now, base.modified + 1))


def new_repo(project: str, posted: PostedRepo, releases: Releases) -> Repo:
    """Return the record that `posted` makes where there is none, without id and times.

    Raises Invalid naming a field that is missing or empty.
    """
    _check_required(posted, (*REPO_COORDINATES[:-1], "status"), new=True)
    rules = PostRules(required=(), archs_replace=True)
    return _with_version(replace(_blank(project, 0), **_changes(_blank(project, 0), posted, rules)), releases)


def restore_repo(old: Repo | None, saved: Repo, *, now: int, gone: int | None) -> Repo | Unchanged:
    """Decide what `saved`, a record with values of its own, makes of `old`, the record of its identity, or None.

    It takes the place of an older one. The registry's word wins when that is as new, or newer, and when the record was
    deleted since. A time of 0 is one that was not saved.
    """
    if old is not None:
        saved = replace(saved, id=old.id, created=saved.created or old.created)
        if replace(saved, modified=old.modified) == old if saved.modified == 0 else old.modified >= saved.modified:
            return Unchanged()
    elif gone is not None and 0 < (saved.sent or saved.modified) <= gone:
        return Unchanged()
    modified = saved.modified or max(now, old.modified + 1 if old else 0)
    return replace(saved, modified=modified, created=saved.created or modified)


def _blank(project: str, now: int) -> Repo:
    return Repo(
        id=0,
        project=project,
        ref="",
        sha1="",
        distro="",
        distro_version="",
        archs=(),
        modified=0,
        created=now,
    )


def _with_version(repo: Repo, releases: Releases) -> Repo:
    version = releases.canonical(repo.distro, repo.distro_version)
    return replace(repo, canonical_version="" if version == repo.distro_version else version)


def _changes(base: Repo, posted: PostedRepo, rules: PostRules) -> dict[str, Any]:
    names = ("ref", "sha1", "distro", "distro_version", "flavor", "url", "chacra_url", "status", "extra")
    changes = {name: getattr(posted, name) for name in names if getattr(posted, name) is not UNSET}
    for name in ("distro", "distro_version"):
        if name in changes:
            changes[name] = changes[name].strip().lower()
    known = () if posted.archs is not UNSET and rules.archs_replace else base.archs
    # Two spellings of one arch are one, told as it was first.
    merged: dict[str, str] = {}
    for arch in (*known, *_archs(posted)):
        merged.setdefault(canonical_arch(arch), arch)
    return changes | {"archs": tuple(merged.values())}


def _check_required(posted: PostedRepo, names: tuple[str, ...], *, new: bool) -> None:
    for name in names:
        given = posted.archs if name == "arch" and posted.archs is not UNSET else getattr(posted, name)
        if new and given is UNSET:
            raise Invalid(f"{name}: is missing")
        if given is not UNSET and not given:
            raise Invalid(f"{name}: must not be empty")


def _archs(posted: PostedRepo) -> tuple[str, ...]:
    if posted.archs is not UNSET:
        return tuple(posted.archs)
    return () if posted.arch is UNSET else (posted.arch,)
