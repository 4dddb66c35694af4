"""Who may write: names, keys kept as hashes, and projects."""

import hmac
from base64 import b64encode
from collections.abc import Callable

import httpx
import pytest

from shaman.config import Config, User, hash_key
from shaman.errors import Unauthorized
from shaman.web.auth import authenticate
from tests.conftest import CONFIG_TOML, basic
from tests.web.test_repos import BODY

ALICE = User(name="alice", key_sha256=hash_key("a-key"))
BOB = User(name="bob", key_sha256=hash_key("b-key"), projects=("ceph", "wip/x"))
USERS = (ALICE, BOB)


def header(user: str, key: str) -> str:
    """Return the value of Authorization."""
    return basic(user, key)["Authorization"]


@pytest.mark.parametrize(("name", "key", "user"), [("alice", "a-key", ALICE), ("bob", "b-key", BOB)])
def test_each_user_has_a_key(name: str, key: str, user: User) -> None:
    """Every user is known by name and key, and by no other's key."""
    assert authenticate(header(name, key), USERS) is user
    for other in USERS:
        if other is not user:
            with pytest.raises(Unauthorized, match="the user or the key is wrong"):
                authenticate(header(other.name, key), USERS)


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_the_scheme_is_written_in_any_case(scheme: str) -> None:
    """As HTTP has it."""
    assert authenticate(header("alice", "a-key").replace("Basic", scheme), USERS) is ALICE


def test_a_key_may_have_colons_and_any_letters() -> None:
    """The first colon ends the name, and the text is UTF-8."""
    user = User(name="größe", key_sha256=hash_key("ü:ber:"))
    assert authenticate(header("größe", "ü:ber:"), (user,)) is user


def test_without_users_nobody_may_write() -> None:
    """The answer says how to set credentials."""
    with pytest.raises(Unauthorized, match="SHAMAN_API_USER and SHAMAN_API_KEY"):
        authenticate(header("alice", "a-key"), ())


def test_the_hash_is_not_the_key() -> None:
    """Who reads the configuration can still not write."""
    with pytest.raises(Unauthorized):
        authenticate(header("alice", ALICE.key_sha256), USERS)


def test_the_one_that_stands_for_nobody_is_no_user() -> None:
    """No name and no key is that of the user whom an unknown name is compared with."""
    for key in ("", "0" * 64, "nobody"):
        with pytest.raises(Unauthorized):
            authenticate(header("nobody", key), USERS)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (None, "needs"),
        ("", "needs"),
        ("Bearer a-key", "scheme"),
        ("Basic", "colon"),
        ("Basic !", "base64"),
        ("Basic " + b64encode(b"alice").decode(), "colon"),
        ("Basic " + b64encode(b"\xff:a-key").decode(), "base64"),
        ("Basic \xff", "base64"),
        (header("alice", "a-key") + " " + header("alice", "a-key"), "base64"),
    ],
)
def test_a_broken_header_is_told_apart(value: str | None, fault: str) -> None:
    """What is missing or malformed is named; what is wrong is not told further."""
    with pytest.raises(Unauthorized, match=fault):
        authenticate(value, USERS)


@pytest.mark.parametrize("name", ["alice", "stranger"])
def test_keys_are_compared_in_constant_time(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A known and an unknown name cost the same one comparison, of two hashes, that stops nowhere."""
    compared = []
    compare: Callable[[str, str], bool] = hmac.compare_digest

    def noted(one: str, other: str) -> bool:
        compared.append((len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", noted)
    with pytest.raises(Unauthorized):
        authenticate(header(name, "wrong"), USERS)
    assert compared == [(64, 64)]


def test_the_configuration_has_no_key() -> None:
    """A user is name, hash and projects; there is nowhere to write a key down."""
    assert set(User.__struct_fields__) == {"name", "key_sha256", "projects"}
    assert "secret" not in CONFIG_TOML.replace(hash_key("secret"), "")
    assert Config().auth.users == ()


async def test_a_limited_user_writes_nowhere_else(http: httpx.AsyncClient) -> None:
    """The projects of a user are whole names; the answer says which one is not among them."""
    for project, status in (("ceph", 201), ("cep", 401), ("ceph2", 401), ("Ceph", 401), ("ceph%2Fx", 401)):
        answer = await http.post(f"/repos/{project}/", json=BODY, auth=("limited", "narrow"))
        assert answer.status_code == status
        if status == 401:
            assert "limited may not write here" in answer.json()["detail"]
    assert (await http.get("/repos/?status=any")).json() == ["ceph"]
    assert (await http.post("/repos/elsewhere/", json=BODY)).status_code == 201


async def test_credentials_are_asked_for_before_anything_else(http: httpx.AsyncClient) -> None:
    """A stranger learns nothing about what is wrong with a body."""
    for body in (b"", b"{", b"x" * 1024):
        answer = await http.post("/repos/ceph/", content=body, auth=("stranger", "x"))
        assert answer.status_code == 401


async def test_reading_needs_no_credentials(http: httpx.AsyncClient) -> None:
    """Everybody reads, and wrong credentials are no reason to refuse."""
    for value in ("", "Basic !", header("stranger", "x")):
        request = http.build_request("GET", "/repos/", headers={"Authorization": value} if value else {})
        assert (await http.send(request, auth=None)).status_code == 200
