"""What docs/ tells operators is so: names, commands, and files to copy."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import httpx
import pytest
from redis import Redis

from shaman.config import Config, with_environment
from shaman.web.families import FAMILIES
from tests.backends import free_port
from tests.test_serve import LOGIN, REPO, ROOT, Service, environment, until

DOCS = ROOT / "docs"
ALERTS = (DOCS / "alerts.yml").read_text("utf-8")

PARTS = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
EXPORTED = {name + part: family for name, family in FAMILIES.items() for part in PARTS[family.kind]}
"""The names that a query may have."""


def expressions() -> list[str]:
    """Return every query of the alerts and of the dashboard."""
    told = [rule.partition("labels:")[0] for rule in ALERTS.split("expr:")[1:]]
    panels = json.loads((DOCS / "grafana.json").read_text("utf-8"))["panels"]
    return told + [target["expr"] for panel in panels for target in panel.get("targets", ())]


def needs(program: str) -> str:
    """Return where a program is; skip where it is not, but fail in a CI run."""
    found = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"there is no {program} on PATH")
        pytest.skip(f"there is no {program} on PATH")
    return found


@pytest.mark.parametrize("query", expressions())
def test_a_query_asks_for_what_is_exported(query: str) -> None:
    """Each name is one of /metrics, and each label one that it has there."""
    names = set(re.findall(r"\bshaman_\w+", query))
    assert names or query.strip().startswith("up{")  # which Prometheus makes itself
    assert names <= set(EXPORTED)
    labels = {"instance", "job", "le"}.union(*(EXPORTED[name].labels for name in names))
    used = re.findall(r"by \(([^)]*)\)", query) + re.findall(r"(\w+)(?:=|!=|=~)\"", query)
    assert {label.strip() for each in used for label in each.split(",")} <= labels


def test_the_dashboard_shows_every_metric() -> None:
    """What is worth counting is worth looking at."""
    asked = {name for query in expressions() for name in re.findall(r"\bshaman_\w+", query)}
    assert {name for name in FAMILIES if not any(name + part in asked for part in PARTS[FAMILIES[name].kind])} == set()


def test_every_metric_is_documented() -> None:
    """By a row of the table, with kind and labels as they are."""
    text = (DOCS / "metrics.md").read_text("utf-8")
    rows = re.findall(r"^\| `(shaman_\w+)` \| (\w+) \|([^|]*)\|", text, re.MULTILINE)
    expected = {
        name + "_total" * (family.kind == "counter"): (family.kind, ", ".join(family.labels))
        for name, family in FAMILIES.items()
    }
    assert {name: (kind, labels.strip()) for name, kind, labels in rows} == expected


def test_every_alert_is_explained() -> None:
    """In the same order."""
    named = re.findall(r"^\| `(\w+)` \|", (DOCS / "alerts.md").read_text("utf-8"), re.MULTILINE)
    assert named == re.findall(r"- alert: (\w+)", ALERTS)


def test_the_backup_works_as_printed(tmp_path: Path) -> None:
    """Each command of the document ends well, and gives what stands below it."""
    block = "\n".join(re.findall(r"^    (.*)$", (DOCS / "backup.md").read_text("utf-8"), re.MULTILINE))
    commands = [each.partition("\n") for each in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    assert len(commands) > 15
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "shaman"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m shaman "$@"\n')
    program.chmod(stat.S_IRWXU)
    with Service(tmp_path, **LOGIN) as service:
        for sha1 in ("a0", "a1"):
            assert service.post(sha1) == 201
        build = {"url": "https://ci.example.org/1/", "ref": "main", "sha1": "a0", "status": "started"}
        assert service.http.post("/api/builds/ceph/", json=build).is_success
        reaping = ThreadPoolExecutor(1).submit(service.process.wait)  # the document's shell looks for the process
        said = subprocess.run(
            ["/bin/sh", "-e", "-c", "\necho @@\n".join(command for command, _, _ in commands)],
            cwd=tmp_path,
            env=environment(SERVICE=str(service.process.pid)) | {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"},
            capture_output=True,
            check=False,
            text=True,
            timeout=100,
        )
        assert said.returncode == 0, said.stdout + said.stderr
        assert reaping.result(1) == 0
    outputs = said.stdout.split("@@\n")
    for (command, _, expected), output in zip(commands, outputs, strict=True):
        assert not expected.strip() or output.strip() == expected.strip(), command


def test_the_unit_of_systemd_is_valid(tmp_path: Path) -> None:
    """As systemd itself reads it, with a program that is there."""
    analyze = needs("systemd-analyze")
    unit = (DOCS / "deploy" / "shaman@.service").read_text("utf-8")
    file = tmp_path / "shaman@8081.service"
    file.write_text(unit.replace("/opt/shaman/.venv/bin/shaman", "/bin/true").replace("/usr/bin/curl", "/bin/true"))
    told = subprocess.run([analyze, "verify", str(file)], capture_output=True, text=True, check=False, timeout=60)
    assert [line for line in told.stderr.splitlines() if "shaman" in line] == []
    command = re.search(r"^ExecStart=\S+ (.*)$", unit, re.MULTILINE)
    assert command
    options = set(re.findall(r"--[a-z-]+", command[1]))
    assert options
    helped = subprocess.run(
        [sys.executable, "-m", "shaman", "serve", "--help"], capture_output=True, text=True, check=True
    )
    assert all(option in helped.stdout for option in options)


def test_the_app_has_settings_that_are_known() -> None:
    """Each variable of app.json changes the settings, and the process is the Procfile's."""
    app = json.loads((DOCS / "deploy" / "app.json").read_text("utf-8"))
    environ = {name: variable.get("value", "7") for name, variable in app["env"].items()}
    config = with_environment(Config(), environ)
    assert config.auth.users[0].name == environ["SHAMAN_API_USER"]
    assert config.server.workers == int(environ["WEB_CONCURRENCY"])
    assert set(environ) == {"SHAMAN_API_USER", "SHAMAN_API_KEY", "WEB_CONCURRENCY"}
    assert list(app["formation"]) == [line.partition(":")[0] for line in (ROOT / "Procfile").read_text().splitlines()]


