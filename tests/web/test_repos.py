"""`/repos/` over real sockets, on every backend and against a real process."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest

BODY = {
    "distro": "Ubuntu",
    "distro_version": "Trusty",
    "ref": "jewel",
    "sha1": "45107e21c568dd033c2f0a3107dec8f0b0e58374",
    "url": "https://chacra.ceph.com/r/ceph/jewel/ubuntu/trusty/",
    "arch": "x86_64",
}
SHA1 = BODY["sha1"]


async def post(http: httpx.AsyncClient, project: str = "ceph", **changes: Any) -> dict[str, Any]:
    """Post a repo that must be taken, and return the object."""
    response = await http.post(f"/repos/{quote(project, safe='')}/", json=BODY | changes)
    assert response.status_code in {200, 201}, response.text
    told: dict[str, Any] = response.json()
    return told


async def get(http: httpx.AsyncClient, path: str) -> Any:
    """Return the JSON of a path that must be there."""
    response = await http.get(path)
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/json"
    return response.json()


async def test_a_post_creates_and_returns_the_object(http: httpx.AsyncClient) -> None:
    """The body of the contract is taken as it stands: 201 and the whole object."""
    response = await http.post("/repos/ceph/", json=BODY)
    assert response.status_code == 201
    told = response.json()
    modified = told.pop("modified")
    assert modified.endswith("Z")
    assert "T" in modified
    assert told == {
        "project": "ceph",
        "ref": "jewel",
        "sha1": SHA1,
        "distro": "ubuntu",
        "distro_version": "trusty",
        "distro_codename": "trusty",
        "flavor": "default",
        "arch": "x86_64",
        "url": BODY["url"],
        "chacra_url": "",
        "status": "ready",
        "extra": {},
    }


async def test_a_second_post_updates(http: httpx.AsyncClient) -> None:
    """The same identity again is 200, also under the number of the version, and there is one object still."""
    await post(http)
    response = await http.post("/repos/ceph/", json=BODY | {"distro_version": "14.04", "url": "https://other/"})
    assert response.status_code == 200
    [repo] = await get(http, f"/repos/ceph/jewel/{SHA1}/ubuntu/trusty/x86_64/")
    assert repo["url"] == "https://other/"


async def test_each_level_lists_what_is_built(http: httpx.AsyncClient) -> None:
    """The six levels, with and without a slash at the end."""
    repo = await post(http)
    levels = {
        "/repos": ["ceph"],
        "/repos/ceph": ["jewel"],
        "/repos/ceph/jewel": [SHA1],
        f"/repos/ceph/jewel/{SHA1}": ["ubuntu"],
        f"/repos/ceph/jewel/{SHA1}/ubuntu": ["trusty"],
        f"/repos/ceph/jewel/{SHA1}/ubuntu/trusty": ["x86_64"],
        f"/repos/ceph/jewel/{SHA1}/ubuntu/trusty/x86_64": [repo],
    }
    for path, expected in levels.items():
        assert await get(http, path) == expected
        assert await get(http, path + "/") == expected


async def test_names_come_newest_first(http: httpx.AsyncClient) -> None:
    """At every level the name built last is told first."""
    for project in ("one", "two"):
        for ref in ("a", "b"):
            for sha1 in ("s1", "s2"):
                for distro, version in (("centos", "8"), ("centos", "9"), ("ubuntu", "noble")):
                    for arch in ("x86_64", "arm64"):
                        changes = {"ref": ref, "sha1": sha1, "distro": distro, "distro_version": version, "arch": arch}
                        await post(http, project, **changes)
    assert await get(http, "/repos/") == ["two", "one"]
    assert await get(http, "/repos/one/") == ["b", "a"]
    assert await get(http, "/repos/one/a/") == ["s2", "s1"]
    assert await get(http, "/repos/one/a/s1/") == ["ubuntu", "centos"]
    assert await get(http, "/repos/one/a/s1/centos/") == ["9", "8"]
    assert await get(http, "/repos/one/a/s1/centos/9/") == ["arm64", "x86_64"]


async def test_an_empty_registry_has_no_projects(http: httpx.AsyncClient) -> None:
    """Nothing built is an empty list, not an error."""
    assert await get(http, "/repos/") == []


@pytest.mark.parametrize(
    "path",
    [
        "/repos/nothing/",
        "/repos/ceph/nothing/",
        "/repos/ceph/jewel/nothing/",
        f"/repos/ceph/jewel/{SHA1}/centos/",
        f"/repos/ceph/jewel/{SHA1}/ubuntu/noble/",
        f"/repos/ceph/jewel/{SHA1}/ubuntu/trusty/arm64/",
        f"/repos/ceph/jewel/{SHA1}/ubuntu/trusty/x86_64/more/",
        "/repos/ceph/jewel/latest/centos/",
        "/repos//jewel/",
        "/nothing/",
    ],
)
async def test_a_path_that_names_nothing_is_404(http: httpx.AsyncClient, path: str) -> None:
    """Whatever is not there is a problem with status 404."""
    await post(http)
    response = await http.get(path)
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == 404


async def test_what_is_not_ready_is_shown_on_demand(http: httpx.AsyncClient) -> None:
    """`status=any` and a status's name widen every level."""
    await post(http, status="building")
    assert await get(http, "/repos/") == []
    assert (await http.get("/repos/ceph/")).status_code == 404
    for query in ("status=any", "status=building"):
        assert await get(http, f"/repos/?{query}") == ["ceph"]
        assert await get(http, f"/repos/ceph/?{query}") == ["jewel"]
        assert await get(http, f"/repos/ceph/jewel/?{query}") == [SHA1]
        [repo] = await get(http, f"/repos/ceph/jewel/{SHA1}/ubuntu/trusty/x86_64/?{query}")
        assert repo["status"] == "building"
    assert (await http.get("/repos/ceph/?status=failed")).status_code == 404


