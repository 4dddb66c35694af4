"""The `shaman` command: one module for each kind of work, imported when it is called."""

import os
import sys
from pathlib import Path

import click

from shaman.cli.later import Commands, Later
from shaman.cli.target import Target, duration
from shaman.errors import ShamanError
from shaman.logs import set_up

CLIENT = (
    Later("search", "shaman.cli.search", "List the repos of a ref or of a sha1."),
    Later("latest", "shaman.cli.search", "Print the newest sha1 that is built for everything asked for."),
    Later("wait", "shaman.cli.wait", "Wait until there is such a sha1, and print it."),
    Later("watch", "shaman.cli.watch", "Print what happens, as it happens."),
    Later("post", "shaman.cli.post", "Add or update a repo."),
    Later("nodes", "shaman.cli.nodes", "List the storage nodes that are up."),
    Later("repo-file", "shaman.cli.repo_file", "Print the file that makes a package manager use a repo."),
    Later("completion", "shaman.cli.completion", "Print what makes a shell complete commands and options."),
)
"""What asks a server, wherever that is."""

SERVER = (
    Later("serve", "shaman.cli.serve", "Serve the registry."),
    Later("key", "shaman.cli.key", "Make a key, and print the lines that let its user in."),
    Later("import", "shaman.cli.transfer", "Read records from a file, or from another server."),
    Later("export", "shaman.cli.transfer", "Write every record as a line of NDJSON."),
    Later("check", "shaman.cli.check", "Compare every key of the store with the documents."),
    Later("reindex", "shaman.cli.check", "Make every index anew from the documents."),
    Later("retain", "shaman.cli.retain", "Remove the sha1s that no rule of [retention] keeps."),
    Later("webhooks", "shaman.cli.webhooks", "List what could not be delivered to the webhooks."),
)
"""What works on the store itself, and needs the extra `server`."""

EXIT_CODES = """\b
Exit codes of what asks a server:
  0    found, or done
  1    there is nothing like that, or the time is over
  2    the call is wrong, or the server finds it so
  3    the server is away or not well
  4    the credentials are refused
  130  Ctrl-C
"""

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.command(
    "shaman",
    cls=Commands,
    sections={"Ask a server": CLIENT, "Run a server (pip install 'shaman[server]')": SERVER},
    context_settings=SETTINGS,
    epilog=EXIT_CODES,
)
@click.option("--url", metavar="URL", help="Server to ask [SHAMAN_URL].")
@click.option("--patience", type=duration, default="15s", show_default=True, help="How long to try again.")
@click.pass_context
def commands(context: click.Context, url: str | None, patience: float) -> None:
    """Ask, keep and serve the registry of built package repositories.

    Which server is asked, and as whom, say SHAMAN_URL, SHAMAN_API_USER and SHAMAN_API_KEY, else url, user and key in
    ~/.config/shaman/client.toml, or in the file that SHAMAN_CLIENT_CONFIG names.
    """
    context.obj = Target(url, patience)
    if os.environ.get("NO_COLOR"):
        context.color = False
    set_up()


def main() -> None:
    """Run the command; an error of the registry is one line and exit code 1."""
    for name in ("stdout", "stderr"):  # which Python leaves out when they are closed
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - for good
    try:
        commands(prog_name="shaman")
    except (ShamanError, OSError) as error:
        click.echo(f"shaman: {error}", err=True)
        sys.exit(1)
