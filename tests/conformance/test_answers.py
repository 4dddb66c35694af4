"""The rules for every answer: lists, slashes, keys, times, versions, errors, HEAD, credentials and health."""

import asyncio
import re
from http import HTTPStatus

import httpx
import pytest

from tests.conformance.api import TIME, Api, Json, build_body, description, repo_body, sha1

S = sha1(1)

# Every kind of GET that answers with JSON; P is the test's own project.
READS = [
    "/api/",
    "/api/repos/",
    "/api/repos/P/",
    "/api/repos/P/main/",
    f"/api/repos/P/main/{S}/",
    f"/api/repos/P/main/{S}/ubuntu/",
    f"/api/repos/P/main/{S}/ubuntu/noble/",
    f"/api/repos/P/main/{S}/ubuntu/noble/flavors/",
    f"/api/repos/P/main/{S}/ubuntu/noble/flavors/default/",
    "/api/repos/P/main/latest/",
    "/api/repos/P/main/latest/ubuntu/",
    "/api/repos/P/main/latest/ubuntu/noble/",
    "/api/search/?project=P",
    "/api/builds/",
    "/api/builds/P/",
    "/api/builds/P/main/",
    f"/api/builds/P/main/{S}/",
    "/api/nodes/",
]

WRITES = ["/api/repos/P/", "/api/builds/P/", "/api/nodes/P.invalid/"]

# One request for each error that WIRE names: its status, its method, its path.
FAULTS = [
    (400, "GET", "/api/search/?colour=red"),
    (401, "POST", "/api/repos/P/"),
    (401, "GET", "/api/nodes/next/"),
    (404, "GET", "/api/repos/P-unknown/"),
    (404, "GET", "/api/nodes/P.invalid/"),
    (404, "GET", "/api/no-such-resource/"),
    (405, "DELETE", "/api/search/"),
    (405, "PUT", "/api/repos/P/"),
    (504, "GET", "/api/repos/P/main/latest/"),
    (504, "GET", f"/api/repos/P/main/{S}/ubuntu/noble/repo"),
]


def without_slash(path: str) -> str:
    """Return the same path without the slash at its end."""
    name, mark, query = path.partition("?")
    return name.rstrip("/") + mark + query


async def test_objects_are_a_bare_array_newest_first(api: Api) -> None:
    """Repos and builds come as a bare array, and the one modified last is its first."""
    for host in ("a.example.org", "b.example.org", "c.example.org"):
        await api.post_repo(host)
        await api.post_build(url=f"https://{host}/1/")
    await api.post_repo("a.example.org", status="building")
    await api.post_build(url="https://a.example.org/1/", status="failed")
    expected = ["a.example.org", "c.example.org", "b.example.org"]
    repos, builds = await api.repos("main", S, "ubuntu", "noble"), await api.builds("main", S)
    for found in (repos, builds, await api.search()):
        assert [each["url"].split("/")[2] for each in found] == expected


async def test_names_are_a_bare_array_newest_first(api: Api) -> None:
    """At every level the name that was built last is told first."""
    for ref in ("squid", "main"):
        for number in (1, 2):
            await api.post_build(ref=ref, sha1=sha1(number))
            for distro, version in (("centos", "8"), ("centos", "9"), ("ubuntu", "jammy"), ("ubuntu", "noble")):
                for flavor in ("debug", "default"):
                    names = {"sha1": sha1(number), "distro": distro, "distro_version": version, "flavor": flavor}
                    await api.post_repo(ref=ref, **names)
    assert await api.repos() == await api.builds() == ["main", "squid"]
    assert await api.repos("squid") == await api.builds("squid") == [sha1(2), sha1(1)]
    assert await api.repos("squid", S) == ["ubuntu", "centos"]
    assert await api.repos("squid", S, "centos") == ["9", "8"]
    assert await api.repos("squid", S, "centos", "9", "flavors") == ["default", "debug"]


async def test_a_name_modified_again_is_the_newest(api: Api) -> None:
    """Newest is by `modified`: a repo that changes takes its ref and its sha1 to the front."""
    for number, ref in ((1, "main"), (2, "main"), (3, "squid")):
        await api.post_repo(sha1=sha1(number), ref=ref)
    await api.post_repo(status="building")
    assert await api.repos() == ["main", "squid"]
    assert await api.repos("main") == [sha1(1), sha1(2)]


