"""Builds in the store against a plain dict: whatever is posted, taken over and deleted, both tell the same."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

import pytest
from fakeredis import FakeAsyncRedis, FakeServer
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from msgspec.structs import replace
from redis.asyncio import Redis

from shaman.models import Build, PostedBuild
from shaman.store import Store
from shaman.store.connection import connect
from shaman.store.repos import Outcome
from shaman.store.restores import Restored
from tests.backends import admin_url
from tests.conftest import CONFIG, RELEASES
from tests.store.audit import audit

Result = TypeVar("Result")
Cell = dict[str, str]

REFS = ["main", "a/b"]
SHA1S = ["a1", "b2"]

# Each cell with another spelling of it, told apart from the other cells by its place in the list.
CELLS: list[list[Cell]] = [
    [{}, {"distro": "", "distro_version": "", "distro_arch": ""}],
    [{"distro": "", "distro_arch": "x86_64"}, {"distro_arch": "amd64"}],
    [
        {"distro": "ubuntu", "distro_version": "jammy", "distro_arch": "x86_64"},
        {"distro": "Ubuntu", "distro_version": "22.04", "distro_arch": "amd64"},
    ],
    [{"distro": "centos", "distro_version": "9", "distro_arch": "arm64"}],
]
FLAVORS: list[list[Cell]] = [[{}, {"flavor": ""}, {"flavor": "default"}], [{"flavor": "debug"}]]
UNNAMED = 0

refs, sha1s = st.sampled_from(REFS), st.sampled_from(SHA1S)
urls = st.sampled_from(["https://ci/1/", "https://ci/2", "https://ci/3/"])
statuses = st.sampled_from(["queued", "queued", "started", "completed", "failed"])
cells = st.integers(0, len(CELLS) - 1)
flavors = st.integers(0, len(FLAVORS) - 1)
spellings = st.integers(0, 5)
extras = st.sampled_from([{}, {"extra": {"a": 1}}, {"log_url": ""}, {"log_url": "https://log/"}, {"build_id": 7}])


class BuildMachine(RuleBasedStateMachine):
    """Writes at random, and compares every question's answer with the one read off a dict."""

    url: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.admin: Redis = connect(admin_url(self.url), 4) if self.url else FakeAsyncRedis(server=FakeServer())
        self.store = Store(connect(self.url, 4) if self.url else self.admin, CONFIG, RELEASES)
        # What makes it one and the same, as indexes of the lists above, beside each build.
        self.records: dict[int, tuple[tuple[Any, ...], Build]] = {}
        self.next_id = 1
        self.run(self.admin.flushall())

    def run(self, question: Awaitable[Result]) -> Result:
        """Wait for the store."""
        return self.loop.run_until_complete(asyncio.ensure_future(question, loop=self.loop))

    def teardown(self) -> None:
        """Check every key, and let go."""
        self.run(audit(self.admin))
        self.run(self.admin.aclose())
        self.run(self.store.close())
        self.loop.close()

    def meant(self, ref: str, sha1: str, cell: int, flavor: int, url: str) -> int | None:
        """Return the id of the build that a POST means, reading the dict from end to end."""
        known = sorted(self.records.items())
        same = [number for number, (key, _) in known if key == (ref, sha1, cell, flavor, url)]
        queued = [(number, key) for number, (key, build) in known if build.status == "queued"]
        waiting = [number for number, key in queued if key[:4] == (ref, sha1, cell, flavor) and cell != UNNAMED]
        unnamed = [number for number, key in queued if key[:3] == (ref, sha1, UNNAMED)]
        return next(iter(same + waiting + unnamed), None)

    @rule(ref=refs, sha1=sha1s, cell=cells, flavor=flavors, url=urls, status=statuses, spelling=spellings, extra=extras)
    def post(
        self, *, ref: str, sha1: str, cell: int, flavor: int, url: str, status: str, spelling: int, extra: Any
    ) -> None:
        """Post a build: new, again, or in the place of a queued one."""
        names = CELLS[cell][spelling % len(CELLS[cell])] | FLAVORS[flavor][spelling % len(FLAVORS[flavor])]
        body = {"ref": ref, "sha1": sha1, "url": url, "status": status} | names | extra
        key = (ref, sha1, cell, flavor, url)
        number = self.meant(*key)
        outcome, build = self.run(self.store.builds.put("p", PostedBuild(**body)))
        told = body | {name: body[name].lower() for name in ("distro",) if name in body}
        told |= {"build_id": "7"} if "build_id" in body else {}
        assert {name: getattr(build, name) for name in told} == told
        assert (build.completed is not None) == (status == "completed")
        if number is None:
            assert (outcome, build.id, build.started) == (Outcome.CREATED, self.next_id, build.modified)
            self.next_id += 1
        else:
            self.compare(self.records[number], key, outcome, build, set(told))
        self.records[build.id] = (key, build)

    def compare(
        self, record: tuple[Any, Build], key: tuple[Any, ...], outcome: Outcome, build: Build, told: set[str]
    ) -> None:
        """Check what became of a record that was known."""
        known_key, known = record
        assert (build.id, build.started) == (known.id, known.started)
        assert (outcome is Outcome.UNCHANGED) == (build == known)
        assert build.modified > known.modified or build == known
        kept = {"log_url", "build_id", "extra"} - told
        if key == known_key:
            assert all(getattr(build, name) == getattr(known, name) for name in kept)
        else:
            assert not any(getattr(build, name) for name in kept)
        if build.status == known.status == "completed":
            assert build.completed == known.completed

    @rule(number=st.integers(1, 12))
    def delete(self, number: int) -> None:
        """Delete a build, known or not."""
        self.run(self.store.builds.delete("p", number))
        self.records.pop(number, None)

    @rule(number=st.integers(1, 40), place=st.integers(0, 11), age=st.integers(1, 3))
    def restore(self, number: int, place: int, age: int) -> None:
        """Put one of the known builds back with values of its own, under any number."""
        if not self.records:
            return
        key, known = list(self.records.values())[place % len(self.records)]
        self.run(self.store.builds.delete("p", known.id))
        del self.records[known.id]
        saved = replace(known, id=number, modified=known.modified - age)
        [outcome] = self.run(self.store.restores.builds("p", [saved]))
        found = self.run(self.store.builds.find_sha1("p", saved.ref, saved.sha1))
        [build] = [each for each in found if each.id not in self.records]
        same = [each for each, (other, _) in self.records.items() if other == key]
        assert same == []
        assert outcome is (Restored.WRITTEN if number not in self.records else Restored.RENUMBERED)
        self.next_id = max(self.next_id, build.id + 1)
        assert build.id == (number if number not in self.records else self.next_id - 1)
        assert build == replace(saved, id=build.id)
        self.records[build.id] = (key, build)

    @invariant()
    def lists_are_those_of_the_dict(self) -> None:
        """Tell names and builds as the dict does, newest first."""
        builds = sorted(
            (build for _, build in self.records.values()), key=lambda build: (build.modified, build.id), reverse=True
        )
        # Names of one time are in no order that is promised; the store's clock gives none, a restore may.
        if len({build.modified for build in builds}) == len(builds):
            assert self.run(self.store.builds.refs("p")) == list(dict.fromkeys(build.ref for build in builds))
        told = {"p": list(dict.fromkeys(build.ref for build in builds))} if builds else {}
        found = self.run(self.store.builds.projects())
        assert {name: sorted(names) for name, names in found.items()} == {n: sorted(names) for n, names in told.items()}
        for ref in REFS:
            sha1s_of = self.run(self.store.builds.sha1s("p", ref))
            assert sorted(sha1s_of) == sorted({build.sha1 for build in builds if build.ref == ref})
            for sha1 in SHA1S:
                chosen = [build for build in builds if (build.ref, build.sha1) == (ref, sha1)]
                assert self.run(self.store.builds.find_sha1("p", ref, sha1)) == chosen


@pytest.mark.parametrize("kind", ["fakeredis", "server"])
def test_the_store_tells_what_a_dict_would_tell(kind: str, request: pytest.FixtureRequest) -> None:
    """Any sequence of writes leaves store and dict telling the same."""
    machine = type("Machine", (BuildMachine,), {})
    machine.url = request.getfixturevalue("server_url") if kind == "server" else None  # type: ignore[attr-defined]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60 if kind == "server" else 25,
            stateful_step_count=25,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
