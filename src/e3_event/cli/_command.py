"""The command `e3-event` for click: its subcommands, loaded when they are called."""

from __future__ import annotations

import gc
import os
from importlib import import_module

import click

from e3_event._logger import load

from ._terminal import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

#: Name of a subcommand -> the module that has it, under the same name, and its one-line help.
COMMANDS = {
    "run": ("e3_event.cli.run", "Run a command and send an event about it, with its output."),
    "send": ("e3_event.cli.send", "Send an event."),
    "check": ("e3_event.cli.check", "Send a test event through every configured handler."),
    "relay": ("e3_event.cli.relay", "Deliver what waits in the spool."),
    "ls": ("e3_event.cli.ls", "List the events in the spool, newest first."),
    "show": ("e3_event.cli.show", "Show all about an event: data, attachments, deliveries."),
    "log": ("e3_event.cli.log", "Print an attachment of an event, such as its log."),
    "tail": ("e3_event.cli.ls", "Show events as they come into the spool."),
    "status": ("e3_event.cli.status", "Show what waits, for whom, and what needs a person."),
    "dead": ("e3_event.cli.decide", "List dead letters, requeue or drop them."),
    "retry": ("e3_event.cli.decide", "Try deliveries again now."),
    "replay": ("e3_event.cli.decide", "Deliver again what a handler was given since a time."),
    "forget": ("e3_event.cli.decide", "Drop all that a handler is owed."),
    "purge": ("e3_event.cli.status", "Remove settled events from the spool."),
    "fsck": ("e3_event.cli.fsck", "Check the spool for damage, and repair it."),
    "backup": ("e3_event.cli.backup", "Copy the spool while it is in use."),
    "redact": ("e3_event.cli.redact", "Show what redaction masks in a file, or filter a stream."),
    "config": ("e3_event.cli.config", "Check the configuration file, or show what is in force."),
    "handlers": ("e3_event.cli.handlers", "Show the installed handlers and the configured ones."),
    "completion": ("e3_event.cli.completion", "Print the script that lets a shell complete e3-event."),
}


class _Group(click.Group):
    """Knows its subcommands by name and help, and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(COMMANDS[cmd_name][0]), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"no command {args[0]!r}; there are: {', '.join(COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    "e3-event",
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Handlers come from the environment variable E3_EVENT_HANDLERS, as in"
    " `file=/var/log/events|logging=build,INFO`, else from the configuration file. Events wait for them in"
    " the spool, a folder that `e3-event handlers` shows.\n\n"
    "Exit codes: 0 done, 1 not delivered, 2 bad usage or configuration; `run` exits as its command does.",
)
@click.version_option(package_name="e3-event", message="%(prog)s %(version)s")
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(readable=False),  # `run` tells that it can't be read, and runs its command
    help="The configuration file.  [default: what E3_EVENT_CONFIG names, else the user's, else that in /etc]",
)
def command(config: str | None) -> None:
    """Tell other services what a build, a test run or a batch job did, with its logs."""


def call(args: Sequence[str]) -> int:
    """Call the subcommand that these arguments want, and return its exit code; bad usage is told."""
    gc.enable()
    load()  # so that we hear of what is logged
    color = False if os.environ.get("NO_COLOR") else None
    try:
        code = command.main(args, prog_name="e3-event", standalone_mode=False, color=color)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        say(error.format_message(), context.command_path if context else "e3-event")
        return error.exit_code
    except click.Abort:
        return 130
    return code if isinstance(code, int) else 0