async def test_lists_are_complete(api: Api) -> None:
    """The daily dump has every ready record, however many there are; a part of them would get images deleted."""
    slots = asyncio.Semaphore(16)

    async def post(number: int) -> None:
        async with slots:
            await api.post_repo(sha1=sha1(number), status="building" if number % 10 == 0 else "ready")
            await api.post_build(url=f"https://ci.example.org/job/{number}/")

    await asyncio.gather(*(post(number) for number in range(1, 301)))
    numbers = set(range(1, 301))
    ready = await api.search(status="ready")
    assert len(ready) == 270
    assert {repo["sha1"] for repo in ready} == {sha1(number) for number in numbers if number % 10}
    assert len(await api.search()) == 300
    assert set(await api.repos("main")) == {sha1(number) for number in numbers}
    assert len(await api.builds("main", S)) == 300
    everything = await api.search(status="")
    assert [repo["modified"] for repo in everything] == sorted((r["modified"] for r in everything), reverse=True)


@pytest.mark.parametrize("path", READS)
async def test_a_get_answers_with_and_without_slash(api: Api, path: str) -> None:
    """Either form of a GET is 200 itself, never a redirect, and without credentials."""
    await api.post_repo()
    await api.post_build()
    path = path.replace("P", api.project)
    for form in (path, without_slash(path)):
        response = await api.http.get(form, auth=None)
        assert response.status_code == 200, form
        assert response.headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize("slash", ["/", ""])
async def test_a_post_is_taken_with_and_without_slash(api: Api, slash: str) -> None:
    """Either form of a POST is 200 itself, never a redirect."""
    for path, body in (
        (f"/api/repos/{api.project}", repo_body(api.project)),
        (f"/api/builds/{api.project}", build_body()),
        ("/api/nodes/127.0.0.1:1", {}),
    ):
        response = await api.http.post(path + slash, json=body)
        assert (response.status_code, response.json()) == (200, {})
    assert await api.one_repo()
    assert await api.one_build()


async def test_types_of_a_repo(api: Api) -> None:
    """Every key of a repo object is there with its type; others may be added."""
    await api.post_repo()
    repo = await api.one_repo()
    for name in ("url", "chacra_url", "ref", "sha1", "distro", "distro_version", "distro_codename", "modified"):
        assert isinstance(repo[name], str), name
    for name in ("status", "flavor", "project"):
        assert isinstance(repo[name], str), name
    assert isinstance(repo["archs"], list)
    assert isinstance(repo["extra"], dict)
    assert isinstance(repo["id"], int)


async def test_types_of_a_build(api: Api) -> None:
    """Every key of a build object is there with its type; others may be added."""
    await api.post_build(status="completed")
    build = await api.one_build()
    for name in ("url", "log_url", "ref", "sha1", "flavor", "status", "modified", "started", "completed", "project"):
        assert isinstance(build[name], str), name
    for name in ("distro", "distro_version", "distro_codename", "distro_arch"):
        assert isinstance(build[name], str), name
    assert isinstance(build["extra"], dict)
    assert isinstance(build["id"], int)


async def test_archs_and_extra_are_there_without_being_posted(api: Api) -> None:
    """A record posted without them has an empty list and an empty object, never null."""
    for resource, body in (("repos", repo_body(api.project)), ("builds", build_body())):
        await api.post(resource, {name: body[name] for name in body if name not in {"archs", "extra"}})
    repo = await api.one_repo()
    assert (repo["archs"], repo["extra"]) == ([], {})
    assert (await api.one_build())["extra"] == {}


async def test_an_extra_of_null_is_never_told(api: Api) -> None:
    """Whatever becomes of a body with a null `extra`, no answer has one."""
    await api.post_repo(host="a.example.org")
    await api.http.post(api.path("repos"), json=repo_body(api.project, extra=None))
    await api.http.post(api.path("builds"), json=build_body(extra=None))
    assert all(isinstance(each["extra"], dict) for each in [*await api.search(), *await api.builds("main", S)])


async def test_urls_end_with_a_slash(api: Api) -> None:
    """`url` and `chacra_url` get the slash they were posted without, and it makes no other record."""
    body = repo_body(api.project)
    for end in ("", "/"):
        await api.post_repo(url=body["url"].rstrip("/") + end, chacra_url=body["chacra_url"].rstrip("/") + end)
        repo = await api.one_repo()
        assert (repo["url"], repo["chacra_url"]) == (body["url"], body["chacra_url"])


