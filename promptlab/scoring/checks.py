"""Holding an experiment's `checks:` against the scores of a run's images: prompts tested in CI."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from promptlab.errors import InputError, Problem
from promptlab.history.from_log import experiment_then
from promptlab.log import Log
from promptlab.log.scores import Score
from promptlab.model import Check, Run
from promptlab.scoring.engine import Scoring
from promptlab.scoring.scorer import ImageRow, Scorer
from promptlab.spec.names import did_you_mean, listed
from promptlab.studio.shortcuts import load
from promptlab.studio.studio import Studio

__all__ = ["Checked", "FailedCheck", "check_names", "checks_of", "hold", "junit"]


@dataclass(frozen=True, slots=True)
class FailedCheck:
    """An image whose score is not as it has to be, or that has none, which `reason` then explains."""

    image_id: str
    variant: str
    path: str | None
    score: str
    wanted: str
    value: float | str | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of the checks: how many were held against an image, those that failed, and score → how many images it
    does not apply to (no text quoted, no revised prompt)."""

    held: int
    failed: tuple[FailedCheck, ...]
    does_not_apply: Mapping[str, int]

    @property
    def passed(self) -> int:
        """How many were as they have to be."""
        return self.held - len(self.failed)


def checks_of(studio: Studio, log: Log, run: Run) -> tuple[Check, ...]:
    """The checks of a run's experiment: of its file as it is now, or where it is gone, as the run read it.

    Checks change no request, so a run is held against today's. InputError where there are none.
    """
    path = log.spec_path(run.experiment)
    file = None if path is None else Path(studio.folder, path)
    there = file is not None and file.is_file()
    experiment = load(file, studio=studio.folder) if there and file is not None else experiment_then(studio, log, run)
    if experiment is None or not experiment.checks:
        cure = 'write some, such as `checks: {sharpness: "> 20"}`'
        message = f"the experiment {run.experiment!r} has no checks; {cure}"
        raise InputError(Problem("no-checks", message, path))
    return experiment.checks


def check_names(checks: Iterable[Check], scorers: Sequence[Scorer], logged: Iterable[str]) -> None:
    """InputError for checks of scores that no scorer gives and the log does not have, each at its place."""
    known = list(dict.fromkeys([name for each in scorers for name in each.scores] + list(logged)))
    problems = []
    for check in checks:
        if check.name not in known:
            advice = did_you_mean(check.name, known) or f"; there are {listed(known, 24)}"
            message = f"there is no score {check.name!r}{advice}"
            place = check.place
            at = (None, None, None) if place is None else (place.path, place.line, place.column)
            problems.append(Problem("unknown-score", message, *at))
    if problems:
        raise InputError(problems)


def hold(
    log: Log, images: Sequence[tuple[str, ImageRow]], checks: Sequence[Check], scorers: Sequence[Scorer],
    scoring: Scoring,
) -> Checked:  # fmt: skip
    """Every check against every image.

    An image without the score fails where it could not be measured, and where no scorer gives it: a check is never
    passed because nothing was looked at. Where its scorer found nothing to measure, the check does not apply.
    """
    gives = {name: each for each in scorers for name in each.scores}
    latest = _latest(log, images, gives)
    unscored = {(each.image_id, each.scorer): each.reason for each in scoring.unscored}
    failed, held, apart = [], 0, dict[str, int]()
    for paid, row in images:
        for check in checks:
            score = latest.get((paid, check.name))
            value = None if score is None else _value(score)
            reason = None if value is not None else _missing(gives.get(check.name), row, scoring, unscored)
            if value is None and reason is None:
                apart[check.name] = apart.get(check.name, 0) + 1
                continue
            held += 1
            if value is None or not check.passes(value):
                failed.append(
                    FailedCheck(row.image_id, row.variant, row.path, check.name, check.written, value, reason)
                )
    return Checked(held, tuple(failed), apart)


def _missing(by: Scorer | None, row: ImageRow, scoring: Scoring, unscored: Mapping[tuple[str, str], str]) -> str | None:
    """Why there is no score; None where there is nothing to measure."""
    if by is None:
        return "it has no such score"
    if (reason := unscored.get((row.image_id, by.name))) is not None:
        return reason
    return scoring.unavailable.get(by.name) if by.applies(row) else None


def _latest(
    log: Log, images: Sequence[tuple[str, ImageRow]], gives: Mapping[str, Scorer]
) -> dict[tuple[str, str], Score]:
    """(paid image, score) → the one that counts: of the installed scorer's version, else the latest."""
    found: dict[tuple[str, str], Score] = {}
    for score in log.scores_of_images([paid for paid, _ in images]):
        key = (str(score.image_id), score.name)
        by = gives.get(score.name)
        before = found.get(key)
        if before is None or _rank(score, by) >= _rank(before, by):
            found[key] = score
    return found


def _rank(score: Score, by: Scorer | None) -> tuple[bool, str]:
    return by is not None and (score.scorer, score.version) == (by.name, by.version), score.at or ""


def _value(score: Score) -> float | str | None:
    return score.number if score.text is None else score.text


def junit(checked: Checked, run: Run, images: Sequence[tuple[str, ImageRow]], checks: Sequence[Check]) -> str:
    """The result as JUnit XML, which CI servers show: a test case for each image, a failure for each check."""
    by_image: dict[str, list[FailedCheck]] = {}
    for each in checked.failed:
        by_image.setdefault(each.image_id, []).append(each)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuite name={quoteattr(run.experiment)} tests="{len(images)}" failures="{len(by_image)}" errors="0" '
        f'timestamp="{run.started_at[:19]}">',
    ]
    for _, row in images:
        name = quoteattr(_printable(row.path or row.image_id))
        lines.append(f"  <testcase classname={quoteattr(_printable(row.variant))} name={name}>")
        lines += _failures(by_image.get(row.image_id, ()))
        lines.append("  </testcase>")
    lines.append("</testsuite>")
    return "\n".join(lines) + "\n"


def _failures(failed: Iterable[FailedCheck]) -> Iterator[str]:
    for each in failed:
        said = f"{each.score} is {each.reason or each.value!r}; wanted {each.wanted}"
        message = _printable(said)
        yield f"    <failure message={quoteattr(message)}>{escape(message)}</failure>"


def _printable(text: str) -> str:
    """Without the control characters that no XML may hold."""
    return "".join(letter if letter >= " " else "\ufffd" for letter in text)
