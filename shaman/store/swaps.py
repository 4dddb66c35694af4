"""What a write of a repo sends to the store: the document, its place in every index, and the change event."""

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from shaman.distros import canonical_arch
from shaman.merge import Removed, repo_identity_of
from shaman.models import Repo
from shaman.store import keys
from shaman.store.removal_scripts import RepoRemoval
from shaman.store.scripts import Opened, Place, Swap

_encoder = msgspec.json.Encoder()
_ID_OF_NEW = len(b'{"id":0')


class Change(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry of the change stream; `was` tells the status before, `old_ref` and `old_sha1` where it moved from.

    `id` stays first: the store writes it in.
    """

    id: int
    kind: str
    event: str
    project: str
    ref: str
    sha1: str
    distro: str
    distro_version: str
    flavor: str
    archs: tuple[str, ...]
    status: str
    modified: int
    was: str | None = None
    old_ref: str | None = None
    old_sha1: str | None = None


def swap_of(digest: bytes, opened: Opened, old: Repo | None, merged: Repo | Removed) -> Swap:
    """Return the write that puts `merged` in the place of `old`, which was read as `opened`."""
    removed = isinstance(merged, Removed)
    new = None if isinstance(merged, Removed) else merged
    subject = new or old
    return Swap(
        digest=digest,
        old_document=opened.document,
        old=place_of(old) if old else None,
        tail=_encoder.encode(replace(new, id=0))[_ID_OF_NEW:] if new else b"",
        new=place_of(new) if new else None,
        event=_event(old, subject, removed=removed) if subject else b"",
        id=subject.id if subject else 0,
        tombstone=_tombstone(merged, opened.now) if isinstance(merged, Removed) else "",
        old_tombstone=opened.tombstone,
    )


def removal_of(repo: Repo) -> RepoRemoval:
    """Return how a repo goes together with its sha1, as it does by a POST that deletes it."""
    return RepoRemoval(
        id=repo.id,
        digest=keys.digest(*repo_identity_of(repo)),
        place=place_of(repo),
        event=_event(repo, repo, removed=True),
        sent=repo.sent,
    )


def _event(old: Repo | None, subject: Repo, *, removed: bool) -> bytes:
    return _encoder.encode(change_of(old, subject, removed=removed))[_ID_OF_NEW:]


def _tombstone(removed: Removed, now: int) -> str:
    """Return what is left of a deleted record; no two deletions of one leave the same."""
    return f"{'' if removed.sent is None else removed.sent}/{now}"


def place_of(repo: Repo) -> Place:
    """Return where a repo stands in the indexes."""
    archs = sorted({canonical_arch(arch) for arch in repo.archs})
    parts = [keys.quoted(part) for part in (repo.status, repo.flavor, repo.distro, repo.version)]
    return Place(
        ref=repo.ref,
        sha1=repo.sha1,
        status=repo.status,
        cell="/".join([*parts, ",".join(keys.quoted(arch) for arch in archs)]),
        time=repo.modified,
    )


def change_of(old: Repo | None, subject: Repo, *, removed: bool) -> Change:
    """Return the event that tells what became of a repo."""
    return Change(
        id=0,
        kind="repo",
        event="deleted" if removed else "updated" if old else "created",
        project=subject.project,
        ref=subject.ref,
        sha1=subject.sha1,
        distro=subject.distro,
        distro_version=subject.distro_version,
        flavor=subject.flavor,
        archs=subject.archs,
        status="deleted" if removed else subject.status,
        modified=subject.modified,
        was=old.status if old else None,
        old_ref=old.ref if old and old.ref != subject.ref else None,
        old_sha1=old.sha1 if old and old.sha1 != subject.sha1 else None,
    )
