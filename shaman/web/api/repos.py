"""`/api/repos/`."""

from quart import Blueprint

blueprint = Blueprint("repos", __name__, url_prefix="/repos")
