"""The command ``tightloop``. Only click is imported at the start, so ``--help`` answers at once."""

from __future__ import annotations

import difflib
import os
import sys
from typing import Any

import click

from tightloop import __version__
from tightloop.app import cli
from tightloop.app.cli import commands
from tightloop.app.cli.console import fail
from tightloop.core.native import MachineCodeError
from tightloop.model.errors import InputError, Interrupted, TightloopError

SHORT_HELP_MAX = 120
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # Arrow's pool keeps what it freed: 18 MB of a year


class _Commands(click.Group):
    """A group that imports a command when it is asked for, and answers a misspelt name with the nearest one."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(commands.command_names())

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        return commands.load(cmd_name) if cmd_name in commands.command_names() else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        if args and args[0] not in known and args[0][:1] != "-":
            near = difflib.get_close_matches(args[0], known, 1)
            remedy = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            fail(InputError.one("command line", None, "", f"{args[0]!r} is not a command", remedy))
        return super().resolve_command(ctx, args)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, commands.load(name).get_short_help_str(SHORT_HELP_MAX)) for name in commands.command_names()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line; refusals of click get the form of every other: what is wrong; what to do."""
        code: Any = None
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(2)
        except click.ClickException as error:
            fail(_refusal(error))
        except click.Abort:
            fail(Interrupted("interrupted"))
        except MachineCodeError as error:
            fail(TightloopError(str(error)))
        if "tightloop.core.native.compiler" in sys.modules and cli.background.start():
            click.echo("faster machine code is being compiled in the background, for later starts", err=True)
        sys.exit(code if isinstance(code, int) else 0)


def _refusal(error: click.ClickException) -> InputError:
    """Return an error of click as an InputError."""
    message = error.format_message().rstrip(".")
    message = message[:1].lower() + message[1:]
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context is not None else "tightloop"
    return InputError.one("command line", None, "", message, f"`{command} --help` shows the options and arguments")


@click.group(
    "tightloop",
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="One engine for trading strategies: what you backtested is what trades.",
)
@click.version_option(__version__, prog_name="tightloop")
def main() -> None:
    """Run ``tightloop``."""


if __name__ == "__main__":
    main()
