"""Every key of a store against its documents, which are the truth: what is wrong is named, and mended if asked to."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from functools import partial

from redis.asyncio import Redis

from shaman.store import keys
from shaman.store.batches import Batches
from shaman.store.checking.nodes import node_types, node_units
from shaman.store.checking.project import Project, stranger_unit, type_unit
from shaman.store.checking.steps import Command, Fault, Steps
from shaman.store.checking.tree import TREE_OF_ALL, Key, read_key
from shaman.store.connection import ask

__all__ = ["Checking", "Fault"]

KEYS = 250
"""Keys read in one step."""


class Checking:
    """The check of a store, while others write."""

    def __init__(self, client: Redis, batches: Batches) -> None:
        """Ask nothing before `check`."""
        self._client = client
        self._batches = batches

    async def check(
        self,
        report: Callable[[Fault], None],
        projects: Collection[str] = (),
        *,
        repair: bool = False,
        drop: bool = False,
    ) -> Counter[str]:
        """Check `projects`, or all and the nodes; call `report` for each fault as it is found; how much was looked at.

        With `repair` each fault is mended then, if it says how; with `drop` keys go that the tree does not have.
        Raises Unavailable if the store is away.
        """
        steps = Steps(self._client, self._batches, report, repair=repair)
        await steps.run([type_unit(keys.PROJECTS, "set", Command("UNLINK", keys.PROJECTS))])
        found, strangers = await self._find_keys(projects)
        for name in strangers:  # one by one, as a cluster has them in many slots
            await steps.run([stranger_unit(name, drop=drop)])
        counts: Counter[str] = Counter(project=len(found))
        for name, types in sorted(found.items()):
            project = Project(self._client, steps, name, types, drop=drop)
            await project.check()
            counts += project.counts
        if not projects:
            await steps.run(node_types())
            await steps.run(node_units(self._client, steps))
        return counts

    async def _find_keys(self, projects: Collection[str]) -> tuple[dict[str, dict[Key, str]], list[str]]:
        """Return the keys of each project and their types, and the keys that are of nothing."""
        found: dict[str, dict[Key, str]] = {}
        strangers = []
        for pattern in [keys.all_of(name) for name in projects] or [keys.all_of(None)]:
            async for page in self._scan(pattern):
                for name, kind in zip(page, await self._types(page), strict=True):
                    key = read_key(name)
                    if isinstance(key, Key):
                        found.setdefault(key.project, {})[key] = kind
                    elif key not in TREE_OF_ALL and not key.startswith(f"{keys.NODES_ASIDE}:"):
                        strangers.append(key)
        return found, strangers

    async def _scan(self, pattern: str) -> AsyncIterator[list[bytes]]:
        """Yield the names of keys, some at a time; a cluster is asked node by node."""
        page: list[bytes] = []
        names = self._client.scan_iter(match=pattern, count=KEYS)
        while True:
            name = await ask(partial(anext, names, None), repeat=False)
            if name is not None:
                page.append(name)
            if page and (name is None or len(page) == KEYS):
                yield page
                page = []
            if name is None:
                return

    async def _types(self, names: Collection[bytes]) -> list[str]:
        pipeline = self._client.pipeline(transaction=False)
        for name in names:
            pipeline.type(name)
        types: list[bytes] = await ask(pipeline.execute)
        return [kind.decode() for kind in types]
