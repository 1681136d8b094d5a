"""`promptlab mark`: the good ones, the bad ones."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

import click

from promptlab.cli import format as formats
from promptlab.cli import options
from promptlab.errors import InputError
from promptlab.studio.shortcuts import choose_images

if TYPE_CHECKING:
    from promptlab.log import Log, Marked

__all__ = ["command"]


@click.command("mark", short_help="Mark images of a run as keepers or rejects.")
@click.argument("run", metavar="RUN", required=False, type=options.RUN)
@click.argument("names", nargs=-1, metavar="[IMAGE...]")
@click.option("--keep", "mark", flag_value="keep", help="Mark them as good.")
@click.option("--reject", "mark", flag_value="reject", help="Mark them as bad.")
@click.option("--clear", "mark", flag_value="clear", help="Take your marks away.")
@click.option("--undo", "mark", flag_value="undo", help="Take back your last mark command; again: the one before it.")
@options.where
@click.option(
    "--from", "source", type=click.File(encoding="utf-8"), help="A file of image names, one per line; - is stdin."
)
@click.option("--by", metavar="NAME", help="Whose mark it is. [default: you]")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="A tag to keep with the mark.")
@click.option("--note", metavar="TEXT", help="A note to keep with the mark.")
@options.db
def command(
    run: str | None, names: tuple[str, ...], mark: Literal["keep", "reject", "clear", "undo"] | None,
    where: tuple[str, ...], source: TextIO | None, by: str | None, tags: tuple[str, ...], note: str | None,
    db: Path | None,
) -> None:  # fmt: skip
    """Mark images of RUN. An IMAGE is a file name under results/, an id, a hash or a variant's name, with * and ?.

    Images that are named are narrowed by --where. Every command is kept: --undo takes back your last one as a whole.

    \b
    Examples:
      promptlab mark last --keep 'T-100_*'
      promptlab mark shelf_photos --reject --where look=neon,item=S-204
      promptlab mark shelf_photos --keep --where 'item=S-*' --where look=warm,neon
      promptlab mark --undo
    """
    if mark is None:
        raise InputError("choose a mark: --keep, --reject or --clear (or --undo, to take marks back)")
    here = options.Here(db)
    who = by or here.studio.settings.user or getpass.getuser()
    patterns = [*names, *(line.strip() for line in source or () if line.strip())]
    with here.log(readonly=False) as log:
        if mark == "undo":
            if patterns or where or tags or note is not None:
                raise InputError("--undo takes back a whole command; leave out images, --where, --tag and --note")
            click.echo(_taken_back(log.undo_marks(by=who, run_id=log.find_run(run).id if run else None), who))
            return
        if run is None:
            raise InputError("name the run: its id, an experiment's name, or `last`")
        done = _mark(log, run, patterns, where, None if mark == "clear" else mark, who, tags, note)
    click.echo(_told(done, "no mark" if mark == "clear" else mark, who))


def _mark(
    log: Log, run: str, patterns: list[str], where: tuple[str, ...], mark: Literal["keep", "reject"] | None, who: str,
    tags: tuple[str, ...], note: str | None,
) -> Marked:  # fmt: skip

    images = choose_images(log, log.find_run(run).id, patterns, where)
    return log.mark_images(images, mark, by=who, tags=tags or None, note=note)


def _told(done: Marked, mark: str, who: str) -> str:
    """`2 images: reject by anna (1 of them was keep)`."""
    were = [(f"{number:,} of them {_were(number)} {was}" if was != mark else f"{number:,} {_were(number)} so already")
            for was, number in sorted(done.before.items())]  # fmt: skip
    return f"{formats.count(done.images, 'image')}: {mark} by {who}" + (f" ({', '.join(were)})" if were else "")


def _taken_back(done: Marked, who: str) -> str:
    """`took back the last mark by anna: 2 images, reject; now 1 keep, 1 without a mark`."""
    was = _list(done.before) or "no mark"
    bare = done.images - sum(done.after.values())
    now = ", ".join(filter(None, [_list(done.after), f"{bare:,} without a mark" if bare else ""]))
    return f"took back the last mark by {who}: {formats.count(done.images, 'image')} ({was}); now {now}"


def _list(marks: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {mark}" for mark, number in sorted(marks.items()))


def _were(number: int) -> str:
    return "was" if number == 1 else "were"
