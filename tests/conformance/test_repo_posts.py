"""`POST /api/repos/P/`: the life of a record, its moves, and what a body may leave out."""

import httpx
import pytest

from tests.conformance.api import CHACRA, OTHER_BACKEND, Api, Json, refused, repo_body, sha1

S = sha1(1)
REQUIRED = ["chacra_url", "ref", "sha1", "distro", "distro_version", "status"]


async def test_a_repo_lives_from_requested_to_ready_and_back(api: Api) -> None:
    """One record goes through every status, and back again when a second arch uploads."""
    for status, archs in (
        ("requested", []),
        ("queued", ["x86_64"]),
        ("building", ["x86_64"]),
        ("ready", ["x86_64"]),
        ("queued", ["x86_64", "arm64"]),
        ("building", ["x86_64", "arm64"]),
        ("ready", ["x86_64", "arm64"]),
        ("failed", ["x86_64", "arm64"]),
    ):
        await api.post_repo(status=status, archs=archs)
        repo = await api.one_repo()
        assert (repo["status"], repo["archs"]) == (status, archs)
        assert len(await api.search(status=status)) == 1
        assert len(await api.search(status="ready")) == (status == "ready")


async def test_archs_only_grow(api: Api) -> None:
    """A callback that names one arch leaves the others, and two spellings of one arch are one."""
    for archs, expected in (
        (["x86_64"], ["x86_64"]),
        (["arm64"], ["x86_64", "arm64"]),
        (["amd64", "aarch64"], ["x86_64", "arm64"]),
        ([], ["x86_64", "arm64"]),
    ):
        await api.post_repo(archs=archs)
        assert (await api.one_repo())["archs"] == expected


async def test_an_id_stays(api: Api) -> None:
    """A record keeps its id through updates and moves, and no other record gets it."""
    body = await api.post_repo()
    number = (await api.one_repo())["id"]
    await api.post("repos", body | {"status": "building", "sha1": sha1(2), "ref": "squid"})
    assert (await api.one_repo())["id"] == number
    await api.delete_repo(body)
    await api.post("repos", body)
    assert (await api.one_repo())["id"] != number


@pytest.mark.parametrize(
    "changes",
    [
        {"sha1": sha1(2)},
        {"ref": "squid"},
        {"flavor": "debug"},
        {"distro": "centos", "distro_version": "9"},
        {"distro_version": "jammy"},
        {"sha1": sha1(2), "ref": "a/b", "flavor": "debug", "distro": "debian", "distro_version": "12"},
    ],
    ids=["sha1", "ref", "flavor", "distro", "version", "all"],
)
async def test_a_move_leaves_nothing_behind(api: Api, changes: Json) -> None:
    """A known chacra_url with other coordinates moves the record; nothing is found at the old place."""
    body = await api.post_repo()
    [old] = await api.search()
    await api.post("repos", body | changes)
    new = await api.one_repo()
    assert all(new[name] == value for name, value in changes.items() if name != "distro_version")
    for moved, repo in ((True, old), (False, new)):
        place = repo["ref"], repo["sha1"], repo["distro"], repo["distro_version"], "flavors", repo["flavor"]
        found = [
            *await api.repos(*place),
            *await api.search(**{name: repo[name] for name in ("ref", "sha1", "flavor")}, distros="/".join(place[2:4])),
        ]
        assert found == ([] if moved else [new, new])
    assert await api.repos() == [new["ref"]]
    assert await api.repos(new["ref"]) == [new["sha1"]]
    assert (await api.get("/api/repos/"))[api.project] == {"refs": [new["ref"]], "sha1s": [new["sha1"]]}


async def test_what_is_not_said_stays(api: Api) -> None:
    """For a known chacra_url that and a status suffice: url, extra and all else keep their value."""
    body = await api.post_repo(flavor="debug", archs=["x86_64", "arm64"])
    before = await api.one_repo()
    await api.post("repos", {"chacra_url": body["chacra_url"], "status": "building"})
    after = await api.one_repo()
    assert after["modified"] > before["modified"]
    assert after | {"modified": ""} == before | {"modified": "", "status": "building"}


