"""`/api/search`: every filter and any combination of them, terms of `distros=`, and the newest sha1."""

import itertools
import uuid
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.conformance.api import OTHER_BACKEND, Api, Json, description, quoted, repo_body, sha1

# One repo for each filter that differs from the first in that alone.
VARIANTS: list[Json] = [
    {},
    {"ref": "squid"},
    {"sha1": sha1(2)},
    {"flavor": "debug"},
    {"status": "building"},
    {"archs": ["arm64"]},
    {"distro": "centos", "distro_version": "9"},
]

# What each filter asks for, and the numbers of the variants that it leaves.
FILTERS = {
    "ref": ("main", {0, 2, 3, 4, 5, 6}),
    "sha1": (sha1(1), {0, 1, 3, 4, 5, 6}),
    "flavor": ("default", {0, 1, 2, 4, 5, 6}),
    "status": ("ready", {0, 1, 2, 3, 5, 6}),
    "arch": ("amd64", {0, 1, 2, 3, 4, 6}),
    "distros": ("ubuntu/noble", {0, 1, 2, 3, 4, 5}),
}


async def post_variants(api: Api) -> None:
    """Post each variant with its number in `extra`."""
    for number, changes in enumerate(VARIANTS):
        await api.post_repo(f"{number}.example.org", extra={"number": number}, **changes)


def numbers(repos: list[Json]) -> list[int]:
    """Return the numbers of the repos."""
    return [repo["extra"]["number"] for repo in repos]


async def refused(api: Api, **params: Any) -> str:
    """Return why a search is not understood."""
    response = await api.http.get("/api/search/", params=params, headers={"Accept": "application/json"})
    assert response.status_code == 400, response.text
    return description(response)


@pytest.mark.parametrize("count", range(len(FILTERS) + 1))
async def test_every_filter_must_match(api: Api, count: int) -> None:
    """Any number of filters, in any combination, leaves the repos that match them all, the newest first."""
    await post_variants(api)
    for names in itertools.combinations(FILTERS, count):
        left = set(range(len(VARIANTS))).intersection(*(FILTERS[name][1] for name in names))
        found = await api.search(**{name: FILTERS[name][0] for name in names})
        assert numbers(found) == sorted(left, reverse=True), names


@pytest.mark.parametrize("name", FILTERS)
async def test_an_empty_value_is_no_filter(api: Api, name: str) -> None:
    """A filter without a value, or with nothing but blanks, filters nothing."""
    await post_variants(api)
    for value in ("", " "):
        assert len(await api.search(**{name: value})) == len(VARIANTS)
    assert len(await api.get("/api/search/", project=api.project, **dict.fromkeys(FILTERS, ""))) == len(VARIANTS)


@pytest.mark.parametrize(
    "params",
    [
        {"ref": "nothing"},
        {"sha1": sha1(9)},
        {"flavor": "nothing"},
        {"status": "failed"},
        {"status": "Ready"},
        {"arch": "ppc64le"},
        {"distros": "centos/8"},
        {"distros": "nothing/1"},
        {"sha1": "latest", "ref": "nothing"},
        {"sha1": "latest", "distros": "centos/8"},
        {"ref": "main' OR 1=1 --"},
        {"ref": "*"},
        {"ref": "x" * 1000},
    ],
)
async def test_no_match_is_an_empty_list(api: Api, params: dict[str, str]) -> None:
    """What matches nothing is 200 and `[]`."""
    await post_variants(api)
    assert await api.search(**params) == []


async def test_an_unknown_project_is_an_empty_list(api: Api) -> None:
    """A project that is not there is 200 and `[]`, with any other filter."""
    for params in ({}, {"sha1": "latest"}, {"ref": "main"}, {"sha1": sha1(1)}, {"distros": "centos/9"}):
        assert await api.search(**params) == []


@pytest.mark.parametrize("name", ["colour", "distro", "project_name", "Ref", "common_sha1", "limit", ""])
async def test_an_unknown_parameter_is_named(api: Api, name: str) -> None:
    """A misspelt filter is not taken for none, not even when it is empty."""
    for value in ("red", ""):
        assert f"{name}: " in await refused(api, project=api.project, **{name: value})


@pytest.mark.parametrize("name", ["project", "ref", "sha1", "flavor", "status", "arch"])
async def test_a_filter_is_given_once(api: Api, name: str) -> None:
    """Of two values for one filter none is silently dropped."""
    assert name in await refused(api, **{name: ["a", "b"]})


@pytest.mark.parametrize("name", ["a/b", "a+b", "a#b", "a b", "100%", "{braces}", "größe", "a&b=c", " a ", "latest"])
async def test_values_of_every_kind_are_found(api: Api, name: str) -> None:
    """A value is any text; quoted, it reaches the filter as it was posted."""
    await api.post_repo(ref=name, flavor=name, status=name)
    [repo] = await api.search(ref=name, flavor=name, status=name)
    for encoding in (quote, lambda text: urlencode({"x": text})[2:]):
        [found] = await api.get(f"/api/search?project={api.project}&ref={encoding(name)}")
        assert found == repo


