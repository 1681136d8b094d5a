"""Simulated voters: intervals cover, looking at any time names no winner between equals, the best is found sooner.

Slow, about three minutes of CPU in all; seeds are fixed, so that a run that passed passes again.
"""

from __future__ import annotations

import math
import random

import pytest

from promptlab.stats.davidson import Worths, clustered, fit
from promptlab.stats.distributions import t_quantile
from promptlab.stats.live import live
from promptlab.stats.next_pair import Goal, next_pair
from promptlab.stats.power import power, scenes_needed
from promptlab.stats.ranking import rank
from promptlab.stats.votes import Tally, Vote, tally

from .test_ranking import world

pytestmark = pytest.mark.storm

WORLDS = {
    "iid": (60, 1, 0.0, 0.0),
    "20 scenes, 3 voters": (20, 3, 1.0, 0.0),
    "8 scenes, 3 voters": (8, 3, 1.0, 0.0),
    "20 scenes, 6 voters with tastes": (20, 6, 1.0, 0.7),
}


def covered(name: str, variants: int) -> float:
    """How many of 1,000 votes' intervals of the differences to the first hold the truth, which a huge vote tells."""
    scenes, voters, luck, taste = WORLDS[name]
    worths = [0.4 * at for at in range(variants)]
    names = [f"x{at}" for at in range(variants)]
    source = random.Random(0)
    truth = fit(
        [vote for _ in range(30_000) for vote in world(source, 1, 1, worths, luck=luck, taste=taste)], names
    ).log_worths
    held = 0
    for run in range(1000):
        votes = world(random.Random(run), scenes, voters, worths, luck=luck, taste=taste)
        found = fit(votes, names)
        covariance = clustered(found, votes)
        assert covariance is not None
        reach = t_quantile(0.975, covariance.freedom)
        for at in range(1, variants):
            off = found.log_worths[at] - found.log_worths[0] - truth[at] + truth[0]
            held += abs(off) <= reach * covariance.error_between(at, 0)
    return held / 1000 / (variants - 1)


@pytest.mark.parametrize("name", WORLDS)
def test_intervals_cover(name: str) -> None:
    """95 % intervals of differences of four variants hold the truth in 93 to 97 % of 1,000 simulated votes."""
    assert 0.93 <= covered(name, 4) <= 0.97


@pytest.mark.parametrize("name", list(WORLDS)[:3])
def test_intervals_of_two_cover(name: str) -> None:
    """Of two variants as well."""
    assert 0.93 <= covered(name, 2) <= 0.97


def test_intervals_of_two_with_tastes_are_wide_rather_than_narrow() -> None:
    """Two variants and six voters with tastes: t on five degrees of freedom errs on the safe side, 97 to 98 %."""
    assert 0.95 <= covered("20 scenes, 6 voters with tastes", 2) <= 0.985


@pytest.mark.parametrize(
    ("variants", "scenes", "voters", "luck"), [(2, 150, 1, 0.0), (3, 15, 3, 1.0)], ids=["two, exact", "three, 3 voters"]
)
def test_no_winner_between_equals(variants: int, scenes: int, voters: int, luck: float) -> None:
    """Equals, looked at after every vote: a winner is ever named in at most 5 % of 2,000 runs."""
    names = [f"x{at}" for at in range(variants)]
    named = 0
    for run in range(2000):
        votes = world(random.Random(run), scenes, voters, [0.0] * variants, luck=luck)
        named += any(state.winner for at in range(1, len(votes) + 1) if (state := live(votes[:at], names)) is not None)
    assert named / 2000 <= 0.05


def separated(goal: Goal, seed: int, worths: list[float], votes: int = 336) -> bool:
    """Whether the leader is apart from all others after so many votes, one per scene, on pairs chosen for the goal."""
    source = random.Random(seed)
    names = [f"x{at}" for at in range(len(worths))]
    cast: list[Vote] = []
    found: Worths = fit(cast, names)
    tallies: dict[tuple[str, str], Tally] = {}
    for at in range(votes):
        first, second = next_pair(goal, found, tallies, source)
        a, b = worths[names.index(first)], worths[names.index(second)]
        weights = [math.exp(a), math.exp(b), 0.5 * math.exp((a + b) / 2)]
        outcome = source.choices(["left", "right", "tie"], weights)[0]
        cast.append(Vote(f"s{at}", "v", first, second, outcome))  # type: ignore[arg-type]
        if at % 4 == 3:
            found, tallies = fit(cast, names), tally(cast)
    return all(each.apart for each in rank(cast, variants=names, seed=seed).to_leader)


def test_finding_the_best_separates_it_sooner() -> None:
    """Eight variants, one a little better than a field of equals: apart at least three times as often as balanced."""
    worths = [0.6, 0.2, 0.1, 0.0, 0.0, -0.1, -0.2, -0.3]
    runs = range(120)
    best = sum(separated("best", run, worths) for run in runs)
    balanced = sum(separated("rank", run, worths) for run in runs)
    assert best >= 3 * max(balanced, 1)
    assert best >= 0.15 * len(runs)


@pytest.mark.parametrize(
    ("scenes", "chance", "ties"),
    [(51, 0.7, 0.0), (89, 0.65, 0.0), (203, 0.6, 0.0), (68, 0.7, 0.25), (120, 0.65, 0.3), (30, 0.8, 0.1)],
)
def test_power_is_what_simulated_votes_reach(scenes: int, chance: float, ties: float) -> None:
    """The power that `plan --power` promises, and that of 1,500 simulated closed votes: within ten percent."""
    found = 0
    for run in range(1500):
        source = random.Random(f"{run} {scenes}")
        votes = []
        for at in range(scenes):
            dice = source.random()
            outcome = "tie" if dice < ties else "left" if dice < ties + (1 - ties) * chance else "right"
            votes.append(Vote(str(at), "v", "a", "b", outcome))  # type: ignore[arg-type]
        worths = fit(votes, ["a", "b"])
        covariance = clustered(worths, votes)
        assert covariance is not None
        gap = worths.log_worths[0] - worths.log_worths[1]
        found += abs(gap) > t_quantile(0.975, covariance.freedom) * covariance.error_between(0, 1)
    assert found / 1500 == pytest.approx(power(scenes, chance, ties), rel=0.1)


def test_the_scenes_needed_reach_four_of_five() -> None:
    """What is said to be needed for 60:40, 65:35 and 70:30 has a power of 0.8, or a little more: counts are whole."""
    for chance in (0.6, 0.65, 0.7):
        needed = scenes_needed(chance)
        assert needed is not None
        assert 0.8 <= power(needed, chance) <= 0.85