@pytest.mark.parametrize("name", ["url", "extra", "flavor", "archs", "modified", "ref", "sha1", "distro"])
async def test_a_null_says_nothing(api: Api, name: str) -> None:
    """A null is as good as an absent key: nothing is wiped, and `extra` is never null."""
    body = await api.post_repo(modified="2026-06-17 18:04:30.190595")
    before = await api.one_repo()
    await api.post("repos", body | {name: None})
    assert (await api.one_repo()) | {"modified": ""} == before | {"modified": ""}


async def test_what_is_said_replaces(api: Api) -> None:
    """A url or extra in the body takes the place of the one before, whole."""
    body = await api.post_repo(extra={"version": "1", "build_url": "https://ci.example.org/"})
    await api.post("repos", body | {"extra": {"version": "2"}, "url": "https://other.example.org/r"})
    repo = await api.one_repo()
    assert (repo["extra"], repo["url"]) == ({"version": "2"}, "https://other.example.org/r/")


async def test_a_new_record_has_defaults(api: Api) -> None:
    """The six required keys make a record of the flavor `default`, without archs, and with an empty extra."""
    body = {name: value for name, value in repo_body(api.project).items() if name in REQUIRED}
    await api.post("repos", body)
    repo = await api.one_repo()
    assert (repo["flavor"], repo["archs"], repo["extra"], repo["url"]) == ("default", [], {}, "")


@pytest.mark.parametrize("name", REQUIRED)
async def test_a_required_key_is_named(api: Api, name: str) -> None:
    """Without one of the six keys a new record is refused, and so it is with a null or an empty one."""
    body = repo_body(api.project)
    assert name in await refused(api, {key: value for key, value in body.items() if key != name})
    for empty in (None, "", " "):
        assert name in await refused(api, body | {name: empty})
    await api.nothing_stored()


async def test_either_form_of_a_chacra_url_is_one_record(api: Api) -> None:
    """With or without the slash at its end it is the same identity, for updates as for deletion."""
    body = repo_body(api.project)
    bare = body["chacra_url"].rstrip("/")
    for url in (bare, bare + "/"):
        await api.post("repos", body | {"chacra_url": url, "status": "building"})
        assert (await api.one_repo())["status"] == "building"
        await api.post("repos", {"chacra_url": bare + "/", "status": "ready"})
        assert (await api.one_repo())["status"] == "ready"
        await api.delete_repo({"chacra_url": bare})
        await api.nothing_stored()


async def test_two_backends_are_two_records(api: Api) -> None:
    """A second kind of sender registers the same coordinates of another host: both stay, the newest first."""
    await api.post_repo(CHACRA)
    await api.post_repo(OTHER_BACKEND)
    for found in (await api.search(sha1=S), await api.repos("main", S, "ubuntu", "noble")):
        assert [repo["chacra_url"].split("/")[2] for repo in found] == [OTHER_BACKEND, CHACRA]
    await api.post_repo(CHACRA, status="failed")
    assert [repo["status"] for repo in await api.search()] == ["failed", "ready"]
    await api.delete_repo(repo_body(api.project, CHACRA))
    assert [repo["chacra_url"].split("/")[2] for repo in await api.search()] == [OTHER_BACKEND]


async def test_keys_of_no_use_are_ignored(api: Api) -> None:
    """Whatever else a sender tells, of any type, is neither stored nor a fault."""
    await api.post_repo(arch=7, id="x", created=[], unknown={"a": [None]}, path="/opt", type=None)
    repo = await api.one_repo()
    assert repo["project"] == api.project
    assert set(repo).isdisjoint({"arch", "unknown", "path", "type"})


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "application/json", "x", None])
async def test_a_body_is_json_whatever_it_is_called(api: Api, kind: str | None) -> None:
    """Senders use curl, which calls its body a form."""
    content = httpx.Request("POST", "http://x/", json=repo_body(api.project)).content
    headers = {"Content-Type": kind} if kind else {}
    response = await api.http.post(api.path("repos"), content=content, headers=headers)
    assert (response.status_code, response.json()) == (200, {})
    await api.one_repo()
