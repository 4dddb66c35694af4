"""`/repos/`: what is built, level by level, and the POST that tells it."""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import UNSET, Struct
from quart import Blueprint, Response, request

from shaman.checks import check_posted_repo, check_text
from shaman.distros import Releases, canonical_arch
from shaman.errors import NotFound, WrongType
from shaman.merge import PostRules
from shaman.models import PostedRepo, Repo
from shaman.search import Built, expand, find_repos, parse_status, pattern_of
from shaman.store.repos import Outcome, Pattern
from shaman.times import format_time
from shaman.web.answers import Body, answers
from shaman.web.auth import check_may_write
from shaman.web.context import shaman
from shaman.web.pages import repos as pages
from shaman.web.pages.accept import or_page
from shaman.web.responses import check_no_parameters, json_body, json_response

blueprint = Blueprint("repos", __name__, url_prefix="/repos")

RULES = PostRules(required=("ref", "sha1", "distro", "distro_version", "url", "arch"), archs_replace=True)
NOTHING = "nothing of that name is built; ?status=any shows what is not ready, too"

_posted = msgspec.json.Decoder(PostedRepo)


class ArchRepoObject(Struct, frozen=True, kw_only=True):
    """A repo of this dialect, for one arch."""

    arch: str
    project: str
    ref: str
    sha1: str
    distro: str
    distro_version: str
    distro_codename: str | None
    flavor: str
    url: str
    chacra_url: str
    status: str
    modified: str
    extra: dict[str, Any]


@blueprint.get("/")
@or_page(pages.show_projects)
@answers(list[str], query=("status",))
async def list_projects() -> Response:
    """List the projects."""
    return _found(await shaman().store.repos.projects(_status()), empty_is_found=True)


@blueprint.get("/<name:project>/")
@or_page(pages.show_refs)
@answers(list[str], query=("status",), errors=(NotFound,))
async def list_refs(project: str) -> Response:
    """List the refs of a project."""
    return _found(await shaman().store.repos.refs(project, _status()))


@blueprint.get("/<name:project>/<name:ref>/")
@or_page(pages.show_sha1s)
@answers(list[str], query=("status",), errors=(NotFound,))
async def list_sha1s(project: str, ref: str) -> Response:
    """List the sha1s of a ref."""
    return _found(await shaman().store.repos.sha1s(project, ref, _status()))


@blueprint.get("/<name:project>/<name:ref>/<name:sha1>/")
@or_page(pages.show_distros)
@answers(list[str], query=("status",), errors=(NotFound,))
async def list_distros(project: str, ref: str, sha1: str) -> Response:
    """List the distros a sha1 is built for."""
    built = await _find(project, ref, sha1, _pattern())
    return _found(_names(item.repo.distro for item in built))


@blueprint.get("/<name:project>/<name:ref>/<name:sha1>/<name:distro>/")
@or_page(pages.show_versions)
@answers(list[str], query=("status",), errors=(NotFound,))
async def list_versions(project: str, ref: str, sha1: str, distro: str) -> Response:
    """List the versions of a distro a sha1 is built for."""
    built = await _find(project, ref, sha1, _pattern(distro))
    return _found(_names(item.repo.version for item in built))


@blueprint.get("/<name:project>/<name:ref>/<name:sha1>/<name:distro>/<name:version>/")
@or_page(pages.show_archs)
@answers(list[str], query=("status",), errors=(NotFound,))
async def list_archs(project: str, ref: str, sha1: str, distro: str, version: str) -> Response:
    """List the archs a sha1 is built for on a version of a distro."""
    built = await _find(project, ref, sha1, _pattern(distro, version))
    return _found(_names(item.arch for item in built))


@blueprint.get("/<name:project>/<name:ref>/<name:sha1>/<name:distro>/<name:version>/<name:arch>/")
@or_page(pages.show_arch)
@answers(list[ArchRepoObject], query=("status",), errors=(NotFound,))
async def get_repos(project: str, ref: str, sha1: str, distro: str, version: str, arch: str) -> Response:
    """List the repos a sha1 is built in for a distro, version and arch."""
    built = await _find(project, ref, sha1, _pattern(distro, version, arch))
    if not built:
        raise NotFound(NOTHING)
    return repo_objects(built)


@blueprint.post("/<name:project>/")
@answers(
    {200: (ArchRepoObject, PostedRepo), 201: ArchRepoObject},
    body=Body(kind=PostedRepo, new=RULES.required, old=("chacra_url",)),
    errors=(WrongType,),
    login=True,
)
async def post_repo(project: str) -> Response:
    """Add or update a repo: 201 or 200, and the repo."""
    check_may_write(project)
    check_no_parameters()
    check_text("project", project)
    posted = await json_body(_posted)
    check_posted_repo(posted)
    outcome, repo = await shaman().store.repos.put(project, posted, RULES)
    status = 201 if outcome is Outcome.CREATED else 200
    if repo is None or outcome is Outcome.DELETED:
        return json_response(posted, status)
    built = _built_as(repo, posted)
    return json_response(repo_object(built.repo, built.arch, shaman().releases), status)


def repo_objects(built: Iterable[Built]) -> Response:
    """Answer with a list of repos."""
    releases = shaman().releases
    return json_response([repo_object(item.repo, item.arch, releases) for item in built])


def repo_object(repo: Repo, arch: str, releases: Releases) -> ArchRepoObject:
    """Return a repo as this dialect tells it."""
    return ArchRepoObject(
        arch=arch,
        project=repo.project,
        ref=repo.ref,
        sha1=repo.sha1,
        distro=repo.distro,
        distro_version=repo.version,
        distro_codename=releases.codename(repo.distro, repo.version),
        flavor=repo.flavor,
        url=repo.url,
        chacra_url=repo.chacra_url,
        status=repo.status,
        modified=format_time(repo.modified),
        extra=repo.extra,
    )


def _built_as(repo: Repo, posted: PostedRepo) -> Built:
    """Return a repo for the arch that was posted, if it has that one, as lists spell it; "" while it has none."""
    archs = repo.archs or ("",)
    wanted = "" if posted.arch is UNSET else canonical_arch(posted.arch)
    return Built(repo, next((arch for arch in archs if canonical_arch(arch) == wanted), archs[0]))


def _status() -> str | None:
    check_no_parameters("status")
    status = request.args.get("status")
    if status is not None:
        check_text("status", status)
    return parse_status(status)


def _pattern(*built_for: str) -> Pattern:
    return pattern_of(shaman().releases, _status(), *built_for)


async def _find(project: str, ref: str, sha1: str, pattern: Pattern) -> list[Built]:
    return expand(await find_repos(shaman().store.repos, project, ref, sha1, pattern), [pattern])


def _names(names: Iterable[str]) -> list[str]:
    """Return each name once, in the order of its newest repo."""
    return list(dict.fromkeys(names))


def _found(listed: list[Any], *, empty_is_found: bool = False) -> Response:
    if not listed and not empty_is_found:
        raise NotFound(NOTHING)
    return json_response(listed)
