"""Every route of the application that writes, as its URL map has them: who may, and that nobody else changes a thing.

A route that is added is in these tests without a line here, and fails them until it asks for credentials.
"""

import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fakeredis import FakeAsyncRedis, FakeServer

from shaman.app import create_app
from shaman.store import Store, keys
from tests.conformance.api import Api, build_body, repo_body
from tests.conftest import CONFIG, RELEASES, backend, basic, own_address, served
from tests.web.api.test_bad_input import assert_comments, assert_error
from tests.web.test_bad_input import assert_problem

READING = {"GET", "HEAD", "OPTIONS"}

OPEN: set[tuple[str, str]] = set()
"""Writes that need no credentials, as (method, rule), each with the reason why. There is none."""

TURNS = {"/nodes/next/", "/api/nodes/next/"}
"""Rules whose GET takes a turn of the nodes, which is what the contract has it for: the only GETs that write."""

VALUES = {"project": "other", "host": "9.chacra.example.org"}
"""What stands for the names in a rule; any other name is its own value."""

RULES = list(
    create_app(CONFIG, Store(FakeAsyncRedis(server=FakeServer()), CONFIG, RELEASES), RELEASES).url_map.iter_rules()
)

WRITES = sorted(
    {(method, rule.rule) for rule in RULES for method in (rule.methods or set()) - READING} - OPEN,
)

STRANGERS = [
    "",
    "Basic",
    "Basic !!!",
    "Basic Zm9v",
    "Bearer secret",
    basic("builder", "wrong")["Authorization"],
    basic("nobody", "secret")["Authorization"],
    basic("", "")["Authorization"],
]

BODIES = [b"", b"{", b"x" * 100_000, b'{"status": "deleted"}']


def path_of(rule: str) -> str:
    """Return a path that a rule matches."""
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda name: VALUES.get(name[1], name[1]), rule)


def assert_refused(response: httpx.Response, status: int = 401) -> None:
    """Assert the shape of an error in the dialect of the path, and that credentials are asked for."""
    if not response.request.url.path.startswith("/api/"):
        assert_problem(response, status)
    elif response.request.headers["Accept"] == "application/json":
        assert_error(response, status)
    else:
        assert_comments(response, status)
    assert response.headers["WWW-Authenticate"] == 'Basic realm="Shaman :: API"'


class Registry:
    """A service with a few records, and its store beside it."""

    def __init__(self, http: httpx.AsyncClient, redis: Any) -> None:
        """Look at both sides."""
        self.http = http
        self._redis = redis

    async def content(self) -> dict[bytes, bytes]:
        """Return every key of the store with what it holds; who checks the nodes is not of the registry."""
        names = set(await self._redis.keys("*")) - {keys.NODES_CHECKING.encode()}
        return {name: await self._redis.dump(name) for name in sorted(names)}

    async def send(
        self, method: str, path: str, authorization: str, body: bytes = b"{}", accept: str = "*/*"
    ) -> httpx.Response:
        """Send a request with these credentials and no others."""
        headers = {"Authorization": authorization, "Accept": accept, "Content-Type": "application/json"} | own_address()
        if not authorization:
            del headers["Authorization"]
        request = self.http.build_request(method, path, content=body, headers=headers)
        response = await self.http.send(request, auth=None, stream=True)
        if response.headers.get("Content-Type") != "text/event-stream":  # which has no end
            await response.aread()
        await response.aclose()
        return response


@pytest.fixture(params=["fakeredis", "server"])
async def registry(request: pytest.FixtureRequest) -> AsyncIterator[Registry]:
    """Return a registry with a repo and a queued build in two projects, and a registered node."""
    async with contextlib.AsyncExitStack() as stack:
        redis = await stack.enter_async_context(backend(request.param, request))
        url = await stack.enter_async_context(served(Store(redis, CONFIG, RELEASES)))
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, auth=("builder", "secret")))
        for project in ("ceph", "other"):
            await Api(http, project).post_repo()
            await Api(http, project).post_build(status="queued")
        yield Registry(http, redis)


