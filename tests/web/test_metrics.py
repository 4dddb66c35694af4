"""`/metrics`: what is counted, by whom, and who may read it."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from shaman.config import MetricsSettings
from shaman.store import Store
from shaman.store.embedded import Embedded
from shaman.web.families import FAMILIES
from tests.conftest import CONFIG, basic, own_address, served
from tests.test_serve import LOGIN, REPO, Service, until

Labels = dict[str, str]


def number(told: str, name: str, **labels: str) -> float:
    """Return the sum of the samples that have these labels."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(told)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def labels(told: str, name: str, label: str) -> set[str]:
    """Return the values that a label has."""
    return {
        sample.labels[label]
        for family in text_string_to_metric_families(told)
        for sample in family.samples
        if sample.name == name
    }


async def metrics(http: httpx.AsyncClient) -> str:
    """Return what is told."""
    answer = await http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert "etag" not in answer.headers
    return answer.text


async def test_every_family_is_there(http: httpx.AsyncClient) -> None:
    """What can be told is told from the start, but for requests of routes that nobody has asked for yet."""
    await http.get("/repos/")
    await metrics(http)  # a request is counted when it has been answered
    told = {family.name for family in text_string_to_metric_families(await metrics(http))}
    assert told == set(FAMILIES)


async def test_a_request_counts_for_its_route(store: Store) -> None:
    """The label is the rule, whatever names a path has; errors of a route count for it, too."""
    async with served(store) as url, httpx.AsyncClient(base_url=url, headers=own_address()) as http:
        for project in ("ceph", "a%2Fb", "nothing"):
            assert (await http.get(f"/repos/{project}/")).status_code == 404
        await http.head("/repos/")
        told = await metrics(http)
    assert number(told, "shaman_requests_total", route="/repos/<project>/", method="GET", status="404") == 3
    assert number(told, "shaman_requests_total", route="/repos/", method="HEAD", status="200") == 1
    assert number(told, "shaman_request_seconds_count", route="/repos/<project>/") == 3
    assert number(told, "shaman_answer_bytes_total") > 0


async def test_nobody_makes_labels(store: Store) -> None:
    """Unknown paths are one route, and unknown methods one method."""
    async with served(store) as url, httpx.AsyncClient(base_url=url) as http:
        for path in range(20):
            await http.get(f"/nothing/{path}")
            await http.request(f"M{path}", "/repos/")
        told = await metrics(http)
    assert labels(told, "shaman_requests_total", "route") == {"unknown"}
    assert labels(told, "shaman_requests_total", "method") == {"GET", "other"}


async def test_answers_from_memory_count_for_their_route(store: Store) -> None:
    """They never reach the router; the third question is a hit, and a write drops what it changes."""
    login = basic("builder", "secret")
    async with served(store) as url, httpx.AsyncClient(base_url=url) as http:
        assert (await http.post("/repos/ceph/", json=REPO, headers=login)).status_code == 201
        while number(await metrics(http), "shaman_wakeups_trusted") == 0:
            pass
        for _ in range(5):
            assert (await http.get("/repos/ceph/main/")).status_code == 200
        told = await metrics(http)
        assert number(told, "shaman_requests_total", route="/repos/<project>/<ref>/", status="200") == 5
        assert number(told, "shaman_cache_misses_total") == 2  # what is asked for once is not kept
        assert number(told, "shaman_cache_hits_total") == 3
        assert number(told, "shaman_cache_bytes") > 0
        assert number(told, "shaman_cache_answers") == 1
        await http.post("/repos/ceph/", json=REPO | {"sha1": "a1"}, headers=login)
        told = await metrics(http)
    assert number(told, "shaman_cache_drops_total") == 1
    assert number(told, "shaman_cache_bytes") == number(told, "shaman_cache_answers") == 0


async def test_failed_logins_are_counted(store: Store) -> None:
    """Wrong ones, and those that are refused after too many."""
    address = own_address()
    async with served(store) as url, httpx.AsyncClient(base_url=url, headers=address) as http:
        answers = [await http.post("/repos/ceph/", json=REPO, auth=("builder", "wrong")) for _ in range(33)]
        told = await metrics(http)
    assert [answer.status_code for answer in answers] == [401] * 30 + [429] * 3
    assert number(told, "shaman_failed_logins_total") == 30
    assert number(told, "shaman_refused_logins_total") == 3


async def test_the_pool_is_told(store: Store) -> None:
    """How many nodes there are, and how many are up; and that the store is."""
    async with served(store) as url, httpx.AsyncClient(base_url=url) as http:
        await metrics(http)
        told = await metrics(http)
    assert number(told, "shaman_nodes_known") == number(told, "shaman_nodes_up") == len(CONFIG.chacra_nodes)
    assert number(told, "shaman_store_up") == 1
    assert number(told, "shaman_store_seconds_count") > 0


