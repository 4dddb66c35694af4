"""`/nodes/`: the storage nodes in the pool, and whose turn it is."""

from msgspec import Struct
from quart import Blueprint, Response, request

from shaman.errors import Unavailable
from shaman.web.answers import answers
from shaman.web.context import shaman
from shaman.web.responses import check_no_parameters, json_response

blueprint = Blueprint("nodes", __name__, url_prefix="/nodes")


class NextNode(Struct, frozen=True):
    """The answer of `/nodes/next/`."""

    url: str


@blueprint.get("/")
@answers(list[str])
async def list_nodes() -> Response:
    """List the URLs of the nodes that are up, in the order of their turns."""
    check_no_parameters()
    pool = await shaman().store.nodes.find()
    return json_response([node.url for node in pool.nodes if node.health.healthy])


@blueprint.get("/next/")
@answers(NextNode, no_store=True)
async def take_node() -> Response:
    """Take the node whose turn it is; a HEAD only looks."""
    check_no_parameters()
    url = await shaman().store.nodes.take(peek=request.method == "HEAD")
    if url is None:
        raise Unavailable("no chacra node in the pool is up")
    response = json_response(NextNode(url))
    response.headers["Cache-Control"] = "no-store"
    return response
