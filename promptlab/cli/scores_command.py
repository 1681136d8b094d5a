"""`promptlab scores`: scores that come from outside."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptlab.cli import format as formats
from promptlab.cli import options
from promptlab.cli.main import Commands
from promptlab.errors import InputError, presentable

if TYPE_CHECKING:
    from promptlab.scoring.outcomes import Imported

__all__ = ["command"]

SHOWN = 10  # rows and images that are listed; --json has all
KINDS = ("image", "variant", "file")


@click.group("scores", cls=Commands, short_help="Scores from outside: import what sold, was clicked, was rated.")
def command() -> None:
    """Scores that come from outside: sales, clicks, ratings.

    \b
    Example:
      promptlab scores import sales.csv --key file --trials impressions --successes sales
    """


@command.command("import", short_help="Import outcomes from a .csv, .tsv or .jsonl file.")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--key", required=True, metavar="KIND[=COLUMN]", help="What names a row: image, variant or file.")
@click.option("--trials", metavar="COLUMN", help="How often it was shown; with --successes.")
@click.option("--successes", metavar="COLUMN", help="How often it sold, was clicked, ….")
@click.option("--number", metavar="COLUMN", help="A number instead, such as a click rate or a rating.")
@click.option("--text", metavar="COLUMN", help="A text instead.")
@click.option("--name", metavar="NAME", help="What the score is called. [default: as its column]")
@click.option("--run", metavar="RUN", type=options.RUN, help="Only images of this run.")
@click.option("--experiment", metavar="NAME", help="Only images of this experiment.")
@click.option("--dry-run", is_flag=True, help="Check everything, say what would be written, and write nothing.")
@options.json_flag
@options.db
def import_(
    path: Path, key: str, trials: str | None, successes: str | None, number: str | None, text: str | None,
    name: str | None, run: str | None, experiment: str | None, dry_run: bool, as_json: bool, db: Path | None,
) -> None:  # fmt: skip
    """Import outcomes as scores: then `promptlab compare RUN --by AXIS --metric NAME` reads them.

    A row is about an image by its id or the hash of its file, about a file under results/ (or as it was exported), or
    about a whole variant. Every row is checked before anything is written; importing again changes nothing.

    \b
    Examples:
      promptlab scores import sales.csv --key file --trials impressions --successes sales
      promptlab scores import ads.tsv --key variant=ad --number ctr --experiment ads --dry-run
    """
    from promptlab.scoring.outcomes import Columns, imported

    kind, _, column = key.partition("=")
    if kind not in KINDS:
        raise InputError(f"a row can't be named by {kind!r}; --key can be {', '.join(KINDS)}, or KIND=COLUMN")
    columns = Columns(column or None, trials, successes, number, text)
    with options.Here(db).log(readonly=dry_run) as log:
        found = imported(
            log, path, kind, columns, name=name, run=run, experiment=experiment, dry_run=dry_run,  # type: ignore[arg-type]
        )  # fmt: skip
    if as_json:
        click.echo(json.dumps(asdict(found), indent=1, ensure_ascii=False))
    else:
        click.echo(_told(found))


def _told(found: Imported) -> str:
    """The counts, then the rows that match nothing and what no row is about."""
    what = "variant" if found.kind == "variant" else "image"
    would = "would change" if found.dry_run else "changed"
    lines = [
        f"{found.name}: {formats.count(found.rows, 'row')}, {found.matched:,} matched; "
        f"{formats.count(found.changed, 'score')} {would}" + ("; nothing was written" if found.dry_run else "")
    ]
    if found.unmatched:
        match = "matches" if len(found.unmatched) == 1 else "match"
        lines.append(f"  {formats.count(len(found.unmatched), 'row')} {match} nothing:")
        lines += [f"    line {each.line:,}: {presentable(each.key)}" for each in found.unmatched[:SHOWN]]
        lines += _more(len(found.unmatched))
    if found.unnamed:
        lines.append(f"  no row is about {formats.count(len(found.unnamed), what)}:")
        lines += [f"    {name}" for name in found.unnamed[:SHOWN]]
        lines += _more(len(found.unnamed))
    return "\n".join(lines)


def _more(number: int) -> list[str]:
    return [f"    {number - SHOWN:,} more (--json has all)"] if number > SHOWN else []