async def test_an_empty_url_gets_no_slash(api: Api) -> None:
    """A repo without `url` yet shows an empty text."""
    await api.post_repo(status="requested", url="")
    assert (await api.one_repo())["url"] == ""


async def test_times_are_texts_that_sort(api: Api) -> None:
    """Each time is UTC with a blank and six decimals, so that texts sort as the times do."""
    for number in range(1, 6):
        await api.post_repo(sha1=sha1(number))
        await api.post_build(url=f"https://ci.example.org/job/{number}/", status="completed")
    repos, builds = await api.search(), await api.builds("main", S)
    times = [repo["modified"] for repo in repos]
    assert times == sorted(times, reverse=True)
    times += [build[name] for build in builds for name in ("modified", "started", "completed")]
    assert all(TIME.fullmatch(time) for time in times)


RELEASES = [
    ("ubuntu", "4.10", "warty"),
    ("ubuntu", "6.06", "dapper"),
    ("ubuntu", "12.04", "precise"),
    ("ubuntu", "14.04", "trusty"),
    ("ubuntu", "16.04", "xenial"),
    ("ubuntu", "18.04", "bionic"),
    ("ubuntu", "20.04", "focal"),
    ("ubuntu", "22.04", "jammy"),
    ("ubuntu", "24.04", "noble"),
    ("ubuntu", "25.04", "plucky"),
    ("ubuntu", "25.10", "questing"),
    ("ubuntu", "26.04", "resolute"),
    ("debian", "2.2", "potato"),
    ("debian", "3.1", "sarge"),
    ("debian", "7", "wheezy"),
    ("debian", "8", "jessie"),
    ("debian", "9", "stretch"),
    ("debian", "10", "buster"),
    ("debian", "11", "bullseye"),
    ("debian", "12", "bookworm"),
    ("debian", "13", "trixie"),
]


@pytest.mark.parametrize(("distro", "number", "codename"), RELEASES, ids=[release[2] for release in RELEASES])
async def test_a_release_has_a_number_and_a_codename(api: Api, distro: str, number: str, codename: str) -> None:
    """Posted either way, repos, search and builds tell both, and either reaches it in paths and in `distros=`."""
    for posted, sha in ((number, sha1(1)), (codename, sha1(2))):
        await api.post_repo(sha1=sha, distro=distro, distro_version=posted)
        await api.post_build(sha1=sha, distro=distro, distro_version=posted)
        assert await api.repos("main", sha, distro) == [codename]
        for asked in (number, codename):
            found: list[Json] = [
                *await api.repos("main", sha, distro, asked),
                *await api.repos("main", "latest", distro, asked),
                *await api.search(sha1=sha, distros=f"{distro}/{asked}"),
                *await api.builds("main", sha),
            ]
            versions = [(each["distro_version"], each["distro_codename"]) for each in found]
            assert versions == [(number, codename)] * 4
            assert all(each["sha1"] == sha for each in found)


@pytest.mark.parametrize(
    ("distro", "version"),
    [("centos", "9"), ("centos", "8"), ("rocky", "10"), ("fedora", "41"), ("opensuse", "15.6"), ("windows", "1809")],
)
async def test_other_distros_have_a_number_alone(api: Api, distro: str, version: str) -> None:
    """Where no codenames are known the version is told as posted, and the codename is null."""
    await api.post_repo(distro=distro, distro_version=version)
    await api.post_build(distro=distro, distro_version=version)
    assert await api.repos("main", S, distro) == [version]
    found = [*await api.repos("main", S, distro, version), *await api.search(distros=f"{distro}/{version}")]
    found += await api.builds("main", S)
    assert [(each["distro_version"], each["distro_codename"]) for each in found] == [(version, None)] * 3


async def fault(api: Api, method: str, path: str, accept: str | None) -> httpx.Response:
    """Return the answer to a request that fails, sent without credentials by a client with this `Accept`."""
    await api.post_repo(status="building")
    request = api.http.build_request(method, path.replace("P", api.project))
    del request.headers["Accept"]
    if accept is not None:
        request.headers["Accept"] = accept
    return await api.http.send(request, auth=None)


