"""`shaman watch`: what happens, line by line."""

from contextlib import aclosing

import click
import msgspec

from shaman.cli.asking import FOUND, coloured, complain, printable, run
from shaman.cli.target import Target
from shaman.client import Client, Event


@click.command("watch")
@click.option("--project", help="Only of this project.")
@click.option("--ref", help="Only of this ref.")
@click.option("--sha1", help="Only of this sha1.")
@click.option("--kind", type=click.Choice(["repo", "build", "node"]), help="Only these.")
@click.option("--after", default="", metavar="CURSOR", help="Go on after the event with this `cursor` of --json.")
@click.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON.")
@click.pass_obj
def watch_command(
    target: Target,
    project: str | None,
    ref: str | None,
    sha1: str | None,
    kind: str | None,
    after: str,
    *,
    as_json: bool,
) -> None:
    """Print what happens, as it happens.

    Until Ctrl-C; over lost connections and restarts of the server. An event `reset` says that some may be missing.
    """

    async def work(client: Client) -> int:
        async with aclosing(client.events(project=project, ref=ref, sha1=sha1, kind=kind, after=after)) as events:
            async for event in events:
                click.echo(msgspec.json.encode(event) if as_json else _line(event))
        return FOUND

    run(target, work, lambda text: complain(f"{text}; trying again"))


def _line(event: Event) -> str:
    """Return time, what and how, where, and the status."""
    time = f"{event.modified:%Y-%m-%d %H:%M:%S}" if event.modified else ""
    cell = "/".join(filter(None, (event.distro, event.distro_version)))
    names = (event.project, event.ref, event.sha1, cell, ",".join(event.archs or ()), event.flavor, event.host)
    what = printable("  ".join(filter(None, (time, event.kind, event.event, *names))))
    health = None if event.healthy is None else "up" if event.healthy else "down"
    statuses = (printable(status) for status in (event.old_status, event.status or health) if status)
    return "  ".join((what, " -> ".join(map(coloured, dict.fromkeys(statuses))))).rstrip()
