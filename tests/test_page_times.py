"""The script that measures the pages."""

import re
import subprocess
import sys

from tests.test_serve import ROOT, environment


def test_every_kind_of_page_is_measured() -> None:
    """Each has its milliseconds and kilobytes, on a store that is filled for it and gone afterwards."""
    command = [sys.executable, str(ROOT / "scripts" / "page_times.py"), "--repos", "500", "--rounds", "1"]
    said = subprocess.run(command, env=environment(), capture_output=True, check=False, text=True, timeout=120)
    found = {path: size for size, path in re.findall(r"([\d.]+) KB  (\S+)$", said.stdout, re.MULTILINE)}
    assert {"/", "/repos/", "/repos/ceph/main/", "/matrix/ceph/main/", "/builds/ceph/", "/find/?q=main"} <= found.keys()
    assert all(float(size) < 200 for size in found.values())
    assert "Traceback" not in said.stderr
