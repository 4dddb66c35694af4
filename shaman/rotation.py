"""Which nodes stay in the rotation: what a check makes of a node, and who checks when.

Whose turn it is among those that stay is decided inside the store, in one step (store/lua/take_node.lua).
"""

import asyncio
import logging
import ssl
from collections.abc import Sequence
from functools import partial
from itertools import islice

from shaman.config import Config
from shaman.duty import Duty, Hold
from shaman.models import Health, Node
from shaman.outbound import FAULTS, send
from shaman.store import keys
from shaman.store.nodes import Nodes
from shaman.store.rights import Rights

REGISTERED_INTERVAL = 60.0
"""Seconds between two checks of a node that has registered itself, unless the configuration says otherwise."""

AT_ONCE = 50
"""Nodes checked at the same time: a fleet has tens, and each costs a socket."""

SUCCESS = 2
"""The first digit of the status of a healthy node."""

_log = logging.getLogger(__name__)


def judge(known: Health, *, succeeded: bool, began: int, retries: int) -> Health | None:
    """Return what a check makes of what is known of a node, None if a check that began later has told already.

    A node goes down when `retries` checks in a row have failed, and comes up with one success.
    """
    if known.last_check is not None and began <= known.last_check:
        return None
    if succeeded:
        return Health(last_check=began)
    down_count = known.down_count + 1
    return Health(healthy=known.healthy and down_count < retries, down_count=down_count, last_check=began)


def due(nodes: Sequence[Node], *, everyone: bool) -> list[Node]:
    """Return the nodes to check: everyone, or those that have registered, and those that are down to get them back."""
    return [node for node in nodes if everyone or node.registered or not node.health.healthy]


class Rotation:
    """Checks the nodes: one when it registers, all of them in the background in one process of the fleet."""

    def __init__(self, nodes: Nodes, rights: Rights, config: Config) -> None:
        """Check as `config` says; nothing is sent before `duty` starts or `register`."""
        self._nodes = nodes
        self._config = config
        self._timeout = config.health.timeout
        self._tls: ssl.SSLContext | None = None
        self.duty = Duty(
            rights,
            keys.NODES_CHECKING,
            self._check_round,
            interval=config.health.interval or REGISTERED_INTERVAL,
            spare=2 * self._timeout,
            fault="nodes are not checked",
        )

    async def register(self, host: str) -> None:
        """Check a node now, and have it in the pool: up or down as the check says, whatever was known before."""
        began = (await self._nodes.find()).now
        succeeded = await self._answers(self._nodes.url(host))
        verdict = partial(judge, succeeded=succeeded, began=began, retries=1)
        await self._nodes.put(host, verdict, registered=began)

    async def _check_round(self, hold: Hold) -> None:
        """Check every node that is due."""
        pool = await self._nodes.find()
        nodes = iter(due(pool.nodes, everyone=self._config.health.interval is not None))
        while batch := list(islice(nodes, AT_ONCE)):
            checks = [self._check(node, pool.now) for node in batch]
            failed = [error for error in await asyncio.gather(*checks, return_exceptions=True) if error]
            if failed:
                raise failed[0]
            await hold()

    async def _check(self, node: Node, began: int) -> None:
        succeeded = await self._answers(node.url)
        verdict = partial(judge, succeeded=succeeded, began=began, retries=self._config.health_check_retries)
        await self._nodes.put(node.host, verdict)

    async def _answers(self, url: str) -> bool:
        """Tell whether `<url>/health/` answers 2xx in time: of itself, without a redirect, and its body is not read."""
        try:
            async with asyncio.timeout(self._timeout):
                status = await send(f"{url.rstrip('/')}/health/", self._trust())
        except FAULTS as error:
            _log.info("node %s: %s", url, error or type(error).__name__)
            return False
        return status // 100 == SUCCESS

    def _trust(self) -> ssl.SSLContext:
        """Return whom to believe, read once: the machine's authorities, or those of SSL_CERT_FILE, or anyone."""
        if self._tls is None:
            self._tls = ssl.create_default_context()
            if not self._config.chacra_verify_ssl:
                self._tls.check_hostname = False
                self._tls.verify_mode = ssl.CERT_NONE
        return self._tls
