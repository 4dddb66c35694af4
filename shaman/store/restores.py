"""Records put back with values of their own, many in one round trip: what `shaman import` reads."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum
from functools import partial

from redis.asyncio import Redis

from shaman.errors import Unavailable
from shaman.merge import Unchanged, repo_identity_of, restore_repo
from shaman.merge_build import restore_build
from shaman.models import Build, Node, Repo
from shaman.store import build_swaps, keys, swaps
from shaman.store.build_scripts import BuildScripts, BuildSwap, Wanted
from shaman.store.connection import ask
from shaman.store.documents import Documents
from shaman.store.nodes import Nodes
from shaman.store.repos import WRITE_ATTEMPTS
from shaman.store.scripts import Scripts, Swap

_repo_decoder = Documents(Repo)
_build_decoder = Documents(Build)


class Restored(Enum):
    """What became of a record."""

    WRITTEN = "written"
    RENUMBERED = "renumbered"
    UNCHANGED = "unchanged"


Outcomes = dict[int, Restored | None]
"""By the number of a record; None where somebody else has written the same one, so that it must be read again."""


class Restores:
    """The way in for records of an export, or of another server.

    A record is written unless the store has it as new, or newer. It keeps its id unless another one has it; with the id
    0 it gets the next. Many cost two round trips, if nobody else writes the same ones meanwhile.
    """

    def __init__(self, client: Redis, scripts: Scripts, build_scripts: BuildScripts, nodes: Nodes) -> None:
        """Use the scripts that POSTs use."""
        self._nodes = nodes
        self._client = client
        self._scripts = scripts
        self._build_scripts = build_scripts

    async def repos(self, project: str, saved: Sequence[Repo]) -> list[Restored]:
        """Write the repos of a project; what became of each. Raises Unavailable if the store is away."""
        digests = [keys.digest(*repo_identity_of(repo)) for repo in saved]

        async def attempt(numbers: Sequence[int]) -> Outcomes:
            writes: dict[int, Swap] = {}
            opened = await self._scripts.open_repos(project, [digests[number] for number in numbers])
            for number, found in zip(numbers, opened, strict=True):
                old = _repo_decoder.decode(found.document) if found.document else None
                new = restore_repo(old, saved[number], now=found.now, gone=found.gone)
                if not isinstance(new, Unchanged):
                    writes[number] = swaps.swap_of(digests[number], found, old, new)
            return _outcomes(numbers, writes, await self._scripts.swap_repos(project, list(writes.values())))

        return await self._restore(project, len(saved), attempt)

    async def builds(self, project: str, saved: Sequence[Build]) -> list[Restored]:
        """Write the builds of a project; what became of each. No queued one is taken over. Raises as `repos`."""
        wanted = [Wanted(build_swaps.digest_of(build)) for build in saved]

        async def attempt(numbers: Sequence[int]) -> Outcomes:
            writes: dict[int, BuildSwap] = {}
            opened = await self._build_scripts.open_builds(project, [wanted[number] for number in numbers])
            for number, found in zip(numbers, opened, strict=True):
                old = _build_decoder.decode(found.document) if found.document else None
                new = restore_build(old, saved[number], now=found.now)
                if not isinstance(new, Unchanged):
                    writes[number] = build_swaps.swap_of(wanted[number], found.document, old, new)
            return _outcomes(numbers, writes, await self._build_scripts.swap_builds(project, list(writes.values())))

        return await self._restore(project, len(saved), attempt)

    async def node(self, saved: Node) -> Restored:
        """Register a node behind the others, as healthy as it was, unless it has been checked since then."""
        pool = await self._nodes.find()
        known = next((node for node in pool.nodes if node.host == saved.host and node.registered), None)
        if known and (known.health.last_check or 0) >= (saved.health.last_check or 0):
            return Restored.UNCHANGED
        await self._nodes.put(saved.host, lambda _: saved.health, registered=pool.now)
        if saved.last_used is not None:
            await ask(partial(self._client.hsetnx, keys.NODES_USED, saved.host, str(saved.last_used)))
        return Restored.WRITTEN

    async def _restore(
        self, project: str, count: int, attempt: Callable[[Sequence[int]], Awaitable[Outcomes]]
    ) -> list[Restored]:
        await ask(lambda: self._client.sadd(keys.PROJECTS, project))
        outcomes: Outcomes = dict.fromkeys(range(count))
        for _ in range(WRITE_ATTEMPTS):
            outcomes |= await attempt([number for number, outcome in outcomes.items() if outcome is None])
            done = [outcome for outcome in outcomes.values() if outcome is not None]
            if len(done) == count:
                return done
        raise Unavailable("the records are being written by too many at once")


def _outcomes(numbers: Sequence[int], writes: Mapping[int, Swap | BuildSwap], ids: Sequence[int | None]) -> Outcomes:
    outcomes: Outcomes = dict.fromkeys(numbers, Restored.UNCHANGED)
    for (number, write), given in zip(writes.items(), ids, strict=True):
        if given is None:
            outcomes[number] = None
        else:
            outcomes[number] = Restored.WRITTEN if write.id in {0, given} else Restored.RENUMBERED
    return outcomes
