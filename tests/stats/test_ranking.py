"""A ranking that says how sure it is, and a live display that may be looked at after every vote."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest

from promptlab.stats.davidson import fit
from promptlab.stats.live import live
from promptlab.stats.next_pair import next_pair
from promptlab.stats.power import power, scenes_needed, smallest_gap
from promptlab.stats.ranking import Difference, holm, rank
from promptlab.stats.sequences import boundary, mixture_sequence
from promptlab.stats.trust import agreement, fragility, side_bias
from promptlab.stats.votes import Vote, tally


def world(
    source: random.Random, scenes: int, voters: int, worths: list[float], *, luck: float = 0.0, taste: float = 0.0
) -> list[Vote]:
    """Each voter compares one random pair in each scene; `luck` is of pictures, `taste` of voters."""
    k = range(len(worths))
    tastes = [[source.gauss(0, taste) for _ in k] for _ in range(voters)]
    votes = []
    for scene in range(scenes):
        lucky = [source.gauss(0, luck) for _ in k]
        for voter in range(voters):
            i, j = source.sample(k, 2)
            a, b = (worths[x] + lucky[x] + tastes[voter][x] for x in (i, j))
            weights = [math.exp(a), math.exp(b), 0.5 * math.exp((a + b) / 2)]
            outcome = source.choices(["left", "right", "tie"], weights)[0]
            votes.append(Vote(f"s{scene}", f"v{voter}", f"x{i}", f"x{j}", outcome))  # type: ignore[arg-type]
    return votes


def test_a_clear_winner() -> None:
    """One of three is much better: first for sure, best in nearly every draw, its interval above a half."""
    found = rank(world(random.Random(1), 120, 1, [2.0, 0.0, 0.0]), baseline="x1")
    first = found.standings[0]
    assert (found.leader, first.best_rank, first.worst_rank) == ("x0", 1, 1)
    assert first.p_best is not None
    assert first.p_best > 0.99
    assert all(each.apart and each.low is not None and each.low > 0.5 for each in found.to_leader)
    assert {each.variant for each in found.to_baseline} == {"x0", "x2"}
    rest = found.standings[1:]
    assert all((each.best_rank, each.worst_rank) == (2, 3) for each in rest)


def test_the_same_votes_give_the_same_digits() -> None:
    """Draws are seeded: two rankings of one log are equal, and another seed changes only what is drawn."""
    votes = world(random.Random(2), 40, 2, [0.3, 0.1, 0.0], luck=0.5)
    first, second, other = rank(votes, seed="exp"), rank(votes, seed="exp"), rank(votes, seed="other")
    assert first == second
    assert first.to_leader == other.to_leader


def test_few_scenes_have_no_interval_and_no_order() -> None:
    """Four scenes: chances without intervals, every rank open, no chance to be the best."""
    votes = world(random.Random(3), 4, 6, [1.0, 0.0])
    found = rank(votes, baseline="x1")
    assert found.covariance is None
    assert [(each.best_rank, each.worst_rank, each.p_best) for each in found.standings] == [(1, 2, None)] * 2
    assert not found.to_leader[0].apart
    assert found.to_leader[0].low is None


@pytest.mark.parametrize(("scenes", "apart"), [(5, False), (6, True), (7, True), (30, True)])
def test_votes_that_all_say_the_same_are_not_certain(scenes: int, apart: bool) -> None:
    """Unanimous votes leave no residuals: their interval is about the exact one, and not a sandwich of nothing.

    Five of five is no evidence at 95 % (exact p 0.0625), six of six is (0.031); the exact ends are 0.48 and 0.54.
    """
    votes = [Vote(str(at), "v", "a", "b", "left") for at in range(scenes)]
    found = rank(votes, variants=["a", "b"], baseline="b").to_baseline[0]
    assert found.apart is apart
    assert found.low is not None
    assert found.low < 0.025 ** (1 / scenes) + 0.05


def test_holm_adjusts_in_steps() -> None:
    """The smallest p-value counts threefold, the next twofold, and none falls below an earlier one."""
    given = [Difference("a", "z", 0.5, p=0.04), Difference("b", "z", 0.5, p=0.01), Difference("c", "z", 0.5, p=0.03)]
    assert [each.p for each in holm(given)] == pytest.approx([0.06, 0.03, 0.06])


def test_mixture_sequence_holds_the_share() -> None:
    """It contains the observed share, is wider than nothing, opens fully without votes, and narrows."""
    assert mixture_sequence(0, 0) == (0.0, 1.0) or mixture_sequence(0, 0).low < 0.01
    few, many = mixture_sequence(7, 3), mixture_sequence(700, 300)
    assert few.low < 0.5 < 0.7 < few.high
    assert 0.6 < many.low < 0.7 < many.high < 0.8
    assert mixture_sequence(9, 0).high == 1.0


def test_boundary_is_wider_than_t() -> None:
    """Looking at any time costs: about three standard errors where two do once."""
    assert all(2.9 < boundary(n) < 4.0 for n in (5, 20, 50, 200))


def test_live_names_no_winner_between_equals() -> None:
    """Two equals, looked at after every one of 150 votes: named in at most 5 of 100 runs, with room for chance."""
    named = 0
    for run in range(60):
        votes = world(random.Random(run), 150, 1, [0.0, 0.0])
        named += any(state.winner for at in range(1, 150) if (state := live(votes[:at])) is not None)
    assert named <= 8


def test_live_names_a_clear_winner() -> None:
    """80 of 100 is enough to say so at any time; and among three with several voters a scene."""
    votes = [Vote(str(at), "v", "a", "b", "left" if at % 5 else "right") for at in range(100)]
    state = live(votes)
    assert state is not None
    assert state.winner == "a"
    among = live(world(random.Random(4), 80, 3, [2.5, 0.0, 0.0], luck=0.3))
    assert among is not None
    assert among.winner == "x0"
    assert live([]) is None


def test_power_agrees_with_simulated_votes() -> None:
    """The promised power is what the ranking's own interval reaches, within ten percent."""
    found = 0
    for run in range(150):
        source = random.Random(run)
        votes = [Vote(str(at), "v", "a", "b", "left" if source.random() < 0.7 else "right") for at in range(60)]
        found += rank(votes, variants=["a", "b"], baseline="b").to_baseline[0].apart
    assert found / 150 == pytest.approx(power(60, 0.7), abs=0.09)


