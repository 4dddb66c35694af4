"""Tells the webhooks what changes: each at least once and in order, from one process of the fleet.

Each webhook has a task and a cursor of its own, so one that is dead holds up no other. Its deliveries follow each
other: while one is tried again the next waits, and after the last try it becomes a dead letter. The cursor is written
when a delivery has ended; a process that dies in between leaves one to be repeated, with the same id.
"""

import asyncio
import logging
import random
import ssl
from contextlib import aclosing
from functools import cached_property

from msgspec import Raw

from shaman.config import Config
from shaman.duty import Duty, Hold
from shaman.hooks import Webhook
from shaman.outbound import FAULTS, send
from shaman.store import Store, keys
from shaman.store.feed import Item
from shaman.store.letters import Letter
from shaman.store.told import Told, Wanted
from shaman.tasks import end_task

RENEW = 2.0
"""Seconds between two renewals of the right to send."""

SPARE = 4.0
"""Seconds more until another process takes over from one that does not renew it."""

FIRST_WAIT = 1.0
"""Seconds until a delivery is tried for the second time; the wait doubles from then on."""

LONGEST_WAIT = 300.0
"""Seconds between two tries at most."""

SUCCESS = 2
"""The first digit of the status of a delivery that was taken."""

SAVE_EVERY = 5.0
"""Seconds after which the cursor is written though nothing was delivered, so that it does not become too old."""

_log = logging.getLogger(__name__)


class Sender:
    """The deliveries to all webhooks, in the background in one process of the fleet."""

    def __init__(self, store: Store, config: Config) -> None:
        """Tell the webhooks of `config`; without any there is no duty."""
        self._store = store
        self._webhooks = config.webhooks
        self.duty: Duty | None = None
        if self._webhooks:
            self.duty = Duty(
                store.rights,
                keys.WEBHOOKS_SENDING,
                self._make_round,
                interval=RENEW,
                spare=SPARE,
                fault="webhooks are not told",
            )

    async def deliver(self, webhook: Webhook, delivery: str, kind: str, body: bytes) -> str | None:
        """Try a delivery once; None if it was taken, else why not. The text repeats nothing of the URL."""
        headers = [
            ("Content-Type", "application/json"),
            ("X-Shaman-Event", kind),
            ("X-Shaman-Delivery", delivery),
            ("X-Shaman-Signature", webhook.signature(body)),
        ]
        try:
            async with asyncio.timeout(webhook.timeout):
                status = await send(webhook.url, self._trust, headers, body)
        except TimeoutError:
            return f"no answer within {webhook.timeout:g} s"
        except FAULTS as error:
            return type(error).__name__
        return None if status // 100 == SUCCESS else f"answered {status}"

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    async def _make_round(self, hold: Hold) -> None:
        """Tell all webhooks, until another process has the right."""
        await self._store.letters.forget([webhook.name for webhook in self._webhooks])
        tasks = [asyncio.create_task(self._tell(webhook)) for webhook in self._webhooks]
        try:
            while not all(task.done() for task in tasks):
                done, _ = await asyncio.wait(tasks, timeout=RENEW, return_when=asyncio.FIRST_EXCEPTION)
                for task in done:
                    task.result()
                await hold()
        finally:
            await asyncio.gather(*map(end_task, tasks))

    async def _tell(self, webhook: Webhook) -> None:
        """Tell a webhook all that it wants, from where it was, or from now on if it is new."""
        cursor = await self._store.letters.cursor(webhook.name)
        if cursor is None:
            cursor = await self._store.feed.now(Wanted())
            await self._store.letters.save(webhook.name, cursor)
        saved = asyncio.get_running_loop().time()
        async with aclosing(self._store.feed.listen(Wanted(), cursor)) as items:
            async for item in items:
                told = await self._tell_one(webhook, item)
                now = asyncio.get_running_loop().time()
                if item.cursor and (told or now - saved > SAVE_EVERY):
                    await self._store.letters.save(webhook.name, item.cursor)
                    saved = now

    async def _tell_one(self, webhook: Webhook, item: Item) -> bool:
        """Tell an item, or bury it; whether there was anything to tell."""
        if item.told is None:
            return False
        if isinstance(item.told, Told):
            if not webhook.wants(item.told.record):
                return False
            letter = await self._try_on(webhook, item.told)
        else:
            why = f"changes may not have been told: {item.told}"
            letter = Letter(webhook=webhook.name, delivery="", why=why, tries=0)
        if letter:
            _log.warning("webhook %s: %s %s given up: %s", letter.webhook, letter.kind, letter.delivery, letter.why)
            await self._store.letters.bury(letter)
        return True

    async def _try_on(self, webhook: Webhook, told: Told) -> Letter | None:
        """Try a delivery until it is taken; the dead letter that it becomes if it is not."""
        delivery, kind, wait = f"{webhook.name}-{told.number}", told.record.kind, FIRST_WAIT
        why = ""
        for tried in range(1, webhook.tries + 1):
            failed = await self.deliver(webhook, delivery, kind, told.data)
            if failed is None:
                return None
            why = failed
            if tried < webhook.tries:
                _log.info("webhook %s: %s: %s", webhook.name, delivery, why)
                await asyncio.sleep(wait * random.uniform(0.5, 1))  # noqa: S311 - so that not all come at once
                wait = min(wait * 2, LONGEST_WAIT)
        tries, data = webhook.tries, Raw(told.data)
        return Letter(webhook=webhook.name, delivery=delivery, why=why, tries=tries, kind=kind, data=data)
