"""`/search/`: the newest repos of a ref, or those of a sha1."""

from quart import Blueprint, Response, request

from shaman.search import PARAMETERS, parse_search, search
from shaman.web.answers import answers
from shaman.web.context import shaman
from shaman.web.repos import ArchRepoObject, repo_objects

blueprint = Blueprint("search", __name__, url_prefix="/search")


@blueprint.get("/<name:project>/<name:name>/")
@answers(list[ArchRepoObject], query=PARAMETERS)
async def get_search(project: str, name: str) -> Response:
    """Search by ref or sha1; parameters distros, arch, flavor, status and common_sha1."""
    query = parse_search(request.args.items(multi=True), shaman().releases)
    found = await search(shaman().store.repos, project, name, query)
    return repo_objects(found)
