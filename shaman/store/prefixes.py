"""Sha1s by their first characters, of repos and of builds, at a cost that depends on the answer alone."""

import asyncio
from functools import partial

from shaman.store import keys
from shaman.store.batches import Batches
from shaman.store.connection import ask
from shaman.store.documents import text_of
from shaman.store.wakeups import named

SHORTEST = 4
"""Characters of a prefix, as in git: what is shorter begins many sha1s, and means the one of that name."""


async def find_prefix(batches: Batches, project: str, prefix: str, limit: int) -> list[str]:
    """Find the first `limit` sha1s, in lexical order, that begin with `prefix`; a shorter one than 4 must be all of it.

    Sha1s that have repos, or only builds. Raises Unavailable if the store is away.
    """
    if not (prefix.isascii() and prefix.isalnum()):  # no sha1 is otherwise
        return []
    of_repos, of_builds = await asyncio.gather(
        _of_repos(batches, project, prefix, limit), _of_builds(batches, project, prefix, limit)
    )
    return sorted({*of_repos, *of_builds})[:limit]


async def _of_repos(batches: Batches, project: str, prefix: str, limit: int) -> list[str]:
    last = f"({prefix}\x7f" if len(prefix) >= SHORTEST else f"[{prefix}"
    return await _range(batches, "repo", project, keys.sha1_names(project, prefix), f"[{prefix}", last, limit)


async def _of_builds(batches: Batches, project: str, prefix: str, limit: int) -> list[str]:
    """Find as above; each step passes over the other refs of the sha1 that the step before ended with."""
    found: dict[str, None] = {}
    first = f"[{prefix}" if len(prefix) >= SHORTEST else f"[{prefix}/"
    last = f"({prefix}\x7f" if len(prefix) >= SHORTEST else f"({prefix}0"  # '0' follows '/'
    while len(found) < limit:
        names = await _range(batches, "build", project, keys.build_names(project), first, last, limit)
        found |= dict.fromkeys(name.partition("/")[0] for name in names)
        if len(names) < limit:
            break
        first = f"({next(reversed(found))}0"
    return list(found)[:limit]


async def _range(batches: Batches, kind: str, project: str, key: str, first: str, last: str, limit: int) -> list[str]:
    call = partial(batches.call, "ZRANGE", key, first, last, "BYLEX", "LIMIT", 0, limit)
    names: list[bytes] = await ask(call, reads=named(kind, project))
    return [text_of(name) for name in names]
