"""docs/client.md says everything that there is, and what it shows is what happens."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import click
import pytest

from shaman.cli import CLIENT, commands
from shaman.cli.asking import CODES
from shaman.cli.later import Later
from shaman.client import Client, Settings
from tests.cli.asking import Asking
from tests.test_serve import ROOT, environment

DOCS = (ROOT / "docs" / "client.md").read_text("utf-8")
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")


def shown(text: str) -> str:
    """Return the lines of code of a section."""
    return textwrap.dedent("\n".join(line for line in text.splitlines() if line.startswith("    ") or not line))


@pytest.mark.parametrize("later", CLIENT, ids=lambda later: str(later.name))
def test_every_command_and_option_is_told(later: Later) -> None:
    """Those before the command, too."""
    assert f"`shaman {later.name}" in DOCS
    for command in (later.load(), commands):
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert f"{parameter.opts[0]}" in DOCS


def test_every_code_setting_and_method_is_told() -> None:
    """By the name that it has."""
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", DOCS, re.MULTILINE)}
    assert codes == {0, *CODES.values(), 130}
    for setting in Settings.__struct_fields__:
        assert f"`{setting}`" in DOCS
    for method in vars(Client):
        assert method.startswith("_") or f"`{method}(" in DOCS


def test_the_session_works_as_printed(shell: Asking) -> None:
    """Each line gives what stands below it, apart from times."""
    session = shown(DOCS.split("\n## ")[0]).strip()
    commands = re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]
    assert len(commands) == 4
    bin_folder = shell.folder / "bin"
    bin_folder.mkdir()
    script = bin_folder / "shaman"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m shaman "$@"\n')
    script.chmod(0o755)
    environ = environment(**shell.environ)
    environ["PATH"] = f"{bin_folder}:{environ['PATH']}"
    for line, _, output in (command.partition("\n") for command in commands):
        said = subprocess.run(
            ["/bin/sh", "-c", line],
            env=environ,
            cwd=shell.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert TIME.sub("TIME", said.stdout.strip()) == TIME.sub("TIME", output.strip()), line


def test_the_program_runs_as_printed(shell: Asking, tmp_path: Path) -> None:
    """It posts, waits, and prints what it has found."""
    imports, _, rest = shown(DOCS.split("\n## In Python\n")[1]).strip().partition("\n\n")
    program = tmp_path / "program.py"
    body = textwrap.indent(rest, "    ")
    program.write_text(f"import asyncio\n{imports}\nasync def main():\n{body}\nasyncio.run(main())\n")
    said = subprocess.run(
        [sys.executable, str(program)],
        env=environment(**shell.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert said.stdout.startswith("ubuntu https://1.chacra.example.org/r/ceph/main/ 20")
