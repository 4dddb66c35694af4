"""What the audit of the dependencies makes of the answers of the index."""

import json
from typing import Any

import pytest
from audit import verdict

GOOD: dict[str, Any] = {"name": "h11", "version": "0.16.0", "vulns": []}
BAD: dict[str, Any] = {"name": "h11", "version": "0.14.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["0.16.0"]}]}
UNKNOWN: dict[str, Any] = {"name": "secret", "skip_reason": "Dependency not found"}


def report(*dependencies: dict[str, Any]) -> str:
    """Return the report of these dependencies."""
    return json.dumps({"dependencies": dependencies, "fixes": []})


def test_a_known_vulnerability_fails() -> None:
    """It is named, with what mends it, beside whatever is fine or unknown."""
    code, lines = verdict(report(GOOD, BAD, UNKNOWN), "")
    assert code == 1
    assert lines[0] == "VULNERABLE: h11 0.14.0: PYSEC-1, mended in 0.16.0"
    assert lines[-1] == "2 of 3 dependencies audited, 1 vulnerabilities"


def test_what_is_clean_passes() -> None:
    """Nothing but the count is said."""
    assert verdict(report(GOOD, GOOD), "") == (0, ["2 of 2 dependencies audited, 0 vulnerabilities"])


def test_what_the_index_does_not_know_is_told() -> None:
    """A dependency that was not audited is named, and fails nothing."""
    code, lines = verdict(report(GOOD, UNKNOWN), "")
    assert code == 0
    assert lines[0] == "NOT AUDITED, as the index does not know them: secret"


@pytest.mark.parametrize("output", ["", "not json", "[]", "{}"])
def test_an_index_out_of_reach_is_told(output: str) -> None:
    """Without a report nothing fails, and nobody takes it for a clean one."""
    code, lines = verdict(output, "WARNING: x\nERROR: connection refused\n")
    assert (code, lines) == (0, ["NOT AUDITED: the index cannot be reached: ERROR: connection refused"])
