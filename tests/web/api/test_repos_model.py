"""The paths of both dialects against a plain list: whatever is posted and asked, all three tell the same."""

import asyncio
import uuid
from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shaman.distros import canonical_arch
from tests.conformance.api import Api, Json
from tests.conftest import RELEASES

REFS, SHA1S, FLAVORS = ["main", "a/b"], ["a1", "b2", "c3"], ["default", "debug"]
CELLS = [("ubuntu", "jammy"), ("ubuntu", "22.04"), ("centos", "9")]
ARCHS = [None, "x86_64", "aarch64"]

records = st.fixed_dictionaries(
    {
        "chacra_url": st.sampled_from([f"https://c.example.org/{number}/" for number in range(6)]),
        "ref": st.sampled_from(REFS),
        "sha1": st.sampled_from(SHA1S),
        "cell": st.sampled_from(CELLS),
        "flavor": st.sampled_from(FLAVORS),
        "archs": st.sampled_from([["x86_64"], ["arm64"], ["amd64", "aarch64"], []]),
        "status": st.sampled_from(["ready", "ready", "ready", "building", "deleted"]),
    }
)
paths = st.tuples(
    st.sampled_from(REFS),
    st.sampled_from([*SHA1S, "latest", "latest"]),
    st.sampled_from(CELLS),
    st.sampled_from(FLAVORS),
    st.sampled_from(ARCHS),
)


def apply(model: dict[str, Json], record: Json) -> None:
    """Do to a dict, kept in the order of the writes, what a POST does to the registry."""
    old = model.pop(record["chacra_url"], None)
    if record["status"] == "deleted":
        return
    archs = list((old or {}).get("archs", []))
    archs += [arch for arch in record["archs"] if canonical_arch(arch) not in map(canonical_arch, archs)]
    distro, version = record["cell"]
    new = record | {"archs": archs, "cell": (distro, RELEASES.canonical(distro, version))}
    model[record["chacra_url"]] = new


def expected(model: list[Json], path: Any) -> tuple[list[str], list[str]]:
    """Return the chacra_urls below a path of this dialect, and those below one of the native, newest first."""
    ref, sha1, cell, flavor, arch = path
    cell = (cell[0], RELEASES.canonical(*cell))

    def fits(repo: Json, flavors: list[str], statuses: set[str]) -> bool:
        return (
            (repo["ref"], repo["cell"]) == (ref, cell)
            and repo["flavor"] in flavors
            and repo["status"] in statuses
            and (arch is None or canonical_arch(arch) in map(canonical_arch, repo["archs"]))
        )

    answers = []
    for flavors, statuses in (([flavor], {"ready", "building"}), (FLAVORS, {"ready"})):
        asked = {"ready"} if sha1 == "latest" else statuses
        found = [repo for repo in model if fits(repo, flavors, asked)]
        wanted = found[0]["sha1"] if found and sha1 == "latest" else sha1
        answers.append([repo["chacra_url"] for repo in found if repo["sha1"] == wanted])
    return answers[0], answers[1]


async def compare(api: Api, posted: list[Json], asked: list[Any]) -> None:
    """Post everything, then ask both dialects and the model."""
    model: dict[str, Json] = {}
    for number, record in enumerate(posted):
        distro, version = record["cell"]
        body = {name: value for name, value in record.items() if name != "cell"}
        # The number makes each post a change of its own.
        await api.post("repos", body | {"distro": distro, "distro_version": version, "extra": {"number": number}})
        apply(model, record)
    newest_first = list(model.values())[::-1]
    if not newest_first:
        await api.nothing_stored()
        return
    for path in asked:
        ref, sha1, cell, flavor, arch = path
        here, native = expected(newest_first, path)
        params = {"arch": arch} if arch else None
        response = await api.http.get(api.path("repos", ref, sha1, *cell, "flavors", flavor), params=params)
        assert response.status_code == (504 if sha1 == "latest" and not here else 200), path
        if response.status_code == 200:
            assert [repo["chacra_url"] for repo in response.json()] == here, path
        if arch:
            response = await api.http.get(api.path("repos", ref, sha1, *cell, arch).removeprefix("/api"))
            assert response.status_code == (200 if native else 404), path
            assert not native or [repo["chacra_url"] for repo in response.json()] == native, path


@settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(posted=st.lists(records, min_size=1, max_size=14), asked=st.lists(paths, min_size=10, max_size=10, unique=True))
def test_both_dialects_tell_what_a_list_would_tell(process_url: str, posted: list[Json], asked: list[Any]) -> None:
    """After any posts, moves and deletions, each path has the repos that reading all of them finds."""

    async def run() -> None:
        async with httpx.AsyncClient(base_url=process_url, auth=("builder", "secret")) as http:
            await compare(Api(http, f"model-{uuid.uuid4().hex}"), posted, asked)

    asyncio.run(run())
