"""What every name of the API means, wherever it stands: in a path, a query, a body or an answer.

The examples are of a real push.
"""

from typing import Any

from msgspec import Struct, field

from shaman.checks import DEPTH_LIMIT, TEXT_LIMIT, URL_LIMIT
from shaman.search import SPELLINGS
from shaman.store.told import KINDS

Schema = dict[str, Any]

_NO_URL_HAS = r"\x00-\x1f\x7f"
_OTHER = _NO_URL_HAS + r"\x80-\x9f"
_SOME = rf"[^{_OTHER}]*[^\s{_OTHER}][^{_OTHER}]*"
_PART = rf"[^,/{_OTHER}]*[^,/\s{_OTHER}][^,/{_OTHER}]*"
_DISTRO = rf"[^,./{_OTHER}]*[^,./\s{_OTHER}][^,./{_OTHER}]*"
_VERSIONED = rf"{_PART}/{_PART}(?:/{_PART})?"
_TERM = rf"(?:{_DISTRO}(?:\.{_PART})?|{_VERSIONED})"

PRINTABLE: Schema = {"type": "string", "pattern": rf"^[^{_NO_URL_HAS}]*$"}
NAME: Schema = {"type": "string", "minLength": 1, "pattern": rf"^[^{_NO_URL_HAS}]+$"}
TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": TEXT_LIMIT, "pattern": f"^{_SOME}$"}
SHA1: Schema = {"type": "string", "pattern": "^[A-Za-z0-9]{1,64}$", "not": {"pattern": "^[Ll][Aa][Tt][Ee][Ss][Tt]$"}}
URL: Schema = {"type": "string", "maxLength": URL_LIMIT, "pattern": rf"^[^{_OTHER}]*$"}
TIME: Schema = {"type": "string", "minLength": 1}
TERMS: Schema = {"type": "string", "pattern": f"^{_TERM}(?:,{_TERM})*$"}
VERSIONED_TERMS: Schema = {"type": "string", "pattern": rf"^(?:{_VERSIONED}(?:,{_VERSIONED})*|[^\S{_NO_URL_HAS}]*)$"}
PLACE: Schema = {"type": "string", "pattern": rf"^(?:[0-9]{{1,16}}-[^{_NO_URL_HAS}]+)?$"}
FLAG: Schema = {"type": "string", "enum": list(SPELLINGS)}
SECONDS: Schema = {"type": "number", "minimum": 0}


class Word(Struct, frozen=True):
    """A name: what it means, an example, and what is taken for it (`schema`)."""

    means: str
    example: Any = None
    schema: Schema = field(default_factory=lambda: TEXT)


_WHERE = (
    "https://3.chacra.ceph.com/{}/nfs-ganesha/next/c9ff03bb11397d525e8b768772a2a26b84628796/centos/8/flavors/ceph_main/"
)
_JOB = "https://jenkins.ceph.com/job/nfs-ganesha-dev/ARCH=x86_64,DIST=centos8/812/"

