"""Posts the pushes of five real projects to a running service as their builders would have, oldest first.

One push x one flavor x one platform is one repo and one POST. The journal has those that were acknowledged, so a replay
that was stopped or killed goes on where it was. A post arrives twice if the end came between its acknowledgement and
the journal; the service then finds the repo as it is and changes nothing.

HTTP is spoken by h11 alone: httpx needs a whole core for 260 posts/s, this a third of one for 800.
"""

import asyncio
import itertools
import os
import re
import sys
import time
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import click
import h11
import msgspec
from msgspec import Struct

ANSWER_LIMIT = 10.0  # seconds for one answer, a new connection included; the service promises one within 2
PATIENCE = 30.0  # seconds without an acknowledgement; a service that restarts with all the data needs far less
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds before a post is repeated: doubled each time, up to the longest
NO_ANSWER = 0  # stands for a status
TRY_AGAIN = {NO_ANSWER, 502, 503, 504}  # of a service, or of the proxy before it, that may be back soon
DATA_DIR = Path(os.environ.get("SHAMAN_DATA_DIR") or "var")  # of the service
JOURNAL = DATA_DIR / "replay.journal"
MARK = b"# replay into "  # how a journal begins


class Push(Struct, frozen=True):
    """A line of pushes.tsv; `time` is in seconds since 1970."""

    time: int
    project: str
    ref: str
    sha1: str


class Platform(Struct, frozen=True):
    """What a push is built for."""

    distro: str
    distro_version: str
    archs: tuple[str, ...]


class Project(Struct, frozen=True):
    """A table of platforms.toml, which has one for each project."""

    flavors: tuple[str, ...]
    platforms: tuple[Platform, ...]


class Post(Struct, frozen=True):
    """A repo to post; `number` counts from 1 over the posts of all projects."""

    number: int
    project: str
    repo: dict[str, Any]

    @property
    def lane(self) -> tuple[str, ...]:
        """Posts of one lane never overtake each other, so the newest repo of a ref is that of its last push."""
        return (self.project, *(self.repo[name] for name in ("ref", "flavor", "distro", "distro_version")))


def read_pushes(data: bytes) -> list[Push]:
    """Read pushes.tsv. Raises ValueError."""
    rows = [line.split("\t") for line in data.decode().splitlines() if not line.startswith("#")]
    return [Push(int(time), project, ref, sha1) for time, project, ref, sha1 in rows]


def posts(pushes: Iterable[Push], projects: Mapping[str, Project]) -> Iterator[Post]:
    """Yield the posts of every push, oldest first; the same data make the same posts with the same numbers."""
    numbers = itertools.count(1)
    for build, push in enumerate(sorted(pushes, key=lambda push: push.time), 1):
        if push.project not in projects:
            raise ValueError(f"platforms.toml says nothing about {push.project}")
        project = projects[push.project]
        for flavor, platform in itertools.product(project.flavors, project.platforms):
            yield Post(next(numbers), push.project, built(push, build, flavor, platform))


def built(push: Push, build: int, flavor: str, platform: Platform) -> dict[str, Any]:
    """Return the repo that build number `build` makes of a push."""
    version = f"{datetime.fromtimestamp(push.time, UTC):%Y%m%d}.g{push.sha1[:8]}"
    release = platform.distro_version
    path = f"{push.project}/{quote(push.ref, safe='')}/{push.sha1}/{platform.distro}/{release}/flavors/{flavor}/"
    return {
        "ref": push.ref,
        "sha1": push.sha1,
        "distro": platform.distro,
        "distro_version": release,
        "archs": platform.archs,
        "flavor": flavor,
        "status": "ready",
        "url": f"https://chacra.example.org/r/{path}",
        "chacra_url": f"https://chacra.example.org/repos/{path}",
        "extra": {
            "version": version,
            "package_manager_version": f"{version}-1.el{release}" if release.isdigit() else f"{version}-1{release}",
            "build_url": f"https://jenkins.example.org/job/{push.project}/{build}/",
        },
    }


