"""`shaman search` and `shaman latest`: what is built."""

from typing import Unpack

import click
import msgspec

from shaman.cli.asking import FOUND, NOTHING, complain, filter_options, run, table
from shaman.cli.target import Target
from shaman.client import Client, Filters, Repo


@click.command("search")
@click.argument("project")
@click.argument("name", metavar="REF|SHA1")
@filter_options
@click.option("--json", "as_json", is_flag=True, help="Print the repos as a JSON array.")
@click.pass_obj
def search_command(target: Target, project: str, name: str, *, as_json: bool, **filters: Unpack[Filters]) -> None:
    """List the repos of a ref or of a sha1.

    Of a ref the newest one of each distro, version, flavor and arch; of a sha1 every one. Only what is ready, unless
    --status says otherwise.
    """

    async def work(client: Client) -> int:
        repos = await client.search(project, name, **filters)
        if as_json:
            click.echo(msgspec.json.encode(repos))
        elif repos:
            table(("DISTRO", "ARCH", "FLAVOR", "STATUS", "MODIFIED (UTC)", "SHA1", "URL"), map(_row, repos))
        else:
            complain(f"nothing like that of {project} {name}")
        return FOUND if repos else NOTHING

    run(target, work)


def _row(repo: Repo) -> tuple[str, ...]:
    distro, modified = f"{repo.distro}/{repo.distro_version}", f"{repo.modified:%Y-%m-%d %H:%M}"
    return (distro, repo.arch, repo.flavor, repo.status, modified, repo.sha1, repo.url)


@click.command("latest")
@click.argument("project")
@click.argument("name", metavar="REF")
@filter_options
@click.pass_obj
def latest_command(target: Target, project: str, name: str, **filters: Unpack[Filters]) -> None:
    """Print the newest sha1 that is built for everything asked for.

    It has a repo for every --distro, each with the --arch and the --flavor. Nothing else is printed on standard output.
    """

    async def work(client: Client) -> int:
        sha1 = await client.latest(project, name, **filters)
        if sha1 is None:
            complain(f"no sha1 of {project} {name} has that")
            return NOTHING
        click.echo(sha1)
        return FOUND

    run(target, work)
