"""Compares every key of a store with what its documents call for: nothing missing, nothing stray."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

import msgspec

from shaman.distros import canonical_arch
from shaman.merge_build import build_identity, waits_at
from shaman.models import Build, Health, Repo
from shaman.store import keys

Indexes = dict[str, dict[str, Any]]


async def audit(client: Any) -> None:
    """Assert that the store holds the documents, their indexes and nothing else."""
    names = {name.decode() for name in await client.keys("*")}
    projects = {unquote(name.split("{")[1].split("}")[0]) for name in names if name.startswith("shaman:{")}
    expected = {keys.SCHEMA, keys.PROJECTS, keys.RETAINING} | await audit_nodes(client)
    expected |= {keys.WEBHOOKS_SENDING, keys.WEBHOOK_CURSORS, keys.DEAD_LETTERS}
    for project in projects:
        assert await client.sismember(keys.PROJECTS, project)
        expected |= await audit_repos(client, project) | await audit_builds(client, project)
        expected |= {each for each in names if each.startswith(keys.aside(project))}
        for name in {each for each in names if each.startswith(keys.gone(project, b""))}:
            assert await client.ttl(name) > 0
            expected.add(name)
    assert {name for name in names - expected if not name.startswith(f"{keys.NODES_ASIDE}:")} == set()


async def audit_nodes(client: Any) -> set[str]:
    """Assert that exactly the unhealthy nodes are down, and every registered one is checked; the keys there may be."""
    facts = await client.hgetall(keys.NODE_FACTS)
    health = {host: msgspec.json.decode(document, type=Health) for host, document in facts.items()}
    assert await client.smembers(keys.NODES_DOWN) == {host for host, known in health.items() if not known.healthy}
    assert set(await client.zrange(keys.NODES_KNOWN, 0, -1)) <= set(health)
    checked = {keys.NODES_KNOWN, keys.NODE_FACTS, keys.NODES_DOWN, keys.NODE_CHANGES, keys.NODES_CHECKING}
    return checked | {keys.NODE_TURN, keys.NODES_USED, keys.NODES_ASIDE}


async def audit_repos(client: Any, project: str) -> set[str]:
    """Assert that every index of a project's repos is right; the names of the keys they may have."""
    documents = await client.hgetall(keys.repos(project))
    repos = [msgspec.json.decode(document, type=Repo) for document in documents.values()]
    assert sorted(int(number) for number in documents) == sorted(repo.id for repo in repos)
    indexes = indexes_of(project, repos)
    for name, content in indexes.items():
        assert await read(client, name) == content, name
    identities = await client.hvals(keys.identities(project))
    assert sorted(int(number) for number in identities) == sorted(repo.id for repo in repos)
    assert int(await client.get(keys.next_id(project)) or 0) >= max((repo.id for repo in repos), default=0)
    rest = {keys.repos(project), keys.identities(project), keys.next_id(project)}
    return rest | set(indexes) | {keys.changes(project), keys.removals(project)}


async def audit_builds(client: Any, project: str) -> set[str]:
    """Assert that every index of a project's builds is right; the names of the keys they may have."""
    documents = await client.hgetall(keys.builds(project))
    builds = {number.decode(): msgspec.json.decode(document, type=Build) for number, document in documents.items()}
    assert all(int(number) == build.id and build.project == project for number, build in builds.items())
    indexes = build_indexes_of(project, list(builds.values()))
    for name, content in indexes.items():
        assert await read(client, name) == content, name
    identities = await client.hgetall(keys.build_identities(project))
    digests = {keys.digest(*build_identity(build)): number.encode() for number, build in builds.items()}
    assert (identities, len(digests)) == (digests, len(builds))
    assert int(await client.get(keys.next_build_id(project)) or 0) >= max((int(number) for number in builds), default=0)
    rest = {keys.builds(project), keys.build_identities(project), keys.next_build_id(project)}
    return rest | set(indexes)