class Journal:
    """The numbers of the acknowledged posts, one a line; the first line names the service and the data.

    `done` are those that were there at the start; `replaced` tells that there were some of another service or data.
    """

    def __init__(self, file: Path, owner: str) -> None:
        """Read `file`, or make it. Raises ValueError if it is something else."""
        header = MARK + owner.encode() + b"\n"
        kept = (file.exists() and file.read_bytes()) or header
        if not kept.startswith(MARK):
            raise ValueError(f"{file} is not the journal of a replay")
        self.replaced = not kept.startswith(header)
        kept = header if self.replaced else kept[: kept.rindex(b"\n") + 1]  # a kill may have torn the last line
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_bytes(kept)
        self.done = {int(line) for line in kept.splitlines()[1:]}
        self._file = file

    def add(self, number: int) -> None:
        """Note an acknowledged post; from now on not even SIGKILL takes it away."""
        with self._file.open("ab", buffering=0) as file:
            file.write(b"%d\n" % number)


class Connection:
    """A connection to the service at `url`, opened when needed and kept."""

    def __init__(self, url: str, credentials: str) -> None:
        """Connect to nothing yet; `credentials` are user:key."""
        self._url = urlsplit(url)
        authorization = "Basic " + b64encode(credentials.encode()).decode()
        self._headers = [("Host", self._url.netloc), ("Authorization", authorization), ("Accept", "application/json")]
        self._http = h11.Connection(h11.CLIENT)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Return status and body of the answer; where there is none, NO_ANSWER and why."""
        try:
            async with asyncio.timeout(ANSWER_LIMIT):
                answer = await self._exchange(path, body)
        except (OSError, h11.RemoteProtocolError) as error:
            self.close()
            return NO_ANSWER, (str(error) or type(error).__name__).encode()
        if self._http.our_state is h11.DONE:
            self._http.start_next_cycle()
        else:  # the service said that it closes the connection
            self.close()
        return answer

    def close(self) -> None:
        """Close the connection; the next post opens another."""
        if self._streams:
            self._streams[1].close()
        self._streams = None

    async def _exchange(self, path: str, body: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            host, port, tls = self._url.hostname, self._url.port, self._url.scheme == "https"
            self._streams = await asyncio.open_connection(host, port or (443 if tls else 80), ssl=tls or None)
            self._http = h11.Connection(h11.CLIENT)
        reader, writer = self._streams
        headers = [*self._headers, ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        request = h11.Request(method="POST", target=self._url.path + path, headers=headers)
        writer.write(b"".join(self._http.send(e) or b"" for e in (request, h11.Data(data=body), h11.EndOfMessage())))
        status, answer = 0, b""
        while not isinstance(event := self._http.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                self._http.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                answer += event.data
        return status, answer


@dataclass
class Replay:
    """The sending of posts; `acknowledged` is called with each that has arrived."""

    connect: Callable[[], Connection]
    acknowledged: Callable[[Post], None]
    lanes: defaultdict[tuple[str, ...], asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    last_success: float = field(default_factory=time.monotonic)

    async def send(self, queue: Iterable[Post], concurrency: int) -> None:
        """Send every post in order, `concurrency` at a time. Raises ValueError if one is refused, or all in vain."""
        shared = iter(queue)

        async def send_some() -> None:
            with closing(self.connect()) as connection:
                for post in shared:
                    async with self.lanes[post.lane]:  # asyncio's lock is fair: who came first is first
                        await self._deliver(post, connection)

        await asyncio.gather(*(send_some() for _ in range(concurrency)))

    async def _deliver(self, post: Post, connection: Connection) -> None:
        path, body, pause = f"/repos/{quote(post.project)}/", msgspec.json.encode(post.repo), FIRST_PAUSE
        while (answer := await connection.post(path, body))[0] not in {200, 201}:
            if answer[0] not in TRY_AGAIN or time.monotonic() - self.last_success > PATIENCE:
                raise ValueError(f"{explain(*answer)} (post {post.number:,}); the same command goes on from here")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        self.last_success = time.monotonic()
        self.acknowledged(post)


def explain(status: int, body: bytes) -> str:
    """Return an answer that is not an acknowledgement in one line: its problem's detail, or how it begins."""
    try:
        text = str(msgspec.json.decode(body, type=dict[str, object])["detail"])
    except (msgspec.DecodeError, KeyError):
        text = body[:200].decode(errors="replace")
    return f"{status or 'no answer'}: {text}"


