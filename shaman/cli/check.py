"""`shaman check` and `shaman reindex`: whether every key of a store is right, and how it becomes so again."""

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import click

from shaman.cli.transfer import config_option, opened, store_url
from shaman.config import Config, load
from shaman.distros import Releases
from shaman.errors import Invalid
from shaman.store import Store
from shaman.store.checking import Fault
from shaman.store.schema import VERSION


@click.command("check")
@config_option
@click.option("--project", "projects", multiple=True, help="Only this project; may be given again.")
@click.option("--repair", is_flag=True, help="Mend each fault as it is found.")
def check_command(config_file: Path | None, projects: tuple[str, ...], repair: bool) -> None:  # noqa: FBT001
    """Compare every key of the store with the documents, and name each fault on a line.

    The service may run meanwhile. Exit code 1 if anything is wrong; with --repair, if anything stays wrong. The
    documents are the truth: a mend writes indexes, counters and the change stream. A document that is broken, or older
    than another one of the same identity, is kept in the hash `shaman:{PROJECT}:aside`.
    """
    config = load(config_file)
    faults: list[Fault] = []

    def report(fault: Fault) -> None:
        faults.append(fault)
        click.echo(fault)

    async def check(store: Store) -> Counter[str]:
        await store.schema.check()
        return await store.checking.check(report, projects, repair=repair)

    counts = _run(config, check)
    left = sum(not (repair and fault.mend) for fault in faults)
    mended = f", {len(faults) - left} mended" if repair else ""
    click.echo(f"{_checked(counts)}: {len(faults)} faults{mended}", err=True)
    sys.exit(1 if left else 0)


@click.command("reindex")
@config_option
@click.argument("projects", nargs=-1)
def reindex_command(config_file: Path | None, projects: tuple[str, ...]) -> None:
    """Make every index of PROJECTS, or of all, anew from the documents.

    Keys that this version does not have go. It is also how a store of an older version comes to this one: stop every
    service that uses it first.
    """
    config = load(config_file)
    faults: list[Fault] = []

    def report(fault: Fault) -> None:
        faults.append(fault)
        if fault.key.endswith((":repos", ":builds")):  # what is wrong with a document itself
            click.echo(fault)

    async def reindex(store: Store) -> Counter[str]:
        version = await store.schema.read()
        if projects and version != VERSION:
            raise Invalid("PROJECTS: the store is of an older version, so all must be reindexed at once")
        counts = await store.checking.check(report, projects, repair=True, drop=True)
        await store.schema.write()
        return counts

    counts = _run(config, reindex)
    click.echo(f"{_checked(counts)}: {len(faults)} entries mended", err=True)


def _run(config: Config, work: Callable[[Store], Awaitable[Counter[str]]]) -> Counter[str]:
    async def run(url: str) -> Counter[str]:
        async with opened(url, config, Releases(config.distros)) as store:
            return await work(store)

    with store_url(config) as url:
        return asyncio.run(run(url))


def _checked(counts: Counter[str]) -> str:
    return f"{counts['project']} projects, {counts['repo']} repos, {counts['build']} builds"
