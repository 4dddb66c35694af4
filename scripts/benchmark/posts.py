"""POSTs of the bench: bodies for wrk, and a builder that posts on while something else is measured."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count

import msgspec
from replay import built

from benchmark.processes import WRITER, Service, ask
from benchmark.records import PROJECT, platforms, push, repos_of
from shaman.distros import Releases

NATIVE, PRODUCTION = f"/repos/{PROJECT}/", f"/api/repos/{PROJECT}/"
RATE = 20
"""POSTs a second of a builder beside: more than the real ones send at their busiest."""

UPDATED_PUSHES = 1000
"""Pushes whose records are updated in turn."""

_runs = count(1)


def new_repo(ref: str = "posted") -> str:
    """Return the body of a new repo; `@` stands for a number in hex that makes it another one."""
    body = built(push(3), 3, "default", platforms()[PROJECT].platforms[0])
    urls = {name: f"{body[name]}@/" for name in ("url", "chacra_url")}
    return msgspec.json.encode(body | urls | {"ref": ref, "sha1": "0123456789abcdef0123456789ab@"}).decode()


def updates(pushes: int) -> Sequence[str]:
    """Return the bodies that take the status of each record away from `ready` and back."""
    numbers, built_for, releases = range(min(pushes, UPDATED_PUSHES)), platforms()[PROJECT], Releases()
    urls = [repo.chacra_url for number in numbers for repo in repos_of(number, PROJECT, built_for, releases)]
    bodies = [{"chacra_url": url, "status": status} for status in ("building", "ready") for url in urls]
    return [msgspec.json.encode(body).decode() for body in bodies]


def post(service: Service, body: str, target: str) -> bytes:
    """Send one POST; its answer."""
    return ask(service.connect(), "POST", target, body.encode(), WRITER)[0]


@contextmanager
def builder(service: Service) -> Iterator[None]:
    """Post new repos of a ref that nobody asks for, RATE a second. Raises RuntimeError if one is refused."""
    stopped = threading.Event()
    body, run = new_repo("busy"), next(_runs)

    def post_on() -> None:
        connection, start = service.connect(), time.monotonic()
        for number in count():
            if stopped.wait(max(0.0, start + number / RATE - time.monotonic())):
                return
            text = body.replace("@", f"{run:06x}{number:06x}")
            ask(connection, "POST", PRODUCTION, text.encode(), WRITER)

    with ThreadPoolExecutor(1) as pool:
        posting = pool.submit(post_on)
        try:
            yield
        finally:
            stopped.set()
        posting.result()
