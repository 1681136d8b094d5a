"""What voters see next, and what their answers stand for."""

from __future__ import annotations

import math
import random
from collections import Counter
from itertools import combinations
from typing import Any

import pytest

from promptlab.compare.answers import BallotAnswer, comparisons_of, read_answer
from promptlab.compare.next_ballot import Chooser, Shown
from promptlab.compare.voting_scenes import (
    MOST_VALUES,
    Cast,
    VotePicture,
    VotingScene,
    VotingScenes,
    read_casts,
    read_scene_of,
    read_voting_scenes,
)
from promptlab.errors import InputError
from promptlab.log.votes import Comparison
from promptlab.stats.davidson import clustered, fit
from promptlab.stats.distributions import t_quantile
from promptlab.stats.votes import Vote

# --- answers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["left", "right", "tie", "bad"])
def test_a_pair_is_one_comparison(outcome: Any) -> None:
    """As it was seen."""
    assert comparisons_of(["a", "b"], read_answer("pair", 2, outcome)) == (Comparison("a", "b", outcome),)


def test_best_and_worst_of_four_are_five_comparisons() -> None:
    """The best beats all others, all others beat the worst, and the two in between are not compared."""
    found = comparisons_of(["a", "b", "c", "d"], read_answer("best_worst", 4, "best", "2", "0"))
    beaten = {(each.left_image, each.right_image) for each in found}
    assert beaten == {("c", "b"), ("c", "d"), ("c", "a"), ("b", "a"), ("d", "a")}
    assert len(found) == 5
    assert {each.outcome for each in found} == {"left"}


def test_the_best_alone_beats_the_others() -> None:
    """And says nothing of those."""
    found = comparisons_of(["a", "b", "c"], BallotAnswer("best", 1))
    assert [(each.left_image, each.right_image) for each in found] == [("b", "a"), ("b", "c")]


def test_no_difference_among_four_holds_for_any_two() -> None:
    """Six ties, or six times both bad."""
    found = comparisons_of(["a", "b", "c", "d"], read_answer("best_worst", 4, "bad"))
    assert [each.outcome for each in found] == ["bad"] * 6


@pytest.mark.parametrize(
    ("kind", "outcome", "best", "worst"),
    [
        ("pair", "best", "0", "1"),
        ("pair", "", "", ""),
        ("pair", "left", "0", ""),
        ("best_worst", "left", "", ""),
        ("best_worst", "best", "0", "0"),
        ("best_worst", "best", "0", "4"),
        ("best_worst", "best", "0", ""),
        ("best_worst", "tie", "0", "1"),
        ("best_worst", "best", "-1", "2"),
    ],
)
def test_an_answer_that_says_nothing_is_refused(kind: Any, outcome: str, best: str, worst: str) -> None:
    """With a sentence that says what can be said."""
    with pytest.raises(InputError, match=r"say .*\[bad-ballot\]"):
        read_answer(kind, 2 if kind == "pair" else 4, outcome, best, worst)


# --- what comes next -----------------------------------------------------------------------------------------------


def ground(values: int, scenes: int, images: int = 1) -> VotingScenes:
    """Scenes that have all values, with as many pictures each."""
    names = tuple(f"x{value}" for value in range(values))
    made = [
        VotingScene(f"s{scene}", {
            name: tuple(VotePicture(f"{name} s{scene} {number}", "0" * 64) for number in range(images))
            for name in names
        })
        for scene in range(scenes)
    ]  # fmt: skip
    return VotingScenes("run", "style", names, tuple(made))


def value_of(picture: VotePicture) -> str:
    return picture.image_id.split()[0]


def cast(chooser: Chooser, shown: Shown, voter: str, number: int, outcome: Any = "left") -> None:
    """Take what is shown as a vote."""
    first, second = map(value_of, shown.pictures[:2])
    images = frozenset(each.image_id for each in shown.pictures)
    chooser.add(Cast(f"b{number}", voter, shown.scene, images, (Vote(shown.scene, voter, first, second, outcome),)))


