"""Worths from votes: published fits to the digit, and what must hold for any votes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.stats.davidson import MIN_SCENES, clustered, fit
from promptlab.stats.votes import Vote, best_and_worst, best_of, groups, tally

# Davidson's chocolate puddings (JASA 65, 1970; `pudding` of CRAN's PlackettLuce).
FIRST = (1, 1, 2, 1, 2, 3, 1, 2, 3, 4, 1, 2, 3, 4, 5)
SECOND = (2, 3, 3, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 6)
WINS = (19, 16, 19, 18, 23, 19, 13, 16, 16, 17, 18, 22, 13, 14, 11)
LOSSES = (22, 19, 19, 23, 19, 20, 19, 20, 15, 14, 21, 20, 18, 19, 21)
TIES = (16, 12, 10, 13, 9, 15, 18, 12, 17, 16, 12, 12, 10, 18, 12)
# Agresti's American League of 1987: rows beat columns.
BASEBALL = """
0 7 9 7 7 9 11
6 0 7 5 11 9 9
4 6 0 7 7 8 12
6 8 6 0 6 7 10
6 2 6 7 0 7 12
4 4 5 6 6 0 6
2 4 1 3 1 7 0
"""


def many(left: str, right: str, wins: int, losses: int, ties: int = 0) -> list[Vote]:
    """So many votes between two, in one scene each."""
    outcomes = ["left"] * wins + ["right"] * losses + ["tie"] * ties
    return [Vote(f"{left}{right}{at}", "ada", left, right, outcome) for at, outcome in enumerate(outcomes)]  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def puddings() -> list[Vote]:
    rows = zip(FIRST, SECOND, WINS, LOSSES, TIES, strict=True)
    return [vote for i, j, wins, losses, ties in rows for vote in many(str(i), str(j), wins, losses, ties)]


def test_davidsons_puddings(puddings: list[Vote]) -> None:
    """Worths, ν and standard errors of the published fit: to 3·10⁻⁵, and the errors to their four digits.

    The published iteration stopped early, 5·10⁻⁷ below the maximum of the log-likelihood, so that its last digits are
    not those of the maximum; test_oracles.py holds the fit to scipy's own maximum.
    """
    found = fit(puddings, [str(brand) for brand in range(1, 7)], pseudo=0)
    worths = [math.exp(value) for value in found.log_worths]
    shares = [value / sum(worths) for value in worths]
    assert shares == pytest.approx([0.1388005, 0.1729985, 0.1617420, 0.1653930, 0.1586805, 0.2023855], abs=3e-5)
    assert found.log_nu is not None
    assert math.exp(found.log_nu) == pytest.approx(0.7468147, abs=3e-5)
    errors = [math.sqrt(found.inverse[at][at]) for at in range(1, 6)]
    assert [round(error, 4) for error in errors] == [0.1872, 0.1935, 0.1882, 0.1927, 0.1924]


def test_agrestis_baseball() -> None:
    """Without ties it is Bradley and Terry's model: the published estimates and errors, to their digits."""
    rows = [list(map(int, line.split())) for line in BASEBALL.split("\n") if line]
    votes = [vote for i, row in enumerate(rows) for j, wins in enumerate(row) for vote in many(str(i), str(j), wins, 0)]
    found = fit(votes, ["6", "0", "1", "2", "3", "4", "5"], pseudo=0)
    assert found.log_nu is None
    assert [round(value, 4) for value in found.log_worths[1:]] == [1.5814, 1.4364, 1.2945, 1.2476, 1.1077, 0.6839]
    errors = [math.sqrt(found.inverse[at][at]) for at in range(1, 7)]
    assert [round(error, 4) for error in errors] == [0.3433, 0.3396, 0.3367, 0.3359, 0.3339, 0.3319]


def test_an_undefeated_variant_is_first() -> None:
    """One that won its only two votes stands before one that won 30 of 40, with a finite worth."""
    votes = [*many("new", "b", 2, 0), *many("a", "b", 30, 10)]
    found = fit(votes)
    assert found.log_worth("new") > found.log_worth("a") > found.log_worth("b")
    assert all(map(math.isfinite, found.log_worths))


