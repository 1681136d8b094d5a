"""The verdict: words and figures from a log of votes, marks and scores."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence

import pytest

from promptlab.compare.verdict import Verdict, metrics_of, verdict_as_json, verdict_of
from promptlab.compare.verdict_words import lines
from promptlab.errors import InputError
from promptlab.log.scores import Score
from promptlab.log.votes import Ballot, Comparison, Poll
from promptlab.model import Run

from .conftest import Said, Studio

TWO = {"prompt": ["calm", "bold"]}


def cast(studio: Studio, run: Run, poll: Poll, outcomes: Sequence[str], *, by: str = "ana", first: int = 0) -> None:
    """One vote per seed, calm on the left."""
    for seed, outcome in enumerate(outcomes, first):
        studio.vote(poll, studio.image(run, "calm", seed), studio.image(run, "bold", seed), outcome, by=by)


def voted(studio: Studio, outcomes: Sequence[str], *, close: bool = True, **more: str) -> tuple[Run, Poll]:
    """A run of two prompts with one vote per seed."""
    run = studio.run(TWO, range(max(len(outcomes), 1)), **more)  # type: ignore[arg-type]
    poll = studio.log.open_poll(run.id, "prompt", by="ana")
    cast(studio, run, poll, outcomes)
    if close:
        studio.log.close_poll(poll.id)
    return run, poll


def said(verdict: Verdict, name: str) -> tuple[str, bool | None]:
    """What the verdict answers to one question of trust."""
    found = next(each for each in verdict.trust if each.name == name)
    return found.text, found.good


# --- by votes -----------------------------------------------------------------------------------------------------


def test_a_clear_winner(studio: Studio) -> None:
    """24 of 30 matched pairs prefer calm: it wins, and the sentence says in how many of 100."""
    run, _ = voted(studio, ["left" if seed % 5 else "right" for seed in range(30)])
    found = verdict_of(studio.log, run.id, "prompt")
    assert found.headline == "calm wins: preferred in 79 of 100 matched pairs, surely more than 60."
    assert found.sentences[0] == "bold costs the same."
    assert (found.winner, found.votes, found.scenes, found.voters, found.enough) == ("calm", 30, 30, 1, True)
    first, second = found.standings
    assert (first.value, first.rank_low, first.rank_high, first.wins, first.losses) == ("calm", 1, 1, 24, 6)
    assert second.chance is not None
    assert second.chance < 0.5
    assert found.takes == ("Nothing more to tell that calm is the best of these.",)
    assert json.loads(json.dumps(verdict_as_json(found)))["matrix"][0]["value"] == "bold"


def test_not_apart_and_what_it_would_take(studio: Studio) -> None:
    """18 of 30: not apart; the price decides, and the command that makes more seeds of the two is there."""
    run = studio.run(TWO, range(30), cost=lambda axes: 0.02 if axes["prompt"] == "bold" else 0.12)
    poll = studio.log.open_poll(run.id, "prompt", by="ana")
    cast(studio, run, poll, ["left"] * 18 + ["right"] * 12)
    studio.log.close_poll(poll.id)
    found = verdict_of(studio.log, run.id, "prompt")
    assert found.winner is None
    assert found.headline.startswith("calm leads, but is not apart from bold: preferred in 60 of 100 matched pairs, ")
    assert found.sentences[0].startswith("calm and bold are not apart; bold costs 83 % less: ~$0.02 instead of ~$0.12")
    assert [(each.chance, each.scenes, each.more_votes, each.seeds) for each in found.needed] == [
        (0.6, 203, 173, 203), (0.65, 89, 59, 89), (0.7, 51, 21, 51),
    ]  # fmt: skip
    assert found.needed[2].cost_usd == pytest.approx(21 * 0.14)
    assert "`promptlab run experiments/ads.yaml --where prompt=calm,bold --seeds 51`" in found.takes[-1]
    assert "~$2.94" in found.takes[-1]
    without = verdict_of(studio.log, run.id, "prompt", command=False)
    assert "promptlab" not in " ".join(without.takes)


def test_where_there_are_pictures_votes_are_enough(studio: Studio) -> None:
    """20 votes on 60 scenes: for 70:30 the pictures are there, so that no money is asked for."""
    run = studio.run(TWO, range(60))
    poll = studio.log.open_poll(run.id, "prompt", by="ana")
    cast(studio, run, poll, ["left", "right"] * 10)
    studio.log.close_poll(poll.id)
    found = verdict_of(studio.log, run.id, "prompt")
    assert found.needed[2].seeds is None
    assert "For 70:30 the pictures are there: vote on scenes that nobody has seen" in " ".join(found.takes)


def test_the_main_effect_is_over_all_other_axes(studio: Studio) -> None:
    """Votes under each look count alike, a scene is a look and a seed, and the sentence says what it is over."""
    run = studio.run({"prompt": ["calm", "bold"], "look": ["warm", "cold"]}, range(10))
    poll = studio.log.open_poll(run.id, "prompt", by="ana")
    for look in ("warm", "cold"):
        for seed in range(10):
            outcome = "left" if look == "warm" or seed % 2 else "right"
            studio.vote(poll, studio.image(run, "calm", look, seed), studio.image(run, "bold", look, seed), outcome)
    studio.log.close_poll(poll.id)
    found = verdict_of(studio.log, run.id, "prompt")
    assert (found.scenes, found.standings[0].wins) == (20, 15)
    assert "This is the effect of prompt over all else: 2 of look." in found.sentences
    warm = verdict_of(studio.log, run.id, "prompt", where="look=warm")
    assert (warm.scenes, warm.standings[0].wins) == (10, 10)


def test_four_scenes_bear_no_interval(studio: Studio) -> None:
    """However clear the votes: the headline says why there is no interval."""
    run, _ = voted(studio, ["left"] * 4)
    found = verdict_of(studio.log, run.id, "prompt")
    assert not found.enough
    assert "4 scenes can't say how sure that is: 5 are the least" in found.headline
    assert (found.standings[0].rank_low, found.standings[0].rank_high, found.standings[0].low) == (1, 2, None)
    assert said(found, "scenes")[1] is False


def test_nobody_voted(studio: Studio) -> None:
    """No votes: how many scenes can be voted on, and how to begin."""
    run = studio.run(TWO, range(6))
    found = verdict_of(studio.log, run.id, "prompt")
    assert found.headline == "No votes by prompt yet: 6 scenes can be voted on."
    assert "`promptlab browse`" in found.takes[0]
    assert not found.enough
    assert {each.value for each in found.standings} == {"calm", "bold"}


def test_only_ties(studio: Studio) -> None:
    """Nobody preferred anything: level, no winner."""
    run, _ = voted(studio, ["tie", "bad"] * 6)
    found = verdict_of(studio.log, run.id, "prompt")
    assert found.headline == "calm and bold are level: nobody preferred one to another in 12 votes."
    assert (found.winner, found.standings[0].ties, found.standings[0].bad) == (None, 12, 6)


def test_the_price_and_ties_of_what_is_level(studio: Studio) -> None:
    """Votes that split evenly: ties and both-bad are counted in words."""
    run, _ = voted(studio, ["left", "right", "tie", "bad"] * 5)
    found = verdict_of(studio.log, run.id, "prompt")
    assert '10 ties in 20 votes, 5 of them "both bad"; calm is in 5 of those, of 20 votes on it.' in found.sentences


def test_an_open_vote_has_confidence_sequences_only(studio: Studio) -> None:
    """While people may vote: no rank, no chance to be best, no p-value; a clear lead is named all the same."""
    run, poll = voted(studio, ["left"] * 12 + ["right"] * 6, close=False)
    found = verdict_of(studio.log, run.id, "prompt")
    assert found.live
    assert found.headline.startswith(
        "The vote is open. calm leads, preferred in 67 of 100 matched pairs so far; it can't"
    )
    assert (found.winner, [each.chance_best for each in found.standings]) == (None, [None, None])
    assert all(gap.p is None and gap.to == "leader" for gap in found.differences)
    assert "confidence sequences" in found.methods
    studio.log.close_poll(poll.id)
    closed = verdict_of(studio.log, run.id, "prompt")
    assert not closed.live
    wide, narrow = found.differences[0], closed.differences[0]
    assert wide.low is not None
    assert narrow.low is not None
    assert wide.low < narrow.low


def test_an_open_vote_names_a_clear_winner(studio: Studio) -> None:
    """40 to 5 can be said at any time."""
    run, _ = voted(studio, ["left"] * 40 + ["right"] * 5, close=False)
    found = verdict_of(studio.log, run.id, "prompt")
    assert found.winner == "calm"
    assert found.headline.endswith("that can be said already.")
    assert (found.standings[0].rank_high, found.standings[1].rank_low) == (1, 2)


def test_a_vote_on_another_axis_is_not_this_one(studio: Studio) -> None:
    """A poll on look stays open: the verdict on prompt is not live, and gets none of its votes."""
    run = studio.run({"prompt": ["calm", "bold"], "look": ["warm", "cold"]}, range(6))
    poll = studio.log.open_poll(run.id, "look", by="ana")
    studio.vote(poll, studio.image(run, "calm", "warm", 1), studio.image(run, "calm", "cold", 1))
    found = verdict_of(studio.log, run.id, "prompt")
    assert (found.live, found.votes) == (False, 0)


def test_groups_that_never_met_are_not_ranked(studio: Studio) -> None:
    """Two pairs without a vote between them: the larger group is ranked, the other is named, a third nobody saw."""
    names = ["a", "b", "c", "d", "e"]
    run = studio.run({"prompt": names}, range(12))
    poll = studio.log.open_poll(run.id, "prompt", by="ana")
    for seed in range(12):
        studio.vote(poll, studio.image(run, "a", seed), studio.image(run, "b", seed), "left" if seed % 4 else "right")
        if seed < 6:
            studio.vote(poll, studio.image(run, "c", seed), studio.image(run, "d", seed))
    studio.log.close_poll(poll.id)
    found = verdict_of(studio.log, run.id, "prompt")
    assert [(each.value, each.rank_low is None) for each in found.standings] == [
        ("a", False), ("b", False), ("c", True), ("d", True), ("e", True),
    ]  # fmt: skip
    assert "c and d never met a or what it met: not comparable." in found.sentences
    assert "Nobody voted on e yet." in found.sentences


def test_votes_follow_the_paid_image(studio: Studio) -> None:
    """A later run with more seeds, its first ones from the cache, has every vote; prices stay too."""
    run, _ = voted(studio, ["left"] * 8)
    more = studio.run(TWO, range(16), id="R2", copies=run.id)
    found = verdict_of(studio.log, more.id, "prompt")
    assert (found.votes, found.scenes, found.standings[0].images) == (8, 8, 16)
    assert found.standings[0].cost_usd == pytest.approx(0.04)


def test_an_undone_ballot_counts_no_more(studio: Studio) -> None:
    """It is in the log, and in no verdict."""
    run, poll = voted(studio, ["left"] * 6, close=False)
    studio.log.undo_ballot(poll.id, by="ana")
    assert verdict_of(studio.log, run.id, "prompt").votes == 5


# --- can you trust that? ------------------------------------------------------------------------------------------


def test_the_judge_is_never_mixed_in(studio: Studio) -> None:
    """A judge's votes change no figure; its agreement with people is said."""
    run, _ = voted(studio, ["left", "left", "left", "right", "right", "left"])
    alone = verdict_of(studio.log, run.id, "prompt")
    poll = studio.log.open_poll(run.id, "prompt", by="ana", blind=False)
    for seed in range(6):
        pair = (studio.image(run, "calm", seed), studio.image(run, "bold", seed))
        studio.vote(poll, *pair, "left" if seed < 5 else "right", by="score", judge="eye-1")
    studio.log.close_poll(poll.id)
    found = verdict_of(studio.log, run.id, "prompt")
    assert (found.standings, found.votes) == (alone.standings, alone.votes)
    text, good = said(found, "judge")
    assert text == "6 votes by the judge eye-1 are not counted; it says what people say in 50 of 100 cases."
    assert good is None


