"""One project of the server under test, as its clients see it: posts that must be taken, answers that must be there."""

import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import httpx

Json = dict[str, Any]

# `2026-06-17 18:04:30.190595`: UTC, always six decimals, no `T`, no zone.
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}")

# Two backends that keep repositories; nobody connects to them.
CHACRA, OTHER_BACKEND = "1.chacra.example.org", "pulp.example.org"


def sha1(number: int) -> str:
    """Return a sha1 of full length."""
    return f"{number:040x}"


def quoted(*parts: str) -> str:
    """Return parts of a path, each safe inside a URL, with a slash after each."""
    return "".join(quote(part, safe="") + "/" for part in parts)


def repo_body(project: str, host: str = CHACRA, **changes: Any) -> Json:
    """Return the keys of a ready repo with these changes; the URLs follow the coordinates, as nodes make them."""
    body = {
        "ref": "main",
        "sha1": sha1(1),
        "distro": "ubuntu",
        "distro_version": "noble",
        "flavor": "default",
        "archs": ["x86_64"],
        "status": "ready",
        "extra": {"version": "19.2.0"},
    } | changes
    names = [str(body[name]) for name in ("ref", "sha1", "distro", "distro_version")]
    place = quoted(project, *names, "flavors", str(body["flavor"]))
    return {"chacra_url": f"https://{host}/repos/{place}", "url": f"https://{host}/r/{place}"} | body


def build_body(**changes: Any) -> Json:
    """Return the keys of a started build with these changes."""
    return {
        "ref": "main",
        "sha1": sha1(1),
        "distro": "ubuntu",
        "distro_version": "noble",
        "distro_arch": "x86_64",
        "flavor": "default",
        "status": "started",
        "url": "https://ci.example.org/job/1/",
        "log_url": "https://ci.example.org/job/1/consoleFull",
        "extra": {"version": "19.2.0", "node_name": "builder-1"},
    } | changes


@dataclass(frozen=True)
class Api:
    """The production dialect, seen from one project."""

    http: httpx.AsyncClient
    project: str

    def sibling(self) -> "Api":
        """Return the same server seen from a second project."""
        return replace(self, project=f"{self.project}-sibling")

    def path(self, resource: str, *parts: str) -> str:
        """Return the slashed path of what lies below this project in `resource`."""
        return f"/api/{resource}/" + quoted(self.project, *parts)

    async def post(self, resource: str, body: Json) -> None:
        """Post a body that must be taken."""
        response = await self.http.post(self.path(resource), json=body)
        assert response.status_code == 200, response.text
        assert response.json() == {}

    async def post_repo(self, host: str = CHACRA, **changes: Any) -> Json:
        """Post a repo that must be taken, and return the body."""
        body = repo_body(self.project, host, **changes)
        await self.post("repos", body)
        return body

    async def delete_repo(self, body: Json, **more: Any) -> None:
        """Post the end of the repo that a body is of."""
        await self.post("repos", {"chacra_url": body["chacra_url"], "status": "deleted"} | more)

    async def post_build(self, **changes: Any) -> Json:
        """Post a build that must be taken, and return the body."""
        body = build_body(**changes)
        await self.post("builds", body)
        return body

    async def get(self, path: str, **params: Any) -> Any:
        """Return the JSON of a path that must answer 200 itself."""
        response = await self.http.get(path, params=params or None)
        assert response.status_code == 200, response.text
        assert response.headers["Content-Type"].startswith("application/json")
        return response.json()

    async def repos(self, *parts: str, **params: Any) -> Any:
        """Return the JSON of a level of `/api/repos/` in this project."""
        return await self.get(self.path("repos", *parts), **params)

    async def builds(self, *parts: str) -> Any:
        """Return the JSON of a level of `/api/builds/` in this project."""
        return await self.get(self.path("builds", *parts))

    async def search(self, **params: Any) -> list[Json]:
        """Return what a search in this project finds."""
        found: list[Json] = await self.get("/api/search/", project=self.project, **params)
        return found

    async def one_repo(self) -> Json:
        """Return the only repo of this project."""
        [repo] = await self.search()
        return repo

    async def one_build(self) -> Json:
        """Return the only build of the usual ref and sha1."""
        [build] = await self.builds("main", sha1(1))
        assert isinstance(build, dict)
        return build

    async def nothing_stored(self) -> None:
        """Check that this project has never come to be."""
        assert await self.search() == []
        assert (await self.http.get(self.path("repos"))).status_code == 404
        assert (await self.http.get(self.path("builds"))).status_code == 404


def description(response: httpx.Response) -> str:
    """Return what an error says, from the shape that programs get."""
    told = response.json()
    assert told["code"] == response.status_code
    assert isinstance(told["description"], str)
    text: str = told["description"]
    return text


async def answer(api: Api, *parts: str, tail: str = "", **params: Any) -> httpx.Response:
    """Return the answer to a GET below `/api/repos/` of this project, as a program gets it."""
    headers = {"Accept": "application/json"}
    return await api.http.get(api.path("repos", *parts) + tail, params=params or None, headers=headers)


async def location(api: Api, *parts: str, tail: str = "", **params: Any) -> str:
    """Return where a GET leads."""
    response = await answer(api, *parts, tail=tail, **params)
    assert response.status_code == 302, response.text
    target: str = response.headers["Location"]
    return target


async def not_ready(api: Api, *parts: str, tail: str = "", **params: Any) -> str:
    """Return what a 504 says."""
    response = await answer(api, *parts, tail=tail, **params)
    assert response.status_code == 504, response.text
    return description(response)


async def refused(api: Api, body: Any) -> str:
    """Post a repo that must not be taken, and return why."""
    response = await api.http.post(api.path("repos"), json=body, headers={"Accept": "application/json"})
    assert response.status_code == 400, response.text
    return description(response)
