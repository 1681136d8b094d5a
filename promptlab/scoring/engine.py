"""Scoring a run: what has no score of this version yet is scored, in several processes, and written as it comes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

from promptlab.errors import StoreError
from promptlab.log import Log
from promptlab.log.scores import Score
from promptlab.scoring.duplicates import near_duplicates
from promptlab.scoring.scorer import ImageRow, Scorer
from promptlab.scoring.worker import ScoreAnswer, ScoreTask, scored
from promptlab.store import Store
from promptlab.studio.shortcuts import choose_images

__all__ = ["Progress", "Scoring", "Unscored", "known_images", "score_images"]

_BATCH: Final = 200  # scores of so many images, or of a second, in one commit
#: Gets how many images are done, and of how many.
Progress = Callable[[int, int], object]


@dataclass(frozen=True, slots=True)
class Unscored:
    """An image that a scorer could not score, and why."""

    image_id: str
    variant: str
    path: str | None
    scorer: str
    reason: str


@dataclass(frozen=True, slots=True)
class Scoring:
    """What scoring a run did. `scored` and `skipped` count images times scorers; `changed` counts scores written that
    are new or differ. `unavailable` is scorer → why it can't be used on this machine."""

    run_id: str
    experiment: str
    images: int
    scorers: tuple[str, ...]
    scored: int = 0
    skipped: int = 0
    changed: int = 0
    unscored: tuple[Unscored, ...] = ()
    unavailable: Mapping[str, str] = field(default_factory=dict)


def known_images(log: Log, run_id: str, where: Sequence[str] = ()) -> list[tuple[str, ImageRow]]:
    """Each stored image of a run that every `where` matches, once, with its paid image, in the order of the plan."""
    chosen = None if not where else set(choose_images(log, run_id, (), tuple(where)))
    found: dict[str, ImageRow] = {}
    for known in log.known_of_images(run_id):
        if chosen is None or known["image_id"] in chosen:
            found.setdefault(known["paid"], _row(known))
    return list(found.items())


def _row(known: Mapping[str, Any]) -> ImageRow:
    asked = {
        name: known[name] for name in ("aspect_ratio", "output_format", "strength", "n") if known[name] is not None
    }
    asked |= json.loads(known["params"] or "{}")
    rest = {name: value for name, value in known.items() if name in ImageRow.__slots__}
    changed: dict[str, Any] = {
        "axes": json.loads(known["axes"]),
        "axis_values": json.loads(known["axis_values"] or "{}"),
        "params": asked,
        "defaulted": tuple(json.loads(known["defaulted"] or "[]")),
    }
    return ImageRow(**rest | changed)


def score_images(
    log: Log,
    store: Store,
    run_id: str,
    experiment: str,
    images: Sequence[tuple[str, ImageRow]],
    scorers: Sequence[Scorer],
    *,
    fresh: bool = False,
    progress: Progress | None = None,
) -> Scoring:
    """Score these images and write the scores; one that has a score of this version is skipped, unless `fresh`.

    An interruption keeps what is written: the same call goes on. Scorers that can't be used here are left out, and
    said. What a scorer raises is told for its image; the others go on.
    """
    unavailable = {each.name: why for each in scorers if (why := each.unavailable()) is not None}
    usable = [each for each in scorers if each.name not in unavailable]
    done = set() if fresh else log.scored_by(paid for paid, _ in images)
    work = _Work(log, usable, run_id)
    # Apart, since only the processes of those that declare the network see keys.
    kinds = {network: [each for each in usable if each.network is network] for network in (False, True)}
    tasks = {network: _tasks(store, images, of_kind, done, work) for network, of_kind in kinds.items()}
    total = sum(map(len, tasks.values()))
    for network, waiting in tasks.items():
        with closing(scored(waiting, network=network)) as answers:  # type: ignore[type-var]
            work.take(answers, total, progress)
    if any(each.name == "duplicates" for each in usable):
        work.note_duplicates([paid for paid, _ in images])
    work.write()
    return Scoring(
        run_id, experiment, len(images), tuple(each.name for each in scorers), work.scored, work.skipped, work.changed,
        tuple(work.unscored), unavailable,
    )  # fmt: skip


