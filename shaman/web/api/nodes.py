"""`/api/nodes/`: the pool of storage nodes, their registration, and whose turn it is."""

from quart import Blueprint, Response, request

from shaman.checks import check_host
from shaman.errors import Invalid, NotFound
from shaman.web.answers import TEXT, Done, answers
from shaman.web.api.objects import NodeObject, node_object, with_slash
from shaman.web.auth import check_is_known, check_may_write
from shaman.web.context import shaman
from shaman.web.responses import check_no_parameters, json_response

blueprint = Blueprint("nodes", __name__, url_prefix="/nodes")

NEXT = "next"
"""What stands for the node whose turn it is in a path, so that no node can have it as its name."""


@blueprint.get("/")
@answers(dict[str, NodeObject])
async def list_nodes() -> Response:
    """List the nodes of the pool by host, those that are down too."""
    check_no_parameters()
    pool = await shaman().store.nodes.find()
    return json_response({node.host: node_object(node) for node in pool.nodes})


@blueprint.get(f"/{NEXT}/")
@answers(str, media=TEXT, errors=(NotFound,), login=True, no_store=True)
async def take_node() -> Response:
    """Take the node whose turn it is, as text; a HEAD only looks. Any known user may."""
    check_is_known()
    check_no_parameters()
    url = await shaman().store.nodes.take(peek=request.method == "HEAD")
    if url is None:
        raise NotFound("no chacra node in the pool is up")
    response = Response(with_slash(url), content_type="text/plain; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/<name:host>/")
@answers(NodeObject, errors=(NotFound,))
async def get_node(host: str) -> Response:
    """Tell what is known of a node."""
    check_no_parameters()
    return json_response(node_object(await shaman().store.nodes.get(host.lower())))


@blueprint.post("/<name:host>/")
@answers(Done, login=True)
async def post_node(host: str) -> Response:
    """Add a node or reset it: it is checked now. The body is ignored; a user of some projects alone may not."""
    check_may_write(None)
    check_host("host", host)
    if host.lower() == NEXT:
        raise Invalid(f"host: `{NEXT}` is the word for the node whose turn it is, not one")
    await shaman().rotation.register(host.lower())
    return json_response({})


@blueprint.delete("/<name:host>/")
@answers(Done, errors=(NotFound,), login=True)
async def delete_node(host: str) -> Response:
    """Take a node out of the pool that has registered; those of the configuration stay. A POST brings it back."""
    check_may_write(None)
    check_no_parameters()
    await shaman().store.nodes.delete(host.lower())
    return json_response({})
