"""`promptlab mark`: the good ones, the bad ones."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

import click

from promptlab.cli import options, words
from promptlab.errors import InputError

if TYPE_CHECKING:
    from promptlab.log import Log

__all__ = ["command"]


@click.command("mark", short_help="Mark images of a run as keepers or rejects.")
@click.argument("run", metavar="RUN", type=options.RUN)
@click.argument("names", nargs=-1, metavar="[IMAGE...]")
@click.option("--keep", "mark", flag_value="keep", help="Mark them as good.")
@click.option("--reject", "mark", flag_value="reject", help="Mark them as bad.")
@click.option("--clear", "mark", flag_value="clear", help="Take your marks away.")
@options.where
@click.option(
    "--from", "source", type=click.File(encoding="utf-8"), help="A file of image names, one a line; - is stdin."
)
@click.option("--by", metavar="NAME", help="Whose mark it is. [default: you]")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="A tag to keep with the mark.")
@click.option("--note", metavar="TEXT", help="A note to keep with the mark.")
@options.db
def command(
    run: str, names: tuple[str, ...], mark: Literal["keep", "reject", "clear"] | None, where: tuple[str, ...],
    source: TextIO | None, by: str | None, tags: tuple[str, ...], note: str | None, db: Path | None,
) -> None:  # fmt: skip
    """Mark images of RUN. An IMAGE is a file name under results/, an id, a hash or a variant's name, with * and ?.

    \b
    Examples:
      promptlab mark last --keep 'T-100_*'
      promptlab mark shelf_photos --reject --where look=neon
    """
    if mark is None:
        raise InputError("say what to mark them as: --keep, --reject or --clear")
    here = options.Here(db)
    with here.log(readonly=False) as log:
        found = log.find_run(run)
        patterns = [*names, *(line.strip() for line in source or () if line.strip())]
        chosen = dict.fromkeys(log.match_images(found.id, patterns) if patterns else ())
        if where:
            chosen.update(dict.fromkeys(_chosen(log, found.id, where)))
        if not patterns and not where:
            raise InputError("say which images: names, --where or --from")
        who = by or here.studio.settings.user or getpass.getuser()
        done = log.set_marks(list(chosen), None if mark == "clear" else mark, by=who, tags=tags or None, note=note)
    click.echo(f"{words.count(done, 'image')}: {'no mark' if mark == 'clear' else mark} by {who}")


def _chosen(log: Log, run_id: str, where: tuple[str, ...]) -> list[str]:
    from promptlab.spec import matches

    matchers = options.matchers(where)
    images = list(log.image_axes(run_id))
    chosen = [id_ for id_, axes in images if all(matches(matcher, axes) for matcher in matchers)]
    if not chosen:
        ids: dict[str, set[str]] = {}
        for _, axes in images:
            for axis, id_ in axes.items():
                ids.setdefault(axis, set()).add(id_)
        known = "; ".join(f"{axis}: {', '.join(sorted(values)[:8])}" for axis, values in ids.items())
        message = f"--where matches no image of run {run_id}; its axes are {known or 'none'}"
        raise InputError(message, code="no-such-image")
    return chosen
