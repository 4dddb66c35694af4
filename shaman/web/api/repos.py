"""`/api/repos/`: what is built, level by level; the way to a repo; and the POST of the storage nodes."""

from http import HTTPStatus
from typing import Any
from urllib.parse import quote, unquote

from quart import Blueprint, Response, request

from shaman.checks import check_posted_repo, check_text, check_url, whole_url
from shaman.decoding import any_object, decode_body, read_as
from shaman.errors import Invalid, NotFound, NotReady
from shaman.merge import PostRules
from shaman.models import DEFAULT_FLAVOR, DELETED, READY, PostedRepo, Repo
from shaman.search import LATEST, find_repos, pattern_of
from shaman.times import parse_time
from shaman.web.answers import TEXT, Body, Done, answers
from shaman.web.api.objects import RepoObject, repo_object, with_slash
from shaman.web.auth import check_may_write
from shaman.web.context import shaman
from shaman.web.responses import check_no_parameters, json_response

blueprint = Blueprint("repos", __name__, url_prefix="/repos")

RULES = PostRules(
    required=("chacra_url", "ref", "sha1", "distro", "distro_version", "status"),
    archs_replace=False,
)
_KEPT = (
    "ref",
    "sha1",
    "distro",
    "distro_version",
    "flavor",
    "archs",
    "extra",
    "status",
    "chacra_url",
    "url",
    "modified",
)
_URL_MARKS = "%/:?#[]@!$&'()*+,;=~"
"""What stays as it is in a URL that was posted: what separates its parts, and what its sender has quoted."""


SHA1 = "/<name:project>/<name:ref>/<name:sha1>"
VERSION = SHA1 + "/<name:distro>/<name:version>"
FLAVOR = VERSION + "/flavors/<name:flavor>"


@blueprint.get("/")
@answers(dict[str, dict[str, list[str]]])
async def list_projects() -> Response:
    """List the refs and sha1s of every project."""
    check_no_parameters()
    repos = shaman().store.repos
    return json_response({name: await repos.names(name) for name in await repos.projects(None)})


@blueprint.get("/<name:project>/")
@answers(list[str], errors=(NotFound,))
async def list_refs(project: str) -> Response:
    """List the refs of a project."""
    check_no_parameters()
    return await _listed(project, await shaman().store.repos.refs(project, None))


@blueprint.get("/<name:project>/<name:ref>/")
@answers(list[str], errors=(NotFound,))
async def list_sha1s(project: str, ref: str) -> Response:
    """List the sha1s of a ref."""
    check_no_parameters()
    return await _listed(project, await shaman().store.repos.sha1s(project, ref, None))


@blueprint.get(SHA1 + "/")
@answers(list[str], query=("arch",), errors=(NotFound, NotReady))
async def list_distros(project: str, ref: str, sha1: str) -> Response:
    """List the distros a sha1 is built for."""
    found = await _find(project, ref, sha1)
    return await _listed(project, list(dict.fromkeys(repo.distro for repo in found)))


@blueprint.get(SHA1 + "/<name:distro>/")
@answers(list[str], query=("arch",), errors=(NotFound, NotReady))
async def list_versions(project: str, ref: str, sha1: str, distro: str) -> Response:
    """List the versions of a distro a sha1 is built for, as they are kept: the codename where there is one."""
    found = await _find(project, ref, sha1, distro)
    return await _listed(project, list(dict.fromkeys(repo.version for repo in found)))


@blueprint.get(VERSION + "/")
@blueprint.get(FLAVOR + "/")
@answers(list[RepoObject], query=("arch",), errors=(NotFound, NotReady))
async def list_repos(
    project: str, ref: str, sha1: str, distro: str, version: str, flavor: str = DEFAULT_FLAVOR
) -> Response:
    """List the repos of a flavor that a sha1 is built in for a version of a distro."""
    found = await _find(project, ref, sha1, distro, version, flavor)
    return await _listed(project, [repo_object(repo, shaman().releases) for repo in found])


@blueprint.get(VERSION + "/flavors/")
@answers(list[str], query=("arch",), errors=(NotFound, NotReady))
async def list_flavors(project: str, ref: str, sha1: str, distro: str, version: str) -> Response:
    """List the flavors a sha1 is built in for a version of a distro."""
    found = await _find(project, ref, sha1, distro, version)
    return await _listed(project, list(dict.fromkeys(repo.flavor for repo in found)))


@blueprint.get(VERSION + "/repo/")
@blueprint.get(FLAVOR + "/repo/")
@answers({302: str}, media=TEXT, query=("arch",), errors=(NotFound, NotReady))
async def get_repo_file(
    project: str, ref: str, sha1: str, distro: str, version: str, flavor: str = DEFAULT_FLAVOR
) -> Response:
    """Redirect to the package manager's file of the newest ready repo."""
    check_no_parameters("arch")
    found = await _find_ready(project, ref, sha1, distro, version, flavor, request.args.get("arch"))
    return _redirect(found, "chacra_url", "repo", f"{project}/{ref}")


