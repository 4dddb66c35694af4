"""`shaman wait`: `shaman latest`, as soon as there is an answer."""

import asyncio
import sys
from contextlib import suppress
from shutil import get_terminal_size
from typing import Unpack

import click

from shaman.cli.asking import FOUND, NOTHING, complain, filter_options, printable, run
from shaman.cli.target import Target, duration
from shaman.client import Client, Filters

CLEAR_LINE = "\r\x1b[K"
"""What empties the line that the cursor is on."""


@click.command("wait")
@click.argument("project")
@click.argument("name", metavar="REF|SHA1")
@filter_options
@click.option("--timeout", type=duration, default="2h", show_default=True, help="Such as 90s, 10m, 2h.")
@click.pass_obj
def wait_command(target: Target, project: str, name: str, timeout: float, **filters: Unpack[Filters]) -> None:
    """Wait until there is such a sha1, and print it.

    Such as `shaman latest` prints: the newest of the ref, or the one that is named, that is built for everything asked
    for. A server that is away is waited for as well.
    """
    status = Status(f"{project} {name}", timeout)

    async def work(client: Client) -> int:
        async with status:
            sha1 = await client.wait(project, name, timeout, **filters)
        if sha1 is None:
            complain(f"no sha1 of {project} {name} has that after {timeout:g} seconds")
            return NOTHING
        click.echo(sha1)
        return FOUND

    run(target, work, status.trouble)


class Status:
    """A line on standard error that tells for how long something is waited for; only on a terminal."""

    def __init__(self, what: str, timeout: float) -> None:
        """Show nothing yet."""
        self._what = what
        self._timeout = timeout
        self._trouble = ""
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        """Show the line."""
        if sys.stderr.isatty():
            self._task = asyncio.create_task(self._show())

    async def __aexit__(self, *_: object) -> None:
        """Take the line away."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            click.echo(CLEAR_LINE, err=True, nl=False)

    def trouble(self, text: str) -> None:
        """Show why nobody answers; in a log, which has no such line, once for each reason."""
        if not self._task and text != self._trouble:
            complain(f"{text}; trying again")
        self._trouble = text

    async def _show(self) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        while True:
            told = f"; {printable(self._trouble)}" if self._trouble else ""
            passed = f"{_clock(clock() - began)} of {_clock(self._timeout)}"
            line = f"waiting for {printable(self._what)}: {passed}{told}"
            click.echo(CLEAR_LINE + line[: get_terminal_size().columns - 1], err=True, nl=False)
            self._trouble = ""
            await asyncio.sleep(1)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