def test_side_bias_is_of_blind_pairs_alone(studio: Studio) -> None:
    """A best-of-row ballot has its preferred image on the left by construction, and says nothing of sides."""
    run = studio.run(TWO, range(40))
    poll = studio.log.open_poll(run.id, "prompt", by="ana")
    for seed in range(20):
        studio.vote(poll, studio.image(run, "calm", seed), studio.image(run, "bold", seed), kind="best")
    found = verdict_of(studio.log, run.id, "prompt")
    assert said(found, "sides") == ("No blind pair was decided, so a preference for one side can't be checked.", None)
    cast(studio, run, poll, ["left"] * 15 + ["right"] * 5, first=20)
    text, good = said(verdict_of(studio.log, run.id, "prompt"), "sides")
    assert text.startswith("The left picture won 15 of 20 decided blind pairs: a preference for one side.")
    assert good is False


def test_votes_after_a_look_at_the_tally(studio: Studio) -> None:
    """Blind votes by somebody who had seen how it stands are counted out loud; before, voting was blind."""
    run, poll = voted(studio, ["left"] * 6, close=False)
    assert said(verdict_of(studio.log, run.id, "prompt"), "blind")[1] is True
    studio.log.note_tally_view(poll.id, by="ana")
    ballot = Comparison(studio.image(run, "calm", 0), studio.image(run, "bold", 0), "left")
    studio.log.cast(Ballot("late", poll.id, "pair", "ana", (ballot,), at="2999-01-01T00:00:00.000Z"))
    text, good = said(verdict_of(studio.log, run.id, "prompt"), "blind")
    assert (text, good) == ("1 blind vote came after a look at the tally by the same voter.", False)


