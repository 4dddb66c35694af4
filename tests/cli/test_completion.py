"""`shaman completion`: a shell completes commands and options."""

import subprocess
from pathlib import Path

import pytest

from tests.cli.test_commands import run


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(tmp_path: Path, shell: str) -> None:
    """It names the command and how it asks it."""
    ended = run(tmp_path, "completion", shell)
    assert ended.returncode == 0
    assert "shaman" in ended.stdout
    assert f"_SHAMAN_COMPLETE={shell}_complete" in ended.stdout


def test_the_script_is_one_that_bash_reads(tmp_path: Path) -> None:
    """It defines a completion for `shaman`."""
    script = run(tmp_path, "completion", "bash").stdout + "\ncomplete -p shaman"
    said = subprocess.run(["/bin/bash", "-c", script], capture_output=True, text=True, check=True, timeout=30).stdout
    assert said.split()[-1] == "shaman"


def completed(folder: Path, *words: str) -> set[str]:
    """Return what bash would offer for the last word."""
    asked = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    said = run(folder, _SHAMAN_COMPLETE="bash_complete", **asked).stdout
    return {line.partition(",")[2] for line in said.splitlines()}


def test_commands_and_options_are_completed(tmp_path: Path) -> None:
    """Those of the server, too."""
    assert completed(tmp_path, "shaman", "re") == {"repo-file", "reindex", "retain"}
    assert completed(tmp_path, "shaman", "wait", "--t") == {"--timeout"}
    assert completed(tmp_path, "shaman", "completion", "z") == {"zsh"}
