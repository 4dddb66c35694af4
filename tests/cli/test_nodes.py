"""`shaman nodes`: where builders upload to."""

import json

from tests.cli.asking import Asking
from tests.conftest import CONFIG


def test_nodes_are_listed(shell: Asking) -> None:
    """One URL a line, or as JSON."""
    assert shell.ask("nodes").stdout.split() == list(CONFIG.chacra_nodes)
    assert json.loads(shell.ask("nodes", "--json").stdout) == list(CONFIG.chacra_nodes)


def test_the_next_node_is_another_each_time(shell: Asking) -> None:
    """Its URL and nothing else."""
    taken = [shell.ask("nodes", "--next").stdout for _ in CONFIG.chacra_nodes]
    assert sorted(taken) == sorted(f"{url}\n" for url in CONFIG.chacra_nodes)