def test_votes_between_scenes_are_left_out(studio: Studio) -> None:
    """Two pictures of different seeds share no scene: said, and not counted."""
    run, poll = voted(studio, ["left"] * 6, close=False)
    studio.vote(poll, studio.image(run, "calm", 1), studio.image(run, "bold", 2))
    found = verdict_of(studio.log, run.id, "prompt")
    assert found.votes == 6
    assert said(found, "matched") == ("1 vote compares pictures of different scenes, and is left out.", None)


@pytest.mark.parametrize(("voters", "good"), [(1, None), (4, None), (5, True)])
def test_for_whom_it_holds(studio: Studio, voters: int, good: bool | None) -> None:
    """From five voters on the intervals are for others too; with fewer it holds for those who voted."""
    run = studio.run(TWO, range(12))
    poll = studio.log.open_poll(run.id, "prompt", by="ana")
    for voter in range(voters):
        cast(studio, run, poll, ["left", "right", "left"] * 4, by=f"v{voter}")
    assert said(verdict_of(studio.log, run.id, "prompt"), "voters")[1] is good


def test_what_is_missing_is_told_and_tested(studio: Studio) -> None:
    """Half of bold was refused: told value by value with why, and that it depends on the prompt."""

    def status(axes: object, seed: int | None) -> Said:
        refused = dict(axes)["prompt"] == "bold" and (seed or 0) % 2  # type: ignore[call-overload]
        return ("failed", "content_policy") if refused else ("completed", None)

    run = studio.run(TWO, range(40), status=status)
    found = verdict_of(studio.log, run.id, "prompt")
    assert found.missing == ("bold: 20 of 40 cells have no picture (20 refused by a content filter).",)
    assert found.standings[1].missing == {"moderated": 20}
    text, good = said(found, "missing")
    assert text.startswith("20 of 80 cells have no picture; how many depends on prompt (p < 0.001)")
    assert good is False
    assert found.headline == "No votes by prompt yet: 20 scenes can be voted on."


