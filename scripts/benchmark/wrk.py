"""One burst of wrk, and what it saw."""

import itertools
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from msgspec import Struct, field

from benchmark.processes import Service

CONNECTIONS = 32
PATIENCE = 10
"""Seconds until an answer counts as an error: a slow one is to be measured."""

GRACE = 30
"""Seconds that wrk may take longer than it was told to."""

_NAME = re.compile(r"{(.*?)}")
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}

TARGETS_A_SECOND = 8000
"""More than are asked for in one: no spelling comes twice."""

SCRIPT = """
local targets, bodies, headers = %s, %s, %s
local first, sent = %d, -1
request = function()
  sent = sent + 1
  local number = first + sent
  local body = bodies and string.gsub(bodies[number %% #bodies + 1], '@', string.format('%%012x', number))
  return wrk.format(bodies and 'POST' or 'GET', targets[sent %% #targets + 1], headers, body)
end
"""


class Traffic(Struct, frozen=True, kw_only=True):
    """What a burst sends: the targets in turn, and the bodies, if they are POSTs; `@` in one is the request's number.

    A name in braces in a target is spelled in another way at each turn: `a` and `%61` ask the same, and whoever keeps
    answers takes them for two questions. With `asks_store`, each request must cost the store a command.
    """

    targets: Sequence[str]
    bodies: Sequence[str] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    asks_store: bool = False


class Burst(Struct, frozen=True):
    """What came of a burst: requests a second, how many, milliseconds by percentile, processor time of one in us.

    `trips` is how often the store read from its clients.
    """

    rate: float
    requests: int
    latency: dict[str, float]
    cpu: float = 0.0
    trips: int = 0


def check_installed() -> None:
    """Raise RuntimeError unless wrk is there."""
    if shutil.which("wrk") is None:
        raise RuntimeError("there is no wrk on PATH: install the system's package `wrk`")


def burst(service: Service, traffic: Traffic, seconds: int, first: int = 0) -> Burst:
    """Send traffic for some seconds; `first` is the number of the first request.

    Raises RuntimeError if wrk fails, or not every answer was one of success.
    """
    targets = spelled(traffic.targets, first, seconds * TARGETS_A_SECOND)
    values = (targets, traffic.bodies, traffic.headers)
    with TemporaryDirectory(prefix="shaman-bench-") as folder:
        script = Path(folder) / "traffic.lua"
        script.write_text(SCRIPT % (*map(_lua, values), first))
        limits = (f"-c{CONNECTIONS}", f"-d{seconds}s", f"--timeout={PATIENCE}s")
        command = ["wrk", "-t1", *limits, "--latency", "-s", str(script), service.url]
        before = service.cpu()
        said = subprocess.run(command, check=False, capture_output=True, text=True, timeout=seconds + GRACE)
        used = service.cpu() - before
    seen = read(said.stdout + said.stderr)
    return msgspec.structs.replace(seen, cpu=used / seen.requests * 1e6)


def spelled(targets: Sequence[str], first: int, count: int) -> Sequence[str]:
    """Return `count` targets from number `first` on, each in a spelling of its own; as they are if none has braces."""
    if not any("{" in target for target in targets):
        return targets
    turns = (divmod(number, len(targets)) for number in range(first, first + count))
    return [_respelled(targets[index], turn) for turn, index in turns]


def _respelled(target: str, turn: int) -> str:
    """Escape those letters of the names in a target whose bits are set in the number of the turn."""
    bits = itertools.count()

    def escaped(name: re.Match[str]) -> str:
        return "".join(f"%{ord(letter):02X}" if turn >> next(bits) & 1 else letter for letter in name[1])

    return _NAME.sub(escaped, target)


def read(said: str) -> Burst:
    """Read what wrk says. Raises RuntimeError if that is not of success alone."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    requests = re.search(r"(\d+) requests in", said)
    if not rate or not requests or not int(requests[1]) or "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(f"wrk says:\n{said}")
    percentiles = re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s|m)\s", said)
    return Burst(float(rate[1]), int(requests[1]), {name: float(value) * _UNITS[u] for name, value, u in percentiles})


def _lua(value: object) -> str:
    """Return a value as Lua writes it; what JSON says of text without control characters is right in Lua, too."""
    if isinstance(value, dict):
        return "{" + ",".join(f"[{_lua(name)}]={_lua(text)}" for name, text in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "{" + ",".join(map(_lua, value)) + "}"
    return "nil" if value is None else msgspec.json.encode(value).decode()
