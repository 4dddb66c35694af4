"""`shaman key`, and the key that `shaman serve --local-key` keeps."""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

import click

from shaman.config import hash_key
from shaman.errors import Invalid


@click.command("key")
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
    key = file.read_bytes().strip()
    if not (key and key.isascii()):
        raise Invalid(f"{file}: has no key; delete it, and a new one is made")
    return key.decode()
