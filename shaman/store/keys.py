"""Every key of the store is made here.

User text is percent-quoted inside a key, so braces, colons and blanks in a name cannot reach another key. All keys
of one project share the hash tag `{P}`: they live in one slot of a cluster, and a script may touch them together.

    shaman:schema                     string      version of this tree, see `schema.VERSION`
    shaman:projects                   set         project names that may have records (a superset; see `PROJECTS`)
    shaman:nodes:{nodes}:turn         string      how many times a node has been handed out
    shaman:nodes:{nodes}:known        zset        host of a registered node, score = when it was registered first
    shaman:nodes:{nodes}:facts        hash        host -> what checks found of it (JSON, see `models.Health`)
    shaman:nodes:{nodes}:down         set         the hosts among them that are not healthy, so not handed out
    shaman:nodes:{nodes}:used         hash        host -> when it was handed out last
    shaman:nodes:{nodes}:checking     string      token of the process that checks the nodes; expires
    shaman:nodes:{nodes}:changes      stream      one entry for each node that came, went up or went down; as below
    shaman:retention:retaining        string      token of the process that removes what the rules do not keep; expires
    shaman:webhooks:{webhooks}:sending  string    token of the process that sends to the webhooks; expires
    shaman:webhooks:{webhooks}:cursors  hash      name of a webhook -> cursor behind what it has been told
    shaman:webhooks:{webhooks}:dead     stream    one entry for each delivery that was given up: field `letter`, JSON
                                                  (see `letters.Letter`); capped
    shaman:nodes:{nodes}:aside        hash        what `shaman check --repair` could not keep: host -> its facts
    shaman:nodes:{nodes}:aside:K      any         a key of the wrong type that had the name K
    shaman:probe                      string      never there; asked whether it could be written
    shaman:changes                    channel     wake-ups: the change event's JSON, of every project and node

    shaman:{P}:repos                  hash        id -> repo document (JSON, see `models.Repo`)
    shaman:{P}:next-id                string      the last id given out
    shaman:{P}:identities             hash        12-byte digest of the identity -> id
    shaman:{P}:gone:D                 string      `<sender's modified, if told>/<time>` of the deletion of the identity
                                                  with the digest D, in hex; expires
    shaman:{P}:modified               zset        id, score = modified
    shaman:{P}:changes                stream      one entry per effective write: field `event`, JSON; capped

    shaman:{P}:removals               stream      one entry per sha1 of a ref that retention removed: field `removal`,
                                                  JSON (see `removals.Removal`); capped
    shaman:{P}:aside                  hash        what `shaman check --repair` could not keep in its place:
                                                  `repos/<id>/<digest>` or `builds/...` -> document
    shaman:{P}:aside:K                any         a key of the wrong type that had the name K

    shaman:{P}:refs                   zset        ref, score = modified of its newest repo
    shaman:{P}:refs:S                 zset        the same over the repos with status S
    shaman:{P}:sha1s                  zset        sha1, score = modified of its newest repo in any ref
    shaman:{P}:sha1:H                 zset        id of every repo of sha1 H, score = modified
    shaman:{P}:sha1-names:B           zset        every sha1 that has repos and begins with the three characters B (or
                                                  is B, if shorter), score 0: few enough for the store's smallest form

    shaman:{P}:ref:R:sha1s            zset        sha1, score = modified of its newest repo in ref R
    shaman:{P}:ref:R:sha1s:S          zset        the same over the repos with status S
    shaman:{P}:ref:R:cells            zset        `<cell>/<time>/<id>` of every repo of ref R, score 0: the lexical
                                                  order groups by cell, oldest first within one
    shaman:{P}:ref:R:rows             hash        sha1 -> its repos in ref R, one `<cell>/<time>/<id>` a line

    shaman:{P}:ref:R:profiles         zset        `<profile>/<time>/<sha1>` of every sha1 of ref R, score 0; time of its
                                                  newest repo there

    shaman:{P}:builds                 hash        id -> build document (JSON, see `models.Build`)
    shaman:{P}:next-build-id          string      the last id given out
    shaman:{P}:build-identities       hash        12-byte digest of the identity -> id
    shaman:{P}:build-modified         zset        id, score = modified
    shaman:{P}:build-queued           zset        `<place>/<id>` of every queued build, score 0: the lexical order
                                                  groups by place, the smallest id first within one
    shaman:{P}:build-refs             zset        ref, score = modified of its newest build
    shaman:{P}:build-ref:R:sha1s      zset        sha1, score = modified of its newest build in ref R
    shaman:{P}:build-ref:R:sha1:H     zset        id of every build of sha1 H in ref R, score = modified
    shaman:{P}:build-names            zset        `<sha1>/<ref>` of every sha1 that has builds in a ref, score 0

A score is microseconds since 1970 by the store's clock; a time inside a member is the same in sixteen digits.
A cell says what a repo was built for, and its state: `<status>/<flavor>/<distro>/<version>/<archs>`, each part
quoted, the version canonical, the archs canonical, sorted and joined with commas. A ref has few cells (tens) and
many sha1s (thousands), so the newest repo of each cell costs a jump per cell, whatever the number of records.
The profile of a sha1 is a digest of the set of its cells, and there are few of them too: tens.
The place of a queued build is what it waits for, quoted like a cell: `<ref>/<sha1>/<flavor>/<distro>/<version>/<arch>`,
or `<ref>/<sha1>////` of one that names no cell; its id is in sixteen digits.
"""

