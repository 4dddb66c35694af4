"""`shaman export` and `shaman import`: records out of the store, and into it."""

import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import BinaryIO

import click
import httpx
import msgspec

from shaman.client.settings import check_server
from shaman.config import Config, load
from shaman.distros import Releases
from shaman.source import PATIENCE, Part, Source
from shaman.store import Store, open_store
from shaman.store.embedded import Embedded
from shaman.transfer import Import, export, export_nodes

config_option = click.option("--config", "config_file", type=click.Path(path_type=Path), help="Settings file.")


@click.command("export")
@config_option
@click.option("--project", "projects", multiple=True, help="Only this project; may be given again.")
@click.option("-o", "--output", type=click.File("wb"), default="-", help="File to write instead of standard output.")
def export_command(config_file: Path | None, projects: tuple[str, ...], output: BinaryIO) -> None:
    """Write every record as a line of NDJSON, oldest first, project by project, and at the end the storage nodes.

    Reads the server of the data folder, running or not, or that of REDIS_URL.
    """
    config = load(config_file)
    with store_url(config) as url:
        asyncio.run(_export(url, config, projects, output))


@click.command("import")
@config_option
@click.option("--from", "source", metavar="URL", help="Copy the running server at this URL; goes on where it stopped.")
@click.argument("file", type=click.File("rb"), required=False)
def import_command(config_file: Path | None, source: str | None, file: BinaryIO | None) -> None:
    """Read records from FILE (NDJSON; - is standard input), or from another server.

    Each keeps its id and its times, where it tells them. A record that the store knows as it is, or newer, stays.
    Writes to the server of the data folder, running or not, or to that of REDIS_URL. Exit code 1 if any record was
    refused; the others are written.
    """
    if (source is None) == (file is None):
        raise click.UsageError("give either FILE or --from URL")
    if source is not None:
        check_server(source, "", "", "--from")
    config = load(config_file)
    with store_url(config) as url:
        importing = asyncio.run(_import(url, config, source, file))
    for line in _summary(importing):
        click.echo(line, err=True)
    sys.exit(1 if importing.faults else 0)


@asynccontextmanager
async def opened(url: str, config: Config, releases: Releases) -> AsyncIterator[Store]:
    """Open the store at `url`, and close it at the end."""
    store = open_store(url, config, releases)
    try:
        yield store
    finally:
        await store.close()


@contextmanager
def store_url(config: Config) -> Iterator[str]:
    """Yield the URL of the store: the one that is named, else that of the data folder, started if it does not run."""
    if config.redis.url:
        yield config.redis.url
        return
    with Embedded(Path(config.server.data_dir)) as embedded:
        yield embedded.url


async def _export(url: str, config: Config, projects: tuple[str, ...], output: BinaryIO) -> None:
    releases = Releases(config.distros)
    async with opened(url, config, releases) as store:
        async for lines in export(store, releases, projects or sorted(await store.projects())):
            output.write(lines)
        if not projects:
            output.write(await export_nodes(store))
    output.flush()


async def _import(url: str, config: Config, source: str | None, file: BinaryIO | None) -> Import:
    releases = Releases(config.distros)
    async with opened(url, config, releases) as store:
        await store.schema.check()
        importing = Import(store, releases, lambda text: click.echo(text, err=True))
        if file is not None:
            await _import_file(importing, file)
        elif source is not None:
            await _import_server(importing, source, Path(config.server.data_dir))
    return importing


async def _import_file(importing: Import, file: BinaryIO) -> None:
    facts = os.fstat(file.fileno())
    size = facts.st_size if stat.S_ISREG(facts.st_mode) else 0
    with click.progressbar(length=size, label="reading", update_min_steps=size // 1000, file=sys.stderr) as bar:
        async for length in importing.add_lines(file):
            bar.update(length)


async def _import_server(importing: Import, url: str, folder: Path) -> None:
    journal = Journal(folder / "import.journal", url)
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE, follow_redirects=True) as client:
        source = Source(client)
        parts = [part for part in await source.parts() if part not in journal.done]
        with click.progressbar(parts, label="copying", item_show_func=_shown, file=sys.stderr) as bar:
            for part in bar:
                await importing.add_part(source, part)
                journal.add(part)
    journal.delete()


def _shown(part: Part | None) -> str | None:
    return f"{part.kind} {part.project} {part.ref}" if part else None


def _summary(importing: Import) -> Iterator[str]:
    """Yield a line for each project: of each kind how many were read, and what became of them."""
    for project, counts in sorted(importing.counts.items()):
        told = ", ".join(f"{number} {what}" for what, number in sorted(counts.items()))
        yield f"{project}: {told}"
    if importing.faults:
        yield f"{importing.faults} refused"


class Journal:
    """The parts that were copied from a server, one a line below its URL; deleted when all were."""

    def __init__(self, file: Path, url: str) -> None:
        """Read what was copied before, unless it was from another server."""
        self._file = file
        header = url.encode() + b"\n"
        kept = file.read_bytes() if file.exists() else b""
        if not kept.startswith(header):
            kept = header
        kept = kept[: kept.rindex(b"\n") + 1]  # a kill may have torn the last line
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_bytes(kept)
        self.done = {msgspec.json.decode(line, type=Part) for line in kept.splitlines()[1:]}

    def add(self, part: Part) -> None:
        """Note that a part is in the store."""
        with self._file.open("ab", buffering=0) as file:
            file.write(msgspec.json.encode(part) + b"\n")

    def delete(self) -> None:
        """Forget everything: the next copy begins anew."""
        self._file.unlink(missing_ok=True)
