"""The store against a plain dict: whatever is posted, moved and deleted, both tell the same."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

import pytest
from fakeredis import FakeAsyncRedis, FakeServer
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from redis.asyncio import Redis

from shaman.distros import canonical_arch
from shaman.merge import PostRules
from shaman.models import PostedRepo, Repo
from shaman.retention import Rule
from shaman.search import LATEST, Search, find_repos, parse_search, search
from shaman.store import Store
from shaman.store.connection import connect
from shaman.store.repos import Outcome, Pattern
from tests.backends import admin_url
from tests.conftest import CONFIG, RELEASES
from tests.store.audit import audit

Result = TypeVar("Result")

RULES = PostRules(required=("ref", "sha1", "distro", "distro_version", "url", "arch"), archs_replace=True)

GOES = Rule(project="*", ref="*", days=1, keep_newest=False)
FAR = 2**52
"""Microseconds: the year 2112, when everything is old."""

refs = st.sampled_from(["main", "a/b", "wip+#"])
sha1s = st.sampled_from(["a1", "b2", "c3", "d4"])
cells = st.sampled_from(
    [("ubuntu", "jammy"), ("ubuntu", "22.04"), ("ubuntu", "noble"), ("centos", "9"), ("centos", "8")]
)
archs = st.sampled_from(["x86_64", "amd64", "arm64"])
flavors = st.sampled_from(["default", "debug"])
statuses = st.sampled_from(["ready", "ready", "ready", "building", "failed"])
urls = st.sampled_from(["", "https://c/1/", "https://c/2/", "https://c/3/"])
distro_terms = st.lists(
    st.sampled_from(["ubuntu", "centos", "ubuntu.22.04", "ubuntu/noble", "centos/9/x86_64", "centos/8/arm64"]),
    max_size=3,
)


class RepoMachine(RuleBasedStateMachine):
    """Writes at random, and compares every question's answer with the one read off a dict."""

    url: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.admin: Redis = connect(admin_url(self.url), 4) if self.url else FakeAsyncRedis(server=FakeServer())
        self.store = Store(connect(self.url, 4) if self.url else self.admin, CONFIG, RELEASES)
        self.records: dict[tuple[str, ...], Repo] = {}
        self.last: dict[str, Any] = {}
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

    @rule(ref=refs, sha1=sha1s, cell=cells, arch=archs, flavor=flavors, status=statuses, url=urls)
    def post(self, **body: Any) -> None:
        """Post a repo: new, again, or to another place."""
        self.put(body)

    @precondition(lambda self: self.last)
    @rule()
    def post_again(self) -> None:
        """Post what was posted last: nothing changes, not even the time."""
        before = dict(self.records)
        self.put(dict(self.last))
        assert self.records == before

    @rule(ref=refs, sha1=sha1s, cell=cells, arch=archs, flavor=flavors, url=urls)
    def delete(self, **body: Any) -> None:
        """Delete a repo, known or not."""
        self.put(body | {"status": "deleted"})

    @rule(ref=refs, sha1=sha1s)
    def remove(self, ref: str, sha1: str) -> None:
        """Remove all that a ref has of a sha1, as retention does."""
        gone = self.run(self.store.removals.remove("p", ref, sha1, GOES, FAR))
        there = [identity for identity, repo in self.records.items() if (repo.ref, repo.sha1) == (ref, sha1)]
        assert (gone.repos if gone else 0) == len(there)
        for identity in there:
            del self.records[identity]
        self.last = {}  # which may be among them, and then would come back

    def put(self, body: dict[str, Any]) -> None:
        """Do the same to the store and to the dict."""
        self.last = dict(body)
        distro, version = body.pop("cell")
        body |= {"distro": distro, "distro_version": version}
        chacra_url = body.pop("url")
        if chacra_url:
            body["chacra_url"] = identity = chacra_url
            key: tuple[str, ...] = (identity,)
        else:
            version = RELEASES.canonical(distro, version)
            names = (body["ref"], body["sha1"], distro, version, body["flavor"], canonical_arch(body["arch"]))
            key = names
        outcome, repo = self.run(self.store.repos.put("p", PostedRepo(url="https://c/r/", **body), RULES))
        known = self.records.get(key)
        if body["status"] == "deleted":
            assert outcome is Outcome.DELETED
            self.records.pop(key, None)
            return
        assert repo is not None
        told = {canonical_arch(arch) for arch in repo.archs}
        assert told == {canonical_arch(arch) for arch in (*(known.archs if known else ()), body["arch"])}
        for name in ("ref", "sha1", "distro", "flavor", "status", "distro_version"):
            assert getattr(repo, name) == body[name]
        assert (outcome is Outcome.CREATED) == (known is None)
        assert (outcome is Outcome.UNCHANGED) == (repo == known)
        self.records[key] = repo

    def newest_first(self) -> list[Repo]:
        """Return the dict's records as the store orders them."""
        return sorted(self.records.values(), key=lambda repo: (repo.modified, repo.id), reverse=True)

    @invariant()
    def lists_agree(self) -> None:
        """Every list of names is the dict's."""
        for status in ("ready", "failed", None):
            chosen = [repo for repo in self.newest_first() if status in {None, repo.status}]
            assert self.run(self.store.repos.refs("p", status)) == list(dict.fromkeys(repo.ref for repo in chosen))
            assert self.run(self.store.repos.projects(status)) == (["p"] if chosen else [])
            for ref in ("main", "a/b"):
                expected = list(dict.fromkeys(repo.sha1 for repo in chosen if repo.ref == ref))
                assert self.run(self.store.repos.sha1s("p", ref, status)) == expected

    @rule(ref=refs, sha1=sha1s, flavor=st.none() | flavors, status=st.none() | statuses)
    def find_by_sha1(self, ref: str, sha1: str, flavor: str | None, status: str | None) -> None:
        """Find the repos of a sha1 of a ref that the dict has."""
        found = self.run(self.store.repos.find_sha1("p", ref, sha1, [Pattern(status=status, flavor=flavor)]))
        chosen = [repo for repo in self.newest_first() if (repo.ref, repo.sha1) == (ref, sha1)]
        assert found == [repo for repo in chosen if flavor in {None, repo.flavor} and status in {None, repo.status}]

    @rule(ref=refs, status=st.none() | statuses, cell=st.none() | cells, arch=st.none() | archs)
    def find_latest(self, ref: str, status: str | None, cell: tuple[str, str] | None, arch: str | None) -> None:
        """Find the matching repos of the newest sha1 of a ref that has any, as the word `latest` in a path asks."""
        distro, version = cell or (None, None)
        pattern = Pattern(
            status=status,
            distro=distro,
            version=version and RELEASES.canonical(str(distro), version),
            arch=arch and canonical_arch(arch),
        )
        chosen = [repo for repo in self.newest_first() if repo.ref == ref and pattern.matches(repo)]
        found = self.run(find_repos(self.store.repos, "p", ref, LATEST, pattern))
        assert found == [repo for repo in chosen if repo.sha1 == chosen[0].sha1]

    @rule(
        name=refs | sha1s,
        terms=distro_terms,
        arch=st.none() | archs,
        flavor=st.none() | flavors,
        status=st.sampled_from([None, "any", "building"]),
        common=st.booleans(),
    )
    def search(self, *, name: str, terms: list[str], common: bool, **filters: str | None) -> None:
        """Find what reading the dict from end to end finds."""
        parameters = [(key, value) for key, value in filters.items() if value is not None]
        parameters += [("distros", ",".join(terms))] if terms else []
        query = parse_search([*parameters, ("common_sha1", str(common))], RELEASES)
        found = self.run(search(self.store.repos, "p", name, query))
        assert [(built.repo, built.arch) for built in found] == self.expected(name, query)

    def expected(self, name: str, query: Search) -> list[tuple[Repo, str]]:
        """Read the dict from end to end."""
        by_ref = any(repo.ref == name for repo in self.records.values())
        rows = [
            (repo, arch)
            for repo in self.newest_first()
            for arch in repo.archs
            if name == (repo.ref if by_ref else repo.sha1)
            and query.arch in {None, canonical_arch(arch)}
            and query.flavor in {None, repo.flavor}
            and query.status in {None, repo.status}
        ]
        wanted: list[Any] = list(query.terms) or [None]

        def has(row: tuple[Repo, str], term: Any) -> bool:
            repo, arch = row
            return term is None or (
                term.distro == repo.distro
                and term.version in {None, RELEASES.canonical(repo.distro, repo.distro_version)}
                and term.arch in {None, canonical_arch(arch)}
            )

        matching = [row for row in rows if any(has(row, term) for term in wanted)]
        if query.common_sha1:
            complete = [
                sha1
                for sha1 in dict.fromkeys(repo.sha1 for repo, _ in matching)
                if all(any(has(row, term) and row[0].sha1 == sha1 for row in rows) for term in wanted)
            ]
            matching = [row for row in matching if row[0].sha1 in complete[:1]]
        if not by_ref:
            return matching
        newest: dict[tuple[str, ...], tuple[Repo, str]] = {}
        for repo, arch in matching:
            version = RELEASES.canonical(repo.distro, repo.distro_version)
            newest.setdefault((repo.distro, version, repo.flavor, canonical_arch(arch)), (repo, arch))
        return list(newest.values())


@pytest.mark.parametrize("kind", ["fakeredis", "server", "system"])
def test_the_store_tells_what_a_dict_would_tell(kind: str, request: pytest.FixtureRequest) -> None:
    """Any sequence of writes leaves store and dict telling the same."""
    machine = type("Machine", (RepoMachine,), {})
    machine.url = None if kind == "fakeredis" else request.getfixturevalue(f"{kind}_url")  # type: ignore[attr-defined]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25 if kind == "fakeredis" else 60,
            stateful_step_count=25,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
