"""A variant's pick is its latest kept image, whichever run made it; and what has none is known."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptlab.log import Log
from promptlab.model import Image


def keep(log: Log, image: Image, at: str = "10:00", by: str = "ada", mark: Any = "keep") -> bool:
    """A mark at a time of the day; False for one that changes nothing, and keeps its time."""
    before = log.value("SELECT count(*) FROM mark_events")
    log.mark_images([image.id], mark, by=by)
    if log.value("SELECT count(*) FROM mark_events") == before:
        return False
    last = "(SELECT image_id FROM mark_events ORDER BY rowid DESC LIMIT 1)"
    log.execute(f'UPDATE marks SET at = ? WHERE "by" = ? AND image_id = {last}', (f"2026-11-22T{at}:00.000Z", by))
    return True


def picked(log: Log, experiment: str = "shelf") -> dict[str, str]:
    """Variant id → image id, from the view and from Python alike."""
    sql = "SELECT variant_id, image_id FROM picks WHERE experiment = ?"
    view = dict(log.rows(sql, (experiment,)))
    assert {id_: pick.image_id for id_, pick in log.picks(experiment).items()} == view
    return view


def made(rows: Any, run: Any, variant: str = "v1", **more: Any) -> Image:
    generation = rows.generation(run, variant_id=variant, axes={"item": variant}, **more)
    image: Image = rows.image(generation)
    return image


def test_the_latest_mark_decides(log: Log, rows: Any) -> None:
    """Of two kept images the one whose mark is newer, though its image is older."""
    run = rows.run()
    first, second = made(rows, run), made(rows, run)
    keep(log, second, "10:00")
    keep(log, first, "11:00")
    assert picked(log) == {"v1": first.id}


def test_of_one_command_the_newest_image(log: Log, rows: Any) -> None:
    """Where both were kept at the same moment, the one that was made last."""
    run = rows.run()
    images = [made(rows, run) for _ in range(3)]
    for image in images:
        keep(log, image)
    assert picked(log) == {"v1": images[-1].id}


def test_somebody_elses_later_reject_takes_it_away(log: Log, rows: Any) -> None:
    """What holds of an image is its latest mark, whoever made it; the one kept before is the pick again."""
    run = rows.run()
    first, second = made(rows, run), made(rows, run)
    keep(log, first, "10:00")
    keep(log, second, "10:30")
    keep(log, second, "11:00", by="ben", mark="reject")
    assert picked(log) == {"v1": first.id}
    keep(log, second, "12:00", by="cleo")
    assert picked(log) == {"v1": second.id}
    log.mark_images([second.id], None, by="cleo")
    assert picked(log) == {"v1": first.id}


def test_a_copy_shows_the_pick_of_what_was_paid(log: Log, rows: Any) -> None:
    """Marked in a run that took it from the cache, it is the paid image; in another experiment too, each its own."""
    paid = made(rows, rows.run())
    other = rows.run(experiment="posters")
    copy = made(rows, other, "p1", cached_from=paid.generation_id)
    own = made(rows, other, "p2")
    keep(log, copy)
    keep(log, own)
    assert picked(log) == {"v1": paid.id}
    assert picked(log, "posters") == {"p1": paid.id, "p2": own.id}


def test_two_variants_of_one_request_have_one_picture(log: Log, rows: Any) -> None:
    """What is sent once and answers both is the pick of both."""
    run = rows.run()
    paid = made(rows, run)
    made(rows, run, "v2", cached_from=paid.generation_id)
    keep(log, paid)
    assert picked(log) == {"v1": paid.id, "v2": paid.id}


def test_each_image_of_a_call_is_its_own(log: Log, rows: Any) -> None:
    """Of a call with four images the one that was kept, also by way of a copy."""
    generation = rows.generation(rows.run(), n=4)
    images = [rows.image(generation, position=position) for position in range(4)]
    copied = rows.generation(rows.run(), cached_from=generation.id)
    copies = [rows.image(copied, position=position) for position in range(4)]
    keep(log, copies[2])
    assert picked(log) == {"v1": images[2].id}


def test_verify_runs_and_lost_files_are_out(log: Log, rows: Any) -> None:
    """What was made only to compare is nobody's pick, and neither is an image that could not be had."""
    keep(log, made(rows, rows.run(kind="verify")))
    lost = rows.generation(rows.run(), variant_id="v2", axes={"item": "v2"})
    keep(log, rows.image(lost, status="lost", sha256=None))
    assert picked(log) == {}


