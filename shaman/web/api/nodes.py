"""`/api/nodes/`."""

from quart import Blueprint

blueprint = Blueprint("nodes", __name__, url_prefix="/nodes")
