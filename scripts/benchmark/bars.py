"""How each bar is measured. Every function tells its figures to the rig as they come."""

import importlib.util
import subprocess
import time
from collections import defaultdict
from collections.abc import Sequence
from statistics import median, quantiles

import msgspec

from benchmark import posts
from benchmark.load import Loaded
from benchmark.processes import SHAMAN, WRITER, Service, ask
from benchmark.questions import WORST, Question, single_pushes
from benchmark.records import PROJECT
from benchmark.rig import Figure, Rig
from benchmark.wrk import Traffic

ROUNDS_OF_STALENESS = 100
STARTS = 2
"""For each of the rounds of bursts."""

SLOW = 5000
"""Microseconds that no question may hold the store's thread for."""

MOST_SLOW = 128
"""Entries that the store keeps of what it was slow at, unless told otherwise."""

GIVE_UP = 5.0
"""Seconds after which a POST counts as never seen."""


def hot_again(rig: Rig, service: Service) -> None:
    """Bar a: the hot list asked again, of the newest push to the busy ref."""
    for question in rig.how.hot:
        _again(rig, service, question, "a")


def others_each_time(rig: Rig, service: Service) -> None:
    """Bar b: the hot list, each time of another ref, and nothing that was asked before."""
    numbers = single_pushes(rig.pushes)
    for question in rig.how.hot:
        if question.varies:
            traffic = others(question, numbers[1:])
            size = len(service.get(question.of(numbers[0])))
            rig.against_empty(service, traffic, size, bar="b", name=question.name)


def others(question: Question, numbers: Sequence[int]) -> Traffic:
    """Return the traffic that asks the same of one push after the other, never twice in the same way."""
    return Traffic(targets=[question.respelled(number) for number in numbers], asks_store=True)


