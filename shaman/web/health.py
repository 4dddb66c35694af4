"""`/_health/`: whether a router should send requests here."""

import asyncio
import os
from http import HTTPStatus

from quart import Blueprint, Response, request

from shaman.errors import Unavailable
from shaman.web.answers import answers
from shaman.web.context import Bare, shaman
from shaman.web.problems import problem

blueprint = Blueprint("health", __name__, url_prefix="/_health")

OPEN = frozenset({"health", "metrics"})
"""Blueprints that tell by themselves how the store is."""


async def check_schema() -> None:
    """Let no request read or write keys of another version; what tells of that is asked all the same."""
    schema = shaman().store.schema
    if not schema.right and request.blueprint not in OPEN and not request.routing_exception:
        await schema.check()


@blueprint.get("/")
@answers({204: None}, errors=(HTTPStatus.INTERNAL_SERVER_ERROR,))
async def get_health() -> Response:
    """Answer 204, or 500 while the store is away or the maintenance file exists."""
    maintenance = shaman().settings.fail_check_trigger_path
    exists: bool = await asyncio.to_thread(os.path.exists, maintenance)
    if exists:
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, f"maintenance: {maintenance} exists")
    try:
        await shaman().store.schema.check()
        await shaman().store.ping()
    except Unavailable as error:
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
    return Bare(None, HTTPStatus.NO_CONTENT)
