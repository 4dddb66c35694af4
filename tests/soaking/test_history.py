"""A history of two real workers under many clients at once."""

from pathlib import Path

from benchmark import processes
from soaking import history
from soaking.judge import faults

from shaman.store.wakeups import LEASE

SECONDS = 12
SEED = 5


def test_every_answer_is_explained(server_url: str, tmp_path: Path) -> None:
    """No update is lost, no answer is older than promised, `latest` goes back for a reason, a dump is whole."""
    with processes.shaman(server_url, tmp_path, "--workers", "2") as service:
        calls = history.record(service.url, SECONDS, SEED)
    answered = {call.what for call in calls if call.acknowledged}
    assert answered == {"put", "note", "delete", "newest", "ref", "sha1s", "dump"}
    assert faults(calls, LEASE) == []
