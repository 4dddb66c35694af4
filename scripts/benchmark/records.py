"""The records of the bench: the builds of made-up pushes of one project, as skewed as real ones.

A quarter of the pushes go to `main`, a quarter to three stable refs, the rest to many refs that see one to 16 of them.
The same number of a push makes the same records, whatever the size of the store.
"""

from collections.abc import Iterator
from hashlib import blake2b
from itertools import product
from pathlib import Path

import msgspec
from msgspec.structs import replace
from replay import Platform, Project, Push, built

from shaman.distros import Releases
from shaman.lines import read_repo
from shaman.models import Repo

PROJECT = "ceph"
BUSY = "main"
STABLE = ("reef", "squid", "tentacle")
REF_SIZES = (1, 1, 2, 1, 1, 4, 1, 16)
"""Pushes that small refs get, in turn: most of them get one."""

FIRST_PUSH = 1_700_000_000
"""Seconds since 1970; in the past, so that what is posted is newer."""

PUSH_EVERY = 30
"""Seconds between two pushes: a million repos are a month's."""

IDS_OF_PUSH = 100
"""Ids kept for the repos of one push, so that each record has the same one in every store."""

ROOT = Path(__file__).resolve().parents[2]


def platforms() -> dict[str, Project]:
    """Return what each project is built for."""
    return msgspec.toml.decode((ROOT / "tests/data/platforms.toml").read_bytes(), type=dict[str, Project])


def ref_of(number: int) -> str:
    """Return the ref of a push."""
    turn, kind = divmod(number, 4)
    if kind == 0:
        return BUSY
    if kind == 1:
        return STABLE[turn % len(STABLE)]
    rounds, rest = divmod(2 * turn + kind - 2, sum(REF_SIZES))
    for index, size in enumerate(REF_SIZES):
        if rest < size:
            return f"wip-{len(REF_SIZES) * rounds + index:05}"
        rest -= size
    raise AssertionError(number)


def push(number: int, project: str = PROJECT) -> Push:
    """Return a push."""
    sha1 = blake2b(b"%d" % number, digest_size=20).hexdigest()
    return Push(FIRST_PUSH + PUSH_EVERY * number, project, ref_of(number), sha1)


def missing(number: int) -> str:
    """Return the distro that a push of `main` is not built for: two that take turns share no sha1."""
    return ("debian", "windows")[number // 4 % 2] if ref_of(number) == BUSY else ""


def repos_of(number: int, name: str, project: Project, releases: Releases) -> Iterator[Repo]:
    """Yield the repos of a push, as they are restored. The last one of every fifth push to a big ref fails."""
    pushed = push(number, name)
    cells = [cell for cell in product(project.flavors, project.platforms) if cell[1].distro != missing(number)]
    for index, (flavor, platform) in enumerate(cells):
        failed = number % 5 == 4 and index == len(cells) - 1 and not pushed.ref.startswith("wip-")  # noqa: PLR2004
        yield _repo(pushed, number, index, flavor, platform, "failed" if failed else "ready", releases)


def _repo(
    pushed: Push, number: int, index: int, flavor: str, platform: Platform, status: str, releases: Releases
) -> Repo:
    repo = read_repo(pushed.project, built(pushed, number, flavor, platform) | {"status": status}, releases)
    time = pushed.time * 1_000_000 + index
    return replace(repo, id=number * IDS_OF_PUSH + index + 1, modified=time, created=time)


def repos_in(number: int, project: Project) -> int:
    """Return how many repos a push makes."""
    return len(project.flavors) * sum(platform.distro != missing(number) for platform in project.platforms)


def pushes_of(size: int) -> int:
    """Return how many pushes make at least `size` repos."""
    project, number = platforms()[PROJECT], 0
    while size > 0:
        size -= repos_in(number, project)
        number += 1
    return number
