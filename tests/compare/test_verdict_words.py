"""Every sentence of a verdict, from figures: what is said, and that it is said exactly."""

from __future__ import annotations

import pytest

from promptlab.compare import verdict_words as words
from promptlab.compare.verdict_model import Gap
from promptlab.stats.votes import Tally

GAP = Gap("film", "ink", "leader", 0.6234, 0.5381, 0.7012)
OPEN = Gap("film", "ink", "leader", 0.54, 0.449, 0.631)
LABELS = {"film": "film", "ink": "ink"}


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (words.count(1, "scene"), "1 scene"),
        (words.count(1200, "scene"), "1,200 scenes"),
        (words.hundred(0.6234), "62 of 100"),
        (words.percent(0.84), "84 %"),
        (words.percent(0.004), "0.4 %"),
        (words.percent(0.05), "5 %"),
        (words.percent(0.0), "0 %"),
        (words.likely(0.998), "over 99 %"),
        (words.likely(0.001), "under 1 %"),
        (words.likely(0.86), "86 %"),
        (words.surely(0.5381), "surely more than 53"),
        (words.surely(0.53), "surely more than 53"),
        (words.between(0.449, 0.631), "surely between 44 and 64"),
        (words.ends(0.449, 0.631), "44–64"),
        (words.listed_and(["a"]), "a"),
        (words.listed_and(["a", "b", "c"]), "a, b and c"),
        (words.listed_and(list("abcdefg")), "a, b, c, d and 3 more"),
        (words.number(12.345), "12.3"),
        (words.number(0.04123), "0.0412"),
        (words.number(1204.4), "1,204"),
        (words.number(5.0), "5"),
        (words.number(-0.851), "-0.851"),
        (words.number(0), "0"),
        (words.rate(0.0312), "3.12 %"),
        (words.figure("kept", 0.62, is_rate=False), "62 of 100"),
        (words.figure("sales", 0.0312, is_rate=True), "3.12 %"),
        (words.figure("sharpness", 12.3, is_rate=False), "12.3"),
        (words.dollars(0.04), "~$0.04"),
        (words.dollars(0.0375), "~$0.0375"),
        (words.dollars(12.0), "~$12.00"),
        (words.dollars(0.0), "~$0.00"),
    ],
)
def test_figures(said: str, text: str) -> None:
    """Bounds are rounded away from the middle, small figures keep their digits, chances are never certain."""
    assert said == text


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (words.no_votes("prompt", 12), "No votes by prompt yet: 12 scenes can be voted on."),
        (
            words.no_votes("prompt", 0),
            "Nothing to compare by prompt: no two of its values have a picture in the same scene.",
        ),
        (
            words.one_picture("item", 4000, 275, 37),
            "Each item has one picture, so there is nothing to rank among 4,000 pictures. 312 are judged: 275 kept, 37 "
            "rejected.",
        ),
        (words.one_picture("item", 1, 0, 0), "Each item has one picture, so there is nothing to rank among 1 picture."),
        (
            words.too_few("film", Tally(3, 1), 4, 5),
            "film leads, preferred in 3 of 4 decided votes, but 4 scenes can't say how sure that is: 5 are the least.",
        ),
        (
            words.too_few("film", Tally(0, 0, 2), 1, 5),
            "Nobody preferred one to another yet, and 1 scene can't say how sure that is: 5 are the least.",
        ),
        (words.level(["film", "ink"], 30), "film and ink are level: nobody preferred one to another in 30 votes."),
        (
            words.wins("film", None, GAP, "matched pairs"),
            "film wins: preferred in 62 of 100 matched pairs, surely more than 53.",
        ),
        (
            words.wins("film", "ink (the next)", GAP, "matched pairs"),
            "film wins: preferred to ink (the next) in 62 of 100 matched pairs, surely more than 53.",
        ),
        (
            words.leads("film", ["ink"], OPEN, "pairs", several=False),
            "film leads, but is not apart from ink: preferred in 54 of 100 pairs, surely between 44 and 64.",
        ),
        (
            words.leads("film", ["ink", "clay"], OPEN, "matched pairs", several=True),
            "film leads, but is not apart from ink and clay: preferred to ink in 54 of 100 matched pairs, surely "
            "between 44 and 64.",
        ),
        (
            words.open_vote("film", None, OPEN, False, "matched pairs"),
            "The vote is open. film leads, preferred in 54 of 100 matched pairs so far; it can't be said yet that this "
            "is not chance.",
        ),
        (
            words.open_vote("film", "ink", GAP, True, "pairs"),
            "The vote is open. film leads, preferred to ink in 62 of 100 pairs so far; that can be said already.",
        ),
    ],
)
def test_headlines(said: str, text: str) -> None:
    """One sentence, whatever the votes are like."""
    assert said == text