@pytest.mark.parametrize("arch", ["arm64", "aarch64", "AARCH64"])
@pytest.mark.parametrize("posted", ["arm64", "aarch64"])
async def test_archs_have_aliases(api: Api, arch: str, posted: str) -> None:
    """Either name of an arch finds what was posted under either, as filter and in a term."""
    await api.post_repo(archs=["ppc64le", posted])
    for params in ({"arch": arch}, {"distros": f"ubuntu/noble/{arch}"}, {"sha1": "latest", "arch": arch}):
        assert [repo["archs"] for repo in await api.search(**params)] == [["ppc64le", posted]]


@pytest.mark.parametrize(
    "distros",
    [
        ["ubuntu/noble,centos/9"],
        ["ubuntu/24.04", "centos/9"],
        ["ubuntu/noble/x86_64", "", "centos/9/amd64"],
        [" Ubuntu / Noble , CENTOS/9 "],
        ["centos/9,ubuntu/noble,ubuntu/24.04,debian/12"],
    ],
)
async def test_terms_are_alternatives(api: Api, distros: list[str]) -> None:
    """A comma and a repeated `distros=` both add terms; a repo matches any of them, and is told once."""
    await api.post_repo(distro="centos", distro_version="9")
    await api.post_repo()
    await api.post_repo(distro_version="jammy")
    assert [repo["distro"] for repo in await api.search(distros=distros)] == ["ubuntu", "centos"]


async def test_a_term_may_name_an_arch(api: Api) -> None:
    """The arch of a term counts for that term alone, and the filter `arch` for all of them."""
    await api.post_repo(archs=["x86_64"], extra={"number": 1})
    await api.post_repo(archs=["arm64"], distro_version="jammy", extra={"number": 2})
    await api.post_repo(archs=["x86_64", "arm64"], distro="centos", distro_version="9", extra={"number": 3})
    for distros, arch, expected in (
        ("ubuntu/noble/x86_64,ubuntu/jammy", "", [2, 1]),
        ("ubuntu/noble/arm64,ubuntu/jammy", "", [2]),
        ("ubuntu/noble,ubuntu/jammy,centos/9", "aarch64", [3, 2]),
        ("ubuntu/noble/x86_64,centos/9/amd64", "x86_64", [3, 1]),
        ("ubuntu/noble/x86_64,centos/9/x86_64", "arm64", []),
    ):
        assert numbers(await api.search(distros=distros, arch=arch)) == expected


@pytest.mark.parametrize("term", ["ubuntu", "ubuntu/", "ubuntu/ ", "centos9", "centos.9"])
async def test_a_term_without_a_version_is_refused(api: Api, term: str) -> None:
    """A term needs a version or a codename; the answer names the distro."""
    distro = term.rstrip("/ ")
    for distros in (term, f"centos/9,{term}", ["centos/9", term]):
        assert await refused(api, distros=distros) == f"Invalid version or codename for distro: {distro}"
    assert f"Invalid version or codename for distro: {distro}" in await refused(api, distros=term, sha1="latest")


@pytest.mark.parametrize("distros", [",", "centos/9,", ",centos/9", "centos/9,,ubuntu/noble", "/9", "a/1/x/y", "a/1/"])
async def test_a_malformed_term_is_refused(api: Api, distros: str) -> None:
    """A term of no distro, of nothing, or of too much is no term that is overlooked."""
    assert await refused(api, project=api.project, distros=distros)


async def test_any_is_every_status(api: Api) -> None:
    """`any` is the word for all of them, as no record can have it."""
    await post_variants(api)
    assert len(await api.search(status="any")) == len(VARIANTS)
    [*_, newest] = VARIANTS
    assert [repo["distro"] for repo in await api.search(status="any", sha1="latest")][:1] == [newest["distro"]]


async def test_latest_without_terms_is_every_match_of_the_newest_sha1(api: Api) -> None:
    """`sha1=latest` takes the newest sha1 among the matches, and all that match of it."""
    await api.post_repo(sha1=sha1(1), extra={"number": 1})
    await api.post_repo(sha1=sha1(2), extra={"number": 2})
    await api.post_repo(sha1=sha1(2), distro_version="jammy", extra={"number": 3})
    await api.post_repo(sha1=sha1(2), ref="squid", extra={"number": 4})
    await api.post_repo(sha1=sha1(3), status="building", extra={"number": 5})
    assert numbers(await api.search(sha1="latest")) == [5]
    assert numbers(await api.search(sha1="latest", status="ready")) == [4, 3, 2]
    assert numbers(await api.search(sha1="latest", status="ready", ref="main")) == [3, 2]
    assert numbers(await api.search(sha1="latest", status="building")) == [5]
    assert numbers(await api.search(sha1="latest", distros="")) == [5]