def small_and_large(rig: Rig, small: Rig) -> None:
    """Bar c: a store of few records and one of many, answers of the same size; both services are fresh."""
    numbers, all_numbers = single_pushes(small.pushes), single_pushes(rig.pushes)
    as_many = all_numbers[:: len(all_numbers) // len(numbers)][: len(numbers)]
    with rig.shaman() as service, small.shaman() as other:
        for question in rig.how.chief:
            again = Traffic(targets=[question.of(numbers[0])])
            rig.compare((other, again), (service, again), bar="c", name=f"a: {question.name}")
            few, many = others(question, numbers[1:]), others(question, as_many[1:])
            rig.compare((other, few), (service, many), bar="c", name=f"b: {question.name}")


def post_repos(rig: Rig, service: Service) -> None:
    """Bar d: new repos in both dialects, and updates of the status."""
    ways = {
        "new": (posts.PRODUCTION, [posts.new_repo()]),
        "new, native": (posts.NATIVE, [posts.new_repo()]),
        "status update": (posts.PRODUCTION, posts.updates(rig.pushes)),
    }
    for name, (target, bodies) in ways.items():
        size = len(posts.post(service, bodies[0].replace("@", name[3:9].encode().hex()), target))
        traffic = Traffic(targets=[target], bodies=bodies, headers=WRITER)
        rig.against_empty(service, traffic, size, bar="d", name=name)


def memory(rig: Rig, loaded: Loaded, used: int) -> None:
    """Bar e: `used` bytes of memory for what was loaded."""
    note = f"{loaded.repos:,} repos, {used / loaded.repos:,.0f} B each; {used / loaded.stored:.2f} x the documents"
    rig.how.tell(Figure(bar="e", name="memory of the store", figure=used / loaded.told, note=note))


def beside_a_builder(rig: Rig, service: Service) -> None:
    """Bar f: what is asked again, while a builder posts to the same project."""
    for question in rig.how.chief:
        again = (service, Traffic(targets=[question.of(_newest(rig))]))
        rig.compare(again, again, beside=lambda: posts.builder(service), bar="f", name=question.name)


def staleness(rig: Rig, service: Service) -> None:
    """Bar g: from the acknowledgement by one worker until another has answered with it, at every round."""
    sha1, delays, stale = "5ca1ab1e", [], 0
    body = msgspec.json.decode(posts.new_repo("seen").replace("@", "0" * 12)) | {"sha1": sha1}
    target = Question("", "/api/search?project={P}&ref=seen&sha1=latest").target.format(P=PROJECT)
    with rig.shaman() as second:
        here, there = service.connect(), second.connect()
        for number in range(ROUNDS_OF_STALENESS * rig.how.rounds):
            mark = b"round-%d." % number
            body["extra"]["version"] = mark.decode()
            for connection in (here, there) if number else ():
                ask(connection, "GET", target)
            ask(here, "POST", posts.PRODUCTION, msgspec.json.encode(body), WRITER)
            acknowledged = time.perf_counter()
            stale += mark not in ask(here, "GET", target)[0]
            while mark not in ask(there, "GET", target)[0]:
                if time.perf_counter() > acknowledged + GIVE_UP:
                    raise RuntimeError(f"a POST was not seen by another worker within {GIVE_UP} s")
            delays.append((time.perf_counter() - acknowledged) * 1000)
    note = f"ms, p99 of {len(delays)}; p50 {median(delays):.1f}, most {max(delays):.1f}; same worker: {stale} stale"
    figure = quantiles(delays, n=100, method="inclusive")[98] if not stale else GIVE_UP * 1000
    rig.how.tell(Figure(bar="g", name="staleness of another worker", figure=figure, note=note))


def next_node(rig: Rig, service: Service) -> None:
    """Bar h: whose turn it is."""
    target = "/nodes/next/"
    rig.against_empty(service, Traffic(targets=[target]), len(service.get(target)), bar="h", name=target)


def unchanged(rig: Rig, service: Service) -> None:
    """Bar i: what is asked again by a client that has the answer."""
    for question in rig.how.chief:
        target = question.of(_newest(rig))
        ask(service.connect(), "GET", target)
        etag = ask(service.connect(), "GET", target)[1]["etag"]
        again, known = (Traffic(targets=[target], headers=headers) for headers in ({}, {"If-None-Match": etag}))
        rig.compare((service, known), (service, again), bar="i", name=question.name)


def start(rig: Rig) -> None:
    """Bar j: from the start of a process until it has answered."""
    times = []
    for _ in range(STARTS * rig.how.rounds):
        begun = time.perf_counter()
        with rig.shaman() as service:
            service.get(rig.how.chief[0].of(_newest(rig)))
            times.append(time.perf_counter() - begun)
    note = f"s, median of {len(times)}; most {max(times):.2f}"
    rig.how.tell(Figure(bar="j", name="start of a worker", figure=median(times), note=note))


def on_granian(rig: Rig) -> str:
    """Bar k: bar a on granian, against an empty handler on Hypercorn; why not, where it is not there."""
    options = subprocess.run([str(SHAMAN), "serve", "--help"], check=True, capture_output=True, text=True).stdout
    if "--server" not in options:
        return "`shaman serve` has no --server"
    if importlib.util.find_spec("granian") is None:
        return "granian is not installed (the extra `fast`)"
    with rig.shaman("--server", "granian") as service:
        for question in rig.how.chief:
            _again(rig, service, question, "k")
    return ""


def slow_questions(rig: Rig, service: Service) -> list[str]:
    """Ask the hot list and the worst there is, with credentials as then nothing is kept; what the store was slow at."""
    client = rig.client()
    client.config_set("slowlog-log-slower-than", SLOW)
    client.slowlog_reset()
    numbers = [_newest(rig), *single_pushes(rig.pushes)[:50]]
    for question in (*rig.how.hot, WORST):
        for number in numbers if question is not WORST else [_newest(rig)] * 5:
            ask(service.connect(), "GET", question.of(number), headers=WRITER)
    slow: defaultdict[str, list[int]] = defaultdict(list)
    for entry in client.slowlog_get(MOST_SLOW):
        command, key, *_ = entry["command"].decode(errors="replace").split()
        slow[f"{command} {key}"].append(entry["duration"])
    return [f"{name}: {len(times)} times, most {max(times) / 1000:.1f} ms" for name, times in slow.items()]


def curve_point(rig: Rig, size: int) -> dict[str, float]:
    """Measure what a size does to requests a second: asked again, each time of another ref, and an empty handler."""
    question, numbers = rig.how.chief[0], single_pushes(rig.pushes)
    with rig.shaman() as service:
        target = question.of(numbers[0])
        answer, again = len(service.get(target)), Traffic(targets=[target])
        asked = rig.against_empty(service, again, answer, bar="", name=f"{size:,} asked again")
        other = rig.against_empty(service, others(question, numbers[1:]), answer, bar="", name=f"{size:,} each another")
    return {"repos": size, "again": asked.rate or 0, "others": other.rate or 0, "empty": asked.other or 0}


def _again(rig: Rig, service: Service, question: Question, bar: str) -> None:
    target = question.of(single_pushes(rig.pushes)[0] if question.grows else _newest(rig))
    size = len(service.get(target))
    rig.against_empty(service, Traffic(targets=[target]), size, bar=bar, name=question.name)


def _newest(rig: Rig) -> int:
    """Return the newest push to the busy ref that is whole."""
    return (rig.pushes - 5) // 4 * 4