def test_nothing_is_missing(studio: Studio) -> None:
    """Stated either way."""
    run, _ = voted(studio, ["left"] * 6)
    found = verdict_of(studio.log, run.id, "prompt")
    assert said(found, "missing") == ("Every cell has its picture.", True)
    assert found.missing == ()


def test_simulated_pictures_say_so(studio: Studio) -> None:
    """A verdict on the simulator's drawings says nothing about a model."""
    run, _ = voted(studio, ["left"] * 6, provider="simulator")
    found = verdict_of(studio.log, run.id, "prompt")
    assert found.simulated
    assert said(found, "simulated")[1] is False


# --- by marks and scores ------------------------------------------------------------------------------------------


def test_kept_is_newcombes_paired_interval(studio: Studio) -> None:
    """The paper's 36 pairs both yes, 12 only the first, 2 only the second: .0569 to .3404, through marks in the log."""
    run = studio.run(TWO, range(50))
    kept = {"calm": range(48), "bold": [*range(36), 48, 49]}
    for prompt, seeds in kept.items():
        for seed in range(50):
            studio.log.set_marks([studio.image(run, prompt, seed)], "keep" if seed in seeds else "reject", by="ana")
    found = verdict_of(studio.log, run.id, "prompt", metric="kept")
    gap = found.differences[0]
    assert gap.low is not None
    assert gap.high is not None
    assert (round(gap.low, 4), round(gap.high, 4)) == (0.0569, 0.3404)
    assert found.headline == (
        "calm wins: it is kept most often, 96 of 100; 20 more of 100 than bold in the same scenes, surely between 5 "
        "and 35."
    )
    assert [(each.kept, each.rejected) for each in found.standings] == [(48, 2), (38, 12)]


