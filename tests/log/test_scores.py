"""Scores in the log: of paid images and of variants, idempotent, several versions beside each other."""

from __future__ import annotations

from typing import Any

import pytest

from promptlab.errors import InputError
from promptlab.log import Log
from promptlab.log.scores import Score


def sharp(image: str, number: float, version: str = "1") -> Score:
    return Score("sharpness", "sharpness", version, image_id=image, number=number)


def test_a_score_is_written_once_and_changed_in_place(log: Log, rows: Any) -> None:
    """The same again changes nothing and keeps its time; another value takes its place."""
    image = rows.image(rows.generation(rows.run()))
    assert log.put_scores([sharp(image.id, 2.0)]) == 1
    (before,) = log.scores_of_images([image.id])
    assert log.put_scores([sharp(image.id, 2.0)]) == 0
    assert list(log.scores_of_images([image.id])) == [before]
    assert log.put_scores([sharp(image.id, 3.0)]) == 1
    assert [score.number for score in log.scores_of_images([image.id])] == [3.0]


def test_versions_stay_beside_each_other(log: Log, rows: Any) -> None:
    """A score of a new version does not take the old one's place."""
    image = rows.image(rows.generation(rows.run()))
    log.put_scores([sharp(image.id, 2.0), sharp(image.id, 5.0, version="2")])
    assert {(score.version, score.number) for score in log.scores_of_images([image.id])} == {("1", 2.0), ("2", 5.0)}
    assert log.scored_by([image.id]) == {(image.id, "sharpness", "1"), (image.id, "sharpness", "2")}


def test_copies_share_the_paid_images_scores(log: Log, rows: Any) -> None:
    """A score of a copy from the cache is the paid image's, and is read under either id."""
    paid = rows.generation(rows.run(), images=1)
    copy = rows.generation(rows.run(), cached_from=paid.id, images=1)
    (first,), (second,) = log.images_of([paid.id])[paid.id], log.images_of([copy.id])[copy.id]
    log.put_scores([sharp(second.id, 4.0)])
    found = list(log.scores_of_images([first.id, second.id]))
    assert {(score.image_id, score.number) for score in found} == {(first.id, 4.0), (second.id, 4.0)}
    assert log.value("SELECT image_id FROM scores") == first.id


def test_a_variants_score_keeps_successes_and_trials(log: Log, rows: Any) -> None:
    """A rate of a whole variant has its counts, and is not an image's."""
    rows.generation(rows.run())
    sales = Score(
        "sales",
        "import",
        "1",
        experiment="shelf",
        variant_id="v1",
        number=0.1,
        successes=10,
        trials=100,
        source="r.csv",
    )
    assert (log.put_scores([sales]), log.put_scores([sales])) == (1, 0)
    (score,) = log.scores_of_variants("shelf")
    assert (score.successes, score.trials, score.source) == (10, 100, "r.csv")
    assert log.score_names([], "shelf") == ["sales"]


def test_an_unknown_image_writes_nothing(log: Log, rows: Any) -> None:
    """One image that the log has not: InputError, and the others are not written either."""
    image = rows.image(rows.generation(rows.run()))
    with pytest.raises(InputError, match="no image"):
        log.put_scores([sharp(image.id, 1.0), sharp("nobody", 1.0)])
    assert list(log.scores_of_images([image.id])) == []


def test_what_is_known_of_images_comes_in_the_order_of_the_plan(log: Log, rows: Any) -> None:
    """Each stored image of the run, with its prompt, axes and paid image; lost ones stay out."""
    run = rows.run()
    later, sooner = rows.generation(run, sequence=7), rows.generation(run, sequence=3, images=2)
    image = rows.image(later, revised_prompt="a teapot")
    rows.image(later, position=1, status="lost")
    known = list(log.known_of_images(run.id))
    assert [each["generation_id"] for each in known] == [sooner.id, sooner.id, later.id]
    assert known[-1]["paid"] == image.id
    assert (known[-1]["revised_prompt"], known[-1]["variant"]) == ("a teapot", "style=film")
