"""What a judge is asked, and what sending it works with."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from promptlab.errors import InputError, StoppedError
from promptlab.log import Log
from promptlab.log.votes import Ballot, Comparison
from promptlab.model import Run
from promptlab.providers import Endpoint
from promptlab.run.budget import Budget
from promptlab.scoring.judge_pairs import Pair, PairState, outcome_of
from promptlab.scoring.judge_wire import QUESTION, JudgePrice

__all__ = ["JOBS", "Asked", "JudgeJob"]

JOBS: Final = 4  # calls at once


@dataclass(frozen=True, slots=True)
class Asked:
    """What a judge is asked for a run: by which axis, what, of how many pairs, at what price."""

    model: str
    by: str | None
    question: str = QUESTION
    pairs: int | None = None
    where: tuple[str, ...] = ()
    price: JudgePrice | None = None
    jobs: int = JOBS
    retry_unknown: bool = False

    def __post_init__(self) -> None:
        if not self.model.strip() or any(letter.isspace() for letter in self.model):
            raise InputError(f"{self.model!r} can't be the name of a model")
        if not self.question.strip():
            raise InputError("the question is empty; leave it out for the usual one")


@dataclass(slots=True)
class JudgeJob:
    """What the sending works with."""

    log: Log
    run: Run
    asked: Asked
    endpoint: Endpoint
    price: JudgePrice | None
    sha256: str
    poll_id: str
    budget: Budget
    images: Callable[[str], str]  # a content's hash → the image as a data URL
    states: dict[Pair, PairState]
    progress: Callable[[int, int], object] | None = None
    stopped: StoppedError | None = None
    interrupted: bool = False
    sent: list[str] = field(default_factory=list)  # ids of the calls of this process
    failures: Counter[str] = field(default_factory=Counter)

    def cast(self, pair: Pair) -> bool:
        """Write the ballot of a pair that was answered in both orders, once."""
        state = self.states[pair]
        if state.has_ballot or len(state.answers) < 2:
            return False
        (first_id, first), (second_id, second) = state.answers[0], state.answers[1]
        name = f"{self.sha256}|{self.asked.model}|{pair.left}|{pair.right}"
        ballot = Ballot(
            "judge-" + hashlib.sha256(name.encode()).hexdigest()[:26], self.poll_id, "pair", self.asked.model,
            (Comparison(pair.left, pair.right, outcome_of(first, second)),), judge=self.asked.model,
        )  # fmt: skip
        self.log.cast_judged(ballot, (first_id, second_id))
        state.has_ballot = True
        return True
