"""Builders that write records of their own in both dialects, and repeat until they are told that it is done."""

import asyncio
import time
from collections.abc import Callable
from random import Random
from typing import Any

import httpx
from msgspec import Struct, field

from shaman.models import DELETED
from soaking.records import Cell, Record, State

USER, KEY = "soak", "not-secret"
BUILDERS = 16
PROJECTS = ("ceph", "kernel", "teuthology")
REFS = ("main", "reef", "squid", "wip/faults", "wip-1", "wip-2")
SHA1S = tuple(f"{number:040x}" for number in range(0xABC0, 0xABC0 + 40))
CELLS = (("ubuntu", "jammy"), ("ubuntu", "noble"), ("centos", "9"), ("debian", "bookworm"), ("rocky", "10"))

ANSWER_SECONDS = 10
"""Until a builder takes the service for dead."""

REPEAT_AFTER = (0.02, 0.25)
"""Seconds; real builders wait longer, and that many more writes would take hours."""

REPETITIONS = 200
"""Attempts of one write: a store that is away for a minute is no reason to give up."""

GIVE_UP = 0.02
"""How many builders end, as CI jobs do, when their write was not acknowledged."""


class Tally(Struct):
    """What all builders have seen; `newest` is when the last acknowledged write to each project was posted."""

    acknowledged: int = 0
    repeated: int = 0
    given_up: int = 0
    slowest: float = 0.0
    newest: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PROJECTS, 0.0))
    wrong: list[str] = field(default_factory=list)

    def acknowledge(self, project: str, sent: float) -> None:
        """Count a write that was acknowledged, posted at `sent` by the monotonic clock."""
        self.acknowledged += 1
        self.newest[project] = max(self.newest[project], sent)


class Builder:
    """One of the builders: it has a flavor to itself, so that all its records are its own."""

    def __init__(self, number: int, seed: int, tally: Tally) -> None:
        """Count in `tally`."""
        self.records: dict[Cell, Record] = {}
        self._flavor = f"flavor{number}"
        self._random = Random(f"{seed}/{number}")  # noqa: S311 - it decides nothing but what is written next
        self._tally = tally
        self._number = 0

    async def work(self, client: httpx.AsyncClient, go_on: Callable[[], bool], *, may_end: bool = True) -> None:
        """Write as long as `go_on` says so."""
        while go_on():
            record, state = self._choose()
            target, body = self._post(record, state)
            if await self._send(client, target, body, may_end=may_end):
                record.written(state)
            else:
                record.doubted(state)

    def _choose(self) -> tuple[Record, State | None]:
        """Choose what to write next: something new, or a change of what is there."""
        record = self._record()
        self._number += 1
        status = self._random.choice(("ready", "ready", "ready", "failed", "building"))
        if record.state is None:
            return record, State(self._random.choice(REFS), status, self._number)
        chance = self._random.random()
        if record.cell.kind == "build" or chance < 0.45:  # noqa: PLR2004 - about half of the changes
            return record, State(record.state.ref, status, self._number)
        if chance < 0.7:  # noqa: PLR2004 - a quarter
            return record, State(self._random.choice(REFS), status, self._number)
        return record, None

    def _record(self) -> Record:
        """Choose a record that no write is in doubt of."""
        while True:
            kind = "build" if self._random.random() < 0.15 else "repo"  # noqa: PLR2004 - some
            names = (self._random.choice(PROJECTS), self._flavor, self._random.choice(SHA1S))
            cell = Cell(kind, *names, *self._random.choice(CELLS))
            record = self.records.setdefault(cell, Record(cell=cell))
            if record.doubt is None:
                return record

    def _post(self, record: Record, state: State | None) -> tuple[str, dict[str, Any]]:
        """Return path and body of a write, in one of the dialects."""
        cell = record.cell
        dialect = "/api" if cell.kind == "build" or self._random.random() < 0.5 else ""  # noqa: PLR2004 - half of them
        target = f"{dialect}/{cell.kind}s/{cell.project}/"
        if state is None:
            return target, {"chacra_url": record.url(), "status": DELETED}
        body: dict[str, Any] = {"ref": state.ref, "sha1": cell.sha1, "flavor": cell.flavor, "status": state.status}
        body |= {"distro": cell.distro, "distro_version": cell.version, "extra": {"number": state.number}}
        if cell.kind == "build":
            return target, body | {"url": record.url(), "distro_arch": "x86_64"}
        archs: dict[str, Any] = {"archs": ["x86_64"]} if dialect else {"arch": "x86_64"}
        return target, body | archs | {"url": f"{record.url()}/r/", "chacra_url": record.url()}

    async def _send(self, client: httpx.AsyncClient, target: str, body: dict[str, Any], *, may_end: bool) -> bool:
        """Post until it is acknowledged; False if the builder ends instead."""
        for _ in range(REPETITIONS):
            started = time.monotonic()
            try:
                answer = await client.post(target, json=body, auth=(USER, KEY), timeout=ANSWER_SECONDS)
            except httpx.TransportError as error:
                seen = type(error).__name__
            else:
                self._tally.slowest = max(self._tally.slowest, time.monotonic() - started)
                if answer.is_success:
                    self._tally.acknowledge(target.split("/")[-2], started)
                    return True
                seen = str(answer.status_code)
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    self._tally.wrong.append(f"POST {target}: {seen} {answer.text[:200]}")
            self._tally.repeated += 1
            if may_end and self._random.random() < GIVE_UP:
                break
            await asyncio.sleep(self._random.uniform(*REPEAT_AFTER))
        self._tally.given_up += 1
        return False