@pytest.mark.parametrize("goal", ["best", "rank"])
@pytest.mark.parametrize("images", [1, 2])
def test_every_pair_of_pictures_once_and_then_no_more(goal: Any, images: int) -> None:
    """A voter never sees the same two pictures again while others are left, and then hears that nothing is."""
    here = ground(3, 4, images)
    chooser = Chooser(here, random.Random(1))
    seen = Counter[frozenset[str]]()
    while (shown := chooser.choose(goal, "pair", "anna")) is not None:
        seen.update(shown.pairs)
        cast(chooser, shown, "anna", seen.total())
    assert set(seen.values()) == {1}
    assert len(seen) == 3 * 4 * images**2
    assert all(
        len({value_of(each) for each in shown.pictures}) == 2
        for shown in [chooser.choose(goal, "pair", "ben")]
        if shown
    )


def test_scenes_are_used_about_equally_often() -> None:
    """By all voters together."""
    chooser = Chooser(ground(4, 10), random.Random(2))
    used = Counter[str]()
    for number in range(60):
        shown = chooser.choose("best", "pair", f"v{number % 4}")
        assert shown is not None
        used[shown.scene] += 1
        cast(chooser, shown, f"v{number % 4}", number)
    assert len(used) == 10
    assert max(used.values()) - min(used.values()) <= 2


def test_what_others_have_on_their_screens_counts_as_used() -> None:
    """Ten people who vote at once look at ten scenes."""
    chooser = Chooser(ground(2, 10), random.Random(2))
    busy: list[str] = []
    for number in range(10):
        shown = chooser.choose("best", "pair", f"v{number}", busy=busy)
        assert shown is not None
        busy.append(shown.scene)
    assert len(set(busy)) == 10


def test_sides_are_by_chance() -> None:
    """Either value is on the left about half of the time."""
    chooser = Chooser(ground(2, 120), random.Random(3))
    left = 0
    for number in range(120):
        shown = chooser.choose("best", "pair", "anna")
        assert shown is not None
        left += value_of(shown.pictures[0]) == "x0"
        cast(chooser, shown, "anna", number)
    assert 40 < left < 80


def test_a_ballot_that_is_taken_back_is_shown_again() -> None:
    """And counts no more."""
    chooser = Chooser(ground(2, 1), random.Random(4))
    shown = chooser.choose("best", "pair", "anna")
    assert shown is not None
    cast(chooser, shown, "anna", 1)
    assert chooser.choose("best", "pair", "anna") is None
    chooser.remove("b1")
    assert chooser.votes() == []
    assert chooser.choose("best", "pair", "anna") is not None


def test_what_was_skipped_is_not_shown() -> None:
    """While it is hidden."""
    chooser = Chooser(ground(2, 2), random.Random(5))
    first = chooser.choose("best", "pair", "anna")
    assert first is not None
    second = chooser.choose("best", "pair", "anna", hidden=first.pairs)
    assert second is not None
    assert second.scene != first.scene
    assert chooser.choose("best", "pair", "anna", hidden=first.pairs | second.pairs) is None


def test_four_of_a_scene_have_four_values() -> None:
    """Each scene once before any two pictures are seen together again; scenes with fewer values are left out."""
    here = ground(6, 5)
    small = VotingScene("small", dict(list(ground(6, 1).scenes[0].pictures.items())[:3]))
    chooser = Chooser(VotingScenes("run", "style", here.values, (*here.scenes, small)), random.Random(6))
    scenes = []
    for number in range(5):
        shown = chooser.choose("best", "best_worst", "anna")
        assert shown is not None
        assert len({value_of(each) for each in shown.pictures}) == 4
        scenes.append(shown.scene)
        cast(chooser, shown, "anna", number)
    assert sorted(scenes) == [f"s{number}" for number in range(5)]
    while (shown := chooser.choose("rank", "best_worst", "anna")) is not None:
        number += 1
        cast(chooser, shown, "anna", number)
    seen = {pair for each in chooser._casts.values() for pair in combinations(sorted(each.images), 2)}
    assert len(seen) == 5 * math.comb(6, 2)


def test_ranking_all_meets_every_pair_equally_often() -> None:
    """The pair that has met least comes next."""
    chooser = Chooser(ground(5, 30), random.Random(7))
    met = Counter[frozenset[str]]()
    for number in range(100):
        shown = chooser.choose("rank", "pair", "anna")
        assert shown is not None
        met[frozenset(map(value_of, shown.pictures))] += 1
        cast(chooser, shown, "anna", number)
    assert set(met.values()) == {10}


