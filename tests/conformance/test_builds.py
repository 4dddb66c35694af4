"""`/api/builds/`: the levels, the build objects, the life of a build, and who takes over what is queued."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.conformance.api import Api, Json, build_body, description, sha1

S = sha1(1)

# What one pipeline run builds.
CELLS: list[Json] = [
    {"distro": distro, "distro_version": version, "distro_arch": arch}
    for distro, version, arch in (
        ("ubuntu", "jammy", "x86_64"),
        ("ubuntu", "noble", "x86_64"),
        ("ubuntu", "noble", "arm64"),
        ("centos", "9", "x86_64"),
        ("centos", "9", "arm64"),
    )
]

# A trigger says what will be built before it knows for what; some leave the fields out, some leave them empty.
TRIGGERS: list[Json] = [{}, {"distro": "", "distro_version": "", "distro_arch": ""}]

REQUIRED = ["url", "ref", "sha1", "status"]


def without(body: Json, *names: str) -> Json:
    """Return a body without these keys."""
    return {name: value for name, value in body.items() if name not in names}


def trigger_body(**changes: Any) -> Json:
    """Return the keys of a queued build that names no cell, with these changes."""
    body = without(build_body(), "distro", "distro_version", "distro_arch")
    return body | {"status": "queued", "url": "https://ci.example.org/job/trigger/1/"} | changes


async def test_every_level_lists_what_is_below(api: Api) -> None:
    """Projects have refs, refs have sha1s, sha1s have builds."""
    await api.post_build()
    await api.post_build(ref="wip/a+b #1", sha1=sha1(2))
    await api.sibling().post_build(ref="squid")
    everything = await api.get("/api/builds/")
    assert everything[api.project] == ["wip/a+b #1", "main"]
    assert everything[api.sibling().project] == ["squid"]
    assert await api.builds() == ["wip/a+b #1", "main"]
    assert await api.builds("wip/a+b #1") == [sha1(2)]
    [build] = await api.builds("wip/a+b #1", sha1(2))
    assert (build["ref"], build["sha1"], build["project"]) == ("wip/a+b #1", sha1(2), api.project)


async def test_an_unknown_project_is_404(api: Api) -> None:
    """Whoever misspells the project hears of it."""
    response = await api.http.get(api.path("builds"), headers={"Accept": "application/json"})
    assert response.status_code == 404
    assert api.project in description(response)
    assert api.project not in await api.get("/api/builds/")


async def test_below_the_project_nothing_is_an_empty_list(api: Api) -> None:
    """A client crashes on any 4xx here: unknown refs and sha1s are 200, of an unknown project too."""
    assert await api.builds("main") == []
    assert await api.builds("main", S) == []
    await api.post_build()
    for names in (["squid"], ["squid", S], ["main", sha1(2)], ["main", "latest"]):
        assert await api.builds(*names) == []


async def test_a_project_with_repos_alone_has_no_builds(api: Api) -> None:
    """It is known, so its list is empty; and it is not among the projects that have builds."""
    await api.post_repo()
    assert await api.builds() == []
    assert api.project not in await api.get("/api/builds/")


async def test_an_object_tells_what_was_posted(api: Api) -> None:
    """Every posted value comes back, the version as number and codename."""
    body = await api.post_build(build_id="77", extra={"version": "19.2.0", "list": [], "big": 12345678901234567890})
    build = await api.one_build()
    assert without(build, "id", "modified", "started", "completed", "project") == body | {
        "distro_version": "24.04",
        "distro_codename": "noble",
    }


async def test_what_was_never_told_is_null(api: Api) -> None:
    """Four fields make a build; flavor and extra have their defaults, the rest is null."""
    await api.post("builds", {name: build_body()[name] for name in REQUIRED})
    build = await api.one_build()
    for name in ("log_url", "completed", "distro", "distro_version", "distro_codename", "distro_arch"):
        assert build[name] is None, name
    assert (build["flavor"], build["extra"]) == ("default", {})


async def test_an_empty_text_stays_empty(api: Api) -> None:
    """What a script posts from an unset variable is not null."""
    empty = dict.fromkeys(["log_url", "distro", "distro_version", "distro_arch"], "")
    await api.post_build(**empty)
    build = await api.one_build()
    assert {name: build[name] for name in empty} == empty
    assert build["distro_codename"] is None


async def test_a_null_says_nothing(api: Api) -> None:
    """A null in a body is a key left out: at first and in an update."""
    optional = ["log_url", "flavor", "distro", "distro_version", "distro_arch", "extra", "build_id"]
    await api.post_build(**dict.fromkeys(optional))
    assert (await api.one_build())["log_url"] is None
    await api.post_build(**dict.fromkeys(optional) | {"log_url": "https://ci.example.org/log", "status": "failed"})
    await api.post_build(**dict.fromkeys(optional) | {"status": "completed"})
    assert (await api.one_build())["log_url"] == "https://ci.example.org/log"


async def test_keys_that_nobody_knows_are_ignored(api: Api) -> None:
    """What other versions of the scripts send beside is no fault."""
    await api.post_build(colour="red", id=99, started="2020-01-01", project="other")
    build = await api.one_build()
    assert build["id"] != 99
    assert build["project"] == api.project
    assert build["started"] == build["modified"]


async def test_an_url_gets_its_slash(api: Api) -> None:
    """With and without it is one build; a query keeps its end."""
    for end in ("", "/"):
        await api.post_build(url=f"https://ci.example.org/job/1{end}")
        assert (await api.one_build())["url"] == "https://ci.example.org/job/1/"
    await api.post_build(sha1=sha1(2), url="https://ci.example.org/?run=1")
    [build] = await api.builds("main", sha1(2))
    assert build["url"] == "https://ci.example.org/?run=1"


async def test_the_life_of_a_build(api: Api) -> None:
    """`started` is the first word of it and stays, `completed` comes with that status alone, `modified` grows."""
    told = []
    for status in ("queued", "started", "failed", "started", "completed"):
        await api.post_build(status=status)
        told.append(await api.one_build())
    assert {build["id"] for build in told} == {told[0]["id"]}
    assert {build["started"] for build in told} == {told[0]["modified"]}
    assert [build["completed"] for build in told[:4]] == [None] * 4
    assert told[4]["completed"] == told[4]["modified"] > told[3]["modified"]


async def test_the_same_post_again_changes_nothing(api: Api) -> None:
    """A repeated POST is taken, and the build is as it was."""
    await api.post_build(status="completed")
    build = await api.one_build()
    await api.post_build(status="completed")
    assert await api.one_build() == build


async def test_an_update_keeps_what_it_does_not_tell(api: Api) -> None:
    """The last word of a build may be short."""
    await api.post_build(build_id="77")
    before = await api.one_build()
    await api.post("builds", without(build_body(status="completed"), "log_url", "extra"))
    after = await api.one_build()
    changing = ("status", "modified", "completed")
    assert without(after, *changing) == without(before, *changing)


async def test_a_pipeline_run_of_five_cells(api: Api) -> None:
    """One run posts one url for all its cells: each is a build of its own, from queued to completed."""
    for status in ("queued", "started", "completed"):
        for cell in CELLS:
            await api.post_build(status=status, **cell)
        builds = await api.builds("main", S)
        assert [build["status"] for build in builds] == [status] * 5
        newest = [(build["distro"], build["distro_arch"]) for build in reversed(builds)]
        assert newest == [(cell["distro"], cell["distro_arch"]) for cell in CELLS]
    assert all(build["started"] < build["completed"] == build["modified"] for build in builds)
    assert {build["url"] for build in builds} == {build_body()["url"]}


@pytest.mark.parametrize("named", TRIGGERS, ids=["absent", "empty"])
async def test_a_pipeline_run_that_a_trigger_has_queued(api: Api, named: Json) -> None:
    """The trigger's record goes on as the first cell, so five cells are five builds, and none stays queued."""
    await api.post("builds", trigger_body(**named))
    [trigger] = await api.builds("main", S)
    assert trigger["status"] == "queued"
    for status in ("started", "completed"):
        for cell in CELLS:
            await api.post_build(status=status, **cell)
    builds = await api.builds("main", S)
    assert [build["status"] for build in builds] == ["completed"] * 5
    assert {build["url"] for build in builds} == {build_body()["url"]}
    [first] = [build for build in builds if build["id"] == trigger["id"]]
    assert {name: first[name] for name in ("distro", "distro_codename", "distro_arch")} == {
        "distro": "ubuntu",
        "distro_codename": "jammy",
        "distro_arch": "x86_64",
    }
    assert first["started"] == trigger["started"]


