"""The way from `/api/repos/` to a package manager's file or to a package: redirects, and 504 where nothing is ready."""

import pytest

from tests.conformance.api import OTHER_BACKEND, Api, location, not_ready, sha1

S = sha1(1)
NOBLE = ("ubuntu", "noble")


@pytest.mark.parametrize("tail", ["repo", "repo/"])
@pytest.mark.parametrize("sha", ["latest", S])
@pytest.mark.parametrize(("flavor", "parts"), [("default", ()), ("debug", ("flavors", "debug"))])
async def test_repo_leads_to_the_package_managers_file(
    api: Api, tail: str, sha: str, flavor: str, parts: tuple[str, ...]
) -> None:
    """`repo` is a redirect to the same name below the chacra_url of the newest ready repo, for GET and HEAD."""
    await api.post_repo(OTHER_BACKEND, flavor=flavor)
    body = await api.post_repo(flavor=flavor, archs=["x86_64", "arm64"])
    await api.post_repo("third.example.org", flavor=flavor, status="building")
    for params in ({}, {"arch": "x86_64"}, {"arch": "aarch64"}):
        assert await location(api, "main", sha, *NOBLE, *parts, tail=tail, **params) == body["chacra_url"] + "repo"
    head = await api.http.head(api.path("repos", "main", sha, *NOBLE, *parts) + tail)
    assert (head.status_code, head.headers["Location"], head.content) == (302, body["chacra_url"] + "repo", b"")


async def test_repo_leads_to_the_arch_that_is_asked_for(api: Api) -> None:
    """Of two records with one arch each, the one with that arch; without an arch, the newest."""
    x86 = await api.post_repo(archs=["x86_64"])
    arm = await api.post_repo(OTHER_BACKEND, archs=["aarch64"])
    for arch, body in (("x86_64", x86), ("amd64", x86), ("arm64", arm), ("aarch64", arm), ("", arm)):
        assert await location(api, "main", S, *NOBLE, tail="repo", arch=arch) == body["chacra_url"] + "repo"
        assert await location(api, "main", "latest", *NOBLE, tail="repo", arch=arch) == body["chacra_url"] + "repo"
    assert await not_ready(api, "main", S, *NOBLE, tail="repo/", arch="ppc64le")


async def test_repo_of_nothing_ready_is_504(api: Api) -> None:
    """`curl --fail` fails: of a sha1, flavor or ref that is not ready or not there."""
    await api.post_repo(status="building")
    expected = f"no repository is ready for: {api.project}/main"
    for sha in (S, sha1(2), "latest"):
        assert await not_ready(api, "main", sha, *NOBLE, tail="repo") == expected
        assert await not_ready(api, "main", sha, *NOBLE, "flavors", "debug", tail="repo") == expected
    assert await not_ready(api, "squid", "latest", *NOBLE, tail="repo/") == f"{expected[:-4]}squid"


async def test_other_tails_lead_to_files(api: Api) -> None:
    """An arch and a path lead below the `url` of a ready repo that has the arch, by either name of it."""
    body = await api.post_repo(archs=["x86_64", "aarch64"])
    for arch in ("x86_64", "amd64", "arm64", "aarch64"):
        for place in (("main", S, *NOBLE), ("main", "latest", *NOBLE), ("main", S, *NOBLE, "flavors", "default")):
            assert await location(api, *place, tail=f"{arch}/noarch/a.rpm") == body["url"] + "noarch/a.rpm"
            assert await location(api, *place, tail=f"{arch}/noarch/") == body["url"] + "noarch/"
            assert await location(api, *place, tail=f"{arch}/") == body["url"]
            assert await location(api, *place, tail=arch) == body["url"]
    for tail in ("ppc64le/a.rpm", "repo/a.rpm", "flavors/debug/x86_64/a.rpm"):
        assert await not_ready(api, "main", S, *NOBLE, tail=tail)
    await api.post_repo(archs=[], status="building")
    assert await not_ready(api, "main", S, *NOBLE, tail="x86_64/noarch/a.rpm")


@pytest.mark.parametrize(
    "tail",
    [
        "noarch/libstdc++-1.0~rc1-2.el9.rpm",
        "pool/a%20b.deb",
        "a%2Fb.rpm",
        "a%25b.rpm",
        "a%23b%3Fc.rpm",
        "gr%C3%B6%C3%9Fe.deb",
        "a//b.rpm",
        "...",
        "a..b/.hidden",
    ],
)
async def test_a_file_keeps_its_name(api: Api, tail: str) -> None:
    """What is quoted in the path is quoted in the redirect, and what is not is not."""
    body = await api.post_repo()
    assert await location(api, "main", S, *NOBLE, tail=f"x86_64/{tail}") == body["url"] + tail


@pytest.mark.parametrize("tail", ["../a", "a/../../b", "..", "%2e%2e/a", "a%2F..%2F..%2Fb", "./a", "..%2Fa", "..%5Ca"])
async def test_a_file_lies_within_its_repo(api: Api, tail: str) -> None:
    """A path that climbs leads nowhere."""
    await api.post_repo()
    target = (api.path("repos", "main", S, *NOBLE) + "x86_64/" + tail).encode()
    response = await api.http.send(api.http.build_request("GET", "/", extensions={"target": target}))
    assert response.status_code == 400
    assert "path" in response.text


@pytest.mark.parametrize(
    ("posted", "expected"),
    [
        ("http://1.chacra.example.org/r/x", "http://1.chacra.example.org/r/x/"),
        ("1.chacra.example.org/r/x/", "https://1.chacra.example.org/r/x/"),
        ("1.chacra.example.org:8080/r/x/", "https://1.chacra.example.org:8080/r/x/"),
        ("//1.chacra.example.org/r/x", "https://1.chacra.example.org/r/x/"),
        (
            "https://1.chacra.example.org/r/größe/日 本/",
            "https://1.chacra.example.org/r/gr%C3%B6%C3%9Fe/%E6%97%A5%20%E6%9C%AC/",
        ),
        ("https://1.chacra.example.org/r/a%2Fb+c/", "https://1.chacra.example.org/r/a%2Fb+c/"),
    ],
)
async def test_a_redirect_is_a_whole_url(api: Api, posted: str, expected: str) -> None:
    """Whatever senders leave out or unquoted, the client gets a URL that it can follow."""
    posted, expected = (url.replace("/r/", f"/r/{api.project}/") for url in (posted, expected))
    await api.post_repo(chacra_url=posted, url=posted)
    assert await location(api, "main", S, *NOBLE, tail="repo") == expected + "repo"
    assert await location(api, "main", S, *NOBLE, tail="x86_64/a.rpm") == expected + "a.rpm"
