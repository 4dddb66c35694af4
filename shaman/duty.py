"""What one process of the fleet does for all of them, every so often."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable

from shaman.errors import Unavailable
from shaman.store.rights import Rights
from shaman.tasks import end_task

RETRY = 5.0
"""Seconds until the next try when the store is away or a round has failed."""

Hold = Callable[[], Awaitable[None]]
"""Renews the right, and ends the round if another process has it now."""

_log = logging.getLogger(__name__)


class TakenOver(Exception):
    """Another process has the right now, for so many `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Duty:
    """Rounds in the background, in the one process that has the right to them; when it dies another goes on."""

    def __init__(
        self,
        rights: Rights,
        right: str,
        make_round: Callable[[Hold], Awaitable[None]],
        *,
        interval: float,
        spare: float,
        fault: str,
    ) -> None:
        """Have `make_round` called every `interval` seconds; it calls what it is given every `interval + spare`.

        `right` is a key of store/keys.py, `fault` what the log says when a round fails.
        """
        self._rights = rights
        self._right = right
        self._make_round = make_round
        self._interval = interval
        self._lease = interval + spare
        self._fault = fault
        self._token = secrets.token_hex(8)
        self._rounds: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin in the background."""
        self._rounds = asyncio.create_task(self._keep_on())

    async def stop(self) -> None:
        """End at once, in the middle of a round too. Another process takes over when the right has run out."""
        if self._rounds:
            await end_task(self._rounds)

    async def _hold(self) -> None:
        """Take or renew the right. Raises TakenOver if another process has it, Unavailable if the store is away."""
        wait = await self._rights.hold(self._right, self._token, self._lease)
        if wait:
            raise TakenOver(wait)

    async def _keep_on(self) -> None:
        while True:
            try:
                await self._hold()
                await self._make_round(self._hold)
                wait = self._interval
            except TakenOver as other:
                wait = other.seconds
            except Unavailable as error:
                _log.warning("%s: %s", self._fault, error)
                wait = RETRY
            except Exception:  # noqa: BLE001 - whatever it is, it must go on
                _log.exception("%s: unforeseen error", self._fault)
                wait = RETRY
            await asyncio.sleep(wait)