def test_values_that_are_kept_alike_are_level(studio: Studio) -> None:
    """Where all of both are kept, none is said to be kept most often."""
    run = studio.run(TWO, range(2))
    images = [studio.image(run, prompt, seed) for prompt in TWO["prompt"] for seed in range(2)]
    studio.log.set_marks(images, "keep", by="ana")
    found = verdict_of(studio.log, run.id, "prompt", metric="kept")
    assert found.headline.startswith("calm and bold are level (100 of 100), but 2 scenes can't say")


def test_unmarked_is_not_rejected(studio: Studio) -> None:
    """Where only keepers are marked there is nothing to compare with, and that is said."""
    run = studio.run(TWO, range(8))
    studio.log.set_marks(
        [studio.image(run, prompt, seed) for prompt in TWO["prompt"] for seed in range(8)], "keep", by="a"
    )
    found = verdict_of(studio.log, run.id, "prompt", metric="kept")
    assert said(found, "rejected")[1] is False
    assert found.winner is None
    none = verdict_of(studio.log, studio.run(TWO, range(3), id="R2").id, "prompt", metric="kept")
    assert none.headline == "Nothing is kept or rejected yet, so there is no verdict by prompt."


def test_scores_are_paired_and_calls_averaged(studio: Studio) -> None:
    """Two images of one call are one observation; the difference in scenes has an interval of its own."""
    source = random.Random(1)
    run = studio.run(TWO, range(20), n=2)
    for seed in range(20):
        scene = source.gauss(0, 5)
        for prompt, bonus in (("calm", 2.0), ("bold", 0.0)):
            for position in range(2):
                number = scene + bonus + (0.5 if position else -0.5) + source.gauss(0, 0.3)
                image = studio.image(run, prompt, seed, position=position)
                studio.log.put_scores([Score("sharpness", "sharp", "1", image_id=image, number=number)])
    found = verdict_of(studio.log, run.id, "prompt", metric="sharpness")
    gap = found.differences[0]
    assert (found.winner, gap.scenes) == ("calm", 20)
    assert gap.estimate == pytest.approx(2.0, abs=0.2)
    assert gap.low is not None
    assert 1.7 < gap.low < gap.estimate
    assert found.headline.startswith("calm wins: it has the highest sharpness, ")


def test_a_newer_version_of_a_score_counts_alone(studio: Studio) -> None:
    """Two versions of one score: the one that wrote last, and the other is named."""
    run = studio.run(TWO, range(6))
    for version, at in (("1", "2026-01-01T00:00:00.000Z"), ("2", "2026-02-01T00:00:00.000Z")):
        studio.log.put_scores([
            Score("rating", "shop", version, studio.image(run, prompt, seed), number=seed + int(version), at=at)
            for prompt in TWO["prompt"] for seed in range(6)
        ])  # fmt: skip
    found = verdict_of(studio.log, run.id, "prompt", metric="rating")
    assert said(found, "scorer") == ("rating is that of shop 2; what shop 1 wrote earlier is left out.", None)
    assert found.standings[0].estimate == pytest.approx(4.5)


