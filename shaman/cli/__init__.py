"""The `shaman` command: one module for each kind of work."""

import sys

import click

from shaman.cli.check import check_command, reindex_command
from shaman.cli.key import key_command
from shaman.cli.retain import retain_command
from shaman.cli.serve import serve_command
from shaman.cli.transfer import export_command, import_command
from shaman.errors import ShamanError
from shaman.logs import set_up


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def commands() -> None:
    """Keep and serve the registry of built package repositories."""
    set_up()


COMMANDS = (
    serve_command,
    key_command,
    import_command,
    export_command,
    check_command,
    reindex_command,
    retain_command,
)

for command in COMMANDS:
    commands.add_command(command)


def main() -> None:
    """Run the command; an error of the registry is one line and exit code 1."""
    try:
        commands()
    except (ShamanError, OSError) as error:
        click.echo(f"shaman: {error}", err=True)
        sys.exit(1)