@contextmanager
def nginx(folder: Path, ports: tuple[int, int]) -> Iterator[str]:
    """Run nginx with the site of the document, in front of instances on these ports; its URL."""
    program, port = needs("nginx"), free_port()
    site = (DOCS / "deploy" / "nginx.conf").read_text("utf-8")
    for old, new in (
        ("127.0.0.1:8081", f"127.0.0.1:{ports[0]}"),
        ("127.0.0.1:8082", f"127.0.0.1:{ports[1]}"),
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("/var/log/nginx/shaman.log", f"{folder}/access.log"),
    ):
        assert old in site
        site = site.replace(old, new)
    (folder / "shaman.conf").write_text(site)
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.getuid() == 0 else ""
    main = f"{user}daemon off;\npid {folder}/pid;\nevents {{}}\nhttp {{\n{paths}include {folder}/shaman.conf;\n}}\n"
    (folder / "nginx.conf").write_text(main)
    command = [program, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    with subprocess.Popen(command) as process:
        try:
            until(lambda: (folder / "pid").exists() and (folder / "pid").read_text())
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@contextmanager
def site(tmp_path: Path, server_url: str) -> Iterator[tuple[str, list[Service]]]:
    """Run two instances on one empty store, behind nginx as the document has it."""
    (tmp_path / "config.toml").write_text("[server]\ntrusted_proxies = 1\n")
    ports = free_port(), free_port()
    instances = []
    for port in ports:
        shutil.copytree(tmp_path, folder := tmp_path.parent / f"{tmp_path.name}-{port}")
        instances.append(Service(folder, "--port", str(port), REDIS_URL=server_url, **LOGIN))
    with nginx(tmp_path, ports) as url:
        for instance in instances:
            instance.__enter__()
        try:
            yield url, instances
        finally:
            for instance in instances:
                instance.__exit__()


@pytest.fixture
def empty_url(server_url: str) -> str:
    """Return the URL of an empty store."""
    with Redis.from_url(server_url) as client:
        client.flushall()
    return server_url


def test_a_rolling_restart_behind_nginx_loses_no_request(tmp_path: Path, empty_url: str) -> None:
    """Lookups and writes go on while each of two instances is stopped, and started again."""
    with site(tmp_path, empty_url) as (url, instances):
        over, answers = Event(), []

        def ask(name: int) -> None:
            with httpx.Client(base_url=url, auth=("builder", "secret"), timeout=20, trust_env=False) as http:
                while not over.is_set():
                    answers.append(http.post("/repos/ceph/", json=REPO | {"sha1": f"a{name}"}).status_code)
                    answers.append(http.get("/search/ceph/main/").status_code)

        with ThreadPoolExecutor(3) as threads:
            asking = [threads.submit(ask, name) for name in range(3)]
            for instance in instances:
                before = len(answers)
                until(lambda before=before: len(answers) > before + 30)  # type: ignore[misc]
                assert instance.stop() == 0
                instance.__exit__()
                instance.__enter__()
            over.set()
            for each in asking:
                each.result()
        assert set(answers) <= {200, 201}


def test_nginx_passes_on_what_matters(tmp_path: Path, empty_url: str) -> None:
    """The address of the client, an id, names with slashes; not the metrics, and nothing that waits is cut."""
    with site(tmp_path, empty_url) as (url, instances), httpx.Client(base_url=url, timeout=20, trust_env=False) as http:
        for ref in ("main", "a/b"):
            posted = http.post("/repos/ceph/", json=REPO | {"ref": ref}, auth=("builder", "secret"))
            assert posted.status_code == 201
        assert http.get("/repos/ceph/a%2Fb/").json() == ["a0"]
        assert http.get("//repos/ceph/").status_code == 404
        assert http.get("/metrics").status_code == http.get("/metrics/").status_code == 404
        answer = http.get("/search/ceph/other/?wait=1", headers={"X-Forwarded-For": "192.0.2.9", "X-Request-ID": "one"})
        assert answer.json() == []
        name = answer.headers["x-request-id"]
        assert re.fullmatch(r"[0-9a-f]{32}", name)
        until(lambda: any(name in instance.said() for instance in instances))
        line = next(line for instance in instances for line in instance.said().splitlines() if name in line)
        assert json.loads(line)["client"] == "127.0.0.1"
        assert name in (tmp_path / "access.log").read_text()
