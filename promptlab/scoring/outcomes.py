"""Outcomes from outside: what sold, what was clicked, what was rated, from a file of rows to scores in the log.

Everything is read and checked before anything is written. Rows that match no image are listed, and so are the images
that no row names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from promptlab.errors import InputError
from promptlab.log import Log
from promptlab.log.scores import Score
from promptlab.model import Place
from promptlab.scoring.keys import Ambiguous, ImageKeys, KeyKind, ScoreTarget, VariantKeys
from promptlab.spec.files import MAX_ROWS_BYTES, decode
from promptlab.spec.names import did_you_mean, listed, quoted
from promptlab.spec.report import Report
from promptlab.spec.row_files import Row, read_rows
from promptlab.studio.studio import Studio

__all__ = ["Columns", "Imported", "Unmatched", "import_scores", "imported"]

SCORER: Final = "import"
VERSION: Final = "1"
_SUFFIXES: Final = (".csv", ".tsv", ".jsonl")
#: What the column with the key is called where nobody says: the first of these that the file has.
_KEY_COLUMNS: Final[Mapping[KeyKind, tuple[str, ...]]] = {
    "image": ("image", "image_id", "sha256", "hash", "id"),
    "variant": ("variant", "variant_id", "name", "id"),
    "file": ("file", "file_name", "filename", "path", "image"),
}


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns hold what: `successes` of `trials`, or a `number`, or a `text`; `key` is the one that names what
    the row is about (None: the usual names)."""

    key: str | None = None
    trials: str | None = None
    successes: str | None = None
    number: str | None = None
    text: str | None = None

    @property
    def value(self) -> str:
        """The column that the score is named after, unless a name is given."""
        return self.successes or self.number or self.text or ""


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A row that names nothing in the log (or in the run or experiment that was named)."""

    line: int
    key: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, or with `dry_run` would do. `unnamed` are the images (or variants) that no row was about.

    `changed` counts scores that are new or differ: 0 where the same file is imported again.
    """

    name: str
    kind: KeyKind
    rows: int
    matched: int
    changed: int
    unmatched: tuple[Unmatched, ...]
    unnamed: tuple[str, ...]
    dry_run: bool


def import_scores(
    path: Path | str,
    key: KeyKind,
    *,
    trials: str | None = None,
    successes: str | None = None,
    number: str | None = None,
    text: str | None = None,
    column: str | None = None,
    name: str | None = None,
    run: str | None = None,
    experiment: str | None = None,
    dry_run: bool = False,
    studio: Path | str | None = None,
    db: Path | None = None,
) -> Imported:
    """Import a .csv, .tsv or .jsonl file of outcomes as scores named `name` (else as their column).

    `trials` with `successes`, `number` or `text` name the columns of the value. `key` says what names an image: `image`
    (its id or the sha256 of its file), `variant` (id or name: the score is of the whole variant) or `file` (a name
    under results/, or as exported); `column` is where it stands, if not under such a name. `run` or `experiment` narrow
    what is looked at. InputError holds every row that is wrong, with its line; then nothing is written.
    """
    columns = Columns(column, trials, successes, number, text)
    opened = Studio.open(Path.cwd() if studio is None else Path(studio), db=db)
    with opened.log(create=False, readonly=dry_run) as log:
        return imported(log, Path(path), key, columns, name=name, run=run, experiment=experiment, dry_run=dry_run)


def imported(
    log: Log, path: Path, kind: KeyKind, columns: Columns, *, name: str | None, run: str | None,
    experiment: str | None, dry_run: bool,
) -> Imported:  # fmt: skip
    """`import_scores` into an opened log."""
    _check_columns(columns)
    report = Report()
    rows = _rows(path, report)
    column = _key_column(rows, kind, columns, path, report)
    keys = _keys(log, kind, run, experiment)
    reading = _Reading(path, columns, name or columns.value, report)
    found: dict[ScoreTarget, tuple[int, Score]] = {}
    unmatched = []
    for row in rows:
        text, score = str(row.cells.get(column, "")).strip(), reading.score(row)
        if not text:
            reading.wrong(row, "no-value", f"this row has no {column}")
            continue
        try:
            about = keys.find(text)
        except Ambiguous as ambiguous:
            reading.wrong(row, "ambiguous-key", f"{quoted(text)} {ambiguous}")
            continue
        if not about:
            unmatched.append(Unmatched(row.line, text))
        for each in about:
            if each in found:
                reading.twice(row, text, found[each][0])
            elif score is not None:
                found[each] = (row.line, score)
    report.raise_errors()
    if rows and not found:
        first = f"; the first is {quoted(unmatched[0].key)} in line {unmatched[0].line}" if unmatched else ""
        raise InputError(f"{path}: no row matches {keys.what}{first}", code="nothing-matches")
    scores = [
        replace(score, image_id=about.image_id, experiment=about.experiment, variant_id=about.variant_id)
        for about, (_, score) in found.items()
    ]
    changed = _would_change(log, scores) if dry_run else log.put_scores(scores)
    unnamed = tuple(keys.rest(found))
    return Imported(
        reading.name, kind, len(rows), len(rows) - len(unmatched), changed, tuple(unmatched), unnamed, dry_run
    )


def _check_columns(columns: Columns) -> None:
    """InputError unless exactly one kind of value is asked for."""
    is_rate = columns.trials is not None or columns.successes is not None
    if is_rate + (columns.number is not None) + (columns.text is not None) != 1:
        kinds = "--trials COLUMN with --successes COLUMN, --number COLUMN or --text COLUMN"
        raise InputError(f"say what the score is: {kinds}")
    if is_rate and (columns.trials is None or columns.successes is None):
        raise InputError("a rate needs both: --trials COLUMN and --successes COLUMN")


