"""Removes what the rules of retention do not keep, a sha1 at a time."""

import asyncio
import logging
from collections.abc import AsyncIterator

from shaman.config import Config
from shaman.duty import Duty, Hold
from shaman.retention import Rule, Sha1, removable, rule_for
from shaman.store import Store, keys
from shaman.store.removals import Removal

PACE = 0.001
"""Seconds of rest for each record that is removed. A change stream holds ten thousand, so it is not run through before
a list is gathered that needs it, which takes two seconds at a million records."""

SPARE = 60.0
"""Seconds that one step of a run may take, generously, before another process takes over."""

_log = logging.getLogger(__name__)

Found = tuple[str, str, Rule, Sha1, int]
"""Project, ref, the rule about it, a sha1 of it that may go, and the time by which that is so."""


class Retention:
    """The runs of retention: by hand, and in the background in one process of the fleet."""

    def __init__(self, store: Store, config: Config) -> None:
        """Use the rules of `config`; nothing is sent before a run."""
        self._store = store
        self._rules = config.retention.rules
        interval = config.retention.interval
        self.duty: Duty | None = None
        if interval and self._rules:
            self.duty = Duty(
                store.rights,
                keys.RETAINING,
                self._make_round,
                interval=interval,
                spare=SPARE,
                fault="retention stopped half way",
            )

    async def plan(self) -> AsyncIterator[Removal]:
        """Yield what a run would remove now. Raises Unavailable if the store is away."""
        async for project, ref, rule, sha1, now in self._find():
            yield await self._store.removals.plan(project, ref, sha1.sha1, rule, now)

    async def run(self, hold: Hold | None = None) -> AsyncIterator[Removal]:
        """Remove what the rules do not keep, and yield each; `hold` is called before each step.

        Raises what `hold` raises, and Unavailable if the store is away.
        """
        async for project, ref, rule, sha1, now in self._find():
            if hold:
                await hold()
            removal = await self._store.removals.remove(project, ref, sha1.sha1, rule, now)
            if removal:
                yield removal
                await asyncio.sleep(PACE * (removal.repos + removal.builds))

    async def _find(self) -> AsyncIterator[Found]:
        for project in sorted(await self._store.projects()):
            now = await self._store.removals.now(project)
            for ref in await self._store.removals.refs(project):
                rule = rule_for(self._rules, project, ref)
                if rule:
                    for sha1 in removable(rule, await self._store.removals.sha1s(project, ref), now):
                        yield project, ref, rule, sha1, now

    async def _make_round(self, hold: Hold) -> None:
        sha1s = repos = builds = 0
        try:
            async for removal in self.run(hold):
                sha1s, repos, builds = sha1s + 1, repos + removal.repos, builds + removal.builds
        finally:
            if sha1s:
                _log.info("retention removed %d sha1s: %d repos, %d builds", sha1s, repos, builds)
