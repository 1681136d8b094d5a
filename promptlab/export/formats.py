"""A run's images for other programs: as a table (csv, jsonl, parquet), or as a data set with its files.

Each format is an `Exporter`. Rows are read a page at a time and written as they come, so that a run of 200,000 images
takes no more memory than one of 2,000. A file or folder appears under its name whole, and in place of an older export.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Protocol

from promptlab.errors import InputError
from promptlab.export import parquet
from promptlab.export.image_rows import ImageRows
from promptlab.export.image_sets import Written, is_image_set, write_imagefolder
from promptlab.export.pairs import write_pairs
from promptlab.export.safe_csv import write_csv
from promptlab.log import Log
from promptlab.spec.matcher import Where
from promptlab.store import Store
from promptlab.store.whole import keep_strangers, whole_file
from promptlab.studio.studio import Studio

__all__ = ["FORMATS", "Exporter", "Step", "Written", "export_run"]

Step = Callable[[int], None]


class Exporter(Protocol):
    """One format: `suffix` is how its file's name ends, "" where it is a folder."""

    @property
    def name(self) -> str:
        """As `--format` takes it."""

    @property
    def suffix(self) -> str:
        """With its dot."""

    @property
    def about(self) -> str:
        """What it is for, in a few words."""

    def write(
        self,
        log: Log,
        store: Store,
        run_id: str,
        target: Path,
        *,
        where: Where = (),
        embed: bool = False,
        force: bool = False,
        step: Step = lambda done: None,
    ) -> Written:
        """Write the images of a run that `where` picks to `target`.

        `embed` writes each image's prompt into its copy, where files are copied. An existing target is replaced if it
        is an export of this kind, or with `force`. `step` hears how many rows are done. InputError says what to do.
        """


@dataclass(frozen=True, slots=True)
class _Table:
    """A format that is one file with one row per image."""

    name: str
    suffix: str
    about: str
    begins: tuple[bytes, ...]
    save: Callable[[IO[bytes], ImageRows, Iterator[Mapping[str, Any]]], int]
    check: Callable[[], None] = lambda: None

    def write(
        self,
        log: Log,
        store: Store,
        run_id: str,
        target: Path,
        *,
        where: Where = (),
        embed: bool = False,
        force: bool = False,
        step: Step = lambda done: None,
    ) -> Written:
        if embed:
            message = f"--embed writes into copies of images, and {self.name} has none; use imagefolder or pairs"
            raise InputError(message, code="export-embed")
        self.check()
        keep_strangers(target, self._is_ours, f"a {self.name} export", force=force)
        rows = ImageRows(log, run_id, where)
        with whole_file(target) as file:
            count = self.save(file, rows, _counted(rows, step))
        return Written(self.name, target, count, bytes=target.stat().st_size, notes=_without_images(log, run_id))

    def _is_ours(self, path: Path) -> bool:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(64)
            if self.name == "parquet":
                file.seek(max(0, path.stat().st_size - 65_536))
                return head.startswith(b"PAR1") and b"paid_image_id" in file.read()
            return head.startswith(self.begins)


@dataclass(frozen=True, slots=True)
class _Folder:
    """A format that is a folder of image files with what is known of them."""

    name: str
    about: str
    save: Callable[..., Written]
    suffix: str = ""

    def write(
        self,
        log: Log,
        store: Store,
        run_id: str,
        target: Path,
        *,
        where: Where = (),
        embed: bool = False,
        force: bool = False,
        step: Step = lambda done: None,
    ) -> Written:
        keep_strangers(target, is_image_set, f"an export of {self.name}", force=force)
        return self.save(log, store, run_id, target, where=where, embed=embed, step=step)


def export_run(
    run: str = "last",
    format: str = "csv",
    target: Path | str | None = None,
    *,
    where: Where = (),
    embed: bool = False,
    force: bool = False,
    studio: Path | str | None = None,
    db: Path | None = None,
    step: Step = lambda done: None,
) -> Written:
    """Export the images of a run: a table (`csv`, `jsonl`, `parquet`) or a folder (`imagefolder`, `pairs`).

    `target` is named after the experiment unless given. `where` picks variants, `embed` writes prompts into the copies,
    `force` replaces a target that is not such an export. InputError for an unknown format, run or value.
    """
    if format not in FORMATS:
        raise InputError(f"{format!r} is not a format; there are {', '.join(FORMATS)}", code="bad-option")
    exporter = FORMATS[format]
    opened = Studio.open(Path.cwd() if studio is None else Path(studio), db=db)
    with opened.log(create=False, readonly=True) as log:
        found = log.find_whole_run(run)
        name = f"{found.experiment}{exporter.suffix or f'_{format}'}"
        place = Path(name) if target is None else Path(target)
        return exporter.write(log, opened.store(), found.id, place, where=where, embed=embed, force=force, step=step)


def _counted(rows: ImageRows, step: Step) -> Iterator[Mapping[str, Any]]:
    for number, row in enumerate(rows, 1):
        yield row
        if number % 1000 == 0:
            step(number)


def _without_images(log: Log, run_id: str) -> tuple[str, ...]:
    """What has no row, since it has no image."""
    totals = log.totals(run_id)
    missing = totals.generations - totals.completed - totals.cached - totals.lost
    return (f"{missing:,} requests have no image, and so no row: `promptlab show {run_id}`",) if missing > 0 else ()


def _save_csv(file: IO[bytes], rows: ImageRows, each: Iterator[Mapping[str, Any]]) -> int:
    return write_csv(file, [column.name for column in rows.columns], each)


def _save_jsonl(file: IO[bytes], rows: ImageRows, each: Iterator[Mapping[str, Any]]) -> int:
    count = 0
    for row in each:
        file.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        count += 1
    return count


def _save_parquet(file: IO[bytes], rows: ImageRows, each: Iterator[Mapping[str, Any]]) -> int:
    return parquet.write(file, rows.columns, each)


_EXPORTERS: Final[tuple[Exporter, ...]] = (
    _Table("csv", ".csv", "a table for spreadsheets: one row per image", (b"\xef\xbb\xbfimage_id,run_id,",), _save_csv),
    _Table("jsonl", ".jsonl", "one JSON object per image and line", (b'{"image_id": ',), _save_jsonl),
    _Table("parquet", ".parquet", "a typed table; needs pyarrow or duckdb", (b"PAR1",), _save_parquet, parquet.check),
    _Folder("imagefolder", "a Hugging Face data set: the images and metadata.jsonl", write_imagefolder),
    _Folder("pairs", "preference pairs for training: chosen and rejected images, and every vote", write_pairs),
)
#: Name → format, in the order in which they are offered.
FORMATS: Final[Mapping[str, Exporter]] = {each.name: each for each in _EXPORTERS}
