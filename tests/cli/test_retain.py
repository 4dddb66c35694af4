"""`shaman retain` as people call it."""

import time
from pathlib import Path

import pytest

from tests.cli.test_transfer import export, shaman
from tests.test_serve import LOGIN, REPO, Service
from tests.test_transfer import BUILD, lines
from tests.test_transfer import REPO as REPO_LINE

RULES = """
[[retention.rules]]
project = "ceph"
ref = "wip-*"
sha1s = 1
[[retention.rules]]
project = "*"
ref = "main"
days = 30
"""

DAY = 24 * 3600


def ago(days: float) -> str:
    """Return the time so many days ago as an export tells it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(time.time() - days * DAY))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with rules and records: three sha1s in each of three refs, 50.5, 40.5 and 0.5 days old."""
    (tmp_path / "config.toml").write_text(RULES)
    records = [
        {**record, "ref": ref, "sha1": sha1, "id": number, "modified": ago(days), extra: f"https://x/{number}/"}
        for number, (ref, sha1, days) in enumerate(
            [(ref, *age) for ref in ("wip-x", "main", "kept") for age in (("a1", 50.5), ("b2", 40.5), ("c3", 0.5))], 1
        )
        for record, extra in ((REPO_LINE, "chacra_url"), (BUILD, "url"))
    ]
    shaman(tmp_path, "import", "-", given=b"".join(lines(*records)))
    return tmp_path


GONE = [
    "ceph\tmain\ta1\t1\t1\t50.5\t* main: 30 days",
    "ceph\tmain\tb2\t1\t1\t40.5\t* main: 30 days",
    "ceph\twip-x\ta1\t1\t1\t50.5\tceph wip-*: 1 sha1s",
    "ceph\twip-x\tb2\t1\t1\t40.5\tceph wip-*: 1 sha1s",
]


def test_a_dry_run_changes_nothing(folder: Path) -> None:
    """It prints what would go, with its age and the rule that does not keep it."""
    before = export(folder)
    said = shaman(folder, "retain", "--dry-run")
    assert said.stdout.decode().splitlines() == GONE
    assert said.stderr.decode().splitlines() == ["4 sha1s would go: 4 repos, 4 builds"]
    assert export(folder) == before
    assert shaman(folder, "retain", "--log").stdout == b""


def test_what_a_dry_run_tells_goes(folder: Path) -> None:
    """The rest stays as it was, a second run has nothing to do, and the log tells what went and when."""
    before = export(folder)
    said = shaman(folder, "retain")
    assert said.stdout.decode().splitlines() == GONE
    assert said.stderr.decode().splitlines() == ["4 sha1s removed: 4 repos, 4 builds"]
    went = [tuple(line.split("\t")[1:3]) for line in GONE]
    assert export(folder) == [record for record in before if (record["ref"], record["sha1"]) not in went]
    assert shaman(folder, "retain").stdout == b""
    log = [line.split("\t", 1) for line in shaman(folder, "retain", "--log").stdout.decode().splitlines()]
    assert [line for _, line in log] == GONE
    assert all(ago(0.01) < when <= ago(-0.01) for when, _ in log)


def test_without_rules_everything_stays(folder: Path) -> None:
    """The command says that nothing is set, and removes nothing."""
    before = export(folder)
    (folder / "config.toml").write_text("")
    said = shaman(folder, "retain")
    assert b"there are no [[retention.rules]], so everything is kept" in said.stderr
    assert export(folder) == before


def test_a_running_service_never_answers_with_what_is_gone(folder: Path) -> None:
    """What it has answered before from memory it does not answer after the command."""
    with Service(folder, **LOGIN) as service:
        urls = ("/repos/ceph/wip-x/", "/repos/ceph/wip-x/a1/", "/api/builds/ceph/wip-x/", "/search/ceph/a1/")
        before = [service.http.get(url) for url in urls for _ in range(2)][::2]
        assert [answer.status_code for answer in before] == [200] * 4
        shaman(folder, "retain")
        after = [service.http.get(url) for url in urls]
        assert after[0].json() == after[2].json() == ["c3"]
        assert after[1].status_code == 404
        assert {repo["ref"] for repo in after[3].json()} == {"kept"}
        assert service.http.post("/repos/ceph/", json=REPO | {"ref": "wip-x", "sha1": "a1"}).status_code == 201
        assert service.http.get("/repos/ceph/wip-x/").json() == ["a1", "c3"]


def test_only_one_thing_is_asked_for(tmp_path: Path) -> None:
    """What would go and what went are two questions."""
    assert b"give either --dry-run or --log" in shaman(tmp_path, "retain", "--dry-run", "--log", code=2).stderr


def test_a_rule_that_cannot_be_meant_ends_the_command(tmp_path: Path) -> None:
    """Nothing is started, and the setting is named."""
    (tmp_path / "config.toml").write_text(RULES + '[[retention.rules]]\nproject = "x"\nref = "main"\nsha1s = 9')
    said = shaman(tmp_path, "retain", code=1)
    assert b"config.toml: retention.rules[2].ref: is never reached" in said.stderr
    assert not (tmp_path / "var").exists()