def test_how_many_scenes_it_takes() -> None:
    """About 203, 89 and 51 scenes for 60:40, 65:35 and 70:30; ties cost as much more as they take away."""
    assert [scenes_needed(chance) for chance in (0.6, 0.65, 0.7)] == [203, 89, 51]
    with_ties = scenes_needed(0.7, ties=0.25)
    assert with_ties is not None
    assert with_ties == pytest.approx(51 / 0.75, rel=0.1)
    gap = smallest_gap(203)
    assert gap is not None
    assert gap == pytest.approx(0.6, abs=0.005)
    assert smallest_gap(4) is None
    assert scenes_needed(0.5001) is None


def test_finding_the_best_looks_at_the_best() -> None:
    """Of five variants the two that lead meet most; ranking all shows every pair as often."""
    votes = world(random.Random(6), 100, 1, [1.5, 1.4, 0.0, 0.0, 0.0])
    worths, tallies = fit(votes, [f"x{i}" for i in range(5)]), tally(votes)
    source = random.Random(0)
    best = Counter(frozenset(next_pair("best", worths, tallies, source)) for _ in range(200))
    assert best.most_common(1)[0][0] == {"x0", "x1"}
    least = min((a, b) for a, b in tallies if tallies[a, b].decided + tallies[a, b].ties == min(
        each.decided + each.ties for each in tallies.values()))  # fmt: skip
    assert set(next_pair("rank", worths, tallies, source)) <= {f"x{i}" for i in range(5)}
    assert least


def test_ranking_all_balances_the_pairs() -> None:
    """Each of the ten pairs of five is shown once before any is shown twice."""
    votes: list[Vote] = []
    source = random.Random(8)
    names = [f"x{i}" for i in range(5)]
    for at in range(20):
        first, second = next_pair("rank", fit(votes, names), tally(votes), source)
        votes.append(Vote(str(at), "v", first, second, "left"))
    shown = Counter(frozenset((vote.left, vote.right)) for vote in votes)
    assert set(shown.values()) == {2}


def test_side_bias_counts_decided_votes() -> None:
    """Left 3 of 4; the tie is not counted."""
    votes = [Vote(str(at), "v", "a", "b", said) for at, said in enumerate(["left", "left", "right", "left", "tie"])]  # type: ignore[arg-type]
    left, decided, interval = side_bias(votes)
    assert (left, decided) == (3, 4)
    assert interval.low < 0.75 < interval.high


def test_agreement_is_of_different_voters_on_one_pair() -> None:
    """Two agree on one picture pair of two, whatever side it stood on; one voter's second vote is not agreement."""
    votes = [
        Vote("s1", "ada", "a", "b", "left"), Vote("s1", "bob", "b", "a", "right"),
        Vote("s2", "ada", "a", "b", "left"), Vote("s2", "bob", "a", "b", "right"), Vote("s2", "ada", "a", "b", "left"),
    ]  # fmt: skip
    found = agreement(votes)
    assert found is not None
    assert (found.pairs, found.share) == (2, 0.5)
    assert agreement(votes[:1]) is None


def test_krippendorffs_alpha() -> None:
    """1 where all agree on different answers; near 0 where answers are by chance; None where all said one thing."""

    def said(answers: list[tuple[str, str]]) -> list[Vote]:
        return [
            Vote(str(at), who, "a", "b", answer)  # type: ignore[arg-type]
            for at, both in enumerate(answers)
            for who, answer in zip("xy", both, strict=True)
        ]

    same = agreement(said([("left", "left"), ("right", "right")]))
    one = agreement(said([("left", "left"), ("left", "left")]))
    source = random.Random(5)
    chance = agreement(said([(source.choice(["left", "right"]), source.choice(["left", "right"])) for _ in range(400)]))
    assert same is not None
    assert one is not None
    assert chance is not None
    assert (same.alpha, one.alpha) == (1.0, None)
    assert chance.alpha == pytest.approx(0.0, abs=0.12)


def test_fragility_is_reached() -> None:
    """52 to 48: without three votes of the leader the other leads; a lead of 40 hangs on many."""
    votes = [Vote(str(at), "v", "a", "b", "left" if at < 52 else "right") for at in range(100)]
    found = fragility(fit(votes), votes)
    assert found is not None
    assert (found.votes, found.rival) == (5, "b")
    clear = [Vote(str(at), "v", "a", "b", "left" if at < 70 else "right") for at in range(100)]
    more = fragility(fit(clear), clear)
    assert more is not None
    assert more.votes == 41
