"""`shaman search`, `shaman latest`, and what all commands that ask a server have in common."""

import json
import signal

import pytest

from tests.backends import free_port
from tests.cli.asking import Asking


def test_a_search_is_a_table(shell: Asking) -> None:
    """A line for each repo below the titles, newest first, each value in full."""
    shell.post("a0", "ubuntu/noble")
    shell.post("b1", "centos/9")
    ended = shell.ask("search", "ceph", "main")
    titles, *rows = (line.split() for line in ended.stdout.splitlines())
    assert titles == ["DISTRO", "ARCH", "FLAVOR", "STATUS", "MODIFIED", "(UTC)", "SHA1", "URL"]
    assert [row[:4] + row[6:] for row in rows] == [
        ["centos/9", "x86_64", "default", "ready", "b1", "https://chacra.ceph.com/r/ceph/main/"],
        ["ubuntu/noble", "x86_64", "default", "ready", "a0", "https://chacra.ceph.com/r/ceph/main/"],
    ]
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "\x1b" not in ended.stdout


def test_a_search_for_scripts_is_json(shell: Asking) -> None:
    """What the server tells; an empty list is one, too."""
    shell.post("a0", "ubuntu/24.04", "--status", "building")
    found = shell.ask(
        "search", "ceph", "a0", "--status", "any", "--distro", "ubuntu/noble", "--arch", "amd64", "--json"
    )
    assert [repo["distro_codename"] for repo in json.loads(found.stdout)] == ["noble"]
    ended = shell.ask("search", "ceph", "main", "--json")
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "[]\n", "")


def test_nothing_found_is_said(shell: Asking) -> None:
    """On standard error, by exit code 1, with nothing on standard output."""
    for command in ("search", "latest"):
        ended = shell.ask(command, "ceph", "main", "--flavor", "crimson")
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "ceph main" in ended.stderr


def test_latest_prints_the_sha1_and_nothing_else(shell: Asking) -> None:
    """That of the newest one that has every distro for the arch."""
    for sha1, distro in (("a0", "centos/9"), ("a0", "ubuntu/noble"), ("b1", "centos/9")):
        shell.post(sha1, distro)
    asked = ("latest", "ceph", "main", "--distro", "centos/9", "--distro", "ubuntu/noble", "--arch", "x86_64")
    ended = shell.ask(*asked)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "a0\n", "")


def test_colours_are_for_terminals(shell: Asking) -> None:
    """And for those who have not said that they want none."""
    shell.post("a0", "ubuntu/noble")
    code, seen = shell.on_terminal("search", "ceph", "main")
    assert code == 0
    assert "\x1b[32mready" in seen
    code, seen = shell.on_terminal("search", "ceph", "main", NO_COLOR="1")
    assert code == 0
    assert "ready" in seen
    assert "\x1b" not in seen


@pytest.mark.parametrize(
    ("arguments", "environ", "code", "words"),
    [
        (("search", "ceph"), {}, 2, "Missing argument"),
        (("search", "ceph", "main", "--distro", "a/b/c/d"), {}, 2, "shaman: distros: 'a/b/c/d' is not"),
        (("wait", "ceph", "main", "--timeout", "soon"), {}, 2, "'soon' is not a time such as 90s, 10m or 2h"),
        (("--url", "ceph.com", "nodes"), {}, 2, "shaman: --url: must begin with http:// or https://"),
        (("nodes",), {"SHAMAN_CLIENT_CONFIG": "nothing.toml"}, 2, "shaman: nothing.toml: there is no such file"),
        (("--url", "http://127.0.0.1:FREE", "--patience", "0", "nodes"), {}, 3, "shaman: http://127.0.0.1:"),
        (("post", "ceph", "--ref", "main"), {"SHAMAN_API_KEY": "hunter2"}, 4, "shaman: the user or the key is wrong"),
    ],
)
def test_a_fault_is_a_line_and_a_code(
    shell: Asking, arguments: tuple[str, ...], environ: dict[str, str], code: int, words: str
) -> None:
    """2 is a wrong call, 3 a server that is away, 4 refused credentials; never a traceback or a key."""
    port = str(free_port())
    ended = shell.ask(*(argument.replace("FREE", port) for argument in arguments), **environ)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "hunter2" not in ended.stderr


def test_the_file_says_which_server(shell: Asking) -> None:
    """Without any variable."""
    file = shell.folder / "shaman" / "client.toml"
    file.parent.mkdir()
    file.write_text(f'url = "{shell.environ.pop("SHAMAN_URL")}"\nuser = "builder"\nkey = "secret"\n')
    del shell.environ["SHAMAN_API_USER"], shell.environ["SHAMAN_API_KEY"]
    shell.post("a0", "ubuntu/noble")
    assert shell.ask("latest", "ceph", "main").stdout == "a0\n"


def test_a_reader_that_has_enough_is_no_fault(shell: Asking) -> None:
    """`shaman search ... | head` says nothing about it."""
    for number in range(3):
        shell.post(f"a{number}", "ubuntu/noble")
    with shell.asking("search", "ceph", "a0") as process:
        assert process.stdout
        process.stdout.close()
        process.wait(20)
        assert process.stderr
        assert process.stderr.read() == ""


def test_an_interrupted_command_ends_as_shells_expect(shell: Asking) -> None:
    """130, and no traceback."""
    url = f"http://127.0.0.1:{free_port()}"
    with shell.asking("--url", url, "wait", "ceph", "main") as process:
        assert process.stderr
        assert "trying again" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert "Traceback" not in process.stderr.read()


def test_a_command_explains_itself(shell: Asking) -> None:
    """Each has help, and the first page names the variables and the exit codes."""
    said = shell.ask("--help").stdout
    for name in ("SHAMAN_URL", "SHAMAN_API_USER", "SHAMAN_API_KEY", "SHAMAN_CLIENT_CONFIG", "client.toml", "130"):
        assert name in said
    for name in ("search", "latest", "wait", "watch", "post", "nodes", "repo-file", "completion"):
        assert f"  {name} " in said
        ended = shell.ask(name, "--help")
        assert (ended.returncode, ended.stdout[:6]) == (0, "Usage:")
