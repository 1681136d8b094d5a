"""What a verdict is: plain data, without a word of HTML and without a connection. `verdict.verdict_of` makes one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from promptlab.stats.votes import Tally

__all__ = ["Gap", "Needed", "Standing", "Statement", "Verdict"]


@dataclass(frozen=True, slots=True)
class Standing:
    """One value of the compared axis. Ranks are those that the data leave open; None where it can't be compared.

    By votes, `chance` is how often it is preferred to the verdict's `reference`, among decided votes (of the reference
    itself: None). By another metric, `estimate` is its mean, its share kept, or its rate, and `chance` is None.
    `low` and `high` are the ends of the interval of whichever is there. Money is per image.
    """

    value: str
    label: str
    rank_low: int | None
    rank_high: int | None
    chance_best: float | None = None
    chance: float | None = None
    low: float | None = None
    high: float | None = None
    estimate: float | None = None
    wins: int = 0
    losses: int = 0
    ties: int = 0
    bad: int = 0
    images: int = 0
    scenes: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)
    cost_usd: float | None = None
    kept: int = 0
    rejected: int = 0
    successes: float | None = None
    trials: float | None = None

    @property
    def shown(self) -> int:
        """The votes that it took part in."""
        return self.wins + self.losses + self.ties


@dataclass(frozen=True, slots=True)
class Gap:
    """One value against another. By votes `estimate` is a chance, and equals are at 0.5; else it is the difference of
    means or shares, and equals are at 0.

    `to` says which family it belongs to: differences to the leader, to the baseline (their `p` is Holm's), or all
    pairs (at once, by max-t).
    """

    value: str
    other: str
    to: str  # leader, baseline or pair
    estimate: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    equal: float = 0.5
    shift: float | None = None  # of a score: Hodges and Lehmann's
    scenes: int = 0

    @property
    def apart(self) -> bool:
        """Whether the interval leaves out "equal"."""
        return self.low is not None and self.high is not None and not self.low <= self.equal <= self.high


@dataclass(frozen=True, slots=True)
class Statement:
    """One answer to "can you trust that?"; `good` None: neither for nor against."""

    name: str
    text: str
    good: bool | None


@dataclass(frozen=True, slots=True)
class Needed:
    """If the true gap is `chance` (0.6 is 60:40): how many scenes in all find it in 4 of 5 cases, and what is missing.

    `seeds` is the count for `--seeds`, `cost_usd` what the new images would cost; None where it is not known, or
    where votes on the images that are there are enough.
    """

    chance: float
    scenes: int | None
    more_votes: int | None
    seeds: int | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which value of an axis is best, how sure that is, and what it would take to be surer."""

    run_id: str
    experiment: str
    by: str | None
    metric: str
    level: float
    headline: str
    sentences: tuple[str, ...]
    standings: tuple[Standing, ...]
    differences: tuple[Gap, ...]
    matrix: Mapping[tuple[str, str], Tally]
    trust: tuple[Statement, ...]
    takes: tuple[str, ...]
    missing: tuple[str, ...]
    live: bool
    methods: str
    enough: bool
    leader: str | None = None
    winner: str | None = None  # the leader, where it is apart from all others
    baseline: str | None = None
    reference: str | None = None  # what `Standing.chance` is against
    votes: int = 0
    scenes: int = 0
    voters: int = 0
    needed: tuple[Needed, ...] = ()
    smallest_gap: float | None = None
    simulated: bool = False
    hidden: bool = False  # ranking says nothing here: each item has one picture

    def label(self, value: str) -> str:
        """How a value is shown."""
        return next((each.label for each in self.standings if each.value == value), value)