def credentials() -> str:
    """Return user:key of the environment, else that of `scripts/run`. Raises ValueError if there is none."""
    user, key, file = os.environ.get("SHAMAN_API_USER"), os.environ.get("SHAMAN_API_KEY"), DATA_DIR / "api-key"
    if user and key:
        return f"{user}:{key}"
    if not file.exists():
        raise ValueError(f"no {file}: start the service with scripts/run, or set SHAMAN_API_USER and SHAMAN_API_KEY")
    return f"shaman:{file.read_text('ascii').strip()}"


def service_url(given: str | None) -> str:
    """Return the URL to post to, without its last slash. Raises ValueError if `given` is none."""
    url = given or f"http://127.0.0.1:{os.environ.get('PORT') or 8080}"
    if not re.fullmatch(r"https?://[^/?#@]+(/[^?#]*)?", url):
        raise ValueError(f"{url} is not like http://127.0.0.1:8080")
    return url.rstrip("/")


def replay(chosen: Sequence[Post], url: str, journal: Journal, concurrency: int) -> str:
    """Send what is not in the journal, with a bar, or some lines where there is no terminal; return the summary."""
    if not chosen:
        raise ValueError("there is nothing of that to post")
    pending = [post for post in chosen if post.number not in journal.done]
    start, steps = time.monotonic(), 1000 if sys.stderr.isatty() else 20
    with click.progressbar(length=len(pending), update_min_steps=1 + len(pending) // steps, file=sys.stderr) as bar:
        sent = itertools.count(1)

        def acknowledged(post: Post) -> None:
            journal.add(post.number)
            bar.label = f"{next(sent):,} of {len(pending):,} posts"
            bar.update(1)

        asyncio.run(Replay(partial(Connection, url, credentials()), acknowledged).send(pending, concurrency))
    seconds = time.monotonic() - start
    known, rate = len(chosen) - len(pending), len(pending) / seconds
    return f"{len(pending):,} posts in {seconds:.1f} s: {rate:.0f} posts/s ({known:,} were in the journal already)"


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--url", envvar="SHAMAN_URL", help="The service [SHAMAN_URL, else on this machine at PORT or 8080].")
@click.option("--concurrency", type=click.IntRange(1), default=16, show_default=True, help="Posts in flight.")
@click.option("--limit", type=click.IntRange(0), help="Only the first so many posts.")
@click.option("--project", help="Only the posts of this project.")
@click.option("--data", type=Path, default="tests/data", show_default=True, help="Folder of the pushes.")
@click.option("--journal", "file", type=Path, default=JOURNAL, show_default=True, help="Delete it to start over.")
def main(url: str | None, concurrency: int, limit: int | None, project: str | None, data: Path, file: Path) -> None:
    """Post real pushes of five projects to a running service, as their builders would have."""
    try:
        url = service_url(url)
        pushes, platforms = ((data / name).read_bytes() for name in ("pushes.tsv", "platforms.toml"))
        every = posts(read_pushes(pushes), msgspec.toml.decode(platforms, type=dict[str, Project]))
        chosen = [post for post in every if project in {None, post.project}][:limit]
        journal = Journal(file, f"{url} {sha256(pushes + platforms).hexdigest()[:12]}")
        if journal.replaced:
            click.echo(f"{file} was of another service or other data; starting over", err=True)
        click.echo(replay(chosen, url, journal, concurrency))
    except KeyboardInterrupt:
        click.echo("Stopped; the same command goes on from here", err=True)
        sys.exit(130)
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
