"""Records put back with values of their own, many in one round trip: what `shaman import` reads."""

from collections.abc import Sequence
from enum import Enum

import msgspec
from redis.asyncio import Redis

from shaman.distros import Releases
from shaman.errors import Unavailable
from shaman.merge import Unchanged, repo_identity_of, restore_repo
from shaman.models import Repo
from shaman.store import keys
from shaman.store.connection import ask
from shaman.store.repos import WRITE_ATTEMPTS
from shaman.store.scripts import Scripts
from shaman.store.swaps import swap_of

_decoder = msgspec.json.Decoder(Repo)


class Restored(Enum):
    """What became of a record."""

    WRITTEN = "written"
    RENUMBERED = "renumbered"
    UNCHANGED = "unchanged"


class Restores:
    """The way in for records of an export, or of another server."""

    def __init__(self, client: Redis, scripts: Scripts, releases: Releases) -> None:
        """Use `releases` to know which versions are the same."""
        self._client = client
        self._scripts = scripts
        self._releases = releases

    async def repos(self, project: str, saved: Sequence[Repo]) -> list[Restored]:
        """Write the records of a project that are newer than what the store has of them; what became of each.

        A record keeps its id unless another one has it; with the id 0 it gets the next. Records of one identity
        must be in the order of their writing. Two round trips, if nobody else writes the same records meanwhile.
        Raises Unavailable if the store is away.
        """
        await ask(lambda: self._client.sadd(keys.PROJECTS, project))
        outcomes = [Restored.UNCHANGED] * len(saved)
        digests = [keys.digest(*repo_identity_of(repo)) for repo in saved]
        pending = list(range(len(saved)))
        for _ in range(WRITE_ATTEMPTS):
            swaps = {}
            opened = await self._scripts.open_repos(project, [digests[index] for index in pending])
            for index, found in zip(pending, opened, strict=True):
                old = _decoder.decode(found.document) if found.document else None
                new = restore_repo(old, saved[index], now=found.now, gone=found.gone)
                if not isinstance(new, Unchanged):
                    swaps[index] = swap_of(digests[index], found, old, new)
            ids = await self._scripts.swap_repos(project, list(swaps.values()))
            pending = []
            for (index, swap), number in zip(swaps.items(), ids, strict=True):
                if number is None:
                    pending.append(index)
                else:
                    outcomes[index] = Restored.WRITTEN if swap.id in {0, number} else Restored.RENUMBERED
            if not pending:
                return outcomes
        raise Unavailable("the records are being written by too many at once")
