"""How a task in the background ends."""

import asyncio

CANCEL_AGAIN = 0.05
"""Seconds until a task that did not end is cancelled again: a library that waits with a limit of its own can lose a
cancellation that comes together with the reply, as was seen here on Python 3.11."""


async def end_task(task: asyncio.Task[None]) -> None:
    """Cancel a task, again and again until it has ended."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_AGAIN)
