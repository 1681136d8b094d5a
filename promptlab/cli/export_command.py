"""`promptlab export`: what was picked, as files and a list for others."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptlab.cli import format as formats
from promptlab.cli import options
from promptlab.cli.progress import PLAIN_EVERY_S
from promptlab.errors import InputError

if TYPE_CHECKING:
    from promptlab.export.picked import Exported
    from promptlab.store.formats import Format

__all__ = ["command"]

NAMED = 8


@click.command("export", short_help="Write images for others: picked ones as files, or a run as a data set.")
@click.argument("run", metavar="[RUN]", default="last", type=options.RUN)
@click.option("--picked", "folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help="Write each variant's kept image there, and products.csv.")  # fmt: skip
@click.option("--as", "target", type=click.Choice(["png", "jpg", "webp"]), help="With --picked: convert to this.")
@click.option("--max-size", type=click.IntRange(1, 100_000), metavar="PX",
              help="With --picked: no side longer than this.")  # fmt: skip
@click.option("--quality", type=click.IntRange(1, 100), default=90, show_default=True,
              help="With --picked: of what is re-encoded as jpg or webp.")  # fmt: skip
@click.option("--all-or-nothing", is_flag=True, help="With --picked: nothing, where a variant has no kept image.")
@click.option("--format", "data_set", metavar="FORMAT",
              help="Write all images of RUN as csv, jsonl, parquet, imagefolder or pairs.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="PATH",
              help="With --format: the file or folder. [default: named after the experiment]")  # fmt: skip
@click.option("--embed", is_flag=True, help="With --format: write each prompt into its copy, as image tools read it.")
@options.where
@click.option("--force", is_flag=True, help="Replace what something else wrote there, or changed.")
@options.json_flag
@options.db
def command(
    run: str, folder: Path | None, target: Format | None, max_size: int | None, quality: int, all_or_nothing: bool,
    data_set: str | None, output: Path | None, embed: bool, where: tuple[str, ...], force: bool, as_json: bool,
    db: Path | None,
) -> None:  # fmt: skip
    """Write what RUN (an id, an experiment's name, or `last`) made for others.

    --picked writes one file per variant, its latest kept image, whichever run made it. Names are those of `files:` in
    the experiment ({item}.jpg asks for jpg files), else the variant's values. Run again, it writes only what changed.
    Files are copies of their own; unsigned ones say in XMP that they were generated, signed ones stay as they are.

    --format writes every image of RUN: a table (csv, jsonl, parquet), a Hugging Face imagefolder, or preference pairs.

    \b
    Examples:
      promptlab export shelf_photos --picked shop
      promptlab export shelf_photos --picked shop --as webp --max-size 1600
      promptlab export shelf_photos --format csv -o images.csv
      promptlab export shelf_photos --format imagefolder --embed
    """
    if (folder is None) == (data_set is None):
        raise InputError("say what to write: --picked DIR, or --format FORMAT", code="bad-option")
    here = options.Here(db)
    if folder is None:
        if target or max_size or all_or_nothing:
            message = "--as, --max-size and --all-or-nothing are for --picked; --format writes images as they are"
            raise InputError(message, code="bad-option")
        _export_data_set(here, run, data_set or "", output, where, embed=embed, force=force, as_json=as_json)
        return
    if output is not None or embed:
        raise InputError("-o and --embed are for --format; --picked names its own folder", code="bad-option")
    from promptlab.export.picked import export_picked

    with _Progress() as progress:
        done = export_picked(
            run, folder, where=where, format=target, max_size=max_size, quality=quality,
            all_or_nothing=all_or_nothing, force=force, studio=here.studio, progress=progress,
        )  # fmt: skip
    if as_json:
        document = asdict(done) | {"missing": [asdict(each) | {"why": each.why} for each in done.missing]}
        click.echo(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        click.echo(_told(done))
    _warn(done)


def _export_data_set(
    here: options.Here, run: str, data_set: str, output: Path | None, where: tuple[str, ...], *, embed: bool,
    force: bool, as_json: bool,
) -> None:  # fmt: skip
    """All images of a run in one of the formats; a name means the run that was redone, as for --picked."""
    from promptlab.export.formats import export_run

    with here.log() as log:
        found = log.find_whole_run(run)
    with _Progress() as progress:
        done = export_run(
            found.id, data_set, output, where=where, embed=embed, force=force, studio=here.studio.folder,
            db=here.studio.settings.db, step=progress.step,
        )  # fmt: skip
    if as_json:
        click.echo(json.dumps(asdict(done) | {"target": str(done.target)}, indent=1, ensure_ascii=False))
    else:
        files = f", {formats.count(done.files, 'file')}" if done.files else ""
        click.echo(f"✓ {done.target}: {formats.count(done.rows, 'row')}{files}, {done.bytes / 1e6:,.1f} MB")
    for note in done.notes:
        click.echo(note, err=True)


def _told(done: Exported) -> str:
    """What was written, in two or three lines."""
    simulated = " (SIMULATED)" if done.simulated else ""
    new = (
        f"{done.written:,} written, {done.unchanged:,} there already" if done.unchanged else f"{done.written:,} written"
    )
    lines = [f"✓ {formats.count(done.products, 'product')} in {done.folder}{simulated}: {new}"]
    if done.converted:
        lines.append(f"  {done.converted:,} converted")
    if done.signed:
        lines.append(f"  {done.signed:,} signed: copied byte for byte, no label added")
    lines.append(f"  list: {done.list}")
    return formats.folded("\n".join(lines), "    ")


def _warn(done: Exported) -> None:
    """What is not as somebody might expect."""
    if done.signatures_lost:
        files = formats.count(done.signatures_lost, "signed file")
        click.echo(f"{files} re-encoded: the signature is lost, the copy is labelled instead", err=True)
    if done.renamed:
        click.echo(
            f"signed, so kept in the format that they are, not the one that `files:` names: {_some(done.renamed)}; "
            "--as converts them, which loses the signature", err=True,
        )  # fmt: skip
    if done.missing:
        number = formats.count(len(done.missing), "variant has", "variants have")
        names = _some([f"{each.variant} ({each.why})" for each in done.missing])
        click.echo(f"{number} no kept image: {names}; all: promptlab show {done.run_id} --without-pick", err=True)
    if done.gone:
        click.echo(f"kept, but no longer in the image folder: {_some(done.gone)}", err=True)
    if done.stale:
        files = formats.count(len(done.stale), "file")
        click.echo(f"{files} of an earlier export left alone, no longer picked: {_some(done.stale)}", err=True)


def _some(names: list[str] | tuple[str, ...]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


class _Progress:
    """`1,200 of 4,000 files`: in place on a terminal, a line every ten seconds elsewhere."""

    def __init__(self) -> None:
        self.said = time.monotonic()
        self.in_place = sys.stderr.isatty()
        self.open = False

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self.said < (0.1 if self.in_place else PLAIN_EVERY_S):
            return
        self.said = now
        text = f"{done:,} of {total:,} files"
        click.echo(f"\r{text}" if self.in_place else text, nl=not self.in_place, err=True)
        self.open = self.in_place

    def step(self, done: int) -> None:
        """As a data set tells it, which does not know its end."""
        if time.monotonic() - self.said >= PLAIN_EVERY_S:
            self.said = time.monotonic()
            click.echo(f"{done:,} images", err=True)

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.open:
            click.echo("\r\x1b[K", nl=False, err=True)