def _tasks(
    store: Store, images: Sequence[tuple[str, ImageRow]], scorers: Sequence[Scorer], done: Set[tuple[str, str, str]],
    work: _Work,
) -> list[ScoreTask]:  # fmt: skip
    """What these scorers have to do: each image with those that apply to it and have no score of their version."""
    tasks: list[ScoreTask] = []
    for paid, row in images:
        fitting = [each for each in scorers if work.applies(each, row)]
        missing = tuple(each.name for each in fitting if (paid, each.name, each.version) not in done)
        work.skipped += len(fitting) - len(missing)
        if missing and (task := _task(store, row, missing, work)) is not None:
            work.paid[row.image_id] = paid
            tasks.append(task)
    return tasks


def _task(store: Store, row: ImageRow, names: tuple[str, ...], work: _Work) -> ScoreTask | None:
    """The task of an image; None, with the reason kept, where its file is gone."""
    try:
        return ScoreTask(store.local_copy(row.sha256 or ""), row, names)
    except StoreError as error:
        for name in names:
            work.failed(row, name, str(error))
        return None


class _Work:
    """What has come so far, written in batches."""

    def __init__(self, log: Log, scorers: Iterable[Scorer], run_id: str) -> None:
        self._log, self._run_id = log, run_id
        self._versions = {each.name: each.version for each in scorers}
        self._waiting: list[Score] = []
        self._since = time.monotonic()
        self.paid: dict[str, str] = {}
        self.scored = self.skipped = self.changed = self.done = 0
        self.unscored: list[Unscored] = []

    def take(self, answers: Iterator[ScoreAnswer], total: int, progress: Progress | None) -> None:
        """Every answer as it comes."""
        try:
            for answer in answers:
                self.done += 1
                self._note(answer)
                if len(self._waiting) >= _BATCH or time.monotonic() - self._since > 1:
                    self.write()
                if progress is not None:
                    progress(self.done, total)
        except BaseException:
            self.write()  # what was scored until now stays
            raise

    def _note(self, answer: ScoreAnswer) -> None:
        row = answer.task.row
        for name, scores in answer.scores.items():
            self.scored += 1
            for score, value in scores.items():
                self.put(self.paid[row.image_id], name, score, value)
        for name, reason in answer.errors.items():
            self.failed(row, name, reason)

    def put(self, paid: str, scorer: str, name: str, value: float | str, source: str | None = None) -> None:
        """Keep a score for the next commit."""
        text = value if isinstance(value, str) else None
        number = None if isinstance(value, str) else value
        self._waiting.append(
            Score(name, scorer, self._versions[scorer], image_id=paid, number=number, text=text, source=source)
        )

    def applies(self, scorer: Scorer, row: ImageRow) -> bool:
        """Whether a scorer has anything to measure; one that raises here has not."""
        try:
            return scorer.applies(row)
        except Exception as error:  # noqa: BLE001 - code of another package; the others go on
            self.failed(row, scorer.name, f"applies() raised {type(error).__name__}: {error}")
            return False

    def failed(self, row: ImageRow, scorer: str, reason: str) -> None:
        """Keep why an image has no score."""
        self.unscored.append(Unscored(row.image_id, row.variant, row.path, scorer, reason))

    def note_duplicates(self, paid_ids: Sequence[str]) -> None:
        """Compare these images with all of the run: those that were scored before, and those that `where` left out."""
        self.write()
        every = dict(known_images(self._log, self._run_id))
        made = {
            str(score.image_id): score.text
            for score in self._log.scores_of_images(every)
            if (score.scorer, score.name) == ("duplicates", "perceptual_hash")
        }
        hashes = {id_: found for id_, row in every.items() if (found := row.perceptual_hash or made.get(id_))}
        near = near_duplicates(hashes)
        order = {id_: place for place, id_ in enumerate(hashes)}
        for id_ in paid_ids:
            if id_ in hashes:
                others = near.get(id_, [])
                first = others[0] if others and order[others[0]] < order[id_] else "none"
                self.put(id_, "duplicates", "near_duplicates", float(len(others)), self._run_id)
                self.put(id_, "duplicates", "duplicate_of", first, self._run_id)

    def write(self) -> None:
        """One commit for what has come since the last."""
        if self._waiting:
            self.changed += self._log.put_scores(self._waiting)
            self._waiting = []
        self._since = time.monotonic()