@pytest.mark.parametrize(
    ("first", "second", "apart", "text"),
    [
        (0.25, 0.04, False, "film and ink are not apart; ink costs 84 % less: ~$0.04 instead of ~$0.25 an image."),
        (0.04, 0.25, False, "film and ink are not apart; film costs 84 % less: ~$0.04 instead of ~$0.25 an image."),
        (0.04, 0.04, False, "film and ink are not apart; they cost the same."),
        (0.04, 0.04, True, "ink costs the same."),
        (0.04, 0.05, True, "ink costs 25 % more: ~$0.05 an image, film ~$0.04."),
        (0.05, 0.04, True, "ink costs 20 % less: ~$0.04 an image, film ~$0.05."),
        (0.0, 0.04, True, "ink costs ~$0.04 an image, film ~$0.00."),
        (0.0, 0.0, True, "ink costs the same."),
        (None, 0.04, True, None),
        (0.04, None, False, None),
    ],
)
def test_the_price_decides_between_equals(
    first: float | None, second: float | None, apart: bool, text: str | None
) -> None:
    """Of two that are not apart the cheaper is named; of a winner, what the next one costs; unknown says nothing."""
    assert words.price("film", "ink", first, second, apart=apart) == text


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (
            words.against_baseline("photo", [("film", 0.62, 0.531, 0.7), ("ink", 0.4, None, None)]),
            "Preferred to photo (the baseline): film 62 of 100 (53 to 70); ink 40 of 100.",
        ),
        (
            words.best_chances([("film", 0.97), ("ink", 0.03), ("clay", 0.0)]),
            "Chance of being the best: film 97 %, ink 3 %.",
        ),
        (words.undecided(20, 0, 0, None), None),
        (words.undecided(20, 1, 0, None), '1 tie in 20 votes, none of them "both bad".'),
        (
            words.undecided(20, 4, 2, ("clay", 2, 9)),
            '4 ties in 20 votes, 2 of them "both bad"; clay is in 2 of those, of 9 votes on it.',
        ),
        (words.over("prompt", []), None),
        (
            words.over("prompt", [("look", 2), ("item", 5)]),
            "This is the effect of prompt over all else: 2 of look and 5 of item.",
        ),
        (words.never_met(["clay"], "film"), "clay never met film or what it met: not comparable."),
        (words.unvoted(["clay", "oil"]), "Nobody voted on clay and oil yet."),
        (
            words.difference(Gap("film", "ink", "leader", 0.22, 0.118, 0.311, equal=0.0), LABELS, share=True),
            "22 more of 100 than ink in the same scenes, surely between 11 and 32",
        ),
        (
            words.difference(Gap("film", "ink", "leader", -0.04, equal=0.0), LABELS, share=True),
            "4 fewer of 100 than ink in the same scenes",
        ),
        (
            words.difference(Gap("film", "ink", "leader", -1.5, -2.0, 0.4, equal=0.0), LABELS, share=False),
            "1.5 less than ink in the same scenes, surely between -2 and 0.4",
        ),
        (
            words.rate_difference(Gap("film", "ink", "leader", 0.0042, -0.001, 0.0094, equal=0.0), LABELS),
            "0.42 points more than ink, surely between -0.1 and 0.94",
        ),
        (words.rate_difference(Gap("film", "ink", "leader", 0.01, equal=0.0), LABELS), "1 point more than ink"),
        (words.first_votes(0, command=True), None),
        (
            words.first_votes(8, command=True),
            "Vote on 8 scenes, or pick the best of each row in the grid: `promptlab browse`, then Vote.",
        ),
        (words.first_votes(8, command=False), "Vote on 8 scenes, or pick the best of each row in the grid."),
        (words.nothing_more("film"), "Nothing more to tell that film is the best of these."),
        (words.nothing_more(""), "There is nothing to tell apart."),
    ],
)
def test_what_follows(said: str | None, text: str | None) -> None:
    """Sentences after the headline; None where there is nothing to say."""
    assert said == text


@pytest.mark.parametrize(
    ("said", "parts"),
    [
        (words.methods_votes("scene", live=False), ["clustered by scene", "max-t", "Holm"]),
        (words.methods_votes("scene and voter", live=False), ["clustered by scene and voter"]),
        (words.methods_votes("", live=False), ["too few scenes"]),
        (words.methods_votes("scene", live=True), ["confidence sequences", "Waudby-Smith"]),
        (words.methods_measure("kept", rates=False), ["McNemar", "Newcombe", "averaged first"]),
        (words.methods_measure("sharpness", rates=False), ["BCa", "Wilcoxon"]),
        (words.methods_measure("sales", rates=True), ["Newcombe", "design effect"]),
    ],
)
def test_methods_name_what_was_done(said: str, parts: list[str]) -> None:
    """The paragraph names the method of each kind of verdict, and no other's."""
    assert all(part in said for part in parts)
