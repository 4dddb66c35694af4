"""The names of the keys read back: which part of the tree in keys.py a key is."""

from typing import NamedTuple
from urllib.parse import unquote

from shaman.store import keys

TREE = {
    "repos": "hash",
    "next-id": "string",
    "identities": "hash",
    "gone:D": "string",
    "modified": "zset",
    "changes": "stream",
    "removals": "stream",
    "aside": "hash",
    "aside:K": "any",
    "refs": "zset",
    "refs:S": "zset",
    "sha1s": "zset",
    "sha1:H": "zset",
    "sha1-names:B": "zset",
    "ref:R:sha1s": "zset",
    "ref:R:sha1s:S": "zset",
    "ref:R:cells": "zset",
    "ref:R:rows": "hash",
    "ref:R:profiles": "zset",
    "builds": "hash",
    "next-build-id": "string",
    "build-identities": "hash",
    "build-modified": "zset",
    "build-queued": "zset",
    "build-refs": "zset",
    "build-ref:R:sha1s": "zset",
    "build-ref:R:sha1:H": "zset",
    "build-names": "zset",
}
"""The keys of a project, as keys.py draws them behind `shaman:{P}:`, and their types."""

TREE_OF_NODES = {
    keys.NODE_TURN: "string",
    keys.NODES_KNOWN: "zset",
    keys.NODE_FACTS: "hash",
    keys.NODES_DOWN: "set",
    keys.NODES_USED: "hash",
    keys.NODES_CHECKING: "string",
    keys.NODE_CHANGES: "stream",
    keys.NODES_ASIDE: "hash",
}
"""The keys of the storage nodes, and their types."""

TREE_OF_ALL = TREE_OF_NODES | {
    keys.SCHEMA: "string",
    keys.PROJECTS: "set",
    keys.RETAINING: "string",
    keys.WEBHOOKS_SENDING: "string",
    keys.WEBHOOK_CURSORS: "hash",
    keys.DEAD_LETTERS: "stream",
    keys.PROBE: "string",
    f"{keys.NODES_ASIDE}:K": "any",
}
"""The keys of no project, and their types."""

_TEMPLATES = [(template, template.split(":")) for template in TREE]
_NAMES = {"R": "ref", "H": "sha1", "S": "status", "B": "rest", "D": "rest", "K": "rest"}


class Key(NamedTuple):
    """A key of a project, and the names in it; `template` is "" of one that the tree does not have."""

    name: str
    project: str
    template: str
    ref: str = ""
    sha1: str = ""
    status: str = ""
    rest: str = ""

    @property
    def rest_of_name(self) -> str:
        """Return the name behind that of the project."""
        return self.name.partition("}:")[2]


def read_key(name: bytes) -> Key | str:
    """Return what a key of a project is; of another one its name."""
    text = name.decode(errors="backslashreplace")
    head, brace, rest = text.removeprefix("shaman:{").partition("}:")
    project = unquote(head)
    if not text.startswith("shaman:{") or not brace or keys.quoted(project) != head:
        return text
    parts = rest.split(":")
    for template, wanted in _TEMPLATES:
        if len(wanted) == len(parts) and all(want in (part, *_NAMES) for want, part in zip(wanted, parts, strict=True)):
            names = {_NAMES[want]: unquote(part) for want, part in zip(wanted, parts, strict=True) if want in _NAMES}
            return Key(text, project, template, **names)
    return Key(text, project, "")