@blueprint.get(VERSION + "/<name:arch>/")
@blueprint.get(VERSION + "/<name:arch>/<tail:tail>")
@blueprint.get(FLAVOR + "/<name:arch>/")
@blueprint.get(FLAVOR + "/<name:arch>/<tail:tail>")
@answers({302: str}, media=TEXT, errors=(NotFound, NotReady))
async def get_file(
    project: str,
    ref: str,
    sha1: str,
    distro: str,
    version: str,
    arch: str,
    flavor: str = DEFAULT_FLAVOR,
    tail: str = "",
) -> Response:
    """Redirect to a file of the newest ready repo that has the arch."""
    check_no_parameters()
    names = [unquote(name) for name in tail.split("/")]
    # Servers differ in whether a quoted slash separates, and some take a backslash for one.
    if any(part in {".", ".."} for name in names for part in name.replace("\\", "/").split("/")):
        raise Invalid("path: must not lead out of the repo")
    found = await _find_ready(project, ref, sha1, distro, version, flavor, arch)
    return _redirect(found, "url", "/".join(quote(name, safe="+~:@!$&'()*,;=") for name in names), f"{project}/{ref}")


@blueprint.post("/<name:project>/")
@answers(
    Done,
    body=Body(kind=PostedRepo, new=RULES.required, old=("chacra_url",), fields=_KEPT, silent=(None,)),
    login=True,
)
async def post_repo(project: str) -> Response:
    """Add, update, move or delete the repo of a chacra_url."""
    check_may_write(project)
    check_no_parameters()
    check_text("project", project)
    body = decode_body(await request.get_data(), any_object)
    posted = _deletion(body) if body.get("status") == DELETED else _posted(body)
    check_posted_repo(posted)
    await shaman().store.repos.put(project, posted, RULES)
    return json_response({})


def _posted(body: dict[str, Any]) -> PostedRepo:
    """Return what is kept of a body. A null says nothing."""
    posted = read_as(PostedRepo, {name: body[name] for name in _KEPT if body.get(name) is not None})
    if not posted.chacra_url:
        raise Invalid("chacra_url: is missing" if "chacra_url" not in body else "chacra_url: must not be empty")
    return posted


def _deletion(body: dict[str, Any]) -> PostedRepo:
    """Return a deletion: by chacra_url alone, whatever else the body says."""
    kept = {"status": DELETED, "chacra_url": body.get("chacra_url")}
    try:
        parse_time("modified", body["modified"])
        kept["modified"] = body["modified"]
    except (KeyError, TypeError, Invalid):
        pass
    return _posted(kept)


async def _find(
    project: str, ref: str, sha1: str, distro: str | None = None, version: str | None = None, flavor: str | None = None
) -> list[Repo]:
    """Find the repos of a path, of `latest` the ready ones of the newest sha1 that has them.

    Raises NotReady where there is no such sha1.
    """
    check_no_parameters("arch")
    arch = request.args.get("arch")
    if sha1 == LATEST:
        return await _find_ready(project, ref, sha1, distro, version, flavor, arch)
    wanted = pattern_of(shaman().releases, None, distro, version, arch, flavor)
    return await find_repos(shaman().store.repos, project, ref, sha1, wanted)


async def _find_ready(
    project: str,
    ref: str,
    sha1: str,
    distro: str | None,
    version: str | None,
    flavor: str | None,
    arch: str | None,
) -> list[Repo]:
    wanted = pattern_of(shaman().releases, READY, distro, version, arch, flavor)
    found = await find_repos(shaman().store.repos, project, ref, sha1, wanted)
    if not found:
        await _check_project(project)
        raise NotReady(f"no repository is ready for: {project}/{ref}")
    return found


async def _listed(project: str, names: list[Any]) -> Response:
    """Return a list; an empty one only if the project is known."""
    if not names:
        await _check_project(project)
    return json_response(names)


async def _check_project(project: str) -> None:
    if not await shaman().store.repos.has(project):
        raise NotFound(f"no such project: {project}")


def _redirect(found: list[Repo], field: str, tail: str, name: str) -> Response:
    """Redirect into the newest repo that says where it is, by https where it names no scheme."""
    urls = [with_slash(url) for url in (getattr(repo, field) for repo in found) if _leads_somewhere(url)]
    if not urls:
        raise NotReady(f"no repository is ready for: {name}")
    url = quote(whole_url(urls[0]), safe=_URL_MARKS)
    response = Response(f"# {url}{tail}\n", HTTPStatus.FOUND, content_type="text/plain; charset=utf-8")
    response.headers["Location"] = url + tail
    return response


def _leads_somewhere(url: str) -> bool:
    """Tell whether a POST could say so: a record may have come by an import under older rules."""
    try:
        check_url("url", url)
    except Invalid:
        return False
    return bool(url)
