"""Measures the pages on a store of made-up records: milliseconds and kilobytes of each, asked as a browser asks."""

import asyncio
import signal
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import click
from benchmark.load import load, load_others
from benchmark.processes import ask, shaman
from benchmark.records import BUSY, PROJECT, platforms, push, pushes_of, repos_of
from benchmark.rig import told

from shaman.config import Config
from shaman.distros import Releases
from shaman.models import Build, Repo
from shaman.store import open_store
from shaman.store.embedded import Embedded

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}

BUILT = 500
"""Pushes, the last ones, of which builds are known, too."""

MILLISECONDS, KILOBYTES = 200, 200
"""What a page may take."""


async def load_builds(url: str, last: int) -> None:
    """Write a build for each arch of each repo of the last pushes."""
    releases, project = Releases(), platforms()[PROJECT]
    store = open_store(url, Config(), releases)
    for number in range(max(last - BUILT, 0), last):
        builds = [build for repo in repos_of(number, PROJECT, project, releases) for build in builds_of(repo)]
        await store.restores.builds(PROJECT, builds)
    await store.close()


def builds_of(repo: Repo) -> Iterator[Build]:
    """Yield what made a repo."""
    for arch in repo.archs:
        yield Build(
            id=0,
            project=repo.project,
            ref=repo.ref,
            sha1=repo.sha1,
            url=f"https://jenkins.example.org/job/{repo.project}/{repo.id}/{arch}/",
            log_url=f"https://jenkins.example.org/job/{repo.project}/{repo.id}/{arch}/consoleFull",
            status="failed" if repo.status == "failed" else "completed",
            modified=repo.modified - 1,
            started=repo.modified - 60_000_000,
            flavor=repo.flavor,
            distro=repo.distro,
            distro_version=repo.distro_version,
            distro_arch=arch,
            canonical_version=repo.canonical_version,
        )


def pages(last: int) -> list[str]:
    """Return the paths of pages of every kind, of the busiest ref where there is a choice."""
    newest = next(push(number) for number in range(last - 1, 0, -1) if push(number).ref == BUSY)
    places = [f"/{PROJECT}/", f"/{PROJECT}/{BUSY}/", f"/{PROJECT}/{BUSY}/{newest.sha1}/"]
    return [
        "/",
        "/repos/",
        *(f"/repos{place}" for place in places),
        f"/repos/{PROJECT}/{BUSY}/latest/centos/9/x86_64/",
        f"/matrix/{PROJECT}/{BUSY}/",
        f"/matrix/{PROJECT}/{push(1).ref}/",
        "/builds/",
        *(f"/builds{place}" for place in places),
        f"/find/?q={BUSY}",
        f"/find/?q={newest.sha1[:8]}",
        f"/find/?q={newest.sha1[:4]}",
        "/find/?q=https://jenkins.example.org/job/nothing/1/",
        f"/find/?q=https://chacra.example.org/r/{PROJECT}/{BUSY}/{newest.sha1}/centos/9/flavors/default/x86_64/",
        "/find/?q=nothing",
    ]


def measure(connection: HTTPConnection, path: str, rounds: int) -> tuple[list[float], int]:
    """Return the milliseconds of some rounds, and the bytes."""
    taken, size = [], 0
    for _ in range(rounds):
        begin = time.perf_counter()
        connection.request("GET", path, headers=BROWSER)
        size = len(connection.getresponse().read())
        taken.append((time.perf_counter() - begin) * 1000)
    return taken, size


def deep(connection: HTTPConnection, path: str, steps: int) -> str:
    """Return the path of the page that so many links to more lead to."""
    for _ in range(steps):
        text = ask(connection, "GET", path, headers=BROWSER)[0].decode()
        before, found, _ = text.partition('" rel="next"')
        if not found:
            break
        path = before.rpartition('href="')[2].replace("&amp;", "&")
    return path


@click.command()
@click.option("--repos", default=200_000, help="Repos of the one big project.")
@click.option("--rounds", default=11, help="How often each page is asked for.")
def main(repos: int, rounds: int) -> None:
    """Fill a store, serve it with one worker, and ask for every kind of page; fails if one takes too much."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with TemporaryDirectory(prefix="shaman-pages-") as folder, Embedded(Path(folder)) as store:
        load_others(store.url)
        load(store.url, 0, repos)
        asyncio.run(load_builds(store.url, pushes_of(repos)))
        with shaman(store.url, Path(folder)) as service:
            connection = service.connect()
            paths = pages(pushes_of(repos))
            paths += [deep(connection, path, 20) for path in paths if path.count("/") in {3, 4} and "find" not in path]
            slow = [path for path in dict.fromkeys(paths) if not report(connection, path, rounds)]
        click.echo(f"{told(store.url, 'stats')['total_commands_processed']:,} commands in all")
    if slow:
        raise click.ClickException(f"more than {MILLISECONDS} ms or {KILOBYTES} KB: {', '.join(slow)}")


def report(connection: HTTPConnection, path: str, rounds: int) -> bool:
    """Measure a page and show it; tell whether it keeps to the limits."""
    taken, size = measure(connection, path, rounds)
    figures: tuple[Any, ...] = (median(taken), min(taken), max(taken), size / 1000)
    click.echo("{:7.1f} ms ({:.1f} to {:.1f}) {:7.1f} KB  ".format(*figures) + path)
    return median(taken) <= MILLISECONDS and size <= KILOBYTES * 1000


if __name__ == "__main__":
    main()
