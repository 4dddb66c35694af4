"""`/api/nodes/`: the pool of storage nodes, their registration, and whose turn it is.

Nobody listens at the hosts registered here, so they come into the pool without ever being handed out.
"""

import uuid

import httpx
import pytest

from tests.conformance.api import TIME, Api, Json


@pytest.fixture
def host() -> str:
    """Return an address of this machine that nobody else has registered, and where nobody listens."""
    number = uuid.uuid4().bytes
    return f"127.{number[0]}.{number[1]}.{number[2]}:1"


async def nodes(api: Api) -> dict[str, Json]:
    """Return the pool by host."""
    found: dict[str, Json] = await api.get("/api/nodes/")
    return found


async def post_node(api: Api, host: str, **sent: object) -> None:
    """Register a node that must be taken."""
    response = await api.http.post(f"/api/nodes/{host}/", **sent)  # type: ignore[arg-type]
    assert (response.status_code, response.json()) == (200, {})


async def test_a_registered_node_is_in_the_pool(api: Api, host: str) -> None:
    """It is told under its host, with the list and alone, and has been checked."""
    await post_node(api, host, json={})
    node = await api.get(f"/api/nodes/{host}/")
    checks = {"last_check", "down_count"}  # the background may check it between the two questions
    listed = (await nodes(api))[host]
    assert {name: listed[name] for name in listed.keys() - checks} == {
        name: node[name] for name in node.keys() - checks
    }
    assert (node["host"], node["healthy"], node["last_used"]) == (host, False, None)
    assert TIME.fullmatch(node["last_check"])
    assert node["down_count"] >= 1


@pytest.mark.parametrize("body", [b"", b"{", b"null", b'{"healthy": true}', b"\xff\0"])
async def test_any_body_is_taken(api: Api, host: str, body: bytes) -> None:
    """Storage nodes send what they like, or nothing; only the check tells the health."""
    await post_node(api, host, content=body)
    assert not (await api.get(f"/api/nodes/{host}/"))["healthy"]


async def test_registering_again_checks_again(api: Api, host: str) -> None:
    """A second POST is a reset: one node still, checked later than before."""
    await post_node(api, host)
    first = await api.get(f"/api/nodes/{host}/")
    await post_node(api, host)
    second = await api.get(f"/api/nodes/{host}/")
    assert second["last_check"] > first["last_check"]


async def test_every_node_has_every_key(api: Api, host: str) -> None:
    """The configured ones too, whether checked and used already or not."""
    await post_node(api, host)
    for name, node in (await nodes(api)).items():
        assert node["host"] == name
        assert isinstance(node["healthy"], bool)
        assert isinstance(node["down_count"], int)
        assert all(node[time] is None or TIME.fullmatch(node[time]) for time in ("last_used", "last_check"))


async def test_an_unknown_node_is_not_found(api: Api) -> None:
    """404, as it is no level of a hierarchy."""
    assert (await api.http.get(f"/api/nodes/{api.project}.invalid/")).status_code == 404


async def test_the_next_node_is_plain_text(api: Api) -> None:
    """Exactly the URL of a healthy node, ready for a shell; a comment and 404 where none is healthy."""
    response = await api.http.get("/api/nodes/next/")
    assert response.headers["Content-Type"].startswith("text/plain")
    healthy = [node["host"] for node in (await nodes(api)).values() if node["healthy"]]
    if not healthy:
        assert response.status_code == 404
        assert response.text.startswith("# ")
        return
    assert response.status_code == 200
    scheme, _, rest = response.text.partition("://")
    assert scheme in {"http", "https"}
    assert rest.endswith("/")
    assert rest.split("/")[0] in healthy


async def test_taking_a_node_notes_when(api: Api) -> None:
    """`last_used` of the node whose turn it was moves on, and of no other."""
    before = await nodes(api)
    response = await api.http.get("/api/nodes/next/")
    if response.status_code == 200:
        after = await nodes(api)
        moved = [host for host in after if after[host]["last_used"] != before[host]["last_used"]]
        assert moved == [response.text.split("/")[2]]


async def test_turns_go_around(api: Api) -> None:
    """As many calls as there are healthy nodes name each of them once."""
    healthy = [node["host"] for node in (await nodes(api)).values() if node["healthy"]]
    taken = [await api.http.get("/api/nodes/next") for _ in healthy]
    assert sorted(each.text.split("/")[2] for each in taken) == sorted(healthy)


async def test_the_next_node_is_for_known_users(api: Api) -> None:
    """Without credentials it is a 401 that names the realm."""
    for method in ("GET", "HEAD"):
        response = await api.http.request(method, "/api/nodes/next/", auth=None)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == 'Basic realm="Shaman :: API"'


@pytest.mark.parametrize(
    "host",
    [
        "user@chacra.invalid",
        "user:pass@chacra.invalid",
        "chacra.invalid%2Fpath",
        "https%3A%2F%2Fchacra.invalid",
        "chacra.invalid%3Fquery",
        "chacra.invalid%23part",
        "chacra.invalid:",
        "chacra.invalid:port",
        "chacra.invalid:0",
        "chacra.invalid:65536",
        "a%20b",
        "-a",
        "a..b",
        "caf%C3%A9.invalid",
        "a%0Ab",
        "%7F",
        "[::1",
        "[1::2::3]",
        "next",
        "x" * 300,
    ],
)
async def test_what_is_no_host_is_refused(api: Api, host: str) -> None:
    """400 with the fault, and the pool stays as it was."""
    before = set(await nodes(api))
    response = await api.http.post(f"/api/nodes/{host}/", headers={"Accept": "application/json"})
    assert response.status_code == 400
    assert response.json()["description"].startswith(("host:", "path:"))
    assert set(await nodes(api)) == before


@pytest.mark.parametrize("path", ["/api/nodes/", "/api/nodes/next/", "/api/nodes/127.0.0.1:1/"])
async def test_nodes_have_no_parameters(http: httpx.AsyncClient, path: str) -> None:
    """An unknown one is 400, as everywhere."""
    assert (await http.get(path, params={"colour": "red"})).status_code == 400
