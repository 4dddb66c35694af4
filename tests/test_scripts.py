"""`scripts/run` and its set-up: one command on a machine that has nothing but Python."""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.backends import free_port
from tests.test_serve import REPO, ROOT, until

INSTALL_LIMIT = 300
"""Seconds for a first start, which downloads what the lock file names."""

SYSTEM = f"/usr/local/bin:/usr/bin:/bin:{sys.base_prefix}/bin"
"""Where a fresh machine looks for programs; a Python that the system does not have comes last."""

STAND_IN = """#!/bin/sh
# Stands for the Python of a .venv: notes what it is called for.
echo "$*" >> "$CALLS"
"""


def clean(**settings: str) -> dict[str, str]:
    """Return the environment of a fresh machine; pip's own settings stay, as they tell where packages are."""
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    return pip | {"PATH": SYSTEM} | settings


def copy_project(target: Path) -> Path:
    """Copy what a clone would have."""
    left_out = (line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines())
    return shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(".git", *left_out))


@contextmanager
def started(project: Path, log: Path, **settings: str) -> Iterator[str]:
    """Run `scripts/run` from elsewhere; what it has said as soon as it has told everything."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(project / "scripts" / "run")], cwd="/", env=settings, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        until(lambda: "PROJECT/" in log.read_text() or process.poll() is not None, INSTALL_LIMIT)
        yield log.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def assert_it_works(said: str, port: int, data: Path) -> None:
    """Assert that the service is where it says, and takes what it says how to send."""
    url = f"http://127.0.0.1:{port}"
    assert f"shaman serves {url} " in said
    assert f"\nTry:   curl {url}/repos/\n" in said
    assert re.search(r'^Write: curl -u "shaman:\$\(cat \S*api-key\)" ', said, re.MULTILINE)
    assert stat.S_IMODE((data / "api-key").stat().st_mode) == 0o600
    key = (data / "api-key").read_text().strip()
    assert httpx.post(f"{url}/repos/ceph/", json=REPO, auth=("shaman", key)).status_code in {200, 201}
    assert httpx.get(f"{url}/repos/").json() == ["ceph"]


def test_run_starts_the_service_again_and_again(tmp_path: Path) -> None:
    """Where the set-up is there nothing is installed; PORT and SHAMAN_DATA_DIR choose, and the data stay."""
    settings = clean(PORT=str(free_port()), SHAMAN_DATA_DIR=str(tmp_path / "data"), HOME=str(tmp_path))
    for number in range(2):
        with started(ROOT, tmp_path / f"said-{number}", **settings) as said:
            assert "Installing" not in said
            assert_it_works(said, int(settings["PORT"]), tmp_path / "data")


@pytest.mark.skipif(not os.environ.get("CI"), reason="downloads packages for some 20 seconds; .ci/run does")
def test_run_sets_itself_up_on_a_fresh_machine(tmp_path: Path) -> None:
    """A copy of the project and a system's Python are enough; the second start installs nothing."""
    project = copy_project(tmp_path / "shaman")
    settings = clean(PORT=str(free_port()), HOME=str(tmp_path))
    for first in (True, False):
        with started(project, tmp_path / f"said-{first}", **settings) as said:
            assert ("Installing what requirements.txt names into .venv" in said) is first
            assert_it_works(said, int(settings["PORT"]), project / "var")
    assert (project / ".venv").is_dir()


@pytest.fixture
def set_up(tmp_path: Path) -> Path:
    """Return a project folder whose .venv has a Python that only notes its calls."""
    for name in ("requirements.txt", "requirements-dev.txt", "pyproject.toml", "scripts/setup"):
        (tmp_path / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / "project" / name)
    python = tmp_path / "python"
    python.write_text(STAND_IN + 'if [ "$2" = venv ]; then mkdir -p .venv/bin; cp "$0" .venv/bin/python; fi\n')
    python.chmod(0o755)
    return tmp_path / "project"


def set_up_calls(project: Path, lock: str) -> list[str]:
    """Run the set-up; what Python was called for."""
    calls = project.parent / "calls"
    calls.write_text("")
    settings = {"PATH": SYSTEM, "PYTHON": str(project.parent / "python"), "CALLS": str(calls)}
    subprocess.run(("/bin/bash", "-euc", f". scripts/setup {lock}"), cwd=project, env=settings, check=True)
    return [line for line in calls.read_text().splitlines() if "install" in line or "venv" in line.split()]


def test_a_set_up_is_made_once(set_up: Path) -> None:
    """A second one does nothing, until a lock file changes."""
    assert len(set_up_calls(set_up, "requirements.txt")) == 3
    assert set_up_calls(set_up, "requirements.txt") == []
    with (set_up / "requirements.txt").open("a") as lock:
        lock.write("more==1\n")
    assert len(set_up_calls(set_up, "requirements.txt")) == 2
    assert set_up_calls(set_up, "requirements.txt") == []


def test_the_tools_serve_both(set_up: Path) -> None:
    """After `scripts/test` there is nothing left to install for `scripts/run`, and not the other way round."""
    set_up_calls(set_up, "requirements.txt")
    assert len(set_up_calls(set_up, "requirements-dev.txt")) == 2
    assert set_up_calls(set_up, "requirements.txt") == []


def test_a_project_that_was_copied_is_set_up_anew(set_up: Path) -> None:
    """Its .venv leads to the folder it was made in, whose code would run instead."""
    set_up_calls(set_up, "requirements.txt")
    copied = shutil.copytree(set_up, set_up.parent / "copy")
    assert len(set_up_calls(copied, "requirements.txt")) == 3
    assert set_up_calls(copied, "requirements.txt") == []
    assert set_up_calls(set_up, "requirements.txt") == []


def test_a_machine_without_a_fit_python_is_told_so(set_up: Path) -> None:
    """What is needed is said, and no half of a .venv stays."""
    (set_up.parent / "python").unlink()
    for name in ("bash", "head", "grep", "cat", "cksum", "rm"):
        (set_up / name).symlink_to(shutil.which(name) or "")
    ended = subprocess.run(
        (str(set_up / "bash"), "-euc", ". scripts/setup requirements.txt"),
        cwd=set_up,
        env={"PATH": str(set_up)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    assert "shaman needs Python 3.11 or newer with venv" in ended.stderr
    assert not (set_up / ".venv").exists()
