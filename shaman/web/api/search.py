"""`/api/search`: every repo that matches, complete, however many they are."""

from collections.abc import AsyncIterator

from quart import Blueprint, Response, request

from shaman.listing import find, parse_filters
from shaman.models import Repo
from shaman.web.api.objects import repo_object
from shaman.web.context import shaman
from shaman.web.responses import json_response, streamed_list

blueprint = Blueprint("search", __name__, url_prefix="/search")


@blueprint.get("/")
async def get_search() -> Response:
    """Search by project, distros, sha1, ref, flavor, status and arch; newest first, never cut."""
    filters = parse_filters(request.args.items(multi=True), shaman().releases)
    pages = find(shaman().store, filters)
    first = await anext(pages)
    second = await anext(pages, None)
    if second is None:
        return json_response(_objects(first))
    return streamed_list(_told(first, second, pages))


async def _told(first: list[Repo], second: list[Repo], rest: AsyncIterator[list[Repo]]) -> AsyncIterator[list[object]]:
    yield _objects(first)
    yield _objects(second)
    async for page in rest:
        yield _objects(page)


def _objects(repos: list[Repo]) -> list[object]:
    releases = shaman().releases
    return [repo_object(repo, releases) for repo in repos]