def test_there_are_writes() -> None:
    """The map is read right: it has the four writes of today, and no websocket, which these tests could not see."""
    assert {
        ("POST", "/repos/<name:project>/"),
        ("POST", "/api/repos/<name:project>/"),
        ("POST", "/api/builds/<name:project>/"),
        ("POST", "/api/nodes/<name:host>/"),
    } <= set(WRITES)
    assert not [rule for rule in RULES if rule.websocket]


@pytest.mark.parametrize(("method", "rule"), WRITES)
async def test_a_write_needs_credentials(registry: Registry, method: str, rule: str) -> None:
    """Without, with broken and with wrong ones it is 401 whatever the body is, and the store stays as it is."""
    before = await registry.content()
    for number, authorization in enumerate(STRANGERS):
        body = BODIES[number % len(BODIES)]
        for accept in ("application/json", "*/*"):
            assert_refused(await registry.send(method, path_of(rule), authorization, body, accept))
    assert await registry.content() == before


@pytest.mark.parametrize(("method", "rule"), WRITES)
async def test_a_user_of_some_projects_writes_nowhere_else(registry: Registry, method: str, rule: str) -> None:
    """Another project, and what belongs to none, is refused, however its name is spelt."""
    before = await registry.content()
    paths = [path_of(rule)]
    if "<name:project>" in rule:
        paths += [
            path_of(rule.replace("<name:project>", name)) for name in ("cep", "Ceph", "ceph%2Fx", "%20ceph", "new")
        ]
    for path in paths:
        for body in (b"{}", b"{"):
            assert_refused(await registry.send(method, path, basic("limited", "narrow")["Authorization"], body))
    assert await registry.content() == before


def of_other(content: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Return what belongs to the project `other`."""
    return {name: value for name, value in content.items() if b"{other}" in name}


@pytest.mark.parametrize("status", ["ready", "deleted", "failed"])
async def test_a_user_of_some_projects_moves_nothing_of_others(registry: Registry, status: str) -> None:
    """A body that names another project's record by its URL changes that one as little as one that names it."""
    before = of_other(await registry.content())
    [repo] = await Api(registry.http, "other").search()
    [build] = await Api(registry.http, "other").builds("main", repo["sha1"])
    body = repo_body("other", status=status) | {"project": "other", "id": repo["id"]}
    native = {name: value for name, value in body.items() if name not in {"project", "id", "archs"}} | {
        "arch": "x86_64"
    }
    started = build_body() | {"project": "other", "url": build["url"], "id": build["id"]}
    for path, sent in (("/api/repos/ceph/", body), ("/repos/ceph/", native), ("/api/builds/ceph/", started)):
        response = await registry.http.post(path, json=sent, auth=("limited", "narrow"))
        assert response.status_code in {200, 201}, response.text
    assert of_other(await registry.content()) == before
    assert before


async def test_a_node_is_not_for_users_of_some_projects(registry: Registry) -> None:
    """Every project uploads to the nodes, so who may write to some of them alone adds and resets none."""
    response = await registry.http.post("/api/nodes/1.chacra.example.org/", auth=("limited", "narrow"))
    assert_refused(response)
    assert "1.chacra.example.org" not in (await registry.http.get("/api/nodes/")).json()


@pytest.mark.parametrize("rule", sorted({rule.rule for rule in RULES if "GET" in (rule.methods or set())} - TURNS))
async def test_a_question_writes_nothing(registry: Registry, rule: str) -> None:
    """Whatever is asked, found or not, with and without credentials."""
    before = await registry.content()
    for authorization in ("", basic("builder", "secret")["Authorization"]):
        for method in ("GET", "HEAD", "OPTIONS"):
            response = await registry.send(method, path_of(rule), authorization, b"")
            assert response.status_code != 500
    assert await registry.content() == before


async def test_a_turn_in_the_production_dialect_needs_credentials(registry: Registry) -> None:
    """Those of any user; the native one is open, as its contract says."""
    before = await registry.content()
    for authorization in STRANGERS:
        assert_refused(await registry.send("GET", "/api/nodes/next/", authorization, b""))
    assert await registry.content() == before
    for auth in (("builder", "secret"), ("limited", "narrow")):
        assert (await registry.http.get("/api/nodes/next/", auth=auth)).status_code == 200
