"""Writes docs/commands.md: every command of `shaman`, as its `--help` has it. Run it after a change of one."""

from collections.abc import Iterator
from pathlib import Path

import click

from shaman.cli import commands

FILE = Path(__file__).parent.parent / "docs" / "commands.md"

WIDTH = 100


def document() -> str:
    """Return the document."""
    return "\n".join(["# Commands\n", *_of_all(commands, "shaman", None)])


def _of_all(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    context = command.make_context(name, [], parent, resilient_parsing=True)
    context.terminal_width = context.max_content_width = WIDTH
    indented = [f"    {line}".rstrip() for line in context.command.get_help(context).splitlines()]
    yield "\n".join([f"## {context.command_path}\n", *indented, ""])
    if isinstance(context.command, click.Group):
        for below in context.command.list_commands(context):
            found = context.command.get_command(context, below)
            if found and not found.hidden:
                yield from _of_all(found, below, context)


if __name__ == "__main__":
    FILE.write_text(document(), "utf-8")
