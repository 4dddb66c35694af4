"""Webhooks: who is told of what, at least once and in order, whatever the receivers and the senders do."""

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from shaman import sender
from shaman.config import Config
from shaman.hooks import Webhook
from shaman.models import NodeTold, RecordTold
from shaman.sender import Sender
from shaman.store import Store, keys
from shaman.store.connection import connect
from shaman.store.letters import Letter
from tests.backends import admin_url
from tests.conftest import CONFIG
from tests.receiver import Receiver, fine, hang, hang_up, receiving, says
from tests.web.workers import Worker, until, working

SECRET = "marked-secret-of-the-hook"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let retries follow at once, and nobody hold a right for long."""
    monkeypatch.setattr(sender, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(sender, "RENEW", 0.05)


def hook(receiver: Receiver, name: str = "ci", **settings: object) -> Webhook:
    """Return a webhook of a receiver."""
    return Webhook(name=name, url=receiver.url, secret=SECRET, **settings)  # type: ignore[arg-type]


@pytest.fixture
async def redis(server_url: str) -> AsyncIterator[Redis]:
    """Return a client of an empty store that may do anything."""
    client = connect(admin_url(server_url), 16)
    await client.flushall()
    yield client
    await client.flushall()
    await client.aclose()


@pytest.fixture
async def worker(redis: Redis, server_url: str) -> AsyncIterator[Worker]:
    """Return a process that takes posts."""
    assert not await redis.dbsize()
    async with working(connect(server_url, 16)) as worker:
        yield worker


@asynccontextmanager
async def sending(url: str, *hooks: Webhook) -> AsyncIterator[Store]:
    """Run a process that tells the webhooks, from before this returns on if it has the right; its store."""
    config: Config = replace(CONFIG, webhooks=hooks)
    async with working(connect(url, 16)) as worker:
        duty = Sender(worker.store, config).duty
        assert duty
        await duty.start()
        try:
            yield worker.store
        finally:
            await duty.stop()
            await worker.store.feed.close()
            await worker.store.ping()  # so that the last batch is not left half way


async def begun(store: Store, *names: str) -> None:
    """Wait until the webhooks have their cursors."""
    async with asyncio.timeout(20):
        for name in names or ("ci",):
            while await store.letters.cursor(name) is None:  # noqa: ASYNC110 - it happens in the store
                await asyncio.sleep(0.005)


async def dead(store: Store, count: int) -> list[Letter]:
    """Wait for so many dead letters."""
    async with asyncio.timeout(20):
        while len(letters := await store.letters.dead()) < count:  # noqa: ASYNC110 - it happens in the store
            await asyncio.sleep(0.005)
    return [letter for _, letter in letters]


async def test_a_change_is_delivered_and_signed(worker: Worker, server_url: str) -> None:
    """The body is what events say; the headers name the kind, the delivery, and who must have sent it."""
    async with receiving() as receiver, sending(server_url, hook(receiver)):
        await begun(worker.store)
        await worker.post(sha1="a0", status="building")
        await worker.post(sha1="a0", status="ready")
        await until(lambda: len(receiver.taken) == 2)
    first, second = receiver.taken
    told = json.loads(second.body)
    assert (told["kind"], told["event"], told["status"], told["old_status"]) == ("repo", "updated", "ready", "building")
    assert second.headers["x-shaman-event"] == "repo"
    digest = hmac.new(SECRET.encode(), second.body, hashlib.sha256).hexdigest()
    assert second.headers["x-shaman-signature"] == f"sha256={digest}"
    assert first.headers["x-shaman-delivery"] != second.headers["x-shaman-delivery"]
    assert second.headers["content-type"] == "application/json"


async def test_a_delivery_is_repeated_until_it_is_taken(worker: Worker, server_url: str) -> None:
    """Whatever goes wrong, it comes again with the same id, and what happened later comes after it."""
    async with receiving() as receiver:
        receiver.next_does = [says("500 Fault"), hang_up, hang, says("302 Found", f"Location: {receiver.url}")]
        async with sending(server_url, hook(receiver, timeout=0.2)):
            await begun(worker.store)
            for sha1 in ("a0", "b1", "c2"):
                await worker.post(sha1=sha1)
            await until(lambda: len(receiver.taken) == 3)
    assert receiver.sha1s == ["a0", "b1", "c2"]
    assert len({delivery.headers["x-shaman-delivery"] for delivery in receiver.deliveries[:5]}) == 1
    assert len(receiver.deliveries) == 7


async def test_a_delivery_is_given_up_after_so_many_tries(worker: Worker, server_url: str) -> None:
    """It becomes a dead letter that says why, and the next is delivered."""
    async with receiving() as receiver:
        receiver.next_does = [says("503 Away")] * 3
        async with sending(server_url, hook(receiver, tries=3)):
            await begun(worker.store)
            await worker.post(sha1="a0")
            await worker.post(sha1="b1")
            await until(lambda: receiver.taken)
            (letter,) = await dead(worker.store, 1)
    assert receiver.sha1s == ["b1"]
    assert (letter.webhook, letter.why, letter.tries, letter.kind) == ("ci", "answered 503", 3, "repo")
    assert letter.delivery == receiver.deliveries[0].headers["x-shaman-delivery"]
    assert json.loads(bytes(letter.data))["sha1"] == "a0"


async def test_a_dead_receiver_holds_up_nobody(worker: Worker, server_url: str) -> None:
    """While one hangs, all is delivered to the other."""
    async with receiving() as stuck, receiving() as receiver:
        stuck.does = hang
        async with sending(server_url, hook(stuck, "stuck", timeout=60), hook(receiver)):
            await begun(worker.store, "stuck", "ci")
            for number in range(20):
                await worker.post(sha1=f"a{number}")
            await until(lambda: len(receiver.taken) == 20)
    assert receiver.sha1s == [f"a{number}" for number in range(20)]
    assert len(stuck.deliveries) == 1


async def test_two_senders_deliver_once(worker: Worker, server_url: str) -> None:
    """Only one of them has the right."""
    async with receiving() as receiver:
        webhook = hook(receiver)
        async with sending(server_url, webhook), sending(server_url, webhook):
            await begun(worker.store)
            for number in range(20):
                await worker.post(sha1=f"a{number}")
            await until(lambda: len(receiver.taken) >= 20)
    assert receiver.sha1s == [f"a{number}" for number in range(20)]


async def test_another_goes_on_for_a_sender_that_dies(worker: Worker, redis: Redis, server_url: str) -> None:
    """What the dead one was delivering is delivered again, with the same id, and nothing is left out."""
    async with receiving() as receiver:
        receiver.next_does = [fine, hang]
        webhook = hook(receiver, timeout=60)
        async with sending(server_url, webhook):
            await begun(worker.store)
            for sha1 in ("a0", "b1", "c2"):
                await worker.post(sha1=sha1)
            await until(lambda: len(receiver.deliveries) == 2)
        await worker.post(sha1="d3")
        await redis.delete(keys.WEBHOOKS_SENDING)  # as if its time were over
        async with sending(server_url, webhook):
            await until(lambda: len(receiver.taken) == 4)
    assert receiver.sha1s == ["a0", "b1", "c2", "d3"]
    repeated, again = receiver.deliveries[1:3]
    assert repeated.headers["x-shaman-delivery"] == again.headers["x-shaman-delivery"]
    assert repeated.body == again.body


async def test_what_cannot_be_told_any_more_is_a_dead_letter(worker: Worker, redis: Redis, server_url: str) -> None:
    """Where entries have gone, the list says that something may be missing, and it goes on with what comes."""
    async with receiving() as receiver:
        webhook = hook(receiver)
        async with sending(server_url, webhook):
            await begun(worker.store)
            first = await worker.store.letters.cursor("ci")
            await worker.post(sha1="a0")
            async with asyncio.timeout(20):
                while await worker.store.letters.cursor("ci") == first:  # noqa: ASYNC110 - it happens in the store
                    await asyncio.sleep(0.005)
        await worker.post(sha1="b1")
        await redis.xtrim(keys.changes("ceph"), maxlen=1, approximate=False)
        await redis.delete(keys.WEBHOOKS_SENDING)
        async with sending(server_url, webhook):
            (letter,) = await dead(worker.store, 1)
            await worker.post(sha1="c2")
            await until(lambda: len(receiver.taken) == 2)
    assert receiver.sha1s == ["a0", "c2"]
    assert letter.kind is None
    assert letter.why.startswith("changes may not have been told: ")


async def test_a_new_webhook_begins_with_now(worker: Worker, redis: Redis, server_url: str) -> None:
    """What was before is not for it; and one that was taken out and comes back is new."""
    async with receiving() as receiver, receiving() as other, AsyncExitStack() as stack:
        await worker.post(sha1="a0")
        await stack.enter_async_context(sending(server_url, hook(receiver)))
        await begun(worker.store)
        await worker.post(sha1="b1")
        await until(lambda: receiver.sha1s == ["b1"])
        await stack.aclose()
        await redis.delete(keys.WEBHOOKS_SENDING)
        async with sending(server_url, hook(other, "other")):
            await begun(worker.store, "other")
            await worker.post(sha1="c2")
            await until(lambda: other.sha1s == ["c2"])
        assert await worker.store.letters.cursor("ci") is None
        await redis.delete(keys.WEBHOOKS_SENDING)
        async with sending(server_url, hook(receiver), hook(other, "other")):
            await begun(worker.store)
            await worker.post(sha1="d3")
            await until(lambda: receiver.sha1s == ["b1", "d3"])
            # Once more is allowed, where the sender before was stopped between the answer and the note of it.
            await until(lambda: list(dict.fromkeys(other.sha1s)) == ["c2", "d3"])


async def test_nothing_secret_is_told(worker: Worker, server_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither log nor dead letters nor the settings as text repeat the secret, or the URL, which may hold one."""
    caplog.set_level(logging.DEBUG)
    async with receiving() as receiver:
        receiver.next_does = [hang_up, says("500 Fault"), hang_up]
        webhook = hook(receiver, tries=3)
        async with sending(server_url, webhook):
            await begun(worker.store)
            await worker.post(sha1="a0")
            letters = await dead(worker.store, 1)
    said = f"{caplog.text} {letters} {webhook!r} {replace(CONFIG, webhooks=(webhook,))!r}"
    assert "ci" in said
    assert "marked" not in said