@pytest.mark.parametrize("accept", ["application/json", "application/json, text/plain, */*", "application/json;q=0.9"])
@pytest.mark.parametrize(("status", "method", "path"), FAULTS)
async def test_programs_get_errors_as_json(api: Api, status: int, method: str, path: str, accept: str) -> None:
    """Whoever asks for JSON gets the code, its title and a description."""
    response = await fault(api, method, path, accept)
    assert response.status_code == status
    assert response.headers["Content-Type"].startswith("application/json")
    told = response.json()
    assert (told["code"], told["title"]) == (status, HTTPStatus(status).phrase)
    assert description(response)


@pytest.mark.parametrize("accept", [None, "*/*", "text/plain", "text/html,application/xhtml+xml,*/*;q=0.8"])
@pytest.mark.parametrize(("status", "method", "path"), FAULTS)
async def test_scripts_get_errors_as_comments(
    api: Api, status: int, method: str, path: str, accept: str | None
) -> None:
    """Anyone else gets plain text, never HTML, each line a comment: it ends in .repo and .list files unseen."""
    response = await fault(api, method, path, accept)
    assert response.status_code == status
    assert response.headers["Content-Type"].startswith("text/plain")
    lines = response.text.removesuffix("\n").split("\n")
    assert all(line.startswith("# ") for line in lines), response.text


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
async def test_a_name_with_line_ends_leaves_the_comment_nowhere(api: Api, end: str) -> None:
    """What the caller sent cannot start a line of its own in the file that the error ends in."""
    response = await api.http.get("/api/search/", params={"distros": f"x{end}deb http://evil.example/ ./"})
    assert response.status_code == 400
    assert all(line.startswith("# ") for line in re.split(r"[\r\n]+", response.text.strip("\r\n")))


async def test_a_wrong_method_names_the_right_ones(api: Api) -> None:
    """A 405 tells what the path takes."""
    assert "GET" in (await api.http.delete("/api/search/")).headers["Allow"]
    allowed = (await api.http.delete(api.path("repos"))).headers["Allow"]
    assert "GET" in allowed
    assert "POST" in allowed


@pytest.mark.parametrize("path", [path for path in READS if "P" in path])
async def test_head_answers_as_get_does(api: Api, path: str) -> None:
    """HEAD has the status and the headers of GET and no body, with and without slash."""
    await api.post_repo()
    await api.post_build()
    path = path.replace("P", api.project)
    full = await api.http.get(path)
    for form in (path, without_slash(path)):
        head = await api.http.head(form)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Type"] == full.headers["Content-Type"]
        assert head.headers["Content-Length"] == str(len(full.content))


@pytest.mark.parametrize("path", [path for path in READS if "P" not in path])
async def test_head_answers_for_the_whole_server(api: Api, path: str) -> None:
    """HEAD works for the lists of all projects and nodes too."""
    head = await api.http.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize(("status", "method", "path"), [each for each in FAULTS if each[1] == "GET"])
async def test_head_fails_as_get_does(api: Api, status: int, method: str, path: str) -> None:
    """HEAD of what fails has the status of GET and no body."""
    assert method == "GET"
    response = await fault(api, "HEAD", path, None)
    assert (response.status_code, response.content) == (status, b"")


WRONG = {
    "none": {},
    "key": {"Authorization": "Basic Y29uZm9ybWFuY2U6d3Jvbmc="},
    "empty": {"Authorization": "Basic"},
    "not base64": {"Authorization": "Basic %%%"},
    "no colon": {"Authorization": "Basic bm9jb2xvbg=="},
    "not utf-8": {"Authorization": "Basic /////zr/"},
    "other scheme": {"Authorization": "Bearer secret"},
}


@pytest.mark.parametrize("headers", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("path", WRITES)
async def test_a_write_needs_credentials(api: Api, path: str, headers: dict[str, str]) -> None:
    """Without a writer's name and key it is a 401 that names the realm, and nothing is stored."""
    body = repo_body(api.project) | build_body()
    api.http.auth = httpx.Auth()  # which adds nothing
    response = await api.http.post(path.replace("P", api.project), json=body, headers=headers)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Basic realm="Shaman :: API"'
    await api.nothing_stored()
    assert (await api.http.get(f"/api/nodes/{api.project}.invalid/")).status_code == 404


@pytest.mark.parametrize("path", ["/_health/", "/_health"])
async def test_a_service_with_its_store_is_healthy(http: httpx.AsyncClient, path: str) -> None:
    """While the store answers, health is 204 with nothing to read, for GET and HEAD."""
    for method in ("GET", "HEAD"):
        response = await http.request(method, path, auth=None)
        assert (response.status_code, response.content) == (204, b"")