async def test_latest_is_the_newest_sha1_with_the_rest_of_the_path(http: httpx.AsyncClient) -> None:
    """A newer sha1 that is not ready for what is asked does not hide an older one that is."""
    await post(http, sha1="s1")
    await post(http, sha1="s1", distro="centos", distro_version="9")
    await post(http, sha1="s2")
    await post(http, sha1="s3", status="building")
    assert await get(http, "/repos/ceph/jewel/latest/") == ["ubuntu"]
    assert await get(http, "/repos/ceph/jewel/latest/centos/") == ["9"]
    assert (await get(http, "/repos/ceph/jewel/latest/ubuntu/14.04/x86_64/"))[0]["sha1"] == "s2"
    assert (await get(http, "/repos/ceph/jewel/latest/centos/9/amd64/"))[0]["sha1"] == "s1"
    assert (await get(http, "/repos/ceph/jewel/latest/ubuntu/trusty/x86_64/?status=any"))[0]["sha1"] == "s3"


@pytest.mark.parametrize("version", ["trusty", "Trusty", "14.04"])
@pytest.mark.parametrize("distro", ["ubuntu", "Ubuntu"])
@pytest.mark.parametrize("arch", ["x86_64", "amd64"])
async def test_names_in_a_path_have_aliases(http: httpx.AsyncClient, distro: str, version: str, arch: str) -> None:
    """Number or codename, upper or lower case, either name of an arch."""
    await post(http)
    assert await get(http, f"/repos/ceph/jewel/{SHA1}/{distro}/{version}/{arch}/")


@pytest.mark.parametrize(
    "name",
    [
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
        "a;b",
        "a..b",
        "a\\b",
        "a'b\"",
    ],
)
async def test_refs_of_every_kind_are_reached(http: httpx.AsyncClient, name: str) -> None:
    """A ref is any text; quoted, it is one part of a path."""
    await post(http, ref=name, flavor=name)
    quoted = quote(name, safe="")
    assert await get(http, "/repos/ceph/") == [name]
    assert await get(http, f"/repos/ceph/{quoted}/") == [SHA1]
    [repo] = await get(http, f"/repos/ceph/{quoted}/{SHA1}/ubuntu/trusty/x86_64/")
    assert (repo["ref"], repo["flavor"]) == (name, name)
    assert await get(http, f"/search/ceph/{quoted}/") == [repo]


