"""The history of marks: every command is kept, and the last one can be taken back."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptlab.errors import InputError
from promptlab.log import Log

STATE = 'SELECT image_id, "by", mark, tags, note, at FROM marks ORDER BY 1, 2'


def state(log: Log) -> list[tuple[object, ...]]:
    return list(log.rows(STATE))


@pytest.fixture
def images(rows) -> list[str]:  # type: ignore[no-untyped-def]
    generation = rows.generation(rows.run())
    return [rows.image(generation, position=position).id for position in range(3)]


def test_a_command_says_what_was_there_before(log: Log, images: list[str]) -> None:
    """How many images it was about, and what marks of that person it changed."""
    first = log.mark_images(images[:1], "keep", by="anna")
    assert (first.images, first.before, first.after) == (1, {}, {"keep": 1})
    log.mark_images(images, "keep", by="ben")
    second = log.mark_images(images[:2], "reject", by="anna")
    assert (second.images, second.before, second.after) == (2, {"keep": 1}, {"reject": 2})


def test_undo_takes_back_a_whole_command_with_tags_note_and_time(log: Log, images: list[str]) -> None:
    """Also what it overwrote comes back as it was; again, and the command before that is taken back."""
    log.mark_images(images[:2], "keep", by="anna", tags=["cover"], note="sharp")
    before = state(log)
    log.mark_images(images, "reject", by="anna", note="no")
    log.mark_images(images[2:], None, by="anna")
    cleared = log.undo_marks(by="anna")
    assert (cleared.images, cleared.before, cleared.after) == (1, {}, {"reject": 1})
    undone = log.undo_marks(by="anna")
    assert (undone.images, undone.before, undone.after) == (3, {"reject": 3}, {"keep": 2})
    assert state(log) == before
    log.undo_marks(by="anna")
    assert state(log) == []
    with pytest.raises(InputError, match=r"no mark by anna to take back \[nothing-to-undo\]"):
        log.undo_marks(by="anna")


def test_undo_is_a_persons_own(log: Log, images: list[str]) -> None:
    """Somebody else's marks stay, also later ones."""
    log.mark_images(images, "keep", by="anna")
    log.mark_images(images, "reject", by="ben")
    log.undo_marks(by="anna")
    assert [(by, mark) for _, by, mark, *_ in state(log)] == [("ben", "reject")] * 3


def test_undo_of_a_run_is_for_that_runs_marks(log: Log, rows, images: list[str]) -> None:  # type: ignore[no-untyped-def]
    """With a run it takes back a command about that run's images, copies of paid ones counted, and no other."""
    other = rows.run()
    there = rows.image(rows.generation(other)).id
    run_id = log.value("SELECT run_id FROM generations g JOIN images i ON i.generation_id = g.id WHERE i.id = ?",
                       (images[0],))  # fmt: skip
    log.mark_images([there], "keep", by="anna")
    with pytest.raises(InputError, match="is on another run's images"):
        log.undo_marks(by="anna", run_id=run_id)
    assert len(state(log)) == 1
    assert log.undo_marks(by="anna", run_id=other.id).images == 1


def test_the_history_keeps_everything(log: Log, images: list[str]) -> None:
    """Commands, their undoing and what stood there before are rows that nothing removes."""
    log.mark_images(images[:1], "keep", by="anna")
    log.mark_images(images[:1], "reject", by="anna")
    log.undo_marks(by="anna")
    rows = list(log.rows("SELECT mark, before IS NOT NULL, undoes IS NOT NULL FROM mark_events ORDER BY rowid"))
    assert rows == [("keep", 0, 0), ("reject", 1, 0), ("keep", 0, 1)]


COMMANDS = st.lists(
    st.tuples(
        st.sampled_from(["keep", "reject", None, "undo"]),
        st.sets(st.integers(0, 2), min_size=1),
        st.sampled_from(["anna", "ben"]),
        st.sampled_from([None, "a note"]),
    ),
    max_size=12,
)


@given(COMMANDS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_undo_agrees_with_a_stack_of_states(log: Log, images: list[str], commands) -> None:  # type: ignore[no-untyped-def]
    """Whatever was done: undoing gives back what that person's marks were before the command, and only that."""
    log.execute("DELETE FROM marks")
    log.execute("DELETE FROM mark_events")
    stacks: dict[str, list[list[tuple[object, ...]]]] = {"anna": [], "ben": []}
    for command, numbers, by, note in commands:
        own = [row for row in state(log) if row[1] == by]
        others = [row for row in state(log) if row[1] != by]
        if command == "undo":
            if not stacks[by]:
                continue
            log.undo_marks(by=by)
            assert [row for row in state(log) if row[1] == by] == stacks[by].pop()
        else:
            stacks[by].append(own)
            log.mark_images([images[number] for number in numbers], command, by=by, note=note)
        assert [row for row in state(log) if row[1] != by] == others
