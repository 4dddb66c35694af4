"""Commands that are imported when they are called: help is quick, and a client needs nothing of a server."""

from importlib import import_module
from typing import Any

import click

from shaman.errors import Invalid


class Later(click.Command):
    """The command of that name in a module, as `NAME_command`; `short_help` is the first sentence of its help."""

    def __init__(self, name: str, module: str, short_help: str) -> None:
        """Import nothing yet."""
        super().__init__(name, short_help=short_help)
        self._module = module

    def load(self) -> click.Command:
        """Return the command itself. Raises Invalid naming what to install where a package is missing."""
        try:
            module = import_module(self._module)
        except ModuleNotFoundError as error:
            package = str(error.name).partition(".")[0]
            if package == __package__.partition(".")[0]:
                raise
            raise Invalid(f"{self.name}: {package} is not installed; pip install 'shaman[server]'") from None
        command: click.Command = getattr(module, f"{str(self.name).replace('-', '_')}_command")
        return command

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Return what the command itself makes of its arguments; for completion, as little as is installed."""
        try:
            command = self.load()
        except Invalid:
            if not extra.get("resilient_parsing"):
                raise
            return super().make_context(info_name, args, parent, **extra)
        return command.make_context(info_name, args, parent, **extra)


class Commands(click.Group):
    """Commands in the order in which they are given, in sections."""

    def __init__(self, *arguments: Any, sections: dict[str, tuple[Later, ...]], **options: Any) -> None:
        """Know the commands of each section."""
        super().__init__(*arguments, **options)
        self._sections = sections
        for command in (command for section in sections.values() for command in section):
            self.add_command(command)

    def list_commands(self, _: click.Context) -> list[str]:
        """Return the names in the order of the sections."""
        return list(self.commands)

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a list for each section."""
        for title, section in self._sections.items():
            with formatter.section(title):
                formatter.write_dl([(str(command.name), command.get_short_help_str(100)) for command in section])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; Ctrl-C is the exit code that shells give it."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)


INTERRUPTED = 130
"""Exit code: 128 and the number of SIGINT."""
