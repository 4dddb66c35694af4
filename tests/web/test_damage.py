"""A store that is damaged in every way that the check knows, and every route: 503 where it shows, never 500."""

import re
from collections.abc import AsyncIterator, Callable
from itertools import product
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from shaman.store import Store, keys
from shaman.store.checking.tree import TREE, TREE_OF_NODES
from tests.conftest import CONFIG, RELEASES, backend, served
from tests.store import test_checking
from tests.store.test_checking import HASHES, INDEXES, Damage, content, faults_of, one_of_each
from tests.web.test_every_write import RULES

NAMES = {
    "project": "ceph",
    "name": "main",
    "ref": "main",
    "sha1": "s3",
    "distro": "ubuntu",
    "version": "jammy",
    "arch": "aarch64",
    "flavor": "default",
    "host": "up.example.org",
    "tail": "repo/x.rpm",
}
QUERIES = {
    "/api/search/": ["?project=ceph&distros=ubuntu/jammy/aarch64&ref=main&sha1=latest", "?project=ceph&sha1=s1"],
    "/search/<name:project>/<name:name>/": ["?status=any", "?common_sha1=true&distros=ubuntu/jammy&status=any"],
}
REPO = {
    "ref": "main",
    "sha1": "s3",
    "distro": "ubuntu",
    "distro_version": "jammy",
    "archs": ["aarch64"],
    "url": "https://chacra/r/",
}
BUILD = {"ref": "main", "sha1": "s1", "url": "https://ci/1/", "distro": "ubuntu", "distro_version": "jammy"}


@pytest.fixture
async def redis(request: pytest.FixtureRequest) -> AsyncIterator[Redis]:
    """Return a client of a real store."""
    async with backend("server", request) as client:
        yield client


def path_of(rule: str) -> str:
    """Return a path that a rule matches, of what is there."""
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda name: NAMES.get(name[1], name[1]), rule)


GETS = sorted(
    path_of(rule.rule) + query
    for rule in RULES
    if "GET" in (rule.methods or set())
    for query in ["", *QUERIES.get(rule.rule, [])]
    if not rule.rule.startswith(("/static", "/events", "/openapi", "/docs"))  # which ask nothing, or never end
)

DIALECTS = [path for path in GETS if path.startswith(("/api/", "/repos/", "/search/")) and "/nodes/" not in path]
"""Those of them whose answer is that of the records alone: pages tell the time, and nodes whose turn it is."""


def writes(number: int) -> list[tuple[str, Any]]:
    """Return what builders post: an update, a move, a deletion, new ones, a build and a node; each is effective."""
    new = {"chacra_url": f"https://chacra/new{number}/", "status": "ready", "extra": {}}
    return [
        ("/api/repos/ceph/", REPO | new | {"chacra_url": "https://chacra/3/", "extra": {"n": number}}),
        ("/api/repos/ceph/", REPO | new | {"chacra_url": "https://chacra/9/", "sha1": f"moved{number}"}),
        ("/api/repos/ceph/", REPO | {"chacra_url": "https://chacra/6/", "status": "deleted"}),
        ("/repos/ceph/", {name: value for name, value in (REPO | new).items() if name != "archs"} | {"arch": "arm64"}),
        ("/api/builds/ceph/", BUILD | {"distro_arch": "arch1", "status": f"started{number}"}),
        ("/api/builds/ceph/", BUILD | {"distro_arch": f"arm{number}", "status": "queued"}),
        ("/api/nodes/down.example.org/", {}),
    ]


async def fill(store: Store) -> None:
    """Write records that give every key of the tree at least one member."""
    for number in range(1, 13):
        await store.repos.put("ceph", test_checking.repo(number), test_checking.RULES)
        await store.builds.put("ceph", test_checking.build(number))
    await test_checking.fill_nodes(store)