def test_sales_are_newcombes_hybrid_interval(studio: Studio) -> None:
    """The paper's 56 of 70 against 48 of 80: .0524 to .3339, through trials and successes in the log."""
    run = studio.run(TWO, [1])
    for prompt, successes, trials in (("calm", 56.0, 70.0), ("bold", 48.0, 80.0)):
        studio.log.put_scores([
            Score("sales", "shop", "", image_id=studio.image(run, prompt, 1), successes=successes, trials=trials)
        ])  # fmt: skip
    found = verdict_of(studio.log, run.id, "prompt", metric="sales")
    gap = found.differences[0]
    assert gap.low is not None
    assert gap.high is not None
    assert (round(gap.low, 4), round(gap.high, 4)) == (0.0524, 0.3339)
    assert found.headline == (
        "calm wins on sales: 80 % (56 of 70); 20 points more than bold, surely between 5.24 and 33.4."
    )
    assert said(found, "clusters")[1] is False


def test_several_images_of_a_value_are_clusters(studio: Studio) -> None:
    """Rates that differ from image to image: the interval is wider than that of as many single trials."""
    run = studio.run(TWO, range(6))
    for seed in range(6):
        for prompt, base in (("calm", 40), ("bold", 30)):
            sold = base + (25 if seed % 2 else -25)
            image = studio.image(run, prompt, seed)
            studio.log.put_scores([Score("sales", "shop", "", image_id=image, successes=float(sold), trials=500.0)])
    gap = verdict_of(studio.log, run.id, "prompt", metric="sales").differences[0]
    assert gap.low is not None
    assert gap.low < 0 < gap.estimate


def test_scores_of_whole_variants(studio: Studio) -> None:
    """A rating per variant is paired over the other axes."""
    run = studio.run({"prompt": ["calm", "bold"], "look": [f"l{at}" for at in range(6)]}, [1])
    variants = {row[0]: json.loads(row[1]) for row in studio.log.rows("SELECT id, axes FROM variants")}
    studio.log.put_scores([
        Score("rating", "shop", "", experiment=run.experiment, variant_id=id_,
              number=(1.0 if axes["prompt"] == "calm" else 0.0) + int(axes["look"][1:]))
        for id_, axes in variants.items()
    ])  # fmt: skip
    found = verdict_of(studio.log, run.id, "prompt", metric="rating")
    assert (found.winner, found.differences[0].scenes) == ("calm", 6)


# --- what all of them share ---------------------------------------------------------------------------------------


def test_items_with_one_picture_each_are_not_ranked(studio: Studio) -> None:
    """60 products, one picture each: nothing to rank; what is judged is counted, and review is the way."""
    run = studio.run({"item": [f"S-{at}" for at in range(60)]}, [1])
    studio.log.set_marks([studio.image(run, "S-3", 1)], "reject", by="ana")
    for metric in ("votes", "kept"):
        found = verdict_of(studio.log, run.id, "item", metric=metric)
        assert found.hidden
        assert found.headline.endswith("among 60 pictures. 1 is judged: 0 kept, 1 rejected.")
        assert found.standings == ()


def test_the_best_metric_that_is_there(studio: Studio) -> None:
    """Without a metric: marks before scores, votes before marks."""
    run = studio.run(TWO, range(6))
    assert verdict_of(studio.log, run.id, "prompt", metric=None).metric == "votes"
    image = studio.image(run, "calm", 1)
    studio.log.put_scores([Score("sharpness", "sharp", "1", image_id=image, number=1.0)])
    assert verdict_of(studio.log, run.id, "prompt", metric=None).metric == "sharpness"
    studio.log.set_marks([image], "keep", by="ana")
    assert verdict_of(studio.log, run.id, "prompt", metric=None).metric == "kept"
    assert metrics_of(studio.log, run.id) == ["votes", "kept", "sharpness"]


