"""`e3-event completion`: the script for a shell."""

from __future__ import annotations

import click


@click.command(
    short_help="Print the script that lets a shell complete e3-event.",
    epilog='\b\nFor bash, in ~/.bashrc (zsh: in ~/.zshrc):\n  eval "$(e3-event completion bash)"'
    "\nFor fish:\n  e3-event completion fish > ~/.config/fish/completions/e3-event.fish"
    "\n\nExit codes: 0, or 2 for bad usage.",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that lets SHELL complete e3-event's subcommands, options and files."""
    from click.shell_completion import get_completion_class

    from ._command import command

    found = get_completion_class(shell)
    if found is None:  # every shell above has one
        raise click.UsageError(f"no completion for {shell}")
    click.echo(found(command, {}, "e3-event", "_E3_EVENT_COMPLETE").source())