class Damaged:
    """A service, and its store, which is mended after each damage."""

    def __init__(self, store: Store, redis: Any, http: httpx.AsyncClient) -> None:
        """Look at all of them."""
        self.store = store
        self.redis = redis
        self.http = http
        self.number = 0

    async def ask_everything(self, *, whole: bool = False) -> None:
        """Ask every route; assert that none fails and, if they are to be `whole`, that no write is half there."""
        for path, accept in product(GETS, ("*/*", "text/html")):
            answer = await self.http.get(path, headers={"Accept": accept})
            assert answer.status_code != 500 or path == "/_health/", (path, accept, answer.text)
        self.number += 1
        for path, body in writes(self.number):
            before = await content(self.redis)
            answer = await self.http.post(path, json=body)
            assert answer.status_code in {200, 201, 503}, (path, answer.text)
            if answer.status_code == 503:
                assert "shaman check --repair" in answer.text
                assert not whole or await content(self.redis) == before, path

    async def mend(self) -> None:
        """Mend the store and write again what every key needs."""
        await faults_of(self.store, repair=True, drop=True)
        assert await faults_of(self.store) == []
        await fill(self.store)


@pytest.fixture
async def damaged(redis: Any) -> AsyncIterator[Damaged]:
    """Return a service with records and nodes."""
    store = Store(redis, CONFIG, RELEASES)
    await fill(store)
    async with served(store) as url, httpx.AsyncClient(base_url=url, auth=("builder", "secret")) as http:
        yield Damaged(store, redis, http)


@pytest.mark.parametrize(
    ("templates", "damage"),
    [
        *((INDEXES, getattr(test_checking, name)) for name in ("lose_member", "add_member", "add_garbage")),
        (INDEXES, test_checking.move_member),
        *(
            (HASHES, getattr(test_checking, name))
            for name in ("lose_field", "add_field", "alter_field", "empty_field", "double_field")
        ),
    ],
)
async def test_a_damaged_index_is_no_500(damaged: Damaged, templates: list[str], damage: Damage) -> None:
    """Every route answers as it can, or 503 that says what to do; a write that is refused has written nothing."""
    for template in templates:
        found = await one_of_each(damaged.redis)
        await damage(damaged.redis, found[template].name)
        await damaged.ask_everything(whole=True)
        await damaged.mend()


@pytest.mark.parametrize("template", [name for name, kind in TREE.items() if kind != "any" and name != "aside"])
async def test_a_key_of_another_type_is_no_500(damaged: Damaged, template: str) -> None:
    """Every route answers as it can, or 503 that says what to do."""
    found = await one_of_each(damaged.redis)
    if template in found:
        await damaged.redis.delete(found[template].name)
        await damaged.redis.sadd(found[template].name, "x")
        await damaged.ask_everything()
        await damaged.mend()


@pytest.mark.parametrize("damage", ["lost", "broken", "misplaced"])
@pytest.mark.parametrize("documents", [keys.repos("ceph"), keys.builds("ceph")])
async def test_no_answer_lacks_a_document(damaged: Damaged, documents: str, damage: str) -> None:
    """Whatever an answer to a machine was before a document was lost, it is that, or 503, afterwards."""
    for number in (3, 9):
        before = {path: (await damaged.http.get(path)) for path in DIALECTS}
        if damage == "lost":
            await damaged.redis.hdel(documents, number)
        else:
            await damaged.redis.hset(documents, number, "{" if damage == "broken" else '{"id":1}')
        for path in DIALECTS:
            answer = await damaged.http.get(path)
            assert answer.status_code == 503 or answer.text == before[path].text, path
        await damaged.ask_everything()
        await damaged.mend()


@pytest.mark.parametrize("name", TREE_OF_NODES)
async def test_a_damaged_pool_is_no_500(damaged: Damaged, name: str) -> None:
    """The keys of the nodes, too: of another type, or with what nobody has written."""
    for damage in (_other_type, _garbage):
        await damage(damaged.redis, name)
        await damaged.ask_everything()
        await damaged.mend()


async def _other_type(redis: Any, name: str) -> None:
    kind = await redis.type(name)
    await redis.delete(name)
    await (redis.set(name, "x") if kind == b"set" else redis.sadd(name, "x"))


async def _garbage(redis: Any, name: str) -> None:
    ways: dict[bytes, Callable[[], Any]] = {
        b"hash": lambda: redis.hset(name, "up.example.org", b"\xff{"),
        b"zset": lambda: redis.zadd(name, {b"\xff": 1}),
        b"set": lambda: redis.sadd(name, b"\xff"),
        b"string": lambda: redis.set(name, b"\xff"),
        b"stream": lambda: redis.xadd(name, {"x": "y"}),
    }
    way = ways.get(await redis.type(name))
    if way:
        await way()
