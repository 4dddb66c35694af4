"""`shaman completion`: what a shell reads to complete commands and options."""

import click
from click.shell_completion import get_completion_class

INSTALLED = """\b
bash:  eval "$(shaman completion bash)"   in ~/.bashrc
zsh:   eval "$(shaman completion zsh)"    in ~/.zshrc, below compinit
fish:  shaman completion fish > ~/.config/fish/completions/shaman.fish
"""


@click.command("completion", epilog=INSTALLED)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(context: click.Context, shell: str) -> None:
    """Print what makes a shell complete commands and options."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"{shell}: click does not know this shell")
    click.echo(kind(context.find_root().command, {}, "shaman", "_SHAMAN_COMPLETE").source())
