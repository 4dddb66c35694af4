"""`/api/search`: every repo that matches, complete, however many they are."""

from collections.abc import AsyncIterator

from quart import Blueprint, Response, request

from shaman.listing import FILTERS, find, parse_filters
from shaman.models import Repo
from shaman.web.answers import answers
from shaman.web.api.objects import RepoObject, repo_object
from shaman.web.context import shaman
from shaman.web.responses import json_response, streamed_list

blueprint = Blueprint("search", __name__, url_prefix="/search")

WHOLE = 500
"""Repos of an answer that is sent in one piece, with its length; a longer one is streamed."""


@blueprint.get("/")
@answers(list[RepoObject], query=FILTERS)
async def get_search() -> Response:
    """Search by project, distros, sha1, ref, flavor, status and arch; newest first, never cut."""
    filters = parse_filters(request.args.items(multi=True), shaman().releases)
    pages = find(shaman().store, filters)
    begun: list[object] = []
    async for page in pages:
        begun += _objects(page)
        if len(begun) > WHOLE:
            return streamed_list(_told(begun, pages))
    return json_response(begun)


async def _told(begun: list[object], rest: AsyncIterator[list[Repo]]) -> AsyncIterator[list[object]]:
    yield begun
    async for page in rest:
        yield _objects(page)


def _objects(repos: list[Repo]) -> list[object]:
    releases = shaman().releases
    return [repo_object(repo, releases) for repo in repos]