WORDS = {
    "project": Word("What is built.", "nfs-ganesha"),
    "ref": Word("Branch or tag. A slash in it is `%2F` in a path.", "next"),
    "sha1": Word("The commit that is built.", "c9ff03bb11397d525e8b768772a2a26b84628796", SHA1),
    "name": Word("A ref or a sha1.", "next"),
    "file": Word("Name of a file.", "pages.css"),
    "distro": Word("Distribution, in lower case.", "centos"),
    "distro_version": Word("Release of the distro, by number or by codename; both are the same.", "8"),
    "distro_codename": Word("Codename of the release; null where it has none.", None),
    "version": Word("Release of the distro, by number or by codename.", "8"),
    "arch": Word("Architecture; `aarch64` is `arm64`, and `amd64` is `x86_64`.", "x86_64"),
    "archs": Word("Architectures.", ["x86_64"], {"type": "array", "items": TEXT}),
    "flavor": Word("One of several ways to build the same; `default` where there is only one.", "ceph_main"),
    "status": Word("How far it is; lists without a status of their own tell what is `ready`.", "ready"),
    "url": Word(
        "Where it is, or is built: an http or https URL; without a scheme it is https.", _WHERE.format("r"), URL
    ),
    "chacra_url": Word("The storage node's own name of it.", _WHERE.format("repos"), URL),
    "modified": Word(
        "When it changed last, in ISO 8601; UTC where no zone is told.", "2024-10-18T23:07:59.000000Z", TIME
    ),
    "extra": Word(
        f"Whatever its builder wants to tell; at most {DEPTH_LIMIT} levels deep, integers of at most 64 bits.",
        {"version": "6.1"},
        {"type": "object"},
    ),
    "id": Word("Number of the record, for ever.", 6229),
    "log_url": Word("Log of the build.", _JOB + "consoleFull", URL),
    "build_id": Word("What the builder calls the build.", "812", {"anyOf": [TEXT, {"type": "integer"}]}),
    "distro_arch": Word("Architecture that is built for.", "x86_64"),
    "started": Word("When it was told first.", "2024-10-18 23:07:59.000000", TIME),
    "completed": Word("When it was told to be completed; null before.", None, TIME),
    "host": Word("Host of a storage node, or host:port.", "3.chacra.ceph.com", NAME),
    "last_used": Word("When it had its turn last.", "2024-10-18 23:07:59.000000"),
    "last_check": Word("When its last check began.", "2024-10-18 23:07:59.000000"),
    "healthy": Word("Whether it has turns.", True),
    "down_count": Word("Checks that failed in a row.", 0),
    "tail": Word("Path of a file inside the repo.", "repodata/repomd.xml", NAME),
    "distros": Word(
        "Comma list of `distro/version`, `distro/version/arch`, in a native search also `distro` and `distro.version`. "
        "May be given again.",
        "centos/8,ubuntu/bionic/x86_64",
        TERMS,
    ),
    "common_sha1": Word("Only the newest sha1 that has a match for every one of the distros.", "true", FLAG),
    "wait": Word(
        "Seconds to wait for an answer that has something to tell, with `If-None-Match` for another answer. More than "
        "`server.longest_wait` is as much as that.",
        25,
        SECONDS,
    ),
    "after": Word("Place in the list behind which the page begins, as links to it have it.", "", PLACE),
    "number": Word("The id of the build.", "6229"),
    "q": Word("A ref, the first characters of a sha1, or a URL.", "c9ff03bb", PRINTABLE | {"maxLength": URL_LIMIT}),
    "v": Word("Changes with the file, so that it may be kept for ever.", "0", PRINTABLE),
    "kind": Word("Only changes of this.", "repo", {"type": "string", "enum": list(KINDS)}),
    "last_event_id": Word("`Last-Event-ID` for who cannot send headers.", "", PRINTABLE),
    "type": Word("Always `about:blank`: the title says it.", "about:blank"),
    "title": Word("The status in words.", "Not Found"),
    "detail": Word("What is wrong with what.", "no such project: nfs-ganesha"),
    "code": Word("The status.", 404),
    "description": Word("What is wrong with what.", "no such project: nfs-ganesha"),
    "Problem.status": Word("The status.", 404),
    "NextNode.url": Word("URL of the node.", "https://3.chacra.ceph.com"),
    "PostedBuild.url": Word("Where it is built.", _JOB, URL),
    "BuildObject.url": Word("Where it is built.", _JOB),
    "BuildObject.status": Word("How far it is.", "started"),
    "PostedBuild.status": Word("How far it is; `queued` waits for the run that takes it over.", "started"),
    "PostedRepo.status": Word(
        "How far it is; `deleted` takes the record of the chacra_url away.", "ready", TEXT | {"not": {"enum": ["any"]}}
    ),
    "PostedRepo.arch": Word("An architecture to add; instead of `archs`.", "x86_64"),
}


def word_of(owner: str, name: str) -> Word:
    """Return what a name means in the Struct `owner`. Raises KeyError if nobody has said it."""
    return WORDS.get(f"{owner}.{name}") or WORDS[name]
