"""`/api/repos/`: the levels, the repo objects, and `latest`."""

import pytest

from tests.conformance.api import (
    CHACRA,
    OTHER_BACKEND,
    Api,
    answer,
    description,
    location,
    not_ready,
    quoted,
    repo_body,
    sha1,
)

S = sha1(1)
NOBLE = ("ubuntu", "noble")

# Names that have to be quoted in a URL, or look like another part of a path.
ODD_NAMES = [
    "wip/a/b",
    "a+b",
    "a#b",
    "a b",
    "100%",
    "%2F",
    "{braces}",
    "größe",
    "日本語",
    "a?b=c&d",
    "a;b,c",
    "a..b",
    "a\\b",
    "a'b\"",
    "latest",
    "flavors",
    "repo",
    "UPPER",
]


async def test_the_root_lists_projects(api: Api) -> None:
    """`/api/` has the names of the projects, and a project without any repo is none of them."""
    assert api.project not in (await api.get("/api/"))["repos"]
    await api.post_repo(status="requested")
    assert api.project in (await api.get("/api/"))["repos"]


async def test_the_projects_have_refs_and_sha1s(api: Api) -> None:
    """`/api/repos/` has the refs and sha1s of each project, the newest first."""
    await api.post_repo(ref="main")
    await api.post_repo(ref="squid", sha1=sha1(2))
    await api.post_repo(ref="main", sha1=sha1(2))
    told = (await api.get("/api/repos/"))[api.project]
    assert told == {"refs": ["main", "squid"], "sha1s": [sha1(2), sha1(1)]}


@pytest.mark.parametrize("status", ["requested", "queued", "building", "ready", "failed", "as the builder likes"])
async def test_any_status_is_listed(api: Api, status: str) -> None:
    """Each level down to the repo tells what is there, ready or not."""
    await api.post_repo(status=status)
    assert await api.repos() == ["main"]
    assert await api.repos("main") == [S]
    assert await api.repos("main", S) == ["ubuntu"]
    assert await api.repos("main", S, "ubuntu") == ["noble"]
    assert await api.repos("main", S, *NOBLE, "flavors") == ["default"]
    [repo] = await api.repos("main", S, *NOBLE)
    assert repo["status"] == status


async def test_an_unknown_project_is_404(api: Api) -> None:
    """Whatever is asked of a project that has nothing, it is not found, and the answer names it."""
    for parts in ((), ("main",), ("main", S), ("main", S, "ubuntu"), ("main", S, *NOBLE), ("main", "latest", *NOBLE)):
        response = await answer(api, *parts)
        assert response.status_code == 404
        assert api.project in description(response)


async def test_anything_unknown_in_a_project_is_an_empty_list(api: Api) -> None:
    """Below a known project nothing there is 200 and `[]`."""
    await api.post_repo()
    for parts in (
        ("squid",),
        ("main", sha1(2)),
        ("main", S, "centos"),
        ("main", S, "ubuntu", "jammy"),
        ("main", S, "centos", "9"),
        ("main", S, "centos", "9", "flavors"),
        ("main", S, *NOBLE, "flavors", "debug"),
    ):
        assert await api.repos(*parts) == []


async def test_a_repo_object_has_what_was_posted(api: Api) -> None:
    """Every key comes back, with the names of the release and the id beside them."""
    body = await api.post_repo(archs=["x86_64", "arm64"], flavor="debug")
    [repo] = await api.repos("main", S, *NOBLE, "flavors", "debug")
    assert isinstance(repo.pop("id"), int)
    assert repo.pop("modified")
    assert repo == body | {"distro_version": "24.04", "distro_codename": "noble", "project": api.project}


async def test_a_version_lists_the_default_flavor(api: Api) -> None:
    """Without `/flavors/` it is the flavor `default`; the flavors are listed once each."""
    for flavor, host in (("debug", CHACRA), ("default", CHACRA), ("debug", OTHER_BACKEND)):
        await api.post_repo(host, flavor=flavor)
    assert await api.repos("main", S, *NOBLE, "flavors") == ["debug", "default"]
    assert [repo["flavor"] for repo in await api.repos("main", S, *NOBLE)] == ["default"]
    debug = await api.repos("main", S, *NOBLE, "flavors", "debug")
    assert [repo["chacra_url"].split("/")[2] for repo in debug] == [OTHER_BACKEND, CHACRA]


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_refs_and_flavors_of_every_kind_are_reached(api: Api, name: str) -> None:
    """A ref or flavor is any text; quoted, it is one part of a path and one value of a query."""
    body = await api.post_repo(ref=name, flavor=name)
    assert await api.repos() == [name]
    assert await api.repos(name) == [S]
    assert await api.repos(name, S, *NOBLE, "flavors") == [name]
    [repo] = await api.repos(name, S, *NOBLE, "flavors", name)
    assert (repo["ref"], repo["flavor"]) == (name, name)
    assert await api.search(ref=name, flavor=name, sha1="latest") == [repo]
    assert await location(api, name, "latest", *NOBLE, "flavors", name, "repo") == body["chacra_url"] + "repo"