def _rows(path: Path, report: Report) -> list[Row]:
    """The rows of the file; what can't be read goes to the report."""
    if path.suffix.lower() not in _SUFFIXES:
        message = f"{path} has to be a file of rows: .csv or .tsv with a header line, or .jsonl"
        raise InputError(message, code="rows-format")
    try:
        if path.stat().st_size > MAX_ROWS_BYTES:
            raise InputError(f"{path}: more than {MAX_ROWS_BYTES:,} bytes", code="too-large")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}", code="missing-file") from error
    text = decode(data, str(path), report)
    report.raise_errors()
    assert text is not None
    return list(read_rows(text, str(path), path.suffix.lower(), report, literal=True))


def _key_column(rows: Sequence[Row], kind: KeyKind, columns: Columns, path: Path, report: Report) -> str:
    """The column that names what a row is about; InputError where it, or one of the values', is not there."""
    report.raise_errors()
    if not rows:
        raise InputError(f"{path} has no rows", code="empty-file")
    there = list(dict.fromkeys(name for row in rows for name in row.cells))
    wanted = [name for name in (columns.key, columns.trials, columns.successes, columns.number, columns.text) if name]
    for name in wanted:
        if name not in there:
            advice = did_you_mean(name, there) or f"; it has {listed(there)}"
            report.add("unknown-column", f"the file has no column {quoted(name)}{advice}", Place(str(path), 1, 1))
    key = columns.key or next((name for name in _KEY_COLUMNS[kind] if name in there and name not in wanted), None)
    if key is None:
        message = f"no column of the file names the {kind}: call it {kind}, or name it as --key {kind}=COLUMN"
        report.add("unknown-column", message, Place(str(path), 1, 1))
    report.raise_errors()
    assert key is not None
    return key


def _keys(log: Log, kind: KeyKind, run: str | None, experiment: str | None) -> ImageKeys | VariantKeys:
    if run is not None and experiment is not None:
        raise InputError("name a run or an experiment, not both")
    run_id = None if run is None else log.find_run(run).id
    if experiment is not None and log.value("SELECT 1 FROM experiments WHERE name = ?", (experiment,)) is None:
        known = [name for (name,) in log.rows("SELECT name FROM experiments ORDER BY 1")]
        advice = did_you_mean(experiment, known) or f"; there are {listed(known)}"
        raise InputError(f"there is no experiment {quoted(experiment)}{advice}", code="no-such-experiment")
    if kind == "variant":
        return VariantKeys(log, run_id, experiment)
    return ImageKeys(log, kind, run_id, experiment)


class _Reading:
    """The values of rows as scores; what is wrong goes to the report at its line."""

    def __init__(self, path: Path, columns: Columns, name: str, report: Report) -> None:
        self.path, self.columns, self.name, self.report = path, columns, name, report

    def wrong(self, row: Row, code: str, message: str) -> None:
        """Report one row."""
        self.report.add(code, message, Place(str(self.path), row.line, 1))

    def twice(self, row: Row, key: str, before: int) -> None:
        """Report a second row about the same image or variant."""
        self.wrong(row, "duplicate-row", f"{quoted(key)} is what line {before} is about already; keep one of the two")

    def score(self, row: Row) -> Score | None:
        """The row's score, not yet about anything; None where it is wrong."""
        common: dict[str, Any] = {"scorer": SCORER, "version": VERSION, "source": self.path.name}
        if self.columns.text is not None:
            text = str(row.cells.get(self.columns.text, "")).strip()
            if not text:
                self.wrong(row, "no-value", f"this row has no {self.columns.text}")
                return None
            return Score(self.name, text=text, **common)
        if self.columns.number is not None:
            number = self._number(row, self.columns.number)
            return None if number is None else Score(self.name, number=number, **common)
        trials = self._number(row, self.columns.trials or "", least=0)
        successes = self._number(row, self.columns.successes or "", least=0)
        if trials is None or successes is None:
            return None
        if successes > trials:
            names = f"{self.columns.successes} is {successes:g}, above {self.columns.trials}, {trials:g}"
            self.wrong(row, "bad-value", f"{names}; there can't be more successes than trials")
            return None
        rate = successes / trials if trials else None
        return Score(self.name, number=rate, successes=successes, trials=trials, **common)

    def _number(self, row: Row, column: str, least: float | None = None) -> float | None:
        text = str(row.cells.get(column, "")).strip()
        try:
            number = float(text) if "_" not in text else math.nan
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            what = f"{column} is {quoted(text)}" if text else f"this row has no {column}"
            self.wrong(row, "bad-value" if text else "no-value", f"{what}; a number is needed, such as 1234 or 0.5")
            return None
        if least is not None and number < least:
            self.wrong(row, "bad-value", f"{column} is {number:g}; it can't be below {least:g}")
            return None
        return number


def _would_change(log: Log, scores: Sequence[Score]) -> int:
    """How many of these the log does not have as they are."""
    there = _there(log, scores)
    return sum(there.get(_about(each)) != _said(each) for each in scores)


def _there(log: Log, scores: Sequence[Score]) -> dict[object, object]:
    images = [each.image_id for each in scores if each.image_id is not None]
    known: list[Score] = list(log.scores_of_images(images))
    for experiment in {each.experiment for each in scores if each.experiment is not None}:
        known += log.scores_of_variants(experiment)
    return {_about(each): _said(each) for each in known if (each.scorer, each.version) == (SCORER, VERSION)}


def _about(score: Score) -> object:
    return score.image_id, score.experiment, score.variant_id, score.name


def _said(score: Score) -> object:
    return score.number, score.text, score.successes, score.trials