def test_finding_the_best_asks_about_those_that_may_be_it() -> None:
    """Once two are far ahead, most pairs are of these two; a fifth stays with the others."""
    chooser = Chooser(ground(8, 60), random.Random(8))
    for number in range(200):
        winner, loser = f"x{number % 2}", f"x{2 + number % 6}"
        scene = f"s{number % 60}"
        chooser.add(Cast(f"w{number}", "early", scene, frozenset(), (Vote(scene, "early", winner, loser, "left"),)))
    met = Counter(
        frozenset(map(value_of, shown.pictures))
        for _ in range(200)
        if (shown := chooser.choose("best", "pair", "anna")) is not None
    )
    top = met[frozenset(("x0", "x1"))]
    assert 100 < top < 180
    assert met.total() == 200


def stands_apart(votes: list[Vote], names: tuple[str, ...]) -> bool:
    """Whether the first value leads, and its interval of the difference to each other leaves out "equal"."""
    worths = fit(votes, names)
    covariance = clustered(worths, votes)
    assert covariance is not None
    reach = t_quantile(0.975, covariance.freedom)
    for other in range(1, len(names)):
        contrast = [float(at == 0) - float(at == other) for at in range(len(names))]
        gap = worths.log_worths[0] - worths.log_worths[other]
        if gap <= reach * covariance.standard_error(contrast):
            return False
    return True


def separated(goal: Any, seed: int, votes: int = 336) -> bool:
    """One vote of three people on twelve values, of which one is somewhat better: does it stand apart at the end?"""
    source = random.Random(f"{goal}{seed}")
    here = ground(12, 60)
    worth = {name: 0.5 if at == 0 else -0.15 * (at - 1) for at, name in enumerate(here.values)}
    chooser = Chooser(here, source)
    for number in range(votes):
        voter = f"v{number % 3}"
        shown = chooser.choose(goal, "pair", voter)
        assert shown is not None
        a, b = (worth[value_of(each)] for each in shown.pictures)
        weights = [math.exp(a), math.exp(b), 0.3 * math.exp((a + b) / 2)]
        cast(chooser, shown, voter, number, source.choices(["left", "right", "tie"], weights)[0])
    return stands_apart(chooser.votes(), here.values)


@pytest.mark.storm
def test_finding_the_best_separates_the_leader_three_times_as_often() -> None:
    """After 336 votes, compared with balanced pairs, over 14 votes of each."""
    best, balanced = (sum(separated(goal, seed) for seed in range(14)) for goal in ("best", "rank"))
    assert best >= 3 * max(balanced, 1)
    assert best >= 4


# --- from the log --------------------------------------------------------------------------------------------------


def test_scenes_hold_all_but_the_axis(studio: Any) -> None:
    """Pictures of one scene share the other axes and the seed; those of one call stand together; no failures."""
    run = studio.run(
        {"style": ["film", "ink", "studio"], "look": ["warm", "cold"]}, [1, 2], n=2,
        status=lambda axes, seed: ("failed", "x") if axes["style"] == "ink" and seed == 2 else ("completed", None),
    )  # fmt: skip
    found = read_voting_scenes(studio.log, run.id, "style")
    assert found.values == ("film", "ink", "studio")
    assert sorted(len(scene.pictures) for scene in found.scenes) == [2, 2, 3, 3]
    for scene in found.scenes:
        ids = {each.image_id for cell in scene.pictures.values() for each in cell}
        assert ids in [
            {id_ for style in found.values for id_ in studio.images.get((run.id, style, look, str(seed)), [])}
            for look in ("warm", "cold")
            for seed in (1, 2)
        ]
        assert all(len(cell) == 2 for cell in scene.pictures.values())
    held = read_voting_scenes(studio.log, run.id, "style", {"look": "warm"})
    assert len(held.scenes) == 2


def test_scenes_without_a_seed_say_so(studio: Any) -> None:
    """They can be voted on: the same draw of the same other values."""
    run = studio.run({"style": ["film", "ink"]}, [None])
    found = read_voting_scenes(studio.log, run.id, "style")
    assert (len(found.scenes), found.seeded) == (1, False)
    assert read_voting_scenes(studio.log, studio.run({"style": ["film", "ink"]}, [1], id="R2").id, "style").seeded