REPO = RecordTold(
    kind="repo",
    event="updated",
    id=1,
    project="ceph",
    ref="main",
    sha1="a0",
    distro="ubuntu",
    distro_version="jammy",
    distro_codename="jammy",
    flavor="default",
    archs=("x86_64",),
    status="ready",
    old_status="building",
    modified="2026-11-24T00:00:00.000000Z",
    old_ref=None,
    old_sha1=None,
)
NODE = NodeTold(kind="node", event="updated", host="chacra", healthy=True, status="up", modified=None)


@pytest.mark.parametrize(
    ("filters", "record", "wanted"),
    [
        ({}, REPO, True),
        ({}, NODE, True),
        ({"project": "ceph"}, REPO, True),
        ({"project": "ceph-*"}, REPO, False),
        ({"project": "ceph"}, NODE, False),
        ({"ref": "ma*"}, REPO, True),
        ({"ref": "wip-*"}, REPO, False),
        ({"ref": "wip-*"}, replace(REPO, old_ref="wip-1"), True),
        ({"ref": "wip-*"}, NODE, False),
        ({"kinds": ("build", "node")}, REPO, False),
        ({"kinds": ("build", "node")}, NODE, True),
        ({"events": ("deleted",)}, REPO, False),
        ({"events": ("updated",), "statuses": ("ready",)}, REPO, True),
        ({"statuses": ("failed",)}, REPO, False),
    ],
)
def test_filters(filters: dict[str, object], record: RecordTold | NodeTold, *, wanted: bool) -> None:
    """All of them must match, and what moves is told to where it was, too."""
    webhook = Webhook(name="ci", url="https://example.org/", secret=SECRET, **filters)  # type: ignore[arg-type]
    assert webhook.wants(record) is wanted
