"""What Python code, and the command line, asks of this package: score a run, hold its checks, list the scorers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from promptlab.errors import InputError
from promptlab.model import Check, Run
from promptlab.scoring.checks import Checked, check_names, checks_of, hold
from promptlab.scoring.engine import Progress, Scoring, known_images, score_images
from promptlab.scoring.scorer import ImageRow, Scorer, scorers_of
from promptlab.studio.studio import Studio

__all__ = ["Scored", "score", "score_run", "scorers"]


@dataclass(frozen=True, slots=True)
class Scored:
    """What scoring did; with `check`, `checked` is what came of the experiment's checks."""

    run: Run
    scoring: Scoring
    images: tuple[tuple[str, ImageRow], ...]  # paid image → what the log knows of it, in the order of the plan
    checks: tuple[Check, ...] = ()
    checked: Checked | None = None

    @property
    def exit_code(self) -> int:
        """1 where an image could not be scored or a check failed, as on the command line."""
        return int(bool(self.scoring.unscored or (self.checked and self.checked.failed)))


def score(
    run: str = "last",
    scorers: Sequence[str] = (),
    *,
    where: str | Sequence[str] = (),
    fresh: bool = False,
    check: bool = False,
    progress: Progress | None = None,
    studio: Path | str | None = None,
    db: Path | None = None,
) -> Scored:
    """Score the images of a run by these scorers (or by all there are); what has a score of this version is skipped.

    `scorers` are names of scorers or of scores. With `check`, the experiment's `checks:` are held against the scores,
    and without `scorers` only those that the checks need are used. `progress` gets (done, of how many). InputError for
    a run, scorer, axis or check that is not there.
    """
    opened = Studio.open(Path.cwd() if studio is None else Path(studio), db=db)
    conditions = (where,) if isinstance(where, str) else tuple(where)
    return score_run(opened, run, scorers, where=conditions, fresh=fresh, check=check, progress=progress)


def score_run(
    studio: Studio, run: str, names: Sequence[str], *, where: Sequence[str], fresh: bool, check: bool,
    progress: Progress | None,
) -> Scored:  # fmt: skip
    """`score` in an opened studio."""
    with studio.log(create=False) as log:
        found = log.find_run(run)
        images = known_images(log, found.id, where)
        if not images:  # a check must not pass because there was nothing to look at
            raise InputError(f"run {found.id} has no image to score", code="no-such-image")
        installed = scorers_of(())
        checks: tuple[Check, ...] = ()
        if check:
            checks = checks_of(studio, log, found)
            check_names(checks, installed, log.score_names((paid for paid, _ in images), found.experiment))
        chosen = scorers_of(names) if names or not check else _needed(checks, installed)
        scoring = score_images(
            log, studio.store(), found.id, found.experiment, images, chosen, fresh=fresh, progress=progress
        )
        checked = hold(log, images, checks, installed, scoring) if check else None
    return Scored(found, scoring, tuple(images), checks, checked)


def _needed(checks: Sequence[Check], installed: Sequence[Scorer]) -> list[Scorer]:
    """The scorers of the scores that are checked."""
    wanted = {check.name for check in checks}
    return [each for each in installed if wanted.intersection(each.scores)]


def scorers() -> list[Scorer]:
    """Every scorer that is installed and loads, the built-in ones first."""
    return scorers_of(())
