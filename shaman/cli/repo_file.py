"""`shaman repo-file`: what a package manager reads to use a repo."""

import click

from shaman.cli.asking import FOUND, run
from shaman.cli.target import Target
from shaman.client import Client


@click.command("repo-file")
@click.argument("project")
@click.argument("ref")
@click.argument("sha1", metavar="SHA1|latest")
@click.argument("distro", metavar="DISTRO/VERSION")
@click.option("--flavor", default="", help="Other than default.")
@click.option("--arch", default="", help="Such as x86_64, arm64.")
@click.option("--url", "only_url", is_flag=True, help="Print where the file is, and do not fetch it.")
@click.pass_obj
def repo_file_command(
    target: Target, project: str, ref: str, sha1: str, distro: str, *, flavor: str, arch: str, only_url: bool
) -> None:
    """Print the file that makes a package manager use a repo.

    The .repo or .list file of the newest ready repo, from the storage node that has it.
    """
    name, slash, version = distro.partition("/")
    if not (name and slash and version):
        raise click.BadParameter(f"{distro!r} is not such as centos/9 or ubuntu/noble", param_hint="DISTRO/VERSION")

    async def work(client: Client) -> int:
        find = client.repo_file_url if only_url else client.repo_file
        text = await find(project, ref, sha1, name, version, flavor=flavor, arch=arch)
        click.echo(text, nl=not text.endswith("\n"))
        return FOUND

    run(target, work)
