"""`scripts/bench`: it measures every bar, tells what it has measured, and leaves nothing running."""

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from benchmark import bars, processes, records, report, rig, wrk
from benchmark.load import load_part
from benchmark.pictures import GROWTH, LATENCY
from benchmark.questions import CHIEF, single_pushes

from shaman.distros import Releases
from tests.test_serve import ROOT, descendants, environment, until

SCRIPT = ROOT / "scripts" / "bench.py"
LIMIT = 300
"""Seconds for a quick run, which takes half a minute on an idle machine."""

SIZES = {"small": 1000, "large": 5000, "counted": 5000}


def start(folder: Path, *options: str, **settings: str) -> subprocess.Popen[str]:
    """Start the script in a folder of its own."""
    command = [sys.executable, str(SCRIPT), "--pictures", str(folder), *options]
    return subprocess.Popen(
        command, cwd=folder, env=environment(TMPDIR=str(folder), **settings), text=True, stdout=-1, stderr=-1
    )


def needs_wrk() -> None:
    """Skip where there is no wrk; a CI run fails."""
    if shutil.which("wrk") is None:
        if os.environ.get("CI"):
            pytest.fail("there is no wrk on PATH")
        pytest.skip("there is no wrk on PATH")


def test_a_quick_run_measures_every_bar(tmp_path: Path) -> None:
    """The table, the figures and the pictures tell of every bar, and nothing is left over."""
    needs_wrk()
    process = start(tmp_path, "--quick", "--repos", "5000", "--json", "figures.json")
    said, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, errors
    told = msgspec.json.decode((tmp_path / "figures.json").read_bytes())
    measured = {figure["bar"] for figure in told["figures"] if figure["figure"] > 0}
    for bar in report.BARS:
        assert f"\n| {bar} | " in said
        assert bar in measured or (bar == "k" and told["missing"]["k"])
    assert [point["repos"] for point in told["curve"]] == [1000, 5000]
    assert {"date", "cpu", "cores", "python", "store", "quart", "hypercorn"} <= told["machine"].keys()
    for picture in (GROWTH, LATENCY):
        assert ET.fromstring((tmp_path / picture).read_text()).tag.endswith("svg")  # noqa: S314 - made right here
    assert {path.name for path in tmp_path.iterdir()} == {"figures.json", GROWTH, LATENCY}


def test_a_run_that_is_stopped_ends_what_it_has_started(tmp_path: Path) -> None:
    """After SIGTERM in the middle of a burst no service, no store and no folder is left."""
    needs_wrk()
    process = start(tmp_path, "--only", "h", "--repos", "1000", "--duration", "60")
    wanted = {"wrk", "shaman", "python"}
    until(lambda: wanted <= {name_of(pid) for pid in descendants(process.pid)}, 60)
    started = descendants(process.pid)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143
    until(lambda: not [pid for pid in started if Path(f"/proc/{pid}/stat").exists()], 30)
    assert list(tmp_path.iterdir()) == []


def name_of(pid: int) -> str:
    """Return what a process is called; the empty text when it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def test_without_wrk_it_says_what_to_install(tmp_path: Path) -> None:
    """The error names the package, before anything is started."""
    process = start(tmp_path, PATH="/nowhere")
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "install the system's package `wrk`" in errors


def test_an_unknown_bar_is_refused(tmp_path: Path) -> None:
    """The error names it, and those that there are."""
    process = start(tmp_path, "--only", "a,z")
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "'z' is none of a, b, c" in errors


def test_a_run_of_wrk_with_errors_is_no_figure() -> None:
    """Answers that are not of success, or too slow ones, are never counted as fast ones."""
    seen = (
        "  Latency Distribution\n     50%    1.50ms\n     99%    2.00s\n  90 requests in 1.00s\nRequests/sec:  90.50\n"
    )
    assert wrk.read(seen) == wrk.Burst(90.5, 90, {"50": 1.5, "99": 2000.0})
    for fault in ("Non-2xx or 3xx responses: 1", "Socket errors: connect 0, read 1, write 0, timeout 0"):
        with pytest.raises(RuntimeError, match=fault[:8]):
            wrk.read(seen + fault)


def test_what_is_answered_from_memory_is_no_figure_of_what_asks_the_store(server_url: str, tmp_path: Path) -> None:
    """Each spelling of a question asks the store once; where a service answers without, there is an error."""
    needs_wrk()
    load_part(server_url, records.PROJECT, range(5))
    with processes.shaman(server_url, tmp_path) as service:
        for question in CHIEF[::3]:
            assert rig.counted_burst(service, bars.others(question, [2]), 1, 0).trips
        again = wrk.Traffic(targets=[CHIEF[0].of(2)], asks_store=True)
        with pytest.raises(RuntimeError, match="not all asked"):
            rig.counted_burst(service, again, 1, 0)


def test_the_table_tells_the_worst_figure() -> None:
    """A bar is met if all of its figures are good enough, whichever way is better."""
    figures = [
        rig.Figure(bar="a", name="slow", figure=1.4),
        rig.Figure(bar="a", name="fast", figure=3.0),
        rig.Figure(bar="c", name="even", figure=1.1),
        rig.Figure(bar="c", name="uneven", figure=1.25),
    ]
    told = report.table(figures, {"k": "not there"}, SIZES)
    assert "| >= 1.5 x empty | 1.4 (slow) to 3 | NOT MET |" in told
    assert "| c | a and b at 1,000 vs 5,000 repos in one project | <= 1.25 x | 1.25 (uneven) to 1.1 | met |" in told
    assert "| k | a, on granian | >= 6 x empty on Hypercorn | not there | not measured |" in told


def test_the_records_are_as_skewed_as_real_ones() -> None:
    """One ref has a quarter of the pushes, and five of eight refs have one."""
    pushes = Counter(records.ref_of(number) for number in range(10_000))
    assert pushes[records.BUSY] == 2500
    singles = [ref for ref, count in pushes.items() if count == 1]
    assert 0.6 < len(singles) / len(pushes) < 0.65
    assert {records.ref_of(number) for number in single_pushes(10_000)} >= set(singles[:-1])


def test_a_push_makes_the_same_records_in_every_store() -> None:
    """Ids and times are of the push, and those of one push never meet those of the next."""
    ceph, releases = records.platforms()[records.PROJECT], Releases()
    repos = [list(records.repos_of(number, records.PROJECT, ceph, releases)) for number in range(100)]
    assert [len(found) for found in repos] == [records.repos_in(number, ceph) for number in range(100)]
    ids = [repo.id for found in repos for repo in found]
    assert ids == sorted(set(ids))
    assert records.pushes_of(sum(map(len, repos))) == 100
    assert {repo.status for found in repos for repo in found} == {"ready", "failed"}
