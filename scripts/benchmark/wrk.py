"""One burst of wrk, and what it saw."""

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

_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}

SCRIPT = """
local targets, bodies, headers = %s, %s, %s
local count, turn = %d, 0
local function spelled(letter)
  local odd = turn %% 2
  turn = (turn - odd) / 2
  return odd == 1 and string.format('%%%%%%02X', string.byte(letter)) or letter
end
local function respelled(name) return (string.gsub(name, '%%w', spelled)) end
request = function()
  count = count + 1
  local body = bodies and string.gsub(bodies[count %% #bodies + 1], '@', string.format('%%012x', count))
  turn = math.floor(count / #targets)
  local target = string.gsub(targets[count %% #targets + 1], '{(.-)}', respelled)
  return wrk.format(bodies and 'POST' or 'GET', target, headers, body)
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
    """Send traffic for some seconds; `first` is the number to count on from.

    Raises RuntimeError if wrk fails, or not every answer was one of success.
    """
    values = (traffic.targets, traffic.bodies, traffic.headers)
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