def test_a_metric_that_is_not_there(studio: Studio) -> None:
    """The error names the nearest score."""
    run = studio.run(TWO, range(2))
    studio.log.put_scores([Score("sharpness", "sharp", "1", image_id=studio.image(run, "calm", 1), number=1.0)])
    with pytest.raises(InputError, match="did you mean 'sharpness'") as caught:
        verdict_of(studio.log, run.id, "prompt", metric="sharpnes")
    assert caught.value.problems[0].code == "no-such-metric"


def test_the_baseline_is_the_experiments_own(studio: Studio) -> None:
    """The value that the experiment names is what others are compared with, with Holm's p-values."""
    run = studio.run({"prompt": ["calm", "bold", "film"]}, range(30), baseline="baseline: {prompt: bold}\n")
    poll = studio.log.open_poll(run.id, "prompt", by="ana")
    for seed in range(30):
        for other in ("bold", "film"):
            outcome = "left" if seed % 6 else "right"
            studio.vote(poll, studio.image(run, "calm", seed), studio.image(run, other, seed), outcome)
    studio.log.close_poll(poll.id)
    found = verdict_of(studio.log, run.id, "prompt")
    assert (found.baseline, found.reference) == ("bold", "bold")
    assert "preferred to bold (the baseline) in 83 of 100" in found.headline
    assert {gap.value for gap in found.differences if gap.to == "baseline" and gap.p is not None} == {"calm", "film"}
    assert any(line.startswith("Preferred to bold (the baseline): calm 83 of 100") for line in found.sentences)


def test_the_same_log_gives_the_same_verdict(studio: Studio) -> None:
    """Byte for byte, in other processes whose sets and dicts stand in another order."""
    source = random.Random(7)
    run = studio.run({"prompt": ["a", "b", "c"], "look": ["warm", "cold"]}, range(12), n=2)
    poll = studio.log.open_poll(run.id, "prompt", by="ana")
    for at in range(80):
        first, second = source.sample(["a", "b", "c"], 2)
        key = (source.choice(["warm", "cold"]), source.randrange(12))
        outcome = source.choice(["left", "left", "right", "tie"])
        studio.vote(poll, studio.image(run, first, *key), studio.image(run, second, *key), outcome, by=f"v{at % 3}")
    studio.log.close_poll(poll.id)
    for images in studio.images.values():
        studio.log.put_scores([Score("s", "x", "", image_id=id_, number=source.random()) for id_ in images])
    code = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from promptlab.compare.verdict import verdict_as_json, verdict_of\n"
        "from promptlab.log import Log\n"
        "with Log.open(Path(sys.argv[1]), create=False, readonly=True) as log:\n"
        "    for metric in ('votes', 's'):\n"
        "        print(json.dumps(verdict_as_json(verdict_of(log, sys.argv[2], 'prompt', metric=metric))))\n"
    )
    texts = set()
    for hash_seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", code, str(studio.log.path), run.id]
        texts.add(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)
    assert len(texts) == 1


def test_lines_begin_with_the_headline(studio: Studio) -> None:
    """What terminal, page and report print, in one list."""
    run, _ = voted(studio, ["left"] * 6)
    found = verdict_of(studio.log, run.id, "prompt")
    told = lines(found)
    assert told[0] == found.headline
    assert set(told) >= {*found.sentences, *found.takes, *(each.text for each in found.trust)}


def test_a_kept_count_is_counted_again_when_the_run_changes(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of large runs the count of cells is kept; a generation that is lost afterwards is seen all the same."""
    monkeypatch.setattr("promptlab.compare.evidence._LARGE", 1)
    run, _ = voted(studio, ["left"] * 6)
    first = verdict_of(studio.log, run.id, "prompt")
    assert verdict_of(studio.log, run.id, "prompt") == first
    assert first.missing == ()
    id_ = studio.log.value("SELECT id FROM generations WHERE run_id = ? ORDER BY sequence LIMIT 1", (run.id,))
    studio.log.execute("UPDATE generations SET status = 'failed' WHERE id = ?", (id_,))
    assert verdict_of(studio.log, run.id, "prompt").missing != ()
