"""A change of the streams as it is told to those outside, and who wants to hear of it."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from msgspec import Struct

from shaman.distros import Releases
from shaman.models import NodeTold, RecordTold
from shaman.store.nodes import NodeChange
from shaman.store.swaps import Change
from shaman.times import format_time

KINDS = ("repo", "build", "node")
"""What a change can be of."""


class Wanted(NamedTuple):
    """What somebody wants to hear of; None is anything."""

    project: str | None = None
    ref: str | None = None
    sha1: str | None = None
    kind: str | None = None


class Told:
    """A change, its JSON, and a number that no other has; made once for all who hear of it."""

    __slots__ = ("data", "number", "record")

    def __init__(self, number: str, record: RecordTold | NodeTold) -> None:
        """Tell `record`."""
        self.number = number
        self.record = record
        self.data = _encoder.encode(record)

    def wanted(self) -> Iterator[Wanted]:
        """Yield each way in which somebody can want to hear of this: where it is now, and where it was."""
        record = self.record
        if isinstance(record, NodeTold):
            yield from (Wanted(kind="node"), Wanted())
            return
        now = (record.ref, record.sha1)
        before = (record.old_ref or record.ref, record.old_sha1 or record.sha1)
        places = {place for ref, sha1 in {now, before} for place in _parts(ref, sha1)}
        for ref, sha1 in places:
            for project in (record.project, None):
                for kind in (record.kind, None):
                    yield Wanted(project, ref, sha1, kind)


def _parts(ref: str, sha1: str) -> Iterator[tuple[str | None, str | None]]:
    yield from ((ref, sha1), (ref, None), (None, sha1), (None, None))


class _Kind(Struct, frozen=True):
    kind: str


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Kind)
_change = msgspec.json.Decoder(Change)
_node_change = msgspec.json.Decoder(NodeChange)


def read_event(number: str, event: bytes, releases: Releases) -> Told:
    """Return what an entry of a stream tells. Raises msgspec.MsgspecError if it is none of this version."""
    if _decoder.decode(event).kind == "node":
        return Told(number, _node(_node_change.decode(event)))
    return Told(number, _record(_change.decode(event), releases))


def _record(change: Change, releases: Releases) -> RecordTold:
    version = releases.canonical(change.distro, change.distro_version) if change.distro else ""
    return RecordTold(
        kind=change.kind,
        event=change.event,
        id=change.id,
        project=change.project,
        ref=change.ref,
        sha1=change.sha1,
        distro=change.distro or None,
        distro_version=version or None,
        distro_codename=releases.codename(change.distro, version) if version else None,
        flavor=change.flavor,
        archs=change.archs,
        status=change.status,
        old_status=change.was,
        modified=format_time(change.modified),
        old_ref=change.old_ref,
        old_sha1=change.old_sha1,
    )


def _node(change: NodeChange) -> NodeTold:
    return NodeTold(
        kind=change.kind,
        event="deleted" if change.status == "deleted" else "updated",
        host=change.host,
        healthy=change.status == "up",
        status=change.status,
        modified=None if change.modified is None else format_time(change.modified),
    )
