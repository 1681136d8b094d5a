"""Flags that several commands share, written once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from promptlab.log import Log
    from promptlab.model import Amount
    from promptlab.run import Studio

__all__ = [
    "Commands",
    "Here",
    "amount",
    "can_ask",
    "db",
    "experiment_file",
    "json_flag",
    "limit",
    "no_command",
    "provider",
    "studio_log",
    "where",
]

F = TypeVar("F", bound=Callable[..., Any])

db = click.option("--db", type=click.Path(path_type=Path, dir_okay=False), help="The log. [default: promptlab.db]")
provider = click.option("--provider", metavar="NAME", help="simulator, kairval, openai, or an installed one.")
json_flag = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
where = click.option(
    "--where", multiple=True, metavar="AXIS=ID,ID",
    help="Only these variants: ids are alternatives, may be globs (item=S-*), and rows go by field too "
    "(item.colour=red). Several conditions, as look=neon,item=S-204 or each with its own --where, must all match.",
)  # fmt: skip
limit = click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Only the first N requests.")


def experiment_file(command: F) -> F:
    """The argument that names an experiment."""
    return click.argument("path", metavar="EXPERIMENT", type=click.Path(path_type=Path))(command)


def amount(ctx: click.Context, param: click.Parameter, value: str | None) -> Amount | None:
    """A flag's text as an amount of money or credits."""
    from promptlab.model import Amount  # its dataclasses take a third of the time of `promptlab --help`

    if value is None:
        return None
    try:
        return Amount.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


class Here:
    """The studio of the current folder and its log, for the commands that only read."""

    def __init__(self, db: Path | None) -> None:
        from promptlab.run import Studio

        self.studio: Studio = Studio.open(Path.cwd(), db=db)

    def log(self, *, readonly: bool = True) -> Log:
        """The log; LogError with advice where there is none."""
        return self.studio.log(create=False, readonly=readonly)


def no_command(name: str, known: Sequence[str], ctx: click.Context) -> click.UsageError:
    """The error for a command that is not there, with the nearest one."""
    from difflib import get_close_matches

    near = [each for each in known if each.startswith(name)] or get_close_matches(name, known, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else f"; there are {', '.join(known)}"
    return click.UsageError(f"no command '{name}'{hint}", ctx)


class Commands(click.Group):
    """A group that names the nearest command for one it does not have."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            raise no_command(args[0], self.list_commands(ctx), ctx)
        return super().resolve_command(ctx, args)


def studio_log(db: Path | None) -> tuple[Studio, Log]:
    """Both at once."""
    here = Here(db)
    return here.studio, here.log()


def can_ask() -> bool:
    """Whether there is a person at a terminal to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()
