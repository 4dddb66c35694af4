"""`scripts/replay`: real builders' traffic, in order, stopped and resumed, and never lost."""

import asyncio
import importlib.util
import os
import re
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from tests.backends import free_port
from tests.test_serve import LOGIN, ROOT, Service, descendants, environment, processes, until

SCRIPT = ROOT / "scripts" / "replay.py"
DATA = ROOT / "tests" / "data"
LIMIT = 400
"""Posts: enough to be killed in the middle, few enough for a second."""


def load_script() -> Any:
    """Return the script as a module."""
    spec = importlib.util.spec_from_file_location("replay", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["replay"] = module
    spec.loader.exec_module(module)
    return module


replay = load_script()


def all_posts() -> list[Any]:
    """Return every post of the data."""
    pushes = replay.read_pushes((DATA / "pushes.tsv").read_bytes())
    platforms = msgspec.toml.decode((DATA / "platforms.toml").read_bytes())
    projects = {name: msgspec.convert(table, replay.Project) for name, table in platforms.items()}
    return list(replay.posts(pushes, projects))


def command(service_url: str, journal: Path, *options: str) -> list[str]:
    """Return the call of the script."""
    where = ["--url", service_url, "--data", str(DATA), "--journal", str(journal)]
    return [sys.executable, str(SCRIPT), *where, "--limit", str(LIMIT), *options]


@contextmanager
def running(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Run the script beside the test."""
    settings = environment(**LOGIN)
    with subprocess.Popen(
        arguments, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run(*arguments: str) -> tuple[int, str, str]:
    """Run the script to its end: exit code, output, errors."""
    with running(*arguments) as process:
        output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


def journalled(journal: Path) -> set[int]:
    """Return the numbers of the acknowledged posts."""
    lines = journal.read_bytes().splitlines(keepends=True)[1:] if journal.exists() else []
    return {int(line) for line in lines if line.endswith(b"\n")}


def lost(service: Service, posts: list[Any]) -> list[int]:
    """Ask the service for each post; the numbers of those it does not know as they were posted."""
    found: dict[tuple[str, str], list[Any]] = {}
    with service.connection() as http:
        for name in dict.fromkeys((post.project, post.repo["sha1"]) for post in posts):
            found[name] = http.get("/search/{}/{}/".format(*name)).json()
    told = [(repo["chacra_url"], repo["arch"], repo["extra"]) for repos in found.values() for repo in repos]
    return [
        post.number
        for post in posts
        if any((post.repo["chacra_url"], arch, post.repo["extra"]) not in told for arch in post.repo["archs"])
    ]


def kill_all(service: Service) -> None:
    """Kill parent, workers and private server, and wait until the last of them is gone."""
    family = {service.process.pid, *descendants(service.process.pid)}
    assert len(family) == 4
    for pid in family:
        os.kill(pid, signal.SIGKILL)
    service.process.wait()
    until(lambda: not family & processes().keys())


def test_a_kill_in_the_middle_loses_no_acknowledged_post(tmp_path: Path) -> None:
    """Service and server are killed twice while builders post: every post that was acknowledged is there."""
    port, journal, posts = str(free_port()), tmp_path / "journal", all_posts()
    with running(*command(f"http://127.0.0.1:{port}", journal)) as builders:
        for acknowledged in (LIMIT // 4, LIMIT // 2):
            with Service(tmp_path, "--port", port, "--workers", "2", **LOGIN) as service:
                until(lambda: len(journalled(journal)) > acknowledged)  # noqa: B023 - called at once
                kill_all(service)
            before = journalled(journal)
            assert acknowledged < len(before) < LIMIT
            with Service(tmp_path, **LOGIN) as service:  # where the builders do not find it
                assert lost(service, [post for post in posts if post.number in before]) == []
        with Service(tmp_path, "--port", port, "--workers", "2", **LOGIN) as service:
            said, errors = builders.communicate(timeout=60)
            assert builders.returncode == 0, errors
            assert said.startswith(f"{LIMIT} posts in ")
            assert len(journalled(journal)) == LIMIT
            assert lost(service, posts[:LIMIT]) == []


def test_a_replay_is_stopped_and_resumed(tmp_path: Path) -> None:
    """Ctrl-C ends it in the middle, SIGKILL too; the same command posts the rest, and then there is none."""
    journal = tmp_path / "journal"
    with Service(tmp_path, **LOGIN) as service:
        call = command(service.url, journal)
        for number, code in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
            before = len(journalled(journal))
            with running(*call) as process:
                until(lambda: len(journalled(journal)) > before + 50)  # noqa: B023 - called at once
                process.send_signal(number)
                _, errors = process.communicate(timeout=60)
            assert process.returncode == code
            assert "Traceback" not in errors
        before = len(journalled(journal))
        assert before < LIMIT
        code, said, _ = run(*call)
        assert code == 0
        assert re.match(rf"{LIMIT - before} posts in [\d.]+ s: \d+ posts/s \({before} were in the journal", said)
        assert run(*call)[1].startswith(f"0 posts in 0.0 s: 0 posts/s ({LIMIT} were")
        assert lost(service, all_posts()[:LIMIT]) == []


def test_the_newest_repo_of_a_ref_is_that_of_its_last_push(tmp_path: Path) -> None:
    """However many post at once, builds of one kind keep the order of their pushes."""
    with Service(tmp_path, "--workers", "2", **LOGIN) as service:
        code, _, errors = run(*command(service.url, tmp_path / "journal", "--concurrency", "64"))
        assert code == 0, errors
        newest: dict[tuple[str, str], dict[tuple[str, ...], str]] = defaultdict(dict)
        for post in all_posts()[:LIMIT]:
            newest[post.project, post.repo["ref"]][post.lane[2:]] = post.repo["sha1"]
        for (project, ref), cells in newest.items():
            found = service.http.get(f"/search/{project}/{quote(ref, safe='')}/").json()
            told = {(repo["flavor"], repo["distro"], repo["distro_version"]): repo["sha1"] for repo in found}
            assert told == cells


def test_posts_are_those_of_every_push_in_time_order() -> None:
    """One push x one flavor x one platform is one post; the same data give the same posts."""
    pushes = replay.read_pushes((DATA / "pushes.tsv").read_bytes())
    posts = all_posts()
    assert len(pushes) == 6229
    assert [post.number for post in posts] == list(range(1, len(posts) + 1))
    assert posts == all_posts()
    times = {(push.project, push.ref, push.sha1): push.time for push in pushes}
    order = [times[post.project, post.repo["ref"], post.repo["sha1"]] for post in posts]
    assert order == sorted(order)
    assert len({post.repo["chacra_url"] for post in posts}) == len(posts)


class SlowConnection:
    """Answers late, now and then in vain, and notes what was taken in which order."""

    def __init__(self, taken: list[int]) -> None:
        """Note into `taken`."""
        self._taken = taken
        self._calls = 0

    async def post(self, _path: str, body: bytes) -> tuple[int, bytes]:
        """Take every third post at the first call."""
        self._calls += 1
        number = msgspec.json.decode(body)["number"]
        for _ in range(number % 7):
            await asyncio.sleep(0)
        if self._calls % 3:
            return 503, b"{}"
        self._taken.append(number)
        return 201, b"{}"

    def close(self) -> None:
        """Have nothing to close."""


async def test_posts_of_one_lane_never_overtake_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A post that must be repeated holds those behind it, and only those of its lane."""
    monkeypatch.setattr(replay, "FIRST_PAUSE", 0)
    repo = {"flavor": "default", "distro": "centos", "distro_version": "9"}
    posts = [replay.Post(n, "p", repo | {"ref": f"r{n % 3}", "number": n}) for n in range(60)]
    taken: list[int] = []
    acknowledged: list[int] = []
    sending = replay.Replay(lambda: SlowConnection(taken), lambda post: acknowledged.append(post.number))
    await sending.send(posts, 8)
    assert sorted(taken) == sorted(acknowledged) == list(range(60))
    assert taken != sorted(taken)
    for lane in range(3):
        assert [number for number in taken if number % 3 == lane] == list(range(lane, 60, 3))


def test_a_torn_journal_is_read_up_to_its_last_line(tmp_path: Path) -> None:
    """A kill while a line is written loses that line, and the next one does not join it."""
    file = tmp_path / "journal"
    journal = replay.Journal(file, "here")
    journal.add(1)
    journal.add(20)
    with file.open("ab") as torn:
        torn.write(b"30")
    journal = replay.Journal(file, "here")
    journal.add(4)
    assert (journal.done, journalled(file)) == ({1, 20}, {1, 20, 4})


def test_a_journal_belongs_to_one_service(tmp_path: Path) -> None:
    """That of another service says nothing about this one; another file is not overwritten."""
    file = tmp_path / "journal"
    replay.Journal(file, "here").add(1)
    other = replay.Journal(file, "there")
    assert other.replaced
    assert other.done == set()
    file.write_text("something else")
    with pytest.raises(ValueError, match="is not the journal"):
        replay.Journal(file, "there")
    assert file.read_text() == "something else"


def test_a_refused_post_ends_the_replay(tmp_path: Path) -> None:
    """With a wrong key the answer of the service is told, and nothing is noted as posted."""
    with Service(tmp_path, **LOGIN | {"SHAMAN_API_KEY": "another"}) as service:
        code, _, errors = run(*command(service.url, tmp_path / "journal"))
        assert code == 1
        assert "401: the user or the key is wrong (post " in errors.splitlines()[-1]
        assert service.http.get("/repos/").json() == []
    assert journalled(tmp_path / "journal") == set()


@pytest.mark.parametrize(
    ("options", "settings", "named"),
    [
        ((), {"SHAMAN_DATA_DIR": "nowhere"}, "nowhere/api-key: start the service with scripts/run"),
        (("--project", "nothing"), LOGIN, "there is nothing of that to post"),
        (("--data", "nowhere"), LOGIN, "nowhere/pushes.tsv"),
        (("--url", "localhost:8080"), LOGIN, "localhost:8080 is not like http://127.0.0.1:8080"),
    ],
)
def test_what_cannot_be_replayed_is_one_line(
    tmp_path: Path, options: tuple[str, ...], settings: dict[str, str], named: str
) -> None:
    """No key, no data, nothing to post: it says so before it calls anybody."""
    ended = subprocess.run(
        [*command(f"http://127.0.0.1:{free_port()}", tmp_path / "journal"), *options],
        env=environment(**settings),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert named in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
