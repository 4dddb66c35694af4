"""`shaman post`: tell that a repo is built."""

from typing import Any, BinaryIO

import click
import msgspec

from shaman.cli.asking import FOUND, complain, run
from shaman.cli.target import Target
from shaman.client import Client, PostedRepo
from shaman.decoding import any_object, decode_body, read_as


@click.command("post")
@click.argument("project")
@click.argument("file", type=click.File("rb"), required=False)
@click.option("--ref")
@click.option("--sha1")
@click.option("--distro", help="Such as ubuntu, or ubuntu/noble with its version.")
@click.option("--distro-version")
@click.option("--arch", "archs", multiple=True, help="One is added to those that are known; several are all of them.")
@click.option("--flavor")
@click.option("--status", help="Such as building; ready unless told, and `deleted` removes it.")
@click.option("--url", help="Where the repo is.")
@click.option("--chacra-url", help="What names it on its storage node.")
@click.option("--json", "as_json", is_flag=True, help="Print the repo as a JSON object.")
@click.pass_obj
def post_command(
    target: Target,
    /,
    project: str,
    file: BinaryIO | None,
    archs: tuple[str, ...],
    *,
    as_json: bool,
    **fields: str | None,
) -> None:
    """Add or update a repo.

    FILE is the body as JSON (- is standard input); the options are put in place of what it says. The credentials are
    SHAMAN_API_USER and SHAMAN_API_KEY. The same again changes nothing.
    """

    async def work(client: Client) -> int:
        body = decode_body(file.read(), any_object) if file else {}
        repo = await client.post_repo(project, read_as(PostedRepo, body | _given(fields, archs, body)))
        if as_json:
            click.echo(msgspec.json.encode(repo))
        elif repo is None:
            complain("there is no such repo now")
        else:
            place = f"{repo.distro}/{repo.distro_version} {repo.arch} {repo.flavor}"
            click.echo(f"{repo.project} {repo.ref} {repo.sha1} {place}: {repo.status}")
        return FOUND

    run(target, work)


def _given(fields: dict[str, str | None], archs: tuple[str, ...], body: dict[str, Any]) -> dict[str, Any]:
    """Return what the options say, as a body says it."""
    given: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
    if "/" in given.get("distro", ""):
        given["distro"], _, version = given["distro"].partition("/")
        given.setdefault("distro_version", version)
    if archs:
        body.pop("arch", None)
        body.pop("archs", None)
        given |= {"archs": list(archs)} if len(archs) > 1 else {"arch": archs[0]}
    return given
