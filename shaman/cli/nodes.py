"""`shaman nodes`: where builders upload to."""

import click
import msgspec

from shaman.cli.asking import FOUND, NOTHING, complain, run
from shaman.cli.target import Target
from shaman.client import Client


@click.command("nodes")
@click.option("--next", "take", is_flag=True, help="Take the one whose turn it is.")
@click.option("--json", "as_json", is_flag=True, help="Print the URLs as a JSON array.")
@click.pass_obj
def nodes_command(target: Target, *, take: bool, as_json: bool) -> None:
    """List the storage nodes that are up.

    Their URLs, in the order of their turns.
    """

    async def work(client: Client) -> int:
        urls = [await client.next_node()] if take else await client.nodes()
        if as_json:
            click.echo(msgspec.json.encode(urls))
        elif urls:
            click.echo("\n".join(urls))
        else:
            complain("no storage node is up")
        return FOUND if urls else NOTHING

    run(target, work)
