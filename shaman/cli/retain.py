"""`shaman retain`: removal of what the rules do not keep."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import click

from shaman.cli.transfer import config_option, opened, store_url
from shaman.config import Config, load
from shaman.distros import Releases
from shaman.removal import Retention
from shaman.retention import DAY
from shaman.store import Store
from shaman.store.removals import Removal
from shaman.times import format_time


@click.command("retain")
@config_option
@click.option("--dry-run", is_flag=True, help="Only tell what would go.")
@click.option(
    "--log", "show_log", is_flag=True, help="Tell what went, by this command or by the service; oldest first."
)
def retain_command(
    config_file: Path | None,
    dry_run: bool,  # noqa: FBT001 - click passes by name
    show_log: bool,  # noqa: FBT001 - click passes by name
) -> None:
    """Remove the sha1s that no rule of [retention] keeps, with their repos and builds.

    Prints project, ref, sha1, repos, builds, age in days and rule of each, with tabs between. Works on the server of
    the data folder, running or not, or on that of REDIS_URL.
    """
    if dry_run and show_log:
        raise click.UsageError("give either --dry-run or --log")
    config = load(config_file)
    with store_url(config) as url:
        asyncio.run(_retain(url, config, dry_run=dry_run, show_log=show_log))


async def _retain(url: str, config: Config, *, dry_run: bool, show_log: bool) -> None:
    async with opened(url, config, Releases(config.distros)) as store:
        if show_log:
            await _print_log(store)
            return
        retention = Retention(store, config)
        await _print(retention.plan() if dry_run else retention.run(), "would go" if dry_run else "removed")
    if not config.retention.rules:
        click.echo("there are no [[retention.rules]], so everything is kept", err=True)


async def _print(removals: AsyncIterator[Removal], done: str) -> None:
    sha1s = repos = builds = 0
    async for removal in removals:
        click.echo(_line(removal))
        sha1s, repos, builds = sha1s + 1, repos + removal.repos, builds + removal.builds
    click.echo(f"{sha1s} sha1s {done}: {repos} repos, {builds} builds", err=True)


async def _print_log(store: Store) -> None:
    entries = [entry for project in await store.projects() for entry in await store.removals.log(project)]
    for time, removal in sorted(entries, key=lambda entry: entry[0]):
        click.echo(f"{format_time(time)}\t{_line(removal)}")


def _line(removal: Removal) -> str:
    age = f"{removal.age / DAY:.1f}"
    names = (removal.project, removal.ref, removal.sha1)
    return "\t".join((*names, str(removal.repos), str(removal.builds), age, removal.rule))
