"""The command `promptlab`: which commands there are, and how errors become exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import click

from promptlab._version import __version__
from promptlab.cli import format as formats
from promptlab.cli.failing import failed

__all__ = ["COMMANDS", "Commands", "cli", "main", "no_command"]

#: Section → command → its one line. Kept here so that `promptlab --help` imports no command; a test compares them.
COMMANDS: dict[str, dict[str, str]] = {
    "Start": {
        "init": "Make a studio: templates, experiments and settings, ready to run.",
        "try": "Compare prompts typed on the command line.",
        "doctor": "Show what is set up, what is missing and what conflicts.",
    },
    "Run": {
        "plan": "Show what would run and what it would cost; send nothing.",
        "run": "Run an experiment: images on disk, everything in the log.",
        "resume": "Finish a run that was interrupted or stopped.",
        "mark": "Mark images of a run as keepers or rejects.",
    },
    "Look": {
        "runs": "List runs, newest first.",
        "show": "Show one run, or one generation: failures, spend, the request.",
        "compare": "Say which value of an axis is best, how sure that is, what it would take.",
        "browse": "Open the log in Datasette, with images.",
        "votes": "What was voted on; ballots for people who are offline.",
        "forget": "Delete a run: its rows, and the files that nothing else uses.",
        "usage": "Credits and money by day, experiment, template, model, user or project.",
        "templates": "List, render and check templates; their history in git.",
    },
    "Build": {
        "simulator": "Serve the Kairval API on this machine, free, with faults on demand.",
        "schema": "Print the JSON Schema of experiment files, for editors.",
    },
}


def no_command(name: str, known: Sequence[str], ctx: click.Context) -> click.UsageError:
    """The error for a command that is not there, with the nearest one."""
    from promptlab.spec.names import nearest

    near = next((each for each in known if each.startswith(name)), None) or nearest(name, known)
    hint = f"; did you mean '{near}'?" if near else f"; there are {', '.join(known)}"
    return click.UsageError(f"no command '{name}'{hint}", ctx)


class Commands(click.Group):
    """A group that prints its help when it is called alone, and names the nearest command for one it does not have."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            raise no_command(args[0], self.list_commands(ctx), ctx)
        return super().resolve_command(ctx, args)


class _Commands(Commands):
    """A group that imports a command only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for section in COMMANDS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if not any(cmd_name in section for section in COMMANDS.values()):
            return None
        command: click.Command = import_module(f"promptlab.cli.{cmd_name}_command").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section, commands in COMMANDS.items():
            with formatter.section(section):
                formatter.write_dl(list(commands.items()))


EPILOG = """\b
Examples:
  promptlab try "a teapot on linen" "a teapot, hard flash" --repeats 4
  promptlab plan experiments/shelf_photos.yaml
  promptlab run experiments/shelf_photos.yaml

Exit codes: 0 done; 1 some generations failed; 2 the input is wrong or a confirmation is missing, nothing was sent;
3 stopped by budget, quota or account, resumable; 130 interrupted, resumable.

Results go to stdout, progress and messages to stderr. docs/cli.md has every command, docs/errors.md every error.
"""


@click.group(cls=_Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="promptlab")
def cli() -> None:
    """Prompt templates and experiment tracking for image generation.

    Without a key everything runs on the built-in simulator, which costs nothing.
    """


def main(args: list[str] | None = None) -> NoReturn:
    """Run the command line and exit. Every error is a sentence; a traceback only comes with PROMPTLAB_DEBUG=1."""
    words = sys.argv[1:] if args is None else args
    for stream in (sys.stdout, sys.stderr):
        formats.prepare(stream, exact="--json" in words)
    try:
        code = cli.main(words, prog_name="promptlab", standalone_mode=False, color=formats.colour())
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last place that can say it in a sentence
        code = failed(error, words)
    sys.exit(code if isinstance(code, int) else 0)