from functools import lru_cache
from hashlib import blake2b
from urllib.parse import quote

from shaman.checks import TEXT_LIMIT

SCHEMA = "shaman:schema"
PROJECTS = "shaman:projects"
"""Written before the first record of a project and never removed, as another slot's set cannot change in
the same script as the record: a reader asks each project whether it has something to show."""

PROBE = "shaman:probe"
NODE_TURN = "shaman:nodes:{nodes}:turn"
NODES_KNOWN = "shaman:nodes:{nodes}:known"
NODE_FACTS = "shaman:nodes:{nodes}:facts"
NODES_DOWN = "shaman:nodes:{nodes}:down"
NODES_USED = "shaman:nodes:{nodes}:used"
NODES_CHECKING = "shaman:nodes:{nodes}:checking"
NODE_CHANGES = "shaman:nodes:{nodes}:changes"
RETAINING = "shaman:retention:retaining"
WEBHOOKS_SENDING = "shaman:webhooks:{webhooks}:sending"
WEBHOOK_CURSORS = "shaman:webhooks:{webhooks}:cursors"
DEAD_LETTERS = "shaman:webhooks:{webhooks}:dead"
NODES_ASIDE = "shaman:nodes:{nodes}:aside"
CHANNEL = "shaman:changes"
ANYTHING = "anything"
"""Published in place of an event when anything may have changed; no reader can take it for one."""

DIGEST = 12
"""Bytes of an identity's digest: of a billion no two are alike, and the store keeps them in its smallest block."""

BUCKET = 3
"""First characters by which the names of sha1s are parted: of a million repos each part has about two dozen."""

QUOTED = 4096
"""Names whose quoted form is remembered: those of one request stand in twenty keys, those of a busy ref in many."""


def quoted(text: str) -> str:
    """Return `text` as ASCII without any character that separates parts of a key or of a cell."""
    return _quoted(text) if len(text) <= TEXT_LIMIT else quote(text, safe="")


@lru_cache(QUOTED)
def _quoted(text: str) -> str:
    return quote(text, safe="")


def _project(project: str) -> str:
    return f"shaman:{{{quoted(project)}}}"


def all_of(project: str | None) -> str:
    """Return the pattern that matches every key of a project, of all if it is None."""
    return "shaman:*" if project is None else f"{_project(project)}:*"


def repos(project: str) -> str:
    """Name the hash of the repo documents."""
    return f"{_project(project)}:repos"


def next_id(project: str) -> str:
    """Name the counter of ids."""
    return f"{_project(project)}:next-id"