@pytest.mark.parametrize("name", ["a/b", "a b", "größe", "search", "latest", "a{b}:c"])
async def test_projects_of_every_kind_are_reached(api: Api, name: str) -> None:
    """A project is any text, too."""
    project = f"{api.project} {name}"
    response = await api.http.post("/api/repos/" + quoted(project), json=repo_body(project))
    assert response.status_code == 200
    assert await api.get("/api/repos/" + quoted(project)) == ["main"]
    [repo] = await api.get("/api/search/", project=project)
    assert repo["project"] == project
    assert project in (await api.get("/api/"))["repos"]


@pytest.mark.parametrize("name", ["ABCDEF0123", "abc", "7", "f" * 64])
async def test_a_sha1_is_reached_as_posted(api: Api, name: str) -> None:
    """A sha1 is 1 to 64 letters or digits, in the case in which it was posted."""
    await api.post_repo(sha1=name)
    assert await api.repos("main") == [name]
    assert (await api.repos("main", name, *NOBLE))[0]["sha1"] == name
    assert (await api.search(sha1=name))[0]["sha1"] == name


@pytest.mark.parametrize("parts", [("UBUNTU", "Noble"), ("Ubuntu", "24.04"), ("ubuntu", "NOBLE")])
async def test_distros_and_versions_have_no_case(api: Api, parts: tuple[str, str]) -> None:
    """They are kept in lower case and asked for in any, by number or codename."""
    await api.post_repo(distro="Ubuntu", distro_version="Noble")
    assert await api.repos("main", S) == ["ubuntu"]
    assert await api.repos("main", S, parts[0]) == ["noble"]
    assert len(await api.repos("main", S, *parts)) == 1
    assert len(await api.search(distros="/".join(parts))) == 1


async def test_latest_is_the_newest_sha1_that_is_ready_for_the_rest(api: Api) -> None:
    """A newer sha1 hides an older one only where it is ready for that distro, version and flavor."""
    await api.post_repo(sha1=sha1(1), distro="centos", distro_version="9")
    await api.post_repo(sha1=sha1(1), flavor="debug")
    await api.post_repo(sha1=sha1(2))
    await api.post_repo(sha1=sha1(3), status="building")
    await api.post_repo(sha1=sha1(4), ref="squid")
    assert await api.repos("main", "latest") == ["ubuntu"]
    assert await api.repos("main", "latest", "centos") == ["9"]
    assert await api.repos("main", "latest", *NOBLE, "flavors") == ["default"]
    assert [repo["sha1"] for repo in await api.repos("main", "latest", *NOBLE)] == [sha1(2)]
    assert [repo["sha1"] for repo in await api.repos("main", "latest", "centos", "9")] == [sha1(1)]
    assert [repo["sha1"] for repo in await api.repos("main", "latest", *NOBLE, "flavors", "debug")] == [sha1(1)]


async def test_latest_has_only_what_is_ready(api: Api) -> None:
    """Of the newest sha1 with a ready repo, those that are still building are not told."""
    await api.post_repo()
    await api.post_repo(OTHER_BACKEND, status="building")
    await api.post_repo(distro="centos", distro_version="9", status="building")
    assert [repo["status"] for repo in await api.repos("main", "latest", *NOBLE)] == ["ready"]
    assert await api.repos("main", "latest") == ["ubuntu"]


async def test_latest_has_the_arch_that_is_asked_for(api: Api) -> None:
    """The newest sha1 that has the arch, also when a newer one is built for another arch only."""
    await api.post_repo(sha1=sha1(1), archs=["arm64", "x86_64"])
    await api.post_repo(sha1=sha1(2), archs=["x86_64"])
    for arch, expected in (("aarch64", 1), ("arm64", 1), ("x86_64", 2), ("amd64", 2), ("", 2)):
        for flavor in ((), ("flavors", "default")):
            [repo] = await api.repos("main", "latest", *NOBLE, *flavor, arch=arch)
            assert repo["sha1"] == sha1(expected)
    assert await not_ready(api, "main", "latest", *NOBLE, arch="ppc64le")
    assert await api.repos("main", sha1(2), *NOBLE, arch="aarch64") == []


async def test_latest_of_nothing_ready_is_504(api: Api) -> None:
    """Where no sha1 is ready for the path the answer names project and ref, to programs and in comments."""
    await api.post_repo(status="building", ref="a/b")
    expected = f"no repository is ready for: {api.project}/a/b"
    for parts in ((), ("ubuntu",), NOBLE, (*NOBLE, "flavors"), (*NOBLE, "flavors", "default"), (*NOBLE, "repo")):
        assert await not_ready(api, "a/b", "latest", *parts) == expected
    response = await api.http.get(api.path("repos", "a/b", "latest", *NOBLE))
    assert response.text == f"# 504 Gateway Timeout\n# {expected}\n"


async def test_latest_forgets_what_is_ready_no_more(api: Api) -> None:
    """A repo that goes back to building, or away, leaves `latest` to the one before it."""
    await api.post_repo(sha1=sha1(1))
    body = await api.post_repo(sha1=sha1(2))
    await api.post("repos", body | {"status": "building"})
    assert (await api.repos("main", "latest", *NOBLE))[0]["sha1"] == sha1(1)
    await api.post("repos", body)
    assert (await api.repos("main", "latest", *NOBLE))[0]["sha1"] == sha1(2)
    await api.post("repos", {"chacra_url": body["chacra_url"], "status": "deleted"})
    assert (await api.repos("main", "latest", *NOBLE))[0]["sha1"] == sha1(1)
