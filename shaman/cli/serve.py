"""`shaman serve`."""

import asyncio
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import get_args

import click
from msgspec.structs import replace

from shaman.cli.key import keep_key
from shaman.cli.transfer import opened
from shaman.config import Config, Engine, load, with_user
from shaman.distros import Releases
from shaman.engines import check_engine
from shaman.errors import Invalid, Unavailable, WrongSchema
from shaman.logs import set_up
from shaman.serve import serve
from shaman.store.connection import connect
from shaman.store.embedded import Embedded

LOCAL_USER = "shaman"
"""The user whose key `--local-key` keeps in the data folder."""


@click.command("serve")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="Settings file [SHAMAN_CONFIG].")
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on, 0 for any free one [PORT].")
@click.option("--workers", type=click.IntRange(1, 1024), help="Worker processes [WEB_CONCURRENCY].")
@click.option("--server", "engine", type=click.Choice(get_args(Engine)), help="What speaks HTTP; granian is an extra.")
@click.option("--trusted-proxies", type=click.IntRange(0, 16), help="Routers in front that add to X-Forwarded-For.")
@click.option("--data-dir", help="Folder of the private server [SHAMAN_DATA_DIR].")
@click.option("--ephemeral", is_flag=True, help="Keep everything in memory and lose it at the end.")
@click.option("--local-key", is_flag=True, help="Without credentials, make a key once and keep it in the data folder.")
def serve_command(
    config_file: Path | None,
    host: str | None,
    port: int | None,
    workers: int | None,
    engine: str | None,
    trusted_proxies: int | None,
    data_dir: str | None,
    ephemeral: bool,  # noqa: FBT001 - click passes by name
    local_key: bool,  # noqa: FBT001 - click passes by name
) -> None:
    """Serve the registry."""
    options = {"host": host, "port": port, "workers": workers, "engine": engine, "data_dir": data_dir}
    options["trusted_proxies"] = trusted_proxies
    config = load(config_file)
    config = replace(config, server=replace(config.server, **{k: v for k, v in options.items() if v is not None}))
    lines = set_up(config.log.format, config.log.level)
    check_engine(config.server.engine)
    if config.redis.url and not ephemeral:
        connect(config.redis.url, 1)  # connects to nothing, and refuses here what the workers would fail with
    folder = Path(config.server.data_dir)
    key_file = None
    if local_key and not config.auth.users:
        key_file = folder / "api-key"
        config = with_user(config, LOCAL_USER, keep_key(key_file))
    embedded = None if ephemeral or config.redis.url else Embedded(folder)
    if ephemeral and config.server.workers > 1:
        raise Invalid("--ephemeral: the store is inside the worker, so there can be only one")
    with embedded or nullcontext():
        url = None if ephemeral else embedded.url if embedded else config.redis.url
        if url:
            asyncio.run(_check_schema(url, config))
        sys.exit(
            serve(config, lambda address: _announce(address, config, embedded, url, key_file), embedded, url, lines)
        )


async def _check_schema(url: str, config: Config) -> None:
    """Raise WrongSchema if the store has keys of another version. One that is away is checked when it comes."""
    async with opened(url, config, Releases(config.distros)) as store:
        try:
            await store.schema.check()
        except WrongSchema:
            raise
        except Unavailable as error:
            click.echo(f"shaman: {error}", err=True)


def _announce(address: str, config: Config, embedded: Embedded | None, url: str | None, key_file: Path | None) -> None:
    if url is None:
        click.secho("EPHEMERAL: every record is lost when this process ends.", err=True, bold=True)
    where = "in memory" if url is None else f"in {config.server.data_dir}/" if embedded else "at REDIS_URL"
    click.echo(f"shaman serves {address} ({config.server.workers} worker(s), store {where})")
    click.echo(f"Try:   curl {address}/repos/")
    if key_file:
        click.echo(
            f'Write: curl -u "{LOCAL_USER}:$(cat {key_file})" -H "Content-Type: application/json" -d @repo.json \\'
        )
        click.echo(f"         {address}/repos/PROJECT/")
    elif not config.auth.users:
        click.echo("Every write is refused: set SHAMAN_API_USER and SHAMAN_API_KEY, or [[auth.users]] in config.toml.")