async def test_metrics_can_need_credentials(store: Store) -> None:
    """With `metrics.public = false` only those who may write anything read them."""
    config = replace(CONFIG, metrics=MetricsSettings(public=False))
    async with served(store, config) as url, httpx.AsyncClient(base_url=url, headers=own_address()) as http:
        assert (await http.get("/metrics")).status_code == 401
        assert (await http.get("/metrics", auth=("limited", "narrow"))).status_code == 200


async def test_no_name_of_anything_is_told(store: Store) -> None:
    """No project, ref, sha1, user, key or address, whatever happens with them."""
    async with served(store) as url, httpx.AsyncClient(base_url=url, headers=own_address()) as http:
        marked = REPO | {"ref": "marked-ref", "sha1": "marked-sha1"}
        for auth in (("builder", "secret"), ("marked-user", "marked-key")):
            await http.post("/repos/marked-project/", json=marked, auth=auth, headers={"X-Request-ID": "marked-id"})
        for path in ("/repos/marked-project/marked-ref/", "/search/marked-project/marked-ref/?arch=marked-arch"):
            await http.get(path)
        told = await metrics(http)
    for name in ("marked", "builder", "secret", "127.0.0.1", own_address()["X-Forwarded-For"]):
        assert name not in told


async def test_who_waits_is_counted_apart(store: Store) -> None:
    """A request that has waited tells nothing of how fast answers are."""
    async with served(store) as url, httpx.AsyncClient(base_url=url) as http:
        while number(await metrics(http), "shaman_wakeups_trusted") == 0:
            pass
        assert (await http.get("/repos/ceph/main/?wait=0.2")).status_code == 404
        told = await metrics(http)
    assert number(told, "shaman_wait_seconds_count") == 1
    assert number(told, "shaman_wait_seconds_sum") >= 0.2
    assert number(told, "shaman_request_seconds_count", route="/repos/<project>/<ref>/") == 0
    assert number(told, "shaman_requests_total", route="/repos/<project>/<ref>/") == 1


async def test_who_follows_events_is_counted(store: Store) -> None:
    """As long as the stream is open."""
    async with served(store) as url, httpx.AsyncClient(base_url=url) as http:
        async with http.stream("GET", "/events") as stream:
            assert stream.status_code == 200
            while number(await metrics(http), "shaman_event_listeners") != 1:
                pass
        while number(await metrics(http), "shaman_event_listeners") != 0:
            pass


def asked_of(service: Service) -> Callable[[], float]:
    """Return what tells how many lists of projects have been asked for."""
    return lambda: number(service.http.get("/metrics").text, "shaman_requests_total", route="/repos/")


@pytest.mark.parametrize("engine", ["hypercorn", "granian"])
def test_workers_add_up_and_none_counts_twice(tmp_path: Path, engine: str) -> None:
    """Whichever worker is asked tells of all; the one in the place of a killed one goes on where that was."""
    with Service(tmp_path, "--workers", "2", "--server", engine, **LOGIN) as service:
        asked = asked_of(service)
        for _ in range(60):
            assert service.http.get("/repos/").status_code == 200
        until(lambda: asked() == 60)
        killed = min(service.workers())
        os.kill(killed, signal.SIGKILL)
        until(lambda: len(service.workers()) == 2 and killed not in service.workers())
        for _ in range(40):
            assert service.http.get("/repos/").status_code == 200
        until(lambda: asked() == 100)
        until(lambda: number(service.http.get("/metrics").text, "shaman_worker_starts_total") == 3)
        told = service.http.get("/metrics").text
        assert number(told, "shaman_workers") == 2
        assert number(told, "shaman_resident_bytes") > 10_000_000
        assert number(told, "shaman_open_files") > 0
        ids = {service.http.get("/repos/").headers["x-request-id"].partition("-")[0] for _ in range(40)}
        assert len(ids) == 2, "only one worker was asked"
        assert service.stop() == 0


def test_metrics_answer_without_the_store(tmp_path: Path) -> None:
    """That is when they are needed: the store is told to be away, and that nobody hears of changes."""
    with Embedded(tmp_path / "store") as store, Service(tmp_path, REDIS_URL=store.url) as service:
        assert service.http.get("/repos/").status_code == 200
        store.stop()
        until(lambda: service.http.get("/repos/").status_code == 503)
        told = service.http.get("/metrics").text
        assert number(told, "shaman_store_up") == number(told, "shaman_wakeups_trusted") == 0
        assert number(told, "shaman_store_errors_total") > 0
        assert not re.search("^shaman_nodes", told, re.MULTILINE)
