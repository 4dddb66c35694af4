"""What a write of a build sends to the store: the document, its place in every index, and the change event."""

import msgspec
from msgspec.structs import replace

from shaman.merge_build import Place, build_identity, places_of, waits_at
from shaman.models import Build
from shaman.store import keys
from shaman.store.build_scripts import BuildPlace, BuildSwap, Wanted
from shaman.store.swaps import Change

_encoder = msgspec.json.Encoder()
_ID_OF_NEW = len(b'{"id":0')


def wanted_by(new: Build) -> Wanted:
    """Return how a POST finds the build that it means."""
    return Wanted(digest_of(new), [_joined(place) for place in places_of(new)])


def swap_of(wanted: Wanted, old_document: bytes, old: Build | None, new: Build | None) -> BuildSwap:
    """Return the write that puts `new` in the place of `old`; None deletes, or is where nothing was."""
    return BuildSwap(
        wanted=wanted,
        old_document=old_document,
        old=place_of(old) if old else None,
        tail=_encoder.encode(replace(new, id=0))[_ID_OF_NEW:] if new else b"",
        new=place_of(new) if new else None,
        event=_encoder.encode(change_of(old, new))[_ID_OF_NEW:],
        id=old.id if old else new.id if new else 0,
    )


def place_of(build: Build) -> BuildPlace:
    """Return where a build stands in the indexes."""
    waits = waits_at(build)
    return BuildPlace(
        digest=digest_of(build),
        ref=build.ref,
        sha1=build.sha1,
        time=build.modified,
        waits=_joined(waits) if waits else "",
    )


def digest_of(build: Build) -> bytes:
    """Return the digest of a build's identity."""
    return keys.digest(*build_identity(build))


def _joined(place: Place) -> str:
    return "/".join(keys.quoted(part) for part in place)


def change_of(old: Build | None, new: Build | None) -> Change:
    """Return the event that tells what became of a build."""
    subject = new or old
    if subject is None:
        raise ValueError("a write has an old record or a new one")
    return Change(
        id=0,
        kind="build",
        event="deleted" if new is None else "updated" if old else "created",
        project=subject.project,
        ref=subject.ref,
        sha1=subject.sha1,
        distro=subject.distro or "",
        distro_version=subject.distro_version or "",
        flavor=subject.flavor,
        archs=(subject.distro_arch,) if subject.distro_arch else (),
        status="deleted" if new is None else subject.status,
        modified=subject.modified,
        was=old.status if old else None,
    )
