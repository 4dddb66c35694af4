"""The `shaman` command."""

import logging
import os
import secrets
import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

import click
from msgspec.structs import replace

from shaman.config import Config, hash_key, load, with_user
from shaman.errors import Invalid, ShamanError
from shaman.serve import serve
from shaman.store.embedded import Embedded

LOCAL_USER = "shaman"
"""The user whose key `--local-key` keeps in the data folder."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def commands() -> None:
    """Keep and serve the registry of built package repositories."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


@commands.command("serve")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="Settings file [SHAMAN_CONFIG].")
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on, 0 for any free one [PORT].")
@click.option("--workers", type=click.IntRange(1, 1024), help="Worker processes [WEB_CONCURRENCY].")
@click.option("--data-dir", help="Folder of the private server [SHAMAN_DATA_DIR].")
@click.option("--ephemeral", is_flag=True, help="Keep everything in memory and lose it at the end.")
@click.option("--local-key", is_flag=True, help="Without credentials, make a key once and keep it in the data folder.")
def serve_command(
    config_file: Path | None,
    host: str | None,
    port: int | None,
    workers: int | None,
    data_dir: str | None,
    ephemeral: bool,  # noqa: FBT001 - click passes by name
    local_key: bool,  # noqa: FBT001 - click passes by name
) -> None:
    """Serve the registry."""
    options = {"host": host, "port": port, "workers": workers, "data_dir": data_dir}
    config = load(config_file)
    config = replace(config, server=replace(config.server, **{k: v for k, v in options.items() if v is not None}))
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
        sys.exit(serve(config, lambda address: _announce(address, config, embedded, url, key_file), embedded, url))


@commands.command("key")
def key_command() -> None:
    """Make a random key, and print it with the lines that let its user in."""
    key = secrets.token_urlsafe(32)
    click.echo(f"# The key, shown only now: {key}")
    click.echo(f'[[auth.users]]\nname = "builder"\nkey_sha256 = "{hash_key(key)}"\n# projects = ["ceph"]')


def keep_key(file: Path) -> str:
    """Return the key in `file`; make a random one first where there is none. Nobody else can read the file."""
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=file.parent, encoding="ascii") as new:  # of mode 600
            new.write(secrets.token_urlsafe(32) + "\n")
            new.flush()
            with suppress(FileExistsError):  # another process was first: its key it is
                os.link(new.name, file)
    key = file.read_text("ascii").strip()
    if not key:
        raise Invalid(f"{file}: is empty; delete it, and a new key is made")
    return key


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


def main() -> None:
    """Run the command; an error of the registry is one line and exit code 1."""
    try:
        commands()
    except ShamanError as error:
        click.echo(f"shaman: {error}", err=True)
        sys.exit(1)
    except OSError as error:
        click.echo(f"shaman: {error}", err=True)
        sys.exit(1)
