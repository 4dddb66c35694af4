"""What the README shows is what happens."""

import re
import shutil
import subprocess
from pathlib import Path

from tests.conformance.api import TIME
from tests.test_serve import ROOT, Service, environment

README = (ROOT / "README.md").read_text("utf-8")


def shown(heading: str) -> list[tuple[str, str]]:
    """Return the commands of a section that begin with `$`, each with the output below it."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    block = "\n".join(line[4:] for line in section.splitlines() if line.startswith("    "))
    commands = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(command, output.strip()) for command, _, output in (each.partition("\n") for each in commands)]


def test_moving_from_the_old_server_works_as_printed(tmp_path: Path) -> None:
    """Each line of the section gives what stands below it, apart from times."""
    shutil.copy(ROOT / "config.toml", tmp_path)
    commands = shown("Moving from the old server")
    assert len(commands) > 10
    with Service(tmp_path, "--local-key") as service:
        script = "\necho @@\n".join(command for command, _ in commands)
        said = subprocess.run(
            ["/bin/sh", "-e", "-c", script.replace("http://127.0.0.1:8080", service.url)],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            check=True,
            text=True,
            timeout=60,
        )
    outputs = [output.strip() for output in said.stdout.split("@@\n")]
    for (command, expected), output in zip(commands, outputs, strict=True):
        assert TIME.sub("TIME", output) == TIME.sub("TIME", expected), command