def test_a_redo_gives_its_parent_a_pick(log: Log, rows: Any) -> None:
    """A kept image of a redo is the variant's: the run that was redone has no variant without a pick."""
    run = rows.run()
    bad = made(rows, run)
    made(rows, run, "v2")
    rows.generation(run, variant_id="v3", axes={"item": "v3"}, status="failed")
    keep(log, bad, mark="reject")
    missing = [(each.variant, each.why, each.with_images, each.rejected) for each in log.without_pick(run.id)]
    assert missing == [("item=v1", "rejected", 1, 1), ("item=v2", "to be judged", 1, 0), ("item=v3", "no image", 0, 0)]
    again = made(rows, rows.run(kind="redo", parent_run=run.id))
    keep(log, again, "12:00")
    assert [each.variant_id for each in log.without_pick(run.id)] == ["v2", "v3"]
    assert [(each.variant_id, each.image_id) for each in log.products(run.id)] == [("v1", again.id)]


def test_a_rejected_copy_counts_as_rejected(log: Log, rows: Any) -> None:
    """In a run that is all from the cache, what was rejected where it was paid is rejected."""
    paid = made(rows, rows.run())
    second = rows.run()
    made(rows, second, cached_from=paid.generation_id)
    keep(log, paid, mark="reject")
    assert [each.why for each in log.without_pick(second.id)] == ["rejected"]


def test_a_name_means_the_run_that_was_redone(log: Log, rows: Any) -> None:
    """Through redos of redos; an id, and the start of one, mean that very run."""
    whole = rows.run(started_at="2026-11-22T10:00:00.000Z")
    first = rows.run(kind="redo", parent_run=whole.id, started_at="2026-11-22T11:00:00.000Z")
    second = rows.run(kind="redo", parent_run=first.id, started_at="2026-11-22T12:00:00.000Z")
    for name in ("shelf", "last"):
        assert (log.find_run(name).id, log.find_whole_run(name).id) == (second.id, whole.id)
    assert log.find_whole_run(second.id).id == second.id
    assert log.find_whole_run(first.id.lower()).id == first.id
    orphan = rows.run(kind="redo", parent_run=None, started_at="2026-11-22T13:00:00.000Z")
    assert log.find_whole_run("last").id == orphan.id


MARKS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["ada", "ben"]), st.sampled_from(["keep", "reject", None]),
              st.integers(10, 14)), max_size=12)  # fmt: skip


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MARKS)
def test_the_view_is_what_its_rule_says(log: Log, rows: Any, marks: list[Any]) -> None:
    """Against the rule written out in Python, for marks in any order by two people on four images."""
    for table in ("marks", "mark_events", "images", "generations"):
        log.execute(f"DELETE FROM {table}")
    run = rows.run()
    images = [made(rows, run, f"v{number % 2}") for number in range(4)]
    state: dict[tuple[int, str], tuple[str, str]] = {}
    for at, by, mark, hour in marks:
        if mark is None:
            log.mark_images([images[at].id], None, by=by)
            state.pop((at, by), None)
        elif keep(log, images[at], f"{hour}:00", by=by, mark=mark):
            state[at, by] = (f"{hour}:00", mark)
    expected: dict[str, tuple[str, int]] = {}
    for at in range(4):
        # The latest mark of anybody; of two at one moment, that of the first name.
        own = sorted(((when, {"ada": 1, "ben": 0}[by], mark) for (of, by), (when, mark) in state.items() if of == at))
        if own and own[-1][2] == "keep":
            expected[f"v{at % 2}"] = max(expected.get(f"v{at % 2}", ("", -1)), (own[-1][0], at))
    assert picked(log) == {variant: images[at].id for variant, (_, at) in expected.items()}


@pytest.mark.parametrize("other", ["posters", "shelf"])
def test_only_what_is_asked_about_is_read(log: Log, rows: Any, other: str) -> None:
    """A condition on the experiment keeps others out."""
    keep(log, made(rows, rows.run(experiment=other)))
    assert len(picked(log)) == (other == "shelf")
