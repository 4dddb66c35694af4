"""`shaman webhooks`: what could not be delivered to the webhooks, and what becomes of it."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import click
import msgspec

from shaman.cli.transfer import config_option, opened, store_url
from shaman.config import Config, load
from shaman.distros import Releases
from shaman.errors import Invalid
from shaman.sender import Sender
from shaman.store import Store
from shaman.store.letters import Letter
from shaman.times import format_time

Dead = list[tuple[str, Letter]]
"""Dead letters, each with its id."""

Does = Callable[[Store, Config, Dead], Awaitable[int]]
"""What a command does with the dead letters; the exit code."""

numbers_argument = click.argument("numbers", nargs=-1, metavar="[ID]...")


@click.group("webhooks", invoke_without_command=True)
@config_option
@click.option("--json", "as_json", is_flag=True, help="One JSON array, with what each letter said.")
@click.pass_context
def webhooks_command(context: click.Context, config_file: Path | None, as_json: bool) -> None:  # noqa: FBT001 - click passes by name
    """List what could not be delivered to the [[webhooks]], oldest first: id, time, webhook, delivery, tries, why.

    Works on the server of the data folder, running or not, or on that of REDIS_URL.
    """
    context.obj = config_file
    if context.invoked_subcommand is None:
        _run(config_file, (), _print_json if as_json else _print_table)


@webhooks_command.command("retry")
@numbers_argument
@click.pass_obj
def retry_command(config_file: Path | None, numbers: tuple[str, ...]) -> None:
    """Try once more to deliver these dead letters, or all; those that are taken leave the list.

    Exit code 1 if any is not taken.
    """
    _run(config_file, numbers, _retry)


@webhooks_command.command("drop")
@numbers_argument
@click.pass_obj
def drop_command(config_file: Path | None, numbers: tuple[str, ...]) -> None:
    """Remove these dead letters from the list, or all."""
    _run(config_file, numbers, _drop)


def _run(config_file: Path | None, numbers: Sequence[str], does: Does) -> None:
    config = load(config_file)
    with store_url(config) as url:
        code = asyncio.run(_do(url, config, numbers, does))
    if code:
        sys.exit(code)


async def _do(url: str, config: Config, numbers: Sequence[str], does: Does) -> int:
    async with opened(url, config, Releases(config.distros)) as store:
        dead = await store.letters.dead()
        known = {number for number, _ in dead}
        for number in numbers:
            if number not in known:
                raise Invalid(f"there is no dead letter {number}")
        return await does(store, config, [row for row in dead if row[0] in numbers or not numbers])


async def _print_table(_store: Store, _config: Config, dead: Dead) -> int:
    rows = [
        [number, _time(number), letter.webhook, letter.delivery or "-", str(letter.tries), letter.why]
        for number, letter in dead
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    click.echo(f"{len(dead)} dead letters", err=True)
    return 0


async def _print_json(_store: Store, _config: Config, dead: Dead) -> int:
    listed = [{"id": number, "time": _time(number), **msgspec.structs.asdict(letter)} for number, letter in dead]
    click.echo(msgspec.json.encode(listed))
    return 0


async def _retry(store: Store, config: Config, dead: Dead) -> int:
    sender = Sender(store, config)
    webhooks = {webhook.name: webhook for webhook in config.webhooks}
    failed = 0
    for number, letter in dead:
        webhook = webhooks.get(letter.webhook)
        why = "is not configured any more"
        if letter.kind is None:
            why = f"{letter.why}; drop it when that is seen to"
        elif webhook:
            why = await sender.deliver(webhook, letter.delivery, letter.kind, bytes(letter.data)) or ""
        if why:
            failed += 1
            click.echo(f"{number}: {letter.webhook}: {why}", err=True)
        else:
            await store.letters.drop([number])
    return 1 if failed else 0


async def _drop(store: Store, _config: Config, dead: Dead) -> int:
    await store.letters.drop([number for number, _ in dead])
    return 0


def _time(number: str) -> str:
    return format_time(int(number.partition("-")[0]) * 1000)
