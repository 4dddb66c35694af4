"""`/api/builds/`: what is being built, level by level, and the POST of the builders."""

from quart import Blueprint, Response, request

from shaman.checks import check_posted_build, check_text
from shaman.decoding import any_object, decode_body, read_as
from shaman.errors import NotFound
from shaman.merge_build import BUILD_REQUIRED
from shaman.models import PostedBuild
from shaman.web.answers import Body, Done, answers
from shaman.web.api.objects import BuildObject, build_object
from shaman.web.auth import check_may_write
from shaman.web.context import shaman
from shaman.web.responses import check_no_parameters, json_response

blueprint = Blueprint("builds", __name__, url_prefix="/builds")


@blueprint.get("/")
@answers(dict[str, list[str]])
async def list_projects() -> Response:
    """List the refs of every project that has builds."""
    check_no_parameters()
    return json_response(await shaman().store.builds.projects())


@blueprint.get("/<name:project>/")
@answers(list[str], errors=(NotFound,))
async def list_refs(project: str) -> Response:
    """List the refs of a project that have builds; none where it has repos only."""
    check_no_parameters()
    refs = await shaman().store.builds.refs(project)
    if not refs and not await shaman().store.builds.knows(project):
        raise NotFound(f"no such project: {project}")
    return json_response(refs)


@blueprint.get("/<name:project>/<name:ref>/")
@answers(list[str])
async def list_sha1s(project: str, ref: str) -> Response:
    """List the sha1s of a ref that have builds."""
    check_no_parameters()
    return json_response(await shaman().store.builds.sha1s(project, ref))


@blueprint.get("/<name:project>/<name:ref>/<name:sha1>/")
@answers(list[BuildObject])
async def list_builds(project: str, ref: str, sha1: str) -> Response:
    """List the builds of a sha1."""
    check_no_parameters()
    found = await shaman().store.builds.find_sha1(project, ref, sha1)
    return json_response([build_object(build, shaman().releases) for build in found])


@blueprint.post("/<name:project>/")
@answers(Done, body=Body(kind=PostedBuild, new=BUILD_REQUIRED, old=BUILD_REQUIRED, silent=(None, "")), login=True)
async def post_build(project: str) -> Response:
    """Add or update a build, or take over the queued one that waits for it. A null says nothing."""
    check_may_write(project)
    check_text("project", project)
    body = decode_body(await request.get_data(), any_object)
    posted = read_as(PostedBuild, {name: value for name, value in body.items() if value is not None})
    check_posted_build(posted)
    await shaman().store.builds.put(project, posted)
    return json_response({})
