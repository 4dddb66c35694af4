"""Whole flows, as today's clients send them one request after the other."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from tests.conformance.api import OTHER_BACKEND, Api, Json, quoted, repo_body, sha1


def clock() -> Iterator[str]:
    """Tell the times of a sender, each later than the one before."""
    begin = datetime(2026, 6, 17, 18, 4, 30, 190595, tzinfo=UTC)
    return (str((begin + timedelta(seconds=step)).replace(tzinfo=None)) for step in count())


def node_body(project: str, **changes: Any) -> Json:
    """Return the 19 keys that a storage node sends of a repo."""
    body = repo_body(project, **changes)
    place = quoted(project, *(str(body[name]) for name in ("ref", "sha1", "distro", "distro_version")))
    return {
        "needs_update": True,
        "is_updating": False,
        "is_queued": False,
        "signed": True,
        "size": 1073741824,
        "type": "rpm",
        "path": f"/opt/repos/{place}flavors/default",
        "project_name": project,
    } | body


async def test_a_storage_node_tells_the_life_of_a_repo(api: Api) -> None:
    """From the first binary to the last arch, with retries, an answer that came late, a rebuild and the end."""
    times = clock()
    sent: list[Json] = []

    async def tell(**changes: Any) -> Json:
        body = node_body(api.project, distro="centos", distro_version="9", modified=next(times), **changes)
        assert len(body) == 19
        await api.post("repos", body)
        sent.append(body)
        return await api.one_repo()

    x86: Json = {"archs": ["x86_64"], "extra": {"version": "19.2.0", "package_manager_version": "19.2.0-0.el9"}}
    assert (await tell(status="requested", archs=[], url="", extra={}))["url"] == ""
    for status in ("queued", "building"):
        assert (await tell(status=status, needs_update=False, **x86))["status"] == status
        assert (await api.http.get(api.path("repos", "main", "latest", "centos", "9") + "repo")).status_code == 504
    assert (await tell(status="ready", **x86))["archs"] == ["x86_64"]
    number = (await api.one_repo())["id"]
    for body in (sent[1], sent[3], sent[2], sent[3]):  # the retries of a slow network
        await api.post("repos", body)
    assert (await api.one_repo())["status"] == "ready"

    for status in ("requested", "queued", "building", "ready"):  # the second arch uploads
        repo = await tell(status=status, **x86 | {"archs": ["x86_64", "arm64"]})
        assert (repo["status"], repo["archs"]) == (status, ["x86_64", "arm64"])
    for arch in ("x86_64", "aarch64"):
        [repo] = await api.search(status="ready", arch=arch, sha1="latest", distros="centos/9", flavor="default")
        assert repo["id"] == number
        assert repo["extra"]["package_manager_version"] == "19.2.0-0.el9"

    end = {"chacra_url": sent[-1]["chacra_url"], "status": "deleted"}
    for body in (end, end, sent[-2], end):
        await api.post("repos", body)
    await api.nothing_stored()


async def test_a_rebuild_under_the_same_name_moves_the_repo(api: Api) -> None:
    """A branch that is built again in the same place takes its record along: `latest` and searches follow."""
    times = clock()
    body = node_body(api.project, ref="main", sha1=sha1(1), modified=next(times))
    await api.post("repos", body)
    for status in ("building", "ready"):
        await api.post("repos", body | {"sha1": sha1(2), "status": status, "modified": next(times)})
    await api.post("repos", body)  # late
    [repo] = await api.repos("main", "latest", "ubuntu", "noble")
    assert (repo["sha1"], repo["chacra_url"]) == (sha1(2), body["chacra_url"])
    assert await api.repos("main") == [sha1(2)]
    assert await api.search(sha1=sha1(1)) == []


async def test_a_scheduler_finds_what_it_can_test(api: Api) -> None:
    """It asks for the newest sha1 of a branch that every distro has, reads the first, then how each was built."""
    cells = [("centos", "9"), ("ubuntu", "jammy"), ("ubuntu", "noble")]
    for number in (1, 2):
        for distro, version in cells[: 4 - number]:
            names = {"sha1": sha1(number), "distro": distro, "distro_version": version}
            url = f"https://ci.example.org/{number}/{distro}-{version}/"
            await api.post_build(url=url, status="queued", **names)
            extra = {"version": "19.2.0", "package_manager_version": f"19.2.0-{number}", "build_url": url}
            await api.post_repo(status="building", extra=extra, **names)
            await api.post_build(url=url, status="completed", **names)
            await api.post_repo(status="ready", extra=extra, **names)
    query = {"status": "ready", "flavor": "default", "ref": "main", "arch": "x86_64"}
    for distros in ("ubuntu/22.04", "ubuntu/jammy/x86_64"):
        found = await api.search(distros=distros, sha1="latest", **query)
        assert [repo["sha1"] for repo in found] == [sha1(2)]
    found = await api.search(distros="centos/9,ubuntu/22.04,ubuntu/24.04", sha1="latest", **query)
    assert [(repo["distro"], repo["distro_codename"] or repo["distro_version"]) for repo in found] == cells
    assert {repo["sha1"] for repo in found} == {sha1(1)}
    first = found[0]
    assert first["extra"]["version"] == "19.2.0"
    builds = {build["url"]: build["status"] for build in await api.builds("main", first["sha1"])}
    assert builds == {repo["extra"]["build_url"]: "completed" for repo in found}


async def test_a_scheduler_waits_for_a_sha1(api: Api) -> None:
    """It asks again and again for one sha1: an empty list first, and its repo as soon as it is ready."""
    query = {"status": "ready", "distros": "centos/9/x86_64", "flavor": "default", "sha1": sha1(7)}
    body = repo_body(api.project, sha1=sha1(7), distro="centos", distro_version="9")
    for status in ("requested", "queued", "building", "ready"):
        assert await api.search(**query) == []
        await api.post("repos", body | {"status": status})
    [repo] = await api.search(**query)
    assert repo["url"] == body["url"]


async def test_a_package_installer_follows_the_repo_file(api: Api) -> None:
    """`curl --fail .../repo?arch=$(uname -m)` leads to the newest repo of that arch, and fails while there is none."""
    place = api.path("repos", "main", "latest", "centos", "9") + "flavors/default/repo"
    centos: Json = {"distro": "centos", "distro_version": "9"}
    assert (await api.http.get(place, params={"arch": "aarch64"})).status_code == 404
    await api.post_repo(sha1=sha1(1), archs=["x86_64"], **centos)
    failed = await api.http.get(place, params={"arch": "aarch64"})
    assert failed.status_code == 504
    assert all(line.startswith("# ") for line in failed.text.splitlines())
    arm = await api.post_repo(OTHER_BACKEND, sha1=sha1(1), archs=["arm64"], **centos)
    newer = await api.post_repo(sha1=sha1(2), archs=["x86_64"], **centos)
    for arch, body in (("aarch64", arm), ("x86_64", newer)):
        response = await api.http.get(place, params={"arch": arch})
        assert (response.status_code, response.headers["Location"]) == (302, body["chacra_url"] + "repo")


async def test_a_daily_cleaner_sees_every_ready_sha1(api: Api) -> None:
    """It dumps all that is ready and deletes the images of every other sha1, so none may be missing."""
    for number in range(1, 61):
        await api.post_repo(sha1=sha1(number), status="ready" if number % 3 else "failed")
    dump = await api.get(f"/api/search?project={api.project}&status=ready")
    assert [repo["sha1"] for repo in dump] == [sha1(number) for number in range(60, 0, -1) if number % 3]
