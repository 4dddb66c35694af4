"""`/metrics`: numbers for Prometheus, of all workers of this service together."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from quart import Blueprint, Response

from shaman.board import Rows
from shaman.errors import TooManyTries, Unauthorized, Unavailable
from shaman.web.answers import TEXT, answers
from shaman.web.auth import check_is_known
from shaman.web.context import shaman
from shaman.web.families import Collected
from shaman.web.responses import check_no_parameters

blueprint = Blueprint("metrics", __name__, url_prefix="/metrics")


@blueprint.get("/")
@answers(str, media=TEXT, errors=(Unauthorized, TooManyTries), no_store=True)
async def get_metrics() -> Response:
    """Tell the numbers; with `metrics.public = false` only to those who have credentials."""
    check_no_parameters()
    if not shaman().settings.metrics.public:
        check_is_known()
    registry = CollectorRegistry()
    registry.register(Collected(shaman().counts.of_all() | await _of_store()))
    response = Response(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)
    response.headers["Cache-Control"] = "no-store"
    return response


async def _of_store() -> Rows:
    """Return what the store tells, and whether it does; a service without its store has numbers, too."""
    try:
        nodes = (await shaman().store.nodes.find()).nodes
    except Unavailable:
        return {("shaman_store_up",): [0]}
    up = sum(node.health.healthy for node in nodes)
    return {("shaman_store_up",): [1], ("shaman_nodes_known",): [len(nodes)], ("shaman_nodes_up",): [up]}