async def test_a_record_with_two_archs_is_two_objects(http: httpx.AsyncClient) -> None:
    """Each object is for one arch; a list replaces, a single arch is added."""
    url = "https://chacra/repos/1/"
    body = {key: value for key, value in BODY.items() if key != "arch"} | {
        "chacra_url": url,
        "archs": ["x86_64", "arm64"],
    }
    assert (await http.post("/repos/ceph/", json=body)).json()["arch"] == "x86_64"
    path = f"/repos/ceph/jewel/{SHA1}/ubuntu/trusty"
    assert sorted(await get(http, path)) == ["arm64", "x86_64"]
    assert len(await get(http, "/search/ceph/jewel/")) == 2
    assert (await post(http, chacra_url=url, arch="ppc64le"))["arch"] == "ppc64le"
    assert len(await get(http, path)) == 3
    await http.post("/repos/ceph/", json={"chacra_url": url, "archs": ["arm64"]})
    assert await get(http, path) == ["arm64"]


async def test_a_post_tells_the_arch_as_lists_do(http: httpx.AsyncClient) -> None:
    """By its other name an arch is still that of the record, and one that came too late is none of it."""
    url = "https://chacra/repos/1/"
    await post(http, chacra_url=url, modified="2030-01-01")
    assert (await post(http, chacra_url=url, modified="2031-01-01", arch="amd64"))["arch"] == "x86_64"
    assert (await post(http, chacra_url=url, modified="2020-01-01", arch="arm64"))["arch"] == "x86_64"


async def test_a_repo_without_an_arch_yet_is_updated(http: httpx.AsyncClient) -> None:
    """One that the production dialect has announced has no object in a list, until its first arch is known."""
    coordinates = {name: BODY[name] for name in ("ref", "sha1", "distro", "distro_version")}
    known = {"chacra_url": "https://chacra/repos/1/"}
    assert (await http.post("/api/repos/ceph/", json=coordinates | known | {"status": "ready"})).status_code == 200
    told = (await http.post("/repos/ceph/", json=known | {"extra": {"a": 1}})).json()
    assert (told["arch"], told["extra"]) == ("", {"a": 1})
    assert (await http.get(f"/repos/ceph/jewel/{SHA1}/")).status_code == 404
    assert (await http.post("/repos/ceph/", json=known | {"arch": "arm64"})).json()["arch"] == "arm64"
    assert await get(http, f"/repos/ceph/jewel/{SHA1}/ubuntu/trusty/") == ["arm64"]


async def test_a_move_leaves_nothing_behind(http: httpx.AsyncClient) -> None:
    """A known chacra_url with another sha1 and ref is found only there."""
    await post(http, chacra_url="https://chacra/1/")
    await post(http, chacra_url="https://chacra/1", ref="main", sha1="b2")
    assert await get(http, "/repos/ceph/") == ["main"]
    assert await get(http, f"/search/ceph/{SHA1}/") == []


async def test_deleted_removes(http: httpx.AsyncClient) -> None:
    """The status `deleted` takes the record away, by coordinates as well as by chacra_url, known or not."""
    await post(http)
    for _ in range(2):
        assert (await post(http, status="deleted"))["status"] == "deleted"
        assert await get(http, "/repos/?status=any") == []
    await post(http, chacra_url="https://chacra/1/")
    response = await http.post("/repos/ceph/", json={"chacra_url": "https://chacra/1/", "status": "deleted"})
    assert response.status_code == 200
    assert await get(http, "/repos/?status=any") == []


async def test_extra_comes_back_as_it_was(http: httpx.AsyncClient) -> None:
    """Whatever JSON builders keep in `extra` is kept, empty lists and long numbers too."""
    extra = {
        "list": [],
        "object": {},
        "long": 9007199254740993,
        "float": 0.1,
        "null": None,
        "text": "ü\n\u2028",
        "yes": True,
    }
    assert (await post(http, extra=extra))["extra"] == extra
    assert (await get(http, "/search/ceph/jewel/"))[0]["extra"] == extra
