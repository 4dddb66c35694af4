"""What every command that asks a server does: find it, ask, print, and end with a code that scripts can read."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NoReturn, TypeVar

import click

from shaman.cli.target import Target
from shaman.client import (
    Client,
    Invalid,
    NotFound,
    NotReady,
    ShamanError,
    TooManyTries,
    Unauthorized,
    Unavailable,
    load_settings,
)

FOUND, NOTHING, USAGE, AWAY, REFUSED = range(5)
"""Exit codes."""

CODES: dict[type[ShamanError], int] = {
    NotFound: NOTHING,
    NotReady: NOTHING,
    Invalid: USAGE,
    Unavailable: AWAY,
    Unauthorized: REFUSED,
    TooManyTries: REFUSED,
}

Command = TypeVar("Command", bound=Callable[..., Any])


def filter_options(command: Command) -> Command:
    """Add the options that say what a repo must be like."""
    for option in (
        click.option("--status", help="Other than ready; `any` for all."),
        click.option("--flavor", help="Such as default."),
        click.option("--arch", help="Such as x86_64, arm64."),
        click.option("--distro", "distros", multiple=True, help="Such as centos/9, ubuntu/noble/arm64; repeat it."),
    ):
        command = option(command)
    return command


def run(
    target: Target, work: Callable[[Client], Awaitable[int]], on_retry: Callable[[str], None] | None = None
) -> NoReturn:
    """Do `work` with a client of the server, and end with the code that it returns, or that its error has."""
    try:
        code = asyncio.run(_work(target, work, on_retry or tell_retry))
    except ShamanError as error:
        code = next(code for kind, code in CODES.items() if isinstance(error, kind))
        complain(str(error))
    sys.exit(code)


async def _work(target: Target, work: Callable[[Client], Awaitable[int]], on_retry: Callable[[str], None]) -> int:
    settings = load_settings(target.url)
    async with Client(
        settings.url,
        user=settings.user,
        key=settings.key,
        patience=target.patience,
        on_retry=lambda error: on_retry(str(error)),
    ) as client:
        return await work(client)


def complain(text: str) -> None:
    """Say what is wrong on a line of standard error."""
    click.echo(f"shaman: {printable(text)}", err=True)


def tell_retry(text: str) -> None:
    """Tell a person why it takes so long."""
    if sys.stderr.isatty():
        complain(f"{text}; trying again")


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows in columns below their titles; the words of a status have a colour on a terminal."""
    cells = [tuple(map(printable, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    click.secho(_aligned(titles, widths), bold=True)
    for row in cells:
        click.echo(_aligned(row, widths))


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
    return "  ".join(coloured(cell) for cell in padded).rstrip()


COLOURS = {"ready": "green", "completed": "green", "failed": "red", "building": "yellow", "started": "yellow"}


def coloured(text: str) -> str:
    """Return `text` in the colour that it has as a status; click leaves colours out where there is no terminal."""
    colour = COLOURS.get(text.strip())
    return click.style(text, fg=colour) if colour else text


def printable(text: str) -> str:
    """Return `text` without what would command a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
