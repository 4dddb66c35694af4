"""`/nodes/`: the storage nodes in the pool, and whose turn it is."""

from msgspec import Struct
from quart import Blueprint, Response

from shaman.web.context import shaman
from shaman.web.responses import check_no_parameters, json_response

blueprint = Blueprint("nodes", __name__, url_prefix="/nodes")


class NextNode(Struct, frozen=True):
    """The answer of `/nodes/next/`."""

    url: str


@blueprint.get("/")
async def list_nodes() -> Response:
    """List the URLs of the nodes in the pool, in order."""
    check_no_parameters()
    return json_response(shaman().store.nodes.find())


@blueprint.get("/next/")
async def take_node() -> Response:
    """Take the node whose turn it is."""
    check_no_parameters()
    response = json_response(NextNode(await shaman().store.nodes.take()))
    response.headers["Cache-Control"] = "no-store"
    return response
