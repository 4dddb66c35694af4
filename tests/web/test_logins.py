"""Failed logins: how many an address has, what counts, and whose address it is."""

import contextlib
from collections.abc import AsyncIterator, Sequence

import httpx
import pytest
from fakeredis import FakeAsyncRedis, FakeServer
from msgspec.structs import replace

from shaman.config import Server
from shaman.errors import TooManyTries
from shaman.store import Store
from shaman.web.logins import ADDRESSES, PERIOD, TRIES, FailedLogins, client_address
from tests.conftest import CONFIG, RELEASES, basic, own_address, served
from tests.web.api.test_bad_input import assert_comments, assert_error
from tests.web.test_bad_input import assert_problem
from tests.web.test_repos import BODY

A, B = "192.0.2.1", "192.0.2.2"
WRITES = ("/repos/ceph/", "/api/repos/ceph/", "/api/builds/ceph/", "/api/nodes/1.example.org/")


def tries_left(failed: FailedLogins, address: str, now: float) -> int:
    """Use up the tries of an address, and return how many it had."""
    for count in range(TRIES + 1):
        try:
            failed.check(address, now)
        except TooManyTries:
            return count
        failed.add(address, now)
    return TRIES + 1


def test_an_address_has_some_tries() -> None:
    """Then it has none until the period is over, which is said; other addresses have theirs."""
    failed = FailedLogins()
    failed.add(A, 100.0)
    assert tries_left(failed, A, 110.0) == TRIES - 1
    assert tries_left(failed, B, 110.0) == TRIES
    with pytest.raises(TooManyTries) as told:
        failed.check(A, 110.5)
    assert told.value.after == 50
    with pytest.raises(TooManyTries) as told:
        failed.check(A, 100.0 + PERIOD - 0.01)
    assert told.value.after == 1
    assert tries_left(failed, A, 100.0 + PERIOD) == TRIES


def test_nothing_is_kept_of_who_has_stopped() -> None:
    """After the period there is nothing to look through any more."""
    failed = FailedLogins()
    failed.add(A, 0.0)
    failed.add(B, 1.0)
    assert failed
    failed.check("other", PERIOD + 1.0)
    assert not failed


def test_memory_is_bounded() -> None:
    """However many addresses fail, a bounded number is remembered, and those are the last ones."""
    failed = FailedLogins()
    for number in range(3 * ADDRESSES):
        failed.add(f"address {number}", number / ADDRESSES)
    known = [number for number in range(3 * ADDRESSES) if tries_left(failed, f"address {number}", 3.0) == TRIES - 1]
    assert len(known) <= ADDRESSES
    assert tries_left(failed, A, 3.0) == TRIES


@pytest.mark.parametrize(
    ("forwarded", "proxies", "address"),
    [
        ([], 0, A),
        ([B], 0, A),
        ([], 1, A),
        ([B], 1, B),
        (["198.51.100.9, 203.0.113.7", B], 1, B),
        (["198.51.100.9", f"203.0.113.7 , {B}"], 2, "203.0.113.7"),
        ([B], 2, A),
        (["unknown"], 1, A),
        ([f"{B}, "], 1, A),
        (["<script>"], 1, A),
        ([f"{B}:4711"], 1, B),
        ([f"::ffff:{B}"], 1, B),
        (["2001:db8:1:2:3::4"], 1, "2001:db8:1:2::/64"),
        (["[2001:db8:1:2:ff::4]:4711"], 1, "2001:db8:1:2::/64"),
    ],
)
def test_whose_address_it_is(forwarded: Sequence[str], proxies: int, address: str) -> None:
    """What a trusted proxy says counts, what the client says does not, and an IPv6 client is its network."""
    assert client_address(A, forwarded, proxies) == address


