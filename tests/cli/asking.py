"""The commands that ask a server, called as people and scripts call them."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.test_commands import run
from tests.test_serve import LIMIT, LOGIN, environment

POST = ("post", "ceph", "--ref", "main", "--arch", "x86_64", "--url", "https://chacra.ceph.com/r/ceph/main/")
"""What is needed beside a sha1 and a distro."""


class Asking:
    """A shell whose variables name a server."""

    def __init__(self, folder: Path, url: str) -> None:
        """Have no file of settings but one in `folder`."""
        self.folder = folder
        self.environ = LOGIN | {"SHAMAN_URL": url, "XDG_CONFIG_HOME": str(folder)}

    def ask(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command that ends by itself."""
        return run(self.folder, *arguments, **self.environ | environ)

    def post(self, sha1: str, distro: str, *more: str) -> None:
        """Tell that a repo is built."""
        ended = self.ask(*POST, "--sha1", sha1, "--distro", distro, *more)
        assert ended.returncode == 0, ended.stderr

    @contextmanager
    def asking(self, *arguments: str, stderr: int = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
        """Run a command that goes on meanwhile."""
        command = [sys.executable, "-m", "shaman", *arguments]
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment(**self.environ),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def on_terminal(self, *arguments: str, **environ: str) -> tuple[int, str]:
        """Run a command on a terminal; the exit code, and what a person would see."""
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "shaman", *arguments]
        with subprocess.Popen(
            command, cwd=self.folder, env=environment(**self.environ | environ), stdout=theirs, stderr=theirs
        ) as process:
            os.close(theirs)
            seen = b"".join(iter(lambda: _read(ours), b""))
            os.close(ours)
            return process.wait(LIMIT), seen.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # what Linux says when nobody has the other end any more
        return b""
