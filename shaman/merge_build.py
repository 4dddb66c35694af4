"""What a POST makes of the build it finds: pure decisions.

A build that is only queued waits for the run that it announces, which may come from another URL: the record goes on as
the one that came. It waits at a place: its coordinates, or where it names no cell, its ref and sha1 alone.
"""

from typing import Any

from msgspec import UNSET
from msgspec.structs import asdict, replace

from shaman.distros import Releases, canonical_arch
from shaman.errors import Invalid
from shaman.merge import Unchanged
from shaman.models import COMPLETED, DEFAULT_FLAVOR, QUEUED, Build, PostedBuild

BUILD_REQUIRED = ("url", "ref", "sha1", "status")

Place = tuple[str, ...]
"""What a queued build waits for: ref, sha1, flavor, distro, version and arch; the last four "" for any."""


def new_build(project: str, posted: PostedBuild, releases: Releases) -> Build:
    """Return the build that `posted` alone describes; its id and times are 0.

    Raises Invalid naming a field that is missing or empty.
    """
    for name in BUILD_REQUIRED:
        if getattr(posted, name) is UNSET:
            raise Invalid(f"{name}: is missing")
        if not getattr(posted, name):
            raise Invalid(f"{name}: must not be empty")
    return with_version(Build(id=0, project=project, modified=0, started=0, **_told(posted)), releases)


def with_version(build: Build, releases: Releases) -> Build:
    """Return `build` with the canonical form of its distro version."""
    version = releases.canonical(build.distro or "", build.distro_version or "")
    return replace(build, canonical_version="" if version == build.distro_version else version)


def build_identity(build: Build) -> tuple[str, ...]:
    """Return what makes the record of a build one and the same; a pipeline has one url for all its cells."""
    return (build.project, build.url.rstrip("/"), *_coordinates(build))


def places_of(build: Build) -> tuple[Place, Place]:
    """Return where a queued build may wait for `build`: at its coordinates first, else at its ref and sha1."""
    return _coordinates(build), _anywhere(build)


def waits_at(build: Build) -> Place | None:
    """Return where `build` waits to be taken over, or None if it is not queued."""
    if build.status != QUEUED:
        return None
    names_a_cell = build.distro or build.distro_version or build.distro_arch
    return _coordinates(build) if names_a_cell else _anywhere(build)


def merge_build(
    old: Build | None, posted: PostedBuild, *, project: str, releases: Releases, now: int
) -> Build | Unchanged:
    """Decide what `posted` makes of `old`: the build of its identity, a queued one that it takes over, or None.

    What is taken over keeps its id and its `started`, and nothing that another run has told. `now` is the store's
    clock. The id of a new record is 0 until the store gives it one. Raises Invalid as `new_build` does.
    """
    new = new_build(project, posted, releases)
    if old is None:
        merged = replace(new, started=now)
    elif build_identity(old) == build_identity(new):
        merged = with_version(replace(old, **_told(posted)), releases)
    else:
        merged = replace(new, id=old.id, started=old.started)
    merged = replace(merged, completed=_completed(old, merged, now))
    if merged == old:
        return Unchanged()
    return replace(merged, modified=max(now, old.modified + 1 if old else 0))


def restore_build(old: Build | None, saved: Build, *, now: int) -> Build | Unchanged:
    """Decide what `saved`, a build with values of its own, makes of `old`, the one of its identity, or None.

    It takes the place of an older one; the registry's word wins when that is as new, or newer. A time of 0 is one that
    was not saved.
    """
    if old is not None:
        saved = replace(saved, id=old.id, started=saved.started or old.started)
        if replace(saved, modified=old.modified) == old if saved.modified == 0 else old.modified >= saved.modified:
            return Unchanged()
    modified = saved.modified or max(now, old.modified + 1 if old else 0)
    return replace(saved, modified=modified, started=saved.started or modified)


def _told(posted: PostedBuild) -> dict[str, Any]:
    told = {name: value for name, value in asdict(posted).items() if value is not UNSET}
    for name in ("distro", "distro_version"):
        if name in told:
            told[name] = told[name].strip().lower()
    if "build_id" in told:
        told["build_id"] = str(told["build_id"])
    return told


def _completed(old: Build | None, merged: Build, now: int) -> int | None:
    """Return when a build was completed: now, or as long as it stays so, when it was told first."""
    if merged.status != COMPLETED:
        return None
    return old.completed if old and old.completed else now


def _coordinates(build: Build) -> Place:
    arch = canonical_arch(build.distro_arch or "")
    return (build.ref, build.sha1, build.flavor or DEFAULT_FLAVOR, build.distro or "", build.version, arch)


def _anywhere(build: Build) -> Place:
    return (build.ref, build.sha1, "", "", "", "")