def test_without_pseudo_votes_an_undefeated_variant_is_refused() -> None:
    """The maximum is not finite then, and that is said."""
    with pytest.raises(ValueError, match="no finite maximum"):
        fit(many("a", "b", 3, 0), pseudo=0)


def test_only_ties_decide_nothing() -> None:
    """Nobody preferred anything: all worths are equal, and there is no interval."""
    votes = many("a", "b", 0, 0, ties=30)
    found = fit(votes)
    assert found.log_worths == (0.0, 0.0)
    assert clustered(found, votes) is None


def test_both_bad_is_a_tie_for_the_worths() -> None:
    """It moves no worth, and is counted on its own."""
    votes = many("a", "b", 6, 3, ties=4)
    bad = [
        Vote(vote.scene, vote.voter, vote.left, vote.right, "bad") if vote.winner is None else vote for vote in votes
    ]
    assert fit(bad).log_worths == fit(votes).log_worths
    assert (tally(bad)["a", "b"].ties, tally(bad)["a", "b"].bad, tally(votes)["a", "b"].bad) == (4, 4, 0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc"), st.sampled_from(["left", "right", "tie"]))))
@settings(max_examples=60, deadline=None)
def test_sides_and_order_do_not_matter(said: list[tuple[str, str, str]]) -> None:
    """Any votes fit, and the same votes seen from the other side, in another order, give the same worths."""
    votes = [Vote(str(at), "v", a, b, outcome) for at, (a, b, outcome) in enumerate(said) if a != b]  # type: ignore[arg-type]
    turned = {"left": "right", "right": "left", "tie": "tie"}
    other = [Vote(v.scene, v.voter, v.right, v.left, turned[v.outcome]) for v in reversed(votes)]  # type: ignore[arg-type]
    first, second = fit(votes, "abc"), fit(other, "abc")
    assert first.log_worths == pytest.approx(second.log_worths, abs=1e-8)


def test_repeating_a_scene_does_not_narrow_the_interval() -> None:
    """Ten people who say the same of each scene know no more about other scenes than one does."""
    once = many("a", "b", 14, 6)
    often = [Vote(vote.scene, f"v{who}", vote.left, vote.right, vote.outcome) for vote in once for who in range(4)]
    narrow, wide = clustered(fit(once), once), clustered(fit(often), often)
    assert narrow is not None
    assert wide is not None
    assert wide.by == "scene"
    assert wide.standard_error([1, -1]) == pytest.approx(narrow.standard_error([1, -1]), rel=0.1)


def test_five_voters_are_a_second_cluster() -> None:
    """From five voters on the interval is for other voters too, with the fewer degrees of freedom."""
    votes = [Vote(str(at % 20), f"v{at % 7}", "a", "b", "left" if at % 3 else "right") for at in range(140)]
    found = clustered(fit(votes), votes)
    assert found is not None
    assert (found.by, found.freedom) == ("scene and voter", 6)


def test_fewer_than_five_scenes_bear_no_interval() -> None:
    """Four scenes, however many votes: None."""
    votes = [Vote(str(at % (MIN_SCENES - 1)), "v", "a", "b", "left" if at % 3 else "right") for at in range(60)]
    assert clustered(fit(votes), votes) is None


def test_groups_that_never_met_are_said() -> None:
    """Two pairs without a vote between them are two groups."""
    votes = [*many("a", "b", 1, 1), *many("c", "d", 1, 1)]
    assert groups(["a", "c", "b", "d", "e"], tally(votes)) == [["a", "b"], ["c", "d"], ["e"]]


def test_best_and_worst_of_four_is_five_comparisons() -> None:
    """The best beats three, and two more beat the worst; a best alone beats three."""
    found = best_and_worst("s", "v", "a", "d", ["a", "b", "c", "d"])
    assert {(vote.left, vote.right) for vote in found} == {("a", "b"), ("a", "c"), ("a", "d"), ("b", "d"), ("c", "d")}
    assert len(best_of("s", "v", "a", ["b", "c", "d"])) == 3
