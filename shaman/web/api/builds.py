"""`/api/builds/`."""

from quart import Blueprint

blueprint = Blueprint("builds", __name__, url_prefix="/builds")
