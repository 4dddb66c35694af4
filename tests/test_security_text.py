"""SECURITY.md tells the limits that the code has."""

import pytest

from shaman.app import BODY_LIMIT, BODY_WAIT
from shaman.checks import DEPTH_LIMIT, TEXT_LIMIT, URL_LIMIT
from shaman.engines import REQUEST_LINE_LIMIT
from shaman.web.drain import DRAIN_BYTES
from shaman.web.heads import HEADER_BYTES, HEADERS_LIMIT
from shaman.web.logins import ADDRESSES, PERIOD, TRIES
from shaman.web.paths import PATH_LIMIT
from tests.test_serve import ROOT

LIMITS = (ROOT / "SECURITY.md").read_text("utf-8").split("## Limits")[1].split("\n## ")[0]


@pytest.mark.parametrize(
    "told",
    [
        f"| headers | {HEADERS_LIMIT:,}, and {HEADER_BYTES:,} bytes",
        f"{REQUEST_LINE_LIMIT:,} bytes |",
        f"| path, query | {PATH_LIMIT:,} bytes each",
        f"| body | {BODY_LIMIT:,} bytes, and {BODY_WAIT} seconds",
        f"{DRAIN_BYTES // 1024**2} MiB of it",
        f"| `extra` | {DEPTH_LIMIT} levels",
        f"| URL | {URL_LIMIT:,} characters",
        f"| names | {TEXT_LIMIT} characters",
        f"{TRIES} in {PERIOD:.0f} seconds; {ADDRESSES:,} addresses",
    ],
)
def test_a_limit_is_told(told: str) -> None:
    """Each number of the table is that of the code."""
    assert told in LIMITS
