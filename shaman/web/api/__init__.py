"""The production dialect, `/api/...`: what builders, storage nodes and schedulers have always spoken."""

from quart import Blueprint, Response

from shaman.web.answers import answers
from shaman.web.api import builds, nodes, repos, search
from shaman.web.context import shaman
from shaman.web.responses import check_no_parameters, json_response

blueprint = Blueprint("api", __name__, url_prefix="/api")
for room in (repos, search, builds, nodes):
    blueprint.register_blueprint(room.blueprint)


@blueprint.get("/")
@answers(dict[str, list[str]])
async def list_projects() -> Response:
    """List the projects."""
    check_no_parameters()
    return json_response({"repos": await shaman().store.repos.projects(None)})
