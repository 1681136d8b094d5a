"""Flags that several commands share, written once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from promptlab.log import Log
    from promptlab.model import Amount
    from promptlab.studio.studio import Studio

__all__ = [
    "EXPERIMENT",
    "PROVIDER",
    "RUN",
    "Here",
    "amount",
    "can_ask",
    "db",
    "experiment_file",
    "json_flag",
    "limit",
    "provider",
    "shown",
    "studio_log",
    "where",
]

F = TypeVar("F", bound=Callable[..., Any])
_SUFFIXES = (".yaml", ".yml")
if TYPE_CHECKING:
    _PathType = click.ParamType[Path]
    _TextType = click.ParamType[str]
else:  # generic since click 8.4
    _PathType = _TextType = click.ParamType


class ExperimentName(_PathType):
    """An experiment's file, or its bare name: `shelf_photos` is experiments/shelf_photos.yaml of this studio."""

    name = "experiment"

    def convert(self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(value)
        if path.name != str(value) or path.suffix in _SUFFIXES or path.exists():
            return path
        folder = shown(_experiments())
        found = [folder / f"{path}{suffix}" for suffix in _SUFFIXES]
        return next((each for each in found if each.is_file()), found[0])

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        folder = _experiments()
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        names = [file.stem for file in files if file.suffix in _SUFFIXES and not file.name.startswith("_")]
        found = [CompletionItem(name) for name in dict.fromkeys(names) if name.startswith(incomplete)]
        return [*found, CompletionItem(incomplete, type="file")]


class RunName(_TextType):
    """A run: its id, the start of one, an experiment's name, or `last`."""

    name = "run"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        from promptlab.errors import PromptlabError

        try:
            log = Here(ctx.params.get("db")).studio.existing_log()
            if log is None:
                return []
            with log:
                runs = log.runs(limit=50)
        except PromptlabError:  # a shell that completes has nowhere to say what is wrong
            return []
        known = {"last": "the latest run"}
        known |= {run.experiment: "its latest run" for run in runs}
        known |= {run.id: f"{run.experiment}, {run.status}" for run in runs}
        return [CompletionItem(name, help=help_) for name, help_ in known.items() if name.startswith(incomplete)]


class ProviderName(_TextType):
    """The name of an installed provider; whether there is one of that name is found out by who opens it."""

    name = "provider"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from importlib.metadata import entry_points

        from click.shell_completion import CompletionItem

        names = sorted({point.name for point in entry_points(group="promptlab.providers")})
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _experiments() -> Path:
    """The experiments folder of the studio that the current folder is in."""
    from promptlab.spec.files import find_studio

    return find_studio(Path.cwd()) / "experiments"


def shown(path: Path) -> Path:
    """The path from the current folder where it is inside."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


EXPERIMENT = ExperimentName()
RUN = RunName()
PROVIDER = ProviderName()

db = click.option("--db", type=click.Path(path_type=Path, dir_okay=False), help="The log. [default: promptlab.db]")
provider = click.option(
    "--provider", type=PROVIDER, metavar="NAME", help="simulator, kairval, openai, or an installed one."
)
json_flag = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
where = click.option(
    "--where", multiple=True, metavar="AXIS=ID,ID",
    help="Only these variants: ids are alternatives, may be globs (item=S-*), and rows go by field too "
    "(item.colour=red). Several conditions, as look=neon,item=S-204 or each with its own --where, must all match.",
)  # fmt: skip
limit = click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Only the first N requests.")
seeds = click.option(
    "--seeds", type=click.IntRange(1, 100_000), metavar="N",
    help="This many seeds for each variant, whatever the file says; the first ones come from the log.",
)  # fmt: skip


def experiment_file(command: F) -> F:
    """The argument that names an experiment."""
    return click.argument("path", metavar="EXPERIMENT", type=EXPERIMENT)(command)


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
        from promptlab.studio.studio import Studio

        self.studio: Studio = Studio.open(Path.cwd(), db=db)

    def log(self, *, readonly: bool = True) -> Log:
        """The log; LogError with advice where there is none."""
        return self.studio.log(create=False, readonly=readonly)


def studio_log(db: Path | None) -> tuple[Studio, Log]:
    """Both at once."""
    here = Here(db)
    return here.studio, here.log()


def can_ask() -> bool:
    """Whether there is a user at a terminal to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()
