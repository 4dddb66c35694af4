"""Commands that are imported when they are called."""

import click
import pytest
from click.shell_completion import ShellComplete

from shaman.cli import CLIENT, SERVER, commands
from shaman.cli.later import Commands, Later
from shaman.errors import Invalid


@pytest.mark.parametrize("later", [*CLIENT, *SERVER], ids=lambda later: str(later.name))
def test_a_command_is_what_its_name_says(later: Later) -> None:
    """It is found, has help of its own, and every option of it that is no name of a field says what it does."""
    command = later.load()
    assert command.name == later.name
    assert command.help
    assert commands.get_command(click.Context(commands), str(later.name)) is later


def test_what_is_not_installed_says_so_but_not_to_a_shell_that_completes() -> None:
    """An error in the middle of a line that somebody writes helps nobody."""
    group = Commands("shaman", sections={"": (Later("serve", "not_installed.serve", "Serve."),)})
    with pytest.raises(Invalid, match=r"^serve: not_installed is not installed; pip install 'shaman\[server\]'$"):
        group.main(["serve"], standalone_mode=False)
    asked = ShellComplete(group, {}, "shaman", "_SHAMAN_COMPLETE").get_completions(["serve"], "--h")
    assert [item.value for item in asked] == ["--help"]