def identities(project: str) -> str:
    """Name the hash from identity to id."""
    return f"{_project(project)}:identities"


def gone(project: str, digest: bytes) -> str:
    """Name what is left of a deleted identity."""
    return f"{_project(project)}:gone:{digest.hex()}"


def modified(project: str) -> str:
    """Name the sorted set of all repos in time order."""
    return f"{_project(project)}:modified"


def changes(project: str) -> str:
    """Name the change stream."""
    return f"{_project(project)}:changes"


def removals(project: str) -> str:
    """Name the log of what retention removed."""
    return f"{_project(project)}:removals"


def aside(project: str) -> str:
    """Name the hash of what was set aside."""
    return f"{_project(project)}:aside"


def refs(project: str, status: str | None = None) -> str:
    """Name the sorted set of refs, of repos with `status` only if one is given."""
    return f"{_project(project)}:refs" + (f":{quoted(status)}" if status else "")


def sha1s(project: str) -> str:
    """Name the sorted set of the project's sha1s."""
    return f"{_project(project)}:sha1s"


def sha1_repos(project: str, sha1: str) -> str:
    """Name the sorted set of the repos of a sha1 in every ref."""
    return f"{_project(project)}:sha1:{quoted(sha1)}"


def sha1_names(project: str, sha1: str) -> str:
    """Name the lexical index of the sha1s that have repos and begin as `sha1` does."""
    return f"{_project(project)}:sha1-names:{quoted(sha1[:BUCKET])}"


def ref_sha1s(project: str, ref: str, status: str | None = None) -> str:
    """Name the sorted set of a ref's sha1s, of repos with `status` only if one is given."""
    return f"{_project(project)}:ref:{quoted(ref)}:sha1s" + (f":{quoted(status)}" if status else "")


def cells(project: str, ref: str) -> str:
    """Name the lexical index of a ref's repos by cell."""
    return f"{_project(project)}:ref:{quoted(ref)}:cells"


def rows(project: str, ref: str) -> str:
    """Name the hash of a ref's repos by sha1."""
    return f"{_project(project)}:ref:{quoted(ref)}:rows"


def profiles(project: str, ref: str) -> str:
    """Name the lexical index of a ref's sha1s by what they are built for."""
    return f"{_project(project)}:ref:{quoted(ref)}:profiles"


def builds(project: str) -> str:
    """Name the hash of the build documents."""
    return f"{_project(project)}:builds"


def next_build_id(project: str) -> str:
    """Name the counter of build ids."""
    return f"{_project(project)}:next-build-id"


def build_identities(project: str) -> str:
    """Name the hash from the identity of a build to its id."""
    return f"{_project(project)}:build-identities"


def build_modified(project: str) -> str:
    """Name the sorted set of all builds in time order."""
    return f"{_project(project)}:build-modified"


def build_queued(project: str) -> str:
    """Name the lexical index of the queued builds by what they wait for."""
    return f"{_project(project)}:build-queued"


def build_refs(project: str) -> str:
    """Name the sorted set of the refs that have builds."""
    return f"{_project(project)}:build-refs"


def build_sha1s(project: str, ref: str) -> str:
    """Name the sorted set of the sha1s of a ref that have builds."""
    return f"{_project(project)}:build-ref:{quoted(ref)}:sha1s"


def sha1_builds(project: str, ref: str, sha1: str) -> str:
    """Name the sorted set of the builds of a sha1 in a ref."""
    return f"{_project(project)}:build-ref:{quoted(ref)}:sha1:{quoted(sha1)}"


def build_names(project: str) -> str:
    """Name the lexical index of the sha1s that have builds, and their refs."""
    return f"{_project(project)}:build-names"


def build_name(sha1: str, ref: str) -> str:
    """Return the member of a sha1 that has builds in a ref."""
    return f"{sha1}/{quoted(ref)}"


def digest(*identity: str) -> bytes:
    """Return the bytes that stand for an identity, given as its parts."""
    return blake2b("\0".join(identity).encode(), digest_size=DIGEST).digest()
