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
            if log.mark_images([images[number] for number in numbers], command, by=by, note=note).batch:
                stacks[by].append(own)
            else:
                assert [row for row in state(log) if row[1] == by] == own
        assert [row for row in state(log) if row[1] != by] == others


def history(log: Log) -> list[tuple[object, ...]]:
    return list(log.rows('SELECT image_id, "by", mark, undoes IS NOT NULL FROM mark_events ORDER BY rowid'))


def test_a_mark_that_stands_there_is_not_written_again(log: Log, images: list[str]) -> None:
    """The history holds changes: the same mark, the same tags or no mark to clear adds nothing; a new tag does."""
    log.mark_images(images[:1], "keep", by="anna", tags=["cover"])
    for tags, note in ((None, None), (["cover"], None)):
        again = log.mark_images(images[:1], "keep", by="anna", tags=tags, note=note)
        assert (again.images, again.before, again.batch) == (1, {"keep": 1}, "")
    log.mark_images(images[1:], None, by="anna")
    assert len(history(log)) == 1
    assert log.mark_images(images[:2], "keep", by="anna").batch
    assert [row[0] for row in history(log)] == images[:2]
    log.mark_images(images[:1], "keep", by="anna", tags=["blurred"])
    assert len(history(log)) == 3


def test_a_mark_against_a_newer_one_is_a_change(log: Log, images: list[str]) -> None:
    """Where somebody else rejected it since, to keep it again makes the keep hold."""
    log.mark_images(images[:1], "keep", by="anna")
    log.execute("UPDATE marks SET at = '2020-01-01T00:00:00.000Z'")
    log.mark_images(images[:1], "reject", by="ben")
    assert log.value("SELECT mark FROM latest_marks") == "reject"
    log.execute("UPDATE marks SET at = '2021-01-01T00:00:00.000Z' WHERE \"by\" = 'ben'")
    assert log.mark_images(images[:1], "keep", by="anna").batch
    assert log.value("SELECT mark FROM latest_marks") == "keep"


def test_the_best_of_a_cell_is_one_command(log: Log, images: list[str]) -> None:
    """One is kept and the others are rejected in one commit, and taken back in one."""
    done = log.mark_each({images[0]: "reject", images[1]: "keep", images[2]: "reject"}, by="anna")
    assert (done.images, done.after) == (3, {"keep": 1, "reject": 2})
    assert [row[2] for row in state(log)] == ["reject", "keep", "reject"]
    log.undo_marks(by="anna")
    assert state(log) == []


def test_a_named_command_is_carried_out_once(log: Log, images: list[str]) -> None:
    """Sent again, at once or after other marks, it writes nothing; somebody else's command of that name neither."""
    first = log.mark_images(images[:2], "keep", by="anna", once="0123456789abcdef")
    log.mark_images(images[:1], "reject", by="anna")
    before, were = state(log), history(log)
    again = log.mark_images(images[:2], "keep", by="anna", once="0123456789abcdef")
    assert (again.images, again.after["keep"], again.batch) == (first.images, 2, first.batch)
    assert log.mark_images(images, "reject", by="ben", once="0123456789abcdef").images == 0
    assert (state(log), history(log)) == (before, were)


def test_undo_of_a_named_command_is_done_once(log: Log, images: list[str]) -> None:
    """A command is taken back by its name; again, by another person, or after its undoing was repeated: nothing."""
    log.mark_images(images[:1], "keep", by="anna")
    second = log.mark_images(images[1:], "keep", by="anna").batch
    assert log.undo_marks(by="ben", batch=second).images == 0
    assert log.undo_marks(by="anna", batch=second, once="undo-0123456789a").images == 2
    assert log.undo_marks(by="anna", batch=second).images == 0
    assert log.undo_marks(by="anna", once="undo-0123456789a").images == 2  # the same request: nothing more is undone
    assert [row[0] for row in state(log)] == images[:1]
    assert log.undo_marks(by="anna").image_ids == images[:1]
