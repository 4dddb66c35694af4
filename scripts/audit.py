"""Ask the index of known vulnerabilities about every dependency in the lock file.

Fails on a known one alone. Where the index cannot be reached, or does not know a package, it says so and passes: a run
without the internet is no worse for it, and nobody takes it for a clean one.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parent.parent / "requirements-dev.txt"

WAIT = 15
"""Seconds the index may take for one answer."""

LIMIT = 300
"""Seconds for all of it: a hundred packages, one after the other."""


def verdict(output: str, errors: str) -> tuple[int, list[str]]:
    """Return the exit code and the lines to print for what pip-audit has said."""
    try:
        found: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return 0, [
            f"NOT AUDITED: the index cannot be reached: {(errors.strip().splitlines() or ['no reason given'])[-1]}"
        ]
    unknown = [each["name"] for each in found if "skip_reason" in each]
    vulnerable = [
        f"VULNERABLE: {each['name']} {each['version']}: {one['id']}, mended in {' '.join(one['fix_versions']) or '?'}"
        for each in found
        for one in each.get("vulns", ())
    ]
    lines = [f"NOT AUDITED, as the index does not know them: {', '.join(unknown)}"] if unknown else []
    lines.append(f"{len(found) - len(unknown)} of {len(found)} dependencies audited, {len(vulnerable)} vulnerabilities")
    return int(bool(vulnerable)), [*vulnerable, *lines]


def main() -> int:
    """Audit; the exit code."""
    options = [
        "--require-hashes",
        "--disable-pip",
        "--progress-spinner",
        "off",
        "--timeout",
        str(WAIT),
        "--format",
        "json",
    ]
    command = [sys.executable, "-m", "pip_audit", *options, "--requirement", str(LOCK)]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
        output, errors = said.stdout, said.stderr
    except subprocess.TimeoutExpired:
        output, errors = "", f"no answer within {LIMIT} s"
    code, lines = verdict(output, errors)
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
