"""The production dialect, `/api/...`: what builders, storage nodes and schedulers have always spoken."""

from quart import Blueprint

from shaman.web.api import builds, nodes, repos, search

blueprint = Blueprint("api", __name__, url_prefix="/api")
for room in (repos, search, builds, nodes):
    blueprint.register_blueprint(room.blueprint)
