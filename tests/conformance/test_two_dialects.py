"""One store, two dialects: what is posted in one is found in the other. Needs a server that speaks both."""

from typing import Any

import pytest

from tests.conformance.api import OTHER_BACKEND, Api, Json, quoted, repo_body, sha1

S = sha1(1)
NOBLE = ("ubuntu", "noble")


async def native_post(api: Api, **changes: Any) -> Json:
    """Post a repo in the native dialect, which must be taken, and return the object."""
    body = {name: value for name, value in repo_body(api.project).items() if name not in {"chacra_url", "archs"}}
    response = await api.http.post("/repos/" + quoted(api.project), json=body | {"arch": "x86_64"} | changes)
    assert response.status_code in {200, 201}, response.text
    told: Json = response.json()
    return told


async def native_search(api: Api, name: str = "main", **params: Any) -> list[Json]:
    """Return what the native search finds."""
    found: list[Json] = await api.get("/search/" + quoted(api.project, name), **params)
    return found


async def native_repos(api: Api, *parts: str, **params: Any) -> Any:
    """Return a level of the native dialect."""
    return await api.get("/repos/" + quoted(api.project, *parts), **params)


async def test_what_the_native_dialect_takes_is_told_by_the_other(api: Api) -> None:
    """A repo posted natively is a record with one arch, without chacra_url, by its number and codename."""
    told = await native_post(api, distro="Ubuntu", distro_version="24.04", arch="aarch64")
    assert (told["distro_version"], told["distro_codename"]) == ("noble", "noble")
    repo = await api.one_repo()
    same = ("project", "ref", "sha1", "distro", "distro_codename", "flavor", "url", "status", "extra")
    assert {name: repo[name] for name in same} == {name: told[name] for name in same}
    assert (repo["archs"], repo["chacra_url"], repo["distro_version"]) == (["aarch64"], "", "24.04")
    assert repo["modified"] == told["modified"].replace("T", " ").removesuffix("Z")
    for place in ((), ("flavors", "default")):
        assert await api.repos("main", "latest", *NOBLE, *place) == [repo]
    path = api.path("repos", "main", S, *NOBLE)
    assert (await api.http.get(path + "arm64/a.deb")).headers["Location"] == repo["url"] + "a.deb"
    assert (await api.http.get(path + "repo")).status_code == 504


async def test_what_the_other_takes_is_told_by_the_native_dialect(api: Api) -> None:
    """A record posted by a storage node is found natively at every level, and by ref and sha1."""
    body = await api.post_repo()
    assert api.project in await api.get("/repos/")
    assert await native_repos(api) == ["main"]
    assert await native_repos(api, "main") == [S]
    assert await native_repos(api, "main", S) == ["ubuntu"]
    assert await native_repos(api, "main", "latest", "ubuntu") == ["noble"]
    assert await native_repos(api, "main", S, *NOBLE) == ["x86_64"]
    [repo] = await native_repos(api, "main", S, *NOBLE, "amd64")
    assert (repo["url"], repo["chacra_url"], repo["arch"]) == (body["url"], body["chacra_url"], "x86_64")
    assert await native_search(api) == await native_search(api, S) == [repo]


async def test_two_archs_are_two_objects(api: Api) -> None:
    """A record with two archs is one object with both here, and one for each in the native dialect."""
    await api.post_repo(archs=["x86_64", "aarch64"])
    assert (await api.one_repo())["archs"] == ["x86_64", "aarch64"]
    found = await native_search(api)
    assert sorted(repo["arch"] for repo in found) == ["aarch64", "x86_64"]
    first, second = ({name: value for name, value in repo.items() if name != "arch"} for repo in found)
    assert first == second
    assert [repo["arch"] for repo in await native_search(api, arch="arm64")] == ["aarch64"]
    assert sorted(await native_repos(api, "main", S, *NOBLE)) == ["aarch64", "x86_64"]


async def test_both_dialects_write_one_record(api: Api) -> None:
    """With its chacra_url a record is updated, moved and deleted from either side."""
    body = await api.post_repo()
    number = (await api.one_repo())["id"]
    await native_post(api, chacra_url=body["chacra_url"].rstrip("/"), arch="arm64", status="building")
    repo = await api.one_repo()
    assert (repo["id"], repo["archs"], repo["status"]) == (number, ["x86_64", "arm64"], "building")
    await api.post("repos", {"chacra_url": body["chacra_url"], "status": "ready", "sha1": sha1(2)})
    assert {each["sha1"] for each in await native_search(api)} == {sha1(2)}
    await api.post("repos", {"chacra_url": body["chacra_url"], "status": "deleted"})
    assert await native_search(api) == []
    await api.post("repos", body)
    await api.http.post("/repos/" + quoted(api.project), json={"chacra_url": body["chacra_url"], "status": "deleted"})
    await api.nothing_stored()


async def test_a_late_callback_is_late_in_either_dialect(api: Api) -> None:
    """What one dialect has accepted from the sender counts for the other."""
    body = await api.post_repo(modified="2026-06-17 18:04:30.190595")
    late = {"modified": "2026-06-17T18:04:30Z", "status": "failed"}
    assert (await native_post(api, chacra_url=body["chacra_url"], **late))["status"] == "ready"
    await native_post(api, chacra_url=body["chacra_url"], modified="2026-06-17T18:05:00Z", status="building")
    await api.post("repos", body)
    assert (await api.one_repo())["status"] == "building"


async def test_the_native_search_has_flavor_and_status(api: Api) -> None:
    """It takes the filters of the other: one flavor, one status, or any; without one it is what is ready."""
    await api.post_repo(flavor="default")
    await api.post_repo(flavor="debug")
    await api.post_repo(flavor="crimson", status="building")
    for params, expected in (
        ({}, ["debug", "default"]),
        ({"flavor": "debug"}, ["debug"]),
        ({"flavor": "crimson"}, []),
        ({"status": "building"}, ["crimson"]),
        ({"status": "any"}, ["crimson", "debug", "default"]),
        ({"status": "any", "flavor": "crimson"}, ["crimson"]),
    ):
        assert [repo["flavor"] for repo in await native_search(api, **params)] == expected


@pytest.mark.parametrize("terms", ["centos/9,ubuntu/noble", "ubuntu/24.04,centos/9/amd64"])
async def test_both_agree_on_what_is_common(api: Api, terms: str) -> None:
    """`common_sha1=true` and `sha1=latest` name the same sha1 for the same terms."""
    for number in (1, 2, 3):
        await api.post_repo(sha1=sha1(number))
        status = "building" if number == 3 else "ready"
        await api.post_repo(sha1=sha1(number), distro="centos", distro_version="9", status=status)
    native = await native_search(api, distros=terms, common_sha1="true")
    other = await api.search(distros=terms, sha1="latest", ref="main", status="ready")
    assert {repo["sha1"] for repo in native} == {repo["sha1"] for repo in other} == {sha1(2)}
    assert sorted(repo["chacra_url"] for repo in native) == sorted(repo["chacra_url"] for repo in other)


async def test_both_agree_on_latest(api: Api) -> None:
    """`latest` in a path skips the same sha1s in both."""
    await api.post_repo(sha1=sha1(1), archs=["arm64", "x86_64"])
    await api.post_repo(OTHER_BACKEND, sha1=sha1(2))
    await api.post_repo(sha1=sha1(3), status="queued")
    for arch, expected in (("x86_64", 2), ("aarch64", 1)):
        [native] = await native_repos(api, "main", "latest", *NOBLE, arch)
        [other] = await api.repos("main", "latest", *NOBLE, arch=arch)
        assert native["sha1"] == other["sha1"] == sha1(expected)