def build_indexes_of(project: str, builds: list[Build]) -> Indexes:
    """Return every index that the build documents of a project call for."""
    indexes: Indexes = defaultdict(dict)
    for build in builds:
        indexes[keys.build_modified(project)][str(build.id)] = build.modified
        indexes[keys.sha1_builds(project, build.ref, build.sha1)][str(build.id)] = build.modified
        for name, member in ((keys.build_refs(project), build.ref), (keys.build_sha1s(project, build.ref), build.sha1)):
            indexes[name][member] = max(build.modified, indexes[name].get(member, 0))
        indexes[keys.build_names(project)][f"{build.sha1}/{keys.quoted(build.ref)}"] = 0
        place = waits_at(build)
        if place:
            waiting = "/".join(keys.quoted(part) for part in place)
            indexes[keys.build_queued(project)][f"{waiting}/{build.id:016d}"] = 0
    return indexes


async def read(client: Any, name: str) -> dict[str, Any]:
    """Return a hash of rows or a sorted set as a dict."""
    if name.endswith(":rows"):
        rows = await client.hgetall(name)
        return {sha1.decode(): set(lines.decode().splitlines()) for sha1, lines in rows.items()}
    members = {member.decode(): int(score) for member, score in await client.zrange(name, 0, -1, withscores=True)}
    return {digested(member): score for member, score in members.items()} if name.endswith(":profiles") else members


def digested(member: str) -> str:
    """Return a member of the profiles with the digest of its cells, as fakeredis keeps the cells themselves."""
    cells, time, sha1 = member.rsplit("/", 2)
    return f"{digest_of(cells.splitlines()) if '/' in cells else cells}/{time}/{sha1}"


def digest_of(cells: Iterable[str]) -> str:
    """Return the profile that stands for these cells, as the scripts make it: two sums of parts of their digests."""
    digests = [hashlib.sha1(cell.encode()).hexdigest() for cell in set(cells)]  # noqa: S324 - what Redis has
    high, low = (sum(int(digest[first : first + 12], 16) for digest in digests) % 2**48 for first in (0, 12))
    return f"{high:012x}{low:012x}"


def indexes_of(project: str, repos: list[Repo]) -> Indexes:
    """Return every index that the documents of a project call for."""
    indexes: Indexes = defaultdict(dict)

    def newest(name: str, member: str, repo: Repo) -> None:
        indexes[name][member] = max(repo.modified, indexes[name].get(member, 0))

    for repo in repos:
        cell = cell_of(repo)
        indexes[keys.modified(project)][str(repo.id)] = repo.modified
        indexes[keys.sha1_repos(project, repo.sha1)][str(repo.id)] = repo.modified
        indexes[keys.cells(project, repo.ref)][f"{cell}/{repo.modified:016d}/{repo.id}"] = 0
        lines = indexes[keys.rows(project, repo.ref)].setdefault(repo.sha1, set())
        lines.add(f"{cell}/{repo.modified:016d}/{repo.id}")
        newest(keys.sha1s(project), repo.sha1, repo)
        indexes[keys.sha1_names(project, repo.sha1)][repo.sha1] = 0
        for status in (None, repo.status):
            newest(keys.refs(project, status), repo.ref, repo)
            newest(keys.ref_sha1s(project, repo.ref, status), repo.sha1, repo)
    for ref, sha1 in {(repo.ref, repo.sha1) for repo in repos}:
        same = [repo for repo in repos if (repo.ref, repo.sha1) == (ref, sha1)]
        profile = digest_of(cell_of(repo) for repo in same)
        time = max(repo.modified for repo in same)
        indexes[keys.profiles(project, ref)][f"{profile}/{time:016d}/{sha1}"] = 0
    return indexes


def cell_of(repo: Repo) -> str:
    """Return the cell as store/keys.py draws it."""
    archs = sorted({canonical_arch(arch) for arch in repo.archs})
    parts = [keys.quoted(part) for part in (repo.status, repo.flavor, repo.distro, repo.version)]
    return "/".join([*parts, ",".join(keys.quoted(arch) for arch in archs)])