def test_an_axis_that_is_not_there_is_named(studio: Any) -> None:
    """With the nearest; and one of too many values says what to do."""
    run = studio.run({"style": [f"s{number}" for number in range(MOST_VALUES + 1)], "look": ["a", "b"]}, [1])
    with pytest.raises(InputError, match=r"no axis 'stile'; did you mean 'style'"):
        read_voting_scenes(studio.log, run.id, "stile")
    with pytest.raises(InputError, match=r"has 61 values; .* compare by another axis \[too-many-values\]"):
        read_voting_scenes(studio.log, run.id, "style")
    assert len(read_voting_scenes(studio.log, run.id, "look").scenes) == MOST_VALUES + 1


@pytest.mark.parametrize("by", ["style", "item"])
def test_a_very_large_run_is_cut_to_whole_scenes(studio: Any, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By chance, the same for one poll, and every scene that is kept is as whole as it was."""
    monkeypatch.setattr("promptlab.compare.voting_scenes._MOST", 24)
    run = studio.run({"style": ["film", "ink"], "item": [f"i{number}" for number in range(10)]}, range(6))
    whole = {scene.key: scene for scene in read_voting_scenes_whole(studio, run.id, by, monkeypatch)}
    found = read_voting_scenes(studio.log, run.id, by, seed="poll")
    assert found == read_voting_scenes(studio.log, run.id, by, seed="poll")
    assert 0 < sum(len(scene.pictures) for scene in found.scenes) <= 24
    for scene in found.scenes:
        assert dict(scene.pictures) == dict(whole[scene.key].pictures)


def read_voting_scenes_whole(
    studio: Any, run_id: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[VotingScene, ...]:
    with monkeypatch.context() as patch:
        patch.setattr("promptlab.compare.voting_scenes._MOST", 10_000)
        return read_voting_scenes(studio.log, run_id, by).scenes


def test_the_row_of_some_images(studio: Any) -> None:
    """All pictures of their scene, by value; images of two scenes, or of another run, share none."""
    run = studio.run({"style": ["film", "ink"], 'lo"ok': ['wa"rm', "cold"]}, [1, 2])
    film, ink = studio.image(run, "film", 'wa"rm', 1), studio.image(run, "ink", 'wa"rm', 1)
    scene = read_scene_of(studio.log, run.id, "style", [film])
    assert {value: [each.image_id for each in cell] for value, cell in scene.pictures.items()} == {
        "film": [film], "ink": [ink],
    }  # fmt: skip
    for wrong in (studio.image(run, "ink", 'wa"rm', 2), studio.image(run, "ink", "cold", 1), "nothing"):
        with pytest.raises(InputError, match=r"\[not-one-scene\]"):
            read_scene_of(studio.log, run.id, "style", [film, wrong])


def test_votes_count_where_they_compare_two_values(studio: Any) -> None:
    """A vote across scenes, within a value or by a judge says nothing; a later run's copies carry the votes over."""
    axes = {"style": ["film", "ink"], "look": ["warm", "cold"]}
    run = studio.run(axes, [1])
    poll = studio.log.open_poll(run.id, "style", by="ana")
    film, ink = studio.image(run, "film", "warm", 1), studio.image(run, "ink", "warm", 1)
    studio.vote(poll, film, ink, "left")
    studio.vote(poll, film, studio.image(run, "ink", "cold", 1))
    studio.vote(poll, film, studio.image(run, "film", "cold", 1))
    studio.vote(poll, film, ink, judge="model")
    later = studio.run(axes, [1, 2], id="R2", copies="R1")
    for each in (run, later):
        (found,) = read_casts(studio.log, each.id, "style", studio.log.ballots(each.id))
        assert [(vote.left, vote.right, vote.outcome) for vote in found.votes] == [("film", "ink", "left")]
        assert found.images == {film, ink}
    (found,) = read_casts(studio.log, run.id, "look", studio.log.ballots(run.id))
    assert [(vote.left, vote.right) for vote in found.votes] == [("warm", "cold")]
