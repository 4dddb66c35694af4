"""Commands that are imported when they are called."""

import click
import pytest

from shaman.cli import CLIENT, SERVER, commands
from shaman.cli.later import Later


@pytest.mark.parametrize("later", [*CLIENT, *SERVER], ids=lambda later: str(later.name))
def test_a_command_is_what_its_name_says(later: Later) -> None:
    """It is found, has help of its own, and every option of it that is no name of a field says what it does."""
    command = later.load()
    assert command.name == later.name
    assert command.help
    assert commands.get_command(click.Context(commands), str(later.name)) is later