async def test_a_queued_build_of_the_same_coordinates_is_taken_over(api: Api) -> None:
    """Whatever its url, and by whatever name its version and arch go."""
    await api.post_build(status="queued")
    queued = await api.one_build()
    await api.post_build(url="https://ci.example.org/job/2/", distro_version="24.04", distro_arch="amd64")
    build = await api.one_build()
    assert (build["id"], build["started"], build["status"]) == (queued["id"], queued["started"], "started")
    assert build["url"] == "https://ci.example.org/job/2/"


@pytest.mark.parametrize(
    "changes",
    [
        {"ref": "squid"},
        {"sha1": sha1(2)},
        {"flavor": "debug"},
        {"distro": "debian", "distro_version": "12"},
        {"distro_version": "jammy"},
        {"distro_arch": "arm64"},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_a_queued_build_of_other_coordinates_waits(api: Api, changes: Json) -> None:
    """A build that differs in any of them is another one."""
    await api.post_build(status="queued")
    [queued] = await api.builds("main", S)
    await api.post_build(url="https://ci.example.org/job/2/", **changes)
    assert queued in await api.builds("main", S)


async def test_a_trigger_of_another_sha1_waits(api: Api) -> None:
    """It is taken over within its project, ref and sha1 alone."""
    await api.post("builds", trigger_body())
    [queued] = await api.builds("main", S)
    await api.post_build(sha1=sha1(2))
    await api.post_build(ref="squid")
    await api.sibling().post_build()
    assert await api.builds("main", S) == [queued]


async def test_what_is_no_longer_queued_is_not_taken_over(api: Api) -> None:
    """Two runs of one cell that have started are two builds."""
    await api.post_build(status="queued")
    await api.post_build()
    await api.post_build(url="https://ci.example.org/job/2/")
    assert len(await api.builds("main", S)) == 2


async def test_of_many_at_once_one_takes_over(api: Api) -> None:
    """Runs that race for a queued build make one record each, and one of them is the queued one's."""
    await api.post_build(status="queued")
    [queued] = await api.builds("main", S)
    urls = [f"https://ci.example.org/job/{number}/" for number in range(2, 12)]
    await asyncio.gather(*(api.post_build(url=url) for url in urls))
    builds = await api.builds("main", S)
    assert sorted(build["url"] for build in builds) == sorted(urls)
    assert [build["id"] for build in builds].count(queued["id"]) == 1
    assert {build["status"] for build in builds} == {"started"}


async def test_a_scheduler_searches_and_then_looks_at_the_builds(api: Api) -> None:
    """The sha1 of a ready repo leads to its builds, and one without builds to none."""
    await api.post_build(status="completed")
    await api.post_repo()
    await api.post_repo(ref="squid", sha1=sha1(2))
    for ref, count in (("main", 1), ("squid", 0)):
        [repo] = await api.search(ref=ref, status="ready")
        builds = await api.builds(ref, repo["sha1"])
        assert [build["status"] for build in builds] == ["completed"] * count


@pytest.mark.parametrize(
    "kind", ["application/json", "application/x-www-form-urlencoded", "text/plain", "multipart/form-data", None]
)
async def test_any_content_type_is_taken(api: Api, kind: str | None) -> None:
    """Senders use `curl -d`, which names the type of a form."""
    headers = {} if kind is None else {"Content-Type": kind}
    content = json.dumps(build_body()).encode()
    response = await api.http.post(api.path("builds"), content=content, headers=headers)
    assert (response.status_code, response.json()) == (200, {})
    assert await api.one_build()


async def refused(api: Api, content: bytes, *named: str) -> httpx.Response:
    """Post what must be refused with an error that names the fault, and nothing stored."""
    headers = {"Accept": "application/json"}
    response = await api.http.post(api.path("builds"), content=content, headers=headers)
    assert response.status_code == 400, response.text
    for name in named:
        assert name in description(response)
    await api.nothing_stored()
    return response


async def test_a_body_that_is_no_json_object_is_refused(api: Api) -> None:
    """Malformed JSON, forms, and JSON that is no object."""
    broken = [b"", b"{", b"url=https%3A%2F%2Fci%2F&ref=main", b'{"ref": "\xff"}', b"[" * 100_000]
    for content in [*broken, b"[]", b"null", b'"text"']:
        await refused(api, content, "body")


@pytest.mark.parametrize("field", REQUIRED)
@pytest.mark.parametrize("value", [None, "", "missing"])
async def test_a_required_field_is_named(api: Api, field: str, value: str | None) -> None:
    """Whichever of the four is missing, null or empty."""
    body = without(build_body(), field) if value == "missing" else build_body(**{field: value})
    await refused(api, json.dumps(body).encode(), field, "empty" if value == "" else "missing")


WRONG_TEXTS: list[Any] = [5, True, [], {}, "  ", "a\x00b", "a\nb", "\x7f", "x" * 256, "\ud800"]
WRONG_URLS: list[Any] = [
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    " javascript:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,hi",
    "http://[::1",
    "https://a/\r\nSet-Cookie: x",
    "https://a/" + "x" * 2048,
    5,
    ["https://a/"],
]
WRONG: dict[str, list[Any]] = {
    **dict.fromkeys(("ref", "status", "flavor", "distro", "distro_version", "distro_arch"), WRONG_TEXTS),
    "sha1": ["latest", "LATEST", "a b", "a/b", "é", "x" * 65, 7],
    **dict.fromkeys(("url", "log_url"), WRONG_URLS),
    "build_id": [True, 1.5, [], "a\nb", "x" * 256],
    "extra": [[], "a", 1, {"n": 2**64}, {"a": [{"b": -(2**63) - 1}]}],
}


@pytest.mark.parametrize("field", WRONG)
async def test_a_field_that_breaks_its_rule_is_named(api: Api, field: str) -> None:
    """Wrong types, blank and overlong texts, control characters, URLs that would run."""
    for value in WRONG[field]:
        content = json.dumps(build_body(**{field: value})).encode()
        # A lone surrogate is no Unicode, so the body that has one is no JSON.
        await refused(api, content, "body" if value == "\ud800" else field)


async def test_a_fault_changes_no_known_build(api: Api) -> None:
    """A body that is refused leaves the build as it was."""
    await api.post_build()
    build = await api.one_build()
    for name, value in (("log_url", "javascript:1"), ("extra", []), ("distro_arch", 5)):
        body = build_body(status="completed", **{name: value})
        response = await api.http.post(api.path("builds"), json=body)
        assert response.status_code == 400
    assert await api.one_build() == build


@pytest.mark.parametrize("path", ["/api/builds/", "/api/builds/P/", "/api/builds/P/main/", f"/api/builds/P/main/{S}/"])
async def test_an_unknown_parameter_is_named(api: Api, path: str) -> None:
    """A filter that builds do not have is not taken for none."""
    await api.post_build()
    headers = {"Accept": "application/json"}
    response = await api.http.get(path.replace("P", api.project), params={"status": "queued"}, headers=headers)
    assert response.status_code == 400
    assert "status" in description(response)


async def test_a_project_is_a_name(api: Api) -> None:
    """The project of a POST keeps the rules of a name."""
    for name in ("x" * 256, "%20"):
        response = await api.http.post(f"/api/builds/{name}/", json=build_body())
        assert response.status_code == 400