async def test_latest_with_terms_is_one_repo_for_each(api: Api) -> None:
    """The newest sha1 that matches every term: of it one repo, the newest, for each term, in their order."""
    for number in (1, 2):
        await api.post_repo(sha1=sha1(number), extra={"number": number})
        await api.post_repo(sha1=sha1(number), distro="centos", distro_version="9", extra={"number": 10 + number})
        await api.post_repo(
            OTHER_BACKEND, sha1=sha1(number), distro="centos", distro_version="9", extra={"number": 20 + number}
        )
    await api.post_repo(sha1=sha1(3), extra={"number": 3})
    for distros, expected in (
        ("ubuntu/noble,centos/9", [2, 22]),
        ("centos/9,ubuntu/noble", [22, 2]),
        ("centos/9/x86_64,ubuntu/24.04/amd64", [22, 2]),
        ("ubuntu/noble", [3]),
        ("centos/9", [22]),
        ("ubuntu/noble,centos/9,debian/12", []),
        ("ubuntu/noble/arm64", []),
    ):
        for ref in ("", "main"):
            assert numbers(await api.search(sha1="latest", distros=distros, ref=ref)) == expected, distros


async def test_latest_is_common_to_every_term(api: Api) -> None:
    """A sha1 that is ready for some of the terms only does not hide the one before it."""
    cells: list[Json] = [{}, {"distro": "centos", "distro_version": "9"}, {"distro_version": "jammy"}]
    for cell in cells:
        await api.post_repo(sha1=sha1(1), **cell)
    await api.post_repo(sha1=sha1(2), **cells[0])
    await api.post_repo(sha1=sha1(2), **cells[1], status="building")
    await api.post_repo(sha1=sha1(2), **cells[2], flavor="debug")
    query = {"distros": "centos/9,ubuntu/jammy,ubuntu/noble", "status": "ready", "flavor": "default", "ref": "main"}
    assert [repo["sha1"] for repo in await api.search(sha1="latest", **query)] == [sha1(1)] * 3
    await api.post_repo(sha1=sha1(2), **cells[1])
    assert [repo["sha1"] for repo in await api.search(sha1="latest", **query)] == [sha1(1)] * 3
    await api.post_repo(sha1=sha1(2), **cells[2])
    found = await api.search(sha1="latest", **query)
    assert [repo["sha1"] for repo in found] == [sha1(2)] * 3
    assert [repo["distro_codename"] for repo in found] == [None, "jammy", "noble"]


async def test_without_a_project_every_project_is_searched(api: Api) -> None:
    """The repos of all projects come in one list, the newest first."""
    other = api.sibling()
    sha = uuid.uuid4().hex
    for number in range(4):
        await (api, other)[number % 2].post_repo(f"{number}.example.org", sha1=sha, extra={"number": number})
    assert numbers(await api.get("/api/search/", sha1=sha)) == [3, 2, 1, 0]
    assert numbers(await api.get("/api/search/", project="", sha1=sha)) == [3, 2, 1, 0]
    assert numbers(await api.search(sha1=sha)) == [2, 0]
    assert numbers(await other.search(sha1=sha)) == [3, 1]
    everything = [repo["modified"] for repo in await api.get("/api/search")]
    assert everything == sorted(everything, reverse=True)
    assert len(everything) >= 4


@pytest.mark.parametrize("by_ref", [True, False])
async def test_latest_may_be_common_across_projects(api: Api, by_ref: bool) -> None:  # noqa: FBT001
    """Without a project, one sha1 in two of them may match every term, and its newest repo is told for each."""
    other = api.sibling()
    sha, ref = uuid.uuid4().hex, uuid.uuid4().hex
    query: Json = {"flavor": ref, "sha1": "latest"} | ({"ref": ref} if by_ref else {})
    centos = {"distro": "centos", "distro_version": "9"}
    for where, number, changes in (
        (api, 1, centos),
        (other, 2, {}),
        (other, 3, centos | {"sha1": sha1(3)}),
    ):
        await where.post_repo(extra={"number": number}, **{"sha1": sha, "ref": ref, "flavor": ref} | changes)
    assert numbers(await api.get("/api/search/", distros="centos/9,ubuntu/noble", **query)) == [1, 2]
    assert numbers(await api.get("/api/search/", distros="ubuntu/noble,centos/9", **query)) == [2, 1]
    assert numbers(await api.get("/api/search/", **query)) == [3]
    await other.post_repo(extra={"number": 4}, **{"sha1": sha, "ref": ref, "flavor": ref} | centos)
    assert numbers(await api.get("/api/search/", distros="ubuntu/noble,centos/9", **query)) == [2, 4]
    assert numbers(await api.get("/api/search/", **query)) == [4, 2, 1]
    await other.post("repos", repo_body(other.project, ref=ref, sha1=sha, flavor=ref) | {"status": "deleted"})
    assert await api.get("/api/search/", distros="ubuntu/noble,centos/9", **query) == []


async def test_a_search_takes_only_get(api: Api) -> None:
    """There is nothing to post to a search."""
    for path in ("/api/search", "/api/search/"):
        response = await api.http.post(path, json={}, headers={"Accept": "application/json"})
        assert response.status_code == 405
    assert (await api.http.get("/api/search/" + quoted(api.project))).status_code == 404
