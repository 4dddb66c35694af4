"""`/builds/`: what is and was being built, level by level. Programs that ask for JSON get that of `/api/builds/`."""

import msgspec
from quart import Blueprint, Response

from shaman.errors import NotFound
from shaman.models import Build
from shaman.web.answers import answers
from shaman.web.api import builds as api
from shaman.web.api.objects import BuildObject, build_object
from shaman.web.context import shaman
from shaman.web.pages.accept import or_json
from shaman.web.pages.rendering import path, read_after, read_cursor, render
from shaman.web.responses import check_no_parameters, json_response

blueprint = Blueprint("builds", __name__, url_prefix="/builds")

NAMES = 50
BUILDS = 100
NOTHING = "no build of that name is known"

SHA1 = "/<name:project>/<name:ref>/<name:sha1>/"


@blueprint.get("/")
@or_json(api.list_projects)
async def show_projects() -> Response:
    """Show the projects that have builds, and the latest of them."""
    check_no_parameters("after")
    recent = shaman().store.recent
    projects, more = await recent.projects_with_builds(read_cursor())
    builds = await recent.builds([project.name for project in projects], NAMES)
    return render(
        "build_projects.html", projects=projects, builds=builds, more=more and path("builds", after=str(more))
    )


@blueprint.get("/<name:project>/")
@or_json(api.list_refs)
async def show_refs(project: str) -> Response:
    """Show the refs of a project that have builds, and the latest of those."""
    check_no_parameters("after")
    begin, recent = read_after(), shaman().store.recent
    page = await recent.build_refs(project, begin, NAMES)
    if not page.rows and not await shaman().store.builds.knows(project):
        raise NotFound(NOTHING)
    builds = [] if begin else await recent.builds([project], NAMES)
    return render("build_names.html", names=[project], page=page, builds=builds)


@blueprint.get("/<name:project>/<name:ref>/")
@or_json(api.list_sha1s)
async def show_sha1s(project: str, ref: str) -> Response:
    """Show the sha1s of a ref that have builds."""
    check_no_parameters("after")
    begin = read_after()
    page = await shaman().store.recent.build_sha1s(project, ref, begin, NAMES)
    if not page.rows and not await shaman().store.finding.knows(project, ref):
        raise NotFound(NOTHING)
    return render("build_names.html", names=[project, ref], page=page, builds=[])


@blueprint.get(SHA1)
@or_json(api.list_builds)
async def show_builds(project: str, ref: str, sha1: str) -> Response:
    """Show the builds of a sha1."""
    return await _show_builds(project, ref, sha1)


@answers(list[BuildObject])
async def list_flavor(project: str, ref: str, sha1: str, flavor: str) -> Response:
    """List the builds of a flavor of a sha1."""
    check_no_parameters()
    found = await shaman().store.builds.find_sha1(project, ref, sha1)
    return json_response([build_object(build, shaman().releases) for build in found if build.flavor == flavor])


@blueprint.get(f"{SHA1}<name:flavor>/")
@or_json(list_flavor)
async def show_flavor(project: str, ref: str, sha1: str, flavor: str) -> Response:
    """Show the builds of a flavor of a sha1."""
    return await _show_builds(project, ref, sha1, flavor)


@answers(BuildObject)
async def get_build(project: str, ref: str, sha1: str, flavor: str, number: str) -> Response:
    """Tell one build."""
    return json_response(build_object(await _find(project, ref, sha1, flavor, number), shaman().releases))


@blueprint.get(f"{SHA1}<name:flavor>/<name:number>/")
@or_json(get_build)
async def show_build(project: str, ref: str, sha1: str, flavor: str, number: str) -> Response:
    """Show one build."""
    build = await _find(project, ref, sha1, flavor, number)
    extra = msgspec.json.format(msgspec.json.encode(build.extra)).decode()
    version = shaman().releases.number(build.distro or "", build.version)
    return render("build.html", build=build, names=[project, ref, sha1, flavor, number], extra=extra, version=version)


async def _show_builds(project: str, ref: str, sha1: str, flavor: str | None = None) -> Response:
    check_no_parameters("after")
    begin = read_after()
    builds, after = await shaman().store.recent.page_of_builds(project, ref, sha1, begin, BUILDS)
    shown = [build for build in builds if flavor in {None, build.flavor}]
    if not shown and not after:
        raise NotFound(NOTHING)
    return render("builds.html", names=[project, ref, sha1, *([flavor] if flavor else [])], builds=shown, next=after)


async def _find(project: str, ref: str, sha1: str, flavor: str, number: str) -> Build:
    check_no_parameters()
    found = await shaman().store.recent.build(project, number)
    if found is None or (found.ref, found.sha1, found.flavor) != (ref, sha1, flavor):
        raise NotFound(NOTHING)
    return found
