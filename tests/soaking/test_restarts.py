"""Two services behind a proxy, restarted in turn under load."""

from pathlib import Path

import pytest
from soaking.restarts import roll

SECONDS = 3


@pytest.mark.parametrize("engine", ["hypercorn", "granian"])
def test_no_request_fails_while_services_restart(server_url: str, tmp_path: Path, engine: str) -> None:
    """What one of them has taken it answers before it ends, and who is not let in is served by the other."""
    load, restarts = roll(server_url, tmp_path, SECONDS, "--server", engine)
    assert load.sent > restarts >= 2
    assert load.failed == {}
    assert load.refused