@contextlib.asynccontextmanager
async def service(proxies: int) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an empty store behind so many proxies."""
    config = replace(CONFIG, server=Server(trusted_proxies=proxies))
    store = Store(FakeAsyncRedis(server=FakeServer()), config, RELEASES)
    async with served(store, config) as url, httpx.AsyncClient(base_url=url) as http:
        yield http


def wrong(number: int) -> dict[str, str]:
    """Return credentials of nobody, or a wrong key of somebody."""
    return basic("builder" if number % 2 else f"guess{number}", f"key{number}")


async def test_too_many_failed_logins_are_429() -> None:
    """On every write, in its dialect's shape, with the time to wait; for the right key too, or it could be guessed."""
    async with service(1) as http:
        guesser = own_address()
        for number in range(TRIES):
            path = WRITES[number % len(WRITES)]
            assert (await http.post(path, content=b"{", headers=guesser | wrong(number))).status_code == 401
        for path in WRITES:
            for headers in (wrong(0), basic("builder", "secret")):
                answer = await http.post(path, content=b"{", headers=guesser | headers | {"Accept": "application/json"})
                (assert_error if path.startswith("/api/") else assert_problem)(answer, 429, "too many failed logins")
                assert 1 <= int(answer.headers["Retry-After"]) <= PERIOD
        assert_comments(await http.get("/api/nodes/next/", headers=guesser | wrong(0)), 429, "too many failed logins")
        assert (await http.get("/repos/", headers=guesser | wrong(0))).status_code == 200
        right = await http.post("/repos/ceph/", json=BODY, headers=own_address() | basic("builder", "secret"))
        assert right.status_code == 201


async def test_only_wrong_credentials_count() -> None:
    """A right login, even for another project, and one without credentials are no guess; a right one resets none."""
    async with service(1) as http:
        headers = own_address()
        for _ in range(2 * TRIES):
            for sent, status in (
                (basic("builder", "secret"), {200, 201}),
                (basic("limited", "narrow"), {401}),
                ({}, {401}),
            ):
                project = "other" if status == {401} else "ceph"
                answer = await http.post(f"/repos/{project}/", json=BODY, headers=headers | sent)
                assert answer.status_code in status
        for number in range(TRIES):
            assert (await http.post("/repos/ceph/", headers=headers | wrong(number))).status_code == 401
            if number < TRIES - 1:
                answer = await http.post("/repos/ceph/", json=BODY, headers=headers | basic("builder", "secret"))
                assert answer.status_code == 200
        assert (await http.post("/repos/ceph/", headers=headers | wrong(0))).status_code == 429


async def test_who_was_right_before_is_not_shut_out() -> None:
    """Builders that share an address with a guesser go on; that their key is right the guesser does not learn."""
    async with service(0) as http:
        assert (await http.post("/repos/ceph/", json=BODY, headers=basic("builder", "secret"))).status_code == 201
        for number in range(TRIES + 1):
            answer = await http.post("/repos/ceph/", headers=wrong(number))
            assert answer.status_code == (401 if number < TRIES else 429)
        assert (await http.post("/repos/ceph/", json=BODY, headers=basic("builder", "secret"))).status_code == 200
        assert (await http.post("/repos/ceph/", json=BODY, headers=basic("limited", "narrow"))).status_code == 429


async def test_without_a_trusted_proxy_nobody_chooses_an_address() -> None:
    """X-Forwarded-For is what the client likes to say, so it gives no new tries."""
    async with service(0) as http:
        for number in range(TRIES):
            assert (await http.post("/repos/ceph/", headers=own_address() | wrong(number))).status_code == 401
        assert (await http.post("/repos/ceph/", headers=own_address() | wrong(0))).status_code == 429


async def test_behind_a_trusted_proxy_nobody_chooses_an_address() -> None:
    """What a client has sent of X-Forwarded-For stands before what the proxy adds, and gives no new tries."""
    async with service(1) as http:
        for number in range(TRIES + 1):
            headers = {"X-Forwarded-For": f"{own_address()['X-Forwarded-For']}, {A}"} | wrong(number)
            answer = await http.post("/repos/ceph/", headers=headers)
            assert answer.status_code == (401 if number < TRIES else 429)


async def test_a_real_service_counts_in_each_worker(http: httpx.AsyncClient) -> None:
    """However it is served and on whichever connection: at most two workers have their tries each here."""
    statuses = [
        (await http.post("/repos/ceph/", json=BODY, auth=("builder", f"key{n}"))).status_code
        for n in range(2 * TRIES + 1)
    ]
    assert statuses[:TRIES] == [401] * TRIES
    assert statuses[-1] == 429
    headers = own_address()
    assert (await http.post("/repos/ceph/", json=BODY, headers=headers)).status_code == 201
