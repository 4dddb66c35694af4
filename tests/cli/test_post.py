"""`shaman post`: from options, from a file, from standard input."""

import json
import subprocess
import sys

from tests.cli.asking import POST, Asking
from tests.test_serve import environment

BODY = {
    "ref": "main",
    "sha1": "a0",
    "distro": "ubuntu",
    "distro_version": "noble",
    "archs": ["x86_64", "arm64"],
    "url": "https://chacra.ceph.com/r/ceph/main/",
    "chacra_url": "https://chacra.ceph.com/repos/ceph/main/",
    "status": "building",
    "extra": {"version": "19.2.0"},
    "needs_update": True,
}


def told(shell: Asking) -> list[tuple[str, ...]]:
    """Return what is known of the repos of the ref."""
    found = json.loads(shell.ask("search", "ceph", "main", "--status", "any", "--json").stdout)
    return sorted(tuple(repo[name] for name in ("sha1", "distro_version", "arch", "status")) for repo in found)


def test_options_say_what_is_built(shell: Asking) -> None:
    """The repo is printed as it is now, for people or as JSON; the same again changes nothing."""
    options = (*POST, "--sha1", "a0", "--distro", "ubuntu/24.04")
    for _ in range(2):
        ended = shell.ask(*options)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout == "ceph main a0 ubuntu/noble x86_64 default: ready\n"
    assert json.loads(shell.ask(*options, "--json").stdout)["distro_codename"] == "noble"
    apart = ("--distro", "centos", "--distro-version", "9", "--flavor", "crimson", "--status", "queued")
    assert shell.ask(*POST, "--sha1", "b1", *apart).stdout == "ceph main b1 centos/9 x86_64 crimson: queued\n"
    assert told(shell) == [("a0", "noble", "x86_64", "ready"), ("b1", "9", "x86_64", "queued")]


def test_a_file_says_it_and_options_change_it(shell: Asking) -> None:
    """Keys that the registry does not keep do no harm, as storage nodes send them, too."""
    (shell.folder / "repo.json").write_text(json.dumps(BODY))
    assert shell.ask("post", "ceph", "repo.json").returncode == 0
    assert told(shell) == [("a0", "noble", "arm64", "building"), ("a0", "noble", "x86_64", "building")]
    assert shell.ask("post", "ceph", "repo.json", "--status", "ready", "--arch", "x86_64").returncode == 0
    assert told(shell) == [("a0", "noble", "arm64", "ready"), ("a0", "noble", "x86_64", "ready")]
    ended = shell.ask("post", "ceph", "repo.json", "--status", "deleted")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "shaman: there is no such repo now\n")
    assert told(shell) == []


def test_standard_input_is_a_file(shell: Asking) -> None:
    """By the name that it has everywhere."""
    subprocess.run(
        [sys.executable, "-m", "shaman", "post", "ceph", "-"],
        input=json.dumps(BODY),
        cwd=shell.folder,
        env=environment(**shell.environ),
        text=True,
        timeout=30,
        check=True,
    )
    assert len(told(shell)) == 2


def test_a_body_that_is_none_is_refused(shell: Asking) -> None:
    """Exit code 2, and the words say which field it is, whoever finds it."""
    for text, words in (
        ("{", "shaman: body: is not JSON"),
        ("[]", "shaman: body: expected `object`"),
        ('{"ref": 1}', "shaman: ref: expected `str`"),
        ('{"ref": "main"}', "shaman: sha1: is missing"),
    ):
        (shell.folder / "repo.json").write_text(text)
        ended = shell.ask("post", "ceph", "repo.json")
        assert (ended.returncode, ended.stdout) == (2, "")
        assert words in ended.stderr
