"""The command `promptlab`: which commands there are, and how errors become exit codes."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NoReturn

import click

from promptlab import __version__
from promptlab.errors import InputError, PromptlabError

__all__ = ["COMMANDS", "cli", "main"]

#: Section → command → its one line. Kept here so that `promptlab --help` imports no command; a test compares them.
COMMANDS: dict[str, dict[str, str]] = {
    "Start": {
        "init": "Make a studio: templates, experiments and settings, ready to run.",
        "try": "Compare prompts typed on the command line.",
        "doctor": "Say what is set up, what is missing and what clashes.",
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
        "browse": "Open the log in Datasette, with pictures.",
        "usage": "Credits and money by day, experiment, template, model, user or project.",
        "templates": "List, render and check templates; their history in git.",
    },
    "Build": {
        "simulator": "Serve the Kairval API on this machine, free, with faults on demand.",
        "schema": "Print the JSON Schema of experiment files, for editors.",
    },
}


class _Commands(click.Group):
    """A group that imports a command only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for section in COMMANDS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if not any(cmd_name in section for section in COMMANDS.values()):
            return None
        command: click.Command = import_module(f"promptlab.cli.{cmd_name}_command").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f"; did you mean '{near[0]}'?" if near else "; see `promptlab --help`"
            raise click.UsageError(f"no command '{args[0]}'{hint}", ctx)
        return super().resolve_command(ctx, args)

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
"""


@click.group(cls=_Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", prog_name="promptlab")
def cli() -> None:
    """Prompt templates and experiment tracking for image generation.

    Without a key everything runs on the built-in simulator, which costs nothing.
    """


def main(args: list[str] | None = None) -> NoReturn:
    """Run the command line and exit; a PromptlabError is printed as its sentence, never with a traceback."""
    try:
        code = cli.main(args, prog_name="promptlab", standalone_mode=False)
    except PromptlabError as error:
        _print_error(error)
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        code = 130
    except BrokenPipeError:  # `promptlab runs | head`: the reader had enough
        sys.stderr.close()
        code = 0
    sys.exit(code if isinstance(code, int) else 0)


def _print_error(error: PromptlabError) -> None:
    if isinstance(error, InputError) and len(error.problems) > 1:
        for problem in error.problems[:40]:
            click.echo(str(problem), err=True)
        more = len(error.problems) - 40
        count = f"{len(error.problems)} problems" + (f" ({more} more not shown)" if more > 0 else "")
        click.echo(f"{count}; nothing was sent", err=True)
    else:
        click.echo(str(error) if isinstance(error, InputError) else f"promptlab: {error}", err=True)
