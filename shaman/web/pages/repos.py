"""`/repos/` for browsers: what is built, level by level, whatever its state, and the page of one repo."""

import re
from shlex import quote

import msgspec
from quart import Response, request

from shaman.checks import check_text
from shaman.errors import NotFound
from shaman.models import READY, Repo
from shaman.search import ANY, LATEST, find_repos, pattern_of
from shaman.store.recent import Line
from shaman.store.repos import Pattern
from shaman.web.context import shaman
from shaman.web.pages.rendering import cut, origin, path, read_after, read_cursor, render
from shaman.web.responses import check_no_parameters

NAMES = 50
"""Rows of a list of names."""

REPOS = 100
"""Rows of a list of repos."""

NOTHING = "nothing of that name is known"

_FILES = {"deb": "/etc/apt/sources.list.d/{}.list", "rpm": "/etc/yum.repos.d/{}.repo"}
_DEB = frozenset({"debian", "ubuntu"})
_RPM = frozenset({"almalinux", "centos", "fedora", "rhel", "rocky"})


async def show_projects() -> Response:
    """Show the projects."""
    status = _status()
    projects, more = await shaman().store.recent.projects(read_cursor(), status)
    return render(
        "projects.html", projects=projects, more=path("repos", after=str(more), status=status) if more else ""
    )


async def show_refs(project: str) -> Response:
    """Show the refs of a project."""
    status, begin = _status(), read_after()
    page = await shaman().store.recent.refs(project, status, begin, NAMES)
    if not page.rows and not begin:
        raise NotFound(NOTHING)
    return render("refs.html", names=[project], status=status, page=page)


async def show_sha1s(project: str, ref: str) -> Response:
    """Show the sha1s of a ref."""
    status, begin, recent = _status(), read_after(), shaman().store.recent
    page = await recent.sha1s(project, ref, status, begin, NAMES)
    if not page.rows and not begin:
        raise NotFound(NOTHING)
    lines = await recent.lines(project, ref, [row.name for row in page.rows])
    return render("sha1s.html", names=[project, ref], status=status, page=page, lines=lines)


async def show_distros(project: str, ref: str, sha1: str) -> Response:
    """Show the repos of a sha1."""
    return await _show_repos(project, ref, sha1)


async def show_versions(project: str, ref: str, sha1: str, distro: str) -> Response:
    """Show the repos of a sha1 for a distro."""
    return await _show_repos(project, ref, sha1, distro)


async def show_archs(project: str, ref: str, sha1: str, distro: str, version: str) -> Response:
    """Show the repos of a sha1 for a version of a distro.

    Where there are none and the last name is a number, it is the id of a repo and the one before it a flavor.
    """
    try:
        return await _show_repos(project, ref, sha1, distro, version)
    except NotFound:
        if not (version.isascii() and version.isdigit()):
            raise
        return await _show_repo(project, ref, sha1, distro, version)


async def show_arch(project: str, ref: str, sha1: str, distro: str, version: str, arch: str) -> Response:
    """Show the repos of a sha1 for a version of a distro and an arch."""
    return await _show_repos(project, ref, sha1, distro, version, arch)


async def _show_repos(project: str, ref: str, sha1: str, *built_for: str) -> Response:
    pattern = _pattern(*built_for)
    begin, recent = read_after(), shaman().store.recent
    found = await _real_sha1(project, ref, sha1, pattern)
    lines = await recent.lines(project, ref, [found])
    matching = [line for line in lines[found] if _matches(line, pattern)]
    builds = {} if built_for else await recent.builds_of(project, ref, [found], 1)
    if not matching and not builds.get(found):
        raise NotFound(NOTHING)
    rows, after = cut(matching, begin, REPOS)
    repos = await recent.repos(project, [line.id for line in rows])
    return render(
        "repos.html",
        names=[project, ref, sha1, *built_for],
        sha1=found,
        status=pattern.status,
        repos=repos,
        next=after,
        builds=bool(builds.get(found)),
    )


async def _show_repo(project: str, ref: str, sha1: str, flavor: str, number: str) -> Response:
    status = _status()
    found = await shaman().store.recent.repos(project, [number])
    repo = next((repo for repo in found if (repo.ref, repo.sha1, repo.flavor) == (ref, sha1, flavor)), None)
    if repo is None or status not in {None, repo.status}:
        raise NotFound(NOTHING)
    return render(
        "repo.html",
        repo=repo,
        file=_file_of(repo),
        extra=msgspec.json.format(msgspec.json.encode(repo.extra)).decode(),
        version=shaman().releases.number(repo.distro, repo.version),
    )


async def _real_sha1(project: str, ref: str, sha1: str, pattern: Pattern) -> str:
    """Return the sha1 that is meant: `latest` is the newest that has a ready repo for the rest of the path."""
    if sha1 != LATEST:
        return sha1
    wanted = msgspec.structs.replace(pattern, status=pattern.status or READY)
    found = await find_repos(shaman().store.repos, project, ref, LATEST, wanted)
    if not found:
        raise NotFound("no sha1 has a ready repo for that")
    return found[0].sha1


def _file_of(repo: Repo) -> dict[str, str] | None:
    """Return where the package manager's file of a repo is, and the line that puts it in its place."""
    if repo.status != READY or not repo.chacra_url:
        return None
    names = ("api", "repos", repo.project, repo.ref, repo.sha1, repo.distro, repo.version, "flavors", repo.flavor)
    url = origin() + path(*names) + "repo"
    kind = "deb" if repo.distro in _DEB else "rpm" if repo.distro in _RPM else ""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", repo.project).lstrip(".-") or "shaman"
    target = f"-o {_FILES[kind].format(name)} " if kind else "-O "
    return {"url": url, "curl": f"{'sudo ' if kind else ''}curl -fsSL {target}{quote(url)}"}


def _status() -> str | None:
    """Return the status asked for; None, for any, where none is."""
    check_no_parameters("status", "after")
    status = request.args.get("status")
    if status is None:
        return None
    check_text("status", status)
    return None if status.lower() == ANY else status


def _pattern(*built_for: str) -> Pattern:
    return pattern_of(shaman().releases, _status(), *built_for)


def _matches(line: Line, pattern: Pattern) -> bool:
    return (
        pattern.status in {None, line.status}
        and pattern.distro in {None, line.distro}
        and pattern.version in {None, line.version}
        and (pattern.arch is None or pattern.arch in line.archs)
    )
