"""Votes in the log: polls, ballots that count once, undoing, and what stays when a run is forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from promptlab.errors import InputError
from promptlab.log import Log
from promptlab.log.votes import Ballot, Comparison, Paper, Poll
from promptlab.model import Run, new_id


@dataclass
class Ground:
    """A run with four images, and its open poll."""

    log: Log
    run: Run
    images: list[str]
    poll: Poll

    def cast(self, left: int = 0, right: int = 1, *, by: str = "anna", outcome: Any = "left", **more: Any) -> Ballot:
        said = (Comparison(self.images[left], self.images[right], outcome),)
        ballot = Ballot(
            **{"id": new_id(), "poll_id": self.poll.id, "kind": "pair", "by": by, "comparisons": said} | more
        )
        assert self.log.cast(ballot)
        return ballot

    def holding(self) -> list[str]:
        return [ballot.id for ballot in self.log.ballots(self.run.id)]


@pytest.fixture
def ground(log: Log, rows: Any) -> Ground:
    run = rows.run()
    images = [rows.image(rows.generation(run, variant_id=f"v{n}", axes={"style": f"s{n}"})).id for n in range(4)]
    return Ground(log, run, images, log.open_poll(run.id, "style", by="anna"))


def test_an_open_poll_is_used_again(ground: Ground) -> None:
    """The same run, axis, filter and blindness share their open poll; any other is one of its own."""
    log, run = ground.log, ground.run
    assert log.open_poll(run.id, "style", by="ben", goal="rank") == ground.poll
    others = [
        log.open_poll(run.id, "style", by="ben", blind=False),
        log.open_poll(run.id, None, by="ben"),
        log.open_poll(run.id, "style", by="ben", only={"look": "warm"}),
    ]
    assert len({each.id for each in [ground.poll, *others]}) == 4
    assert log.polls(run.id) == [ground.poll, *others]


def test_a_closed_poll_takes_no_vote_and_no_undo(ground: Ground) -> None:
    """What was cast stays; the next poll on the same is a new one."""
    ballot = ground.cast()
    ground.log.close_poll(ground.poll.id)
    with pytest.raises(InputError, match=r"this vote is closed.*\[poll-closed\]"):
        ground.cast()
    with pytest.raises(InputError, match=r"\[poll-closed\]"):
        ground.log.undo_ballot(ground.poll.id, by="anna")
    assert ground.holding() == [ballot.id]
    assert ground.log.open_poll(ground.run.id, "style", by="anna").id != ground.poll.id


def test_a_ballot_that_is_sent_twice_counts_once(ground: Ground) -> None:
    """The second one changes nothing, whatever it says."""
    ballot = ground.cast()
    again = Ballot(
        ballot.id, ground.poll.id, "pair", "anna", (Comparison(ground.images[0], ground.images[1], "right"),)
    )
    assert not ground.log.cast(again)
    assert [each.outcome for each in ground.log.comparisons(ballot.id)] == ["left"]
    assert ground.log.count_ballots(ground.poll.id) == 1


def test_a_ballot_of_an_unknown_image_writes_nothing(ground: Ground) -> None:
    """Not even its own row."""
    with pytest.raises(InputError, match=r"no image nothing \[no-such-image\]"):
        ground.log.cast(Ballot("B", ground.poll.id, "pair", "anna", (Comparison("nothing", ground.images[0], "left"),)))
    assert ground.log.ballots_state().number == 0


def test_undo_is_a_voters_own_last_ballot(ground: Ground) -> None:
    """Again takes back the one before; others' stay; nothing left is None."""
    first, other, last = ground.cast(), ground.cast(by="ben"), ground.cast(2, 3)
    assert ground.log.undo_ballot(ground.poll.id, by="anna") == last.id
    assert ground.holding() == [first.id, other.id]
    assert ground.log.undo_ballot(ground.poll.id, by="anna") == first.id
    assert ground.log.undo_ballot(ground.poll.id, by="anna") is None
    assert ground.holding() == [other.id]
    assert ground.log.undone_ballots() == {first.id, last.id}


def test_a_pick_takes_the_place_of_the_one_before(ground: Ground) -> None:
    """On the same images, of the same voter; undoing it brings back what it replaced, and nothing else."""
    log, row = ground.log, ground.images[:2]
    ids = {}
    for name, left, right, by in (
        ("a", 0, 1, "anna"),
        ("far", 2, 3, "anna"),
        ("ben", 1, 0, "ben"),
        ("b", 1, 0, "anna"),
    ):
        said = (Comparison(ground.images[left], ground.images[right], "left"),)
        ids[name] = new_id()
        replaced = log.replace_ballot(
            Ballot(ids[name], ground.poll.id, "best", by, said), [ground.images[left], ground.images[right]]
        )
        assert replaced == ([ids["a"]] if name == "b" else [])
    assert row
    assert ground.holding() == [ids["far"], ids["ben"], ids["b"]]
    assert log.undo_ballot(ground.poll.id, by="anna") == ids["b"]
    assert ground.holding() == [ids["a"], ids["far"], ids["ben"]]
    assert log.undo_ballot(ground.poll.id, by="anna") == ids["far"]


def test_a_judge_is_no_voter(ground: Ground) -> None:
    """A model's ballots are neither counted among people's nor taken back by whoever ran it."""
    ground.cast(judge="some-model")
    assert ground.log.count_ballots(ground.poll.id) == 0
    assert ground.log.undo_ballot(ground.poll.id, by="anna") is None
    assert ground.log.voters(ground.poll.id) == {"some-model": 1}


def test_copies_from_the_cache_share_votes(ground: Ground, rows: Any) -> None:
    """A vote on copies is one on the paid images, and both runs have it; a run with one of the two has none of it."""
    log = ground.log
    later, half = rows.run(), rows.run()
    copies = []
    for number, run in ((0, later), (1, later), (0, half)):
        paid = log.value("SELECT generation_id FROM images WHERE id = ?", (ground.images[number],))
        copies.append(rows.image(rows.generation(run, cached_from=paid, variant_id=f"v{number}")).id)
    ballot = Ballot(new_id(), ground.poll.id, "pair", "anna", (Comparison(copies[0], copies[1], "left"),))
    assert log.cast(ballot)
    for run in (ground.run, later):
        (found,) = log.ballots(run.id)
        assert found.comparisons == (Comparison(ground.images[0], ground.images[1], "left"),)
    assert list(log.ballots(half.id)) == []


def test_ballots_hold_what_is_within_the_run(ground: Ground, rows: Any) -> None:
    """Of a ballot with another run's image, the comparisons that are not about it; `after` leaves out earlier ones."""
    other = rows.image(rows.generation(rows.run(), variant_id="v9")).id
    said = (Comparison(ground.images[0], ground.images[1], "left"), Comparison(ground.images[0], other, "left"))
    ground.cast(comparisons=said, kind="best")
    (found,) = ground.log.ballots(ground.run.id)
    assert found.comparisons == said[:1]
    state = ground.log.ballots_state()
    later = ground.cast(2, 3)
    assert [each.id for each in ground.log.ballots(ground.run.id, after=state.last)] == [later.id]


def test_the_state_changes_with_every_change(ground: Ground) -> None:
    """Casting, undoing, and another ballot after that are three different states."""
    states = [ground.log.ballots_state()]
    for step in (ground.cast, lambda: ground.log.undo_ballot(ground.poll.id, by="anna"), ground.cast):
        step()
        states.append(ground.log.ballots_state())
    assert len(set(states)) == 4


def test_a_forgotten_runs_votes_survive_through_its_heirs(ground: Ground, rows: Any) -> None:
    """Votes on images that a later run took from the cache stay, and their poll with them; the others go."""
    log = ground.log
    kept, gone = ground.cast(), ground.cast(2, 3)
    later = rows.run()
    copies = []
    for number in (0, 1):
        paid = log.value("SELECT generation_id FROM images WHERE id = ?", (ground.images[number],))
        copies.append(rows.image(rows.generation(later, cached_from=paid, variant_id=f"v{number}")).id)
    log.add_papers("file", ground.poll.id, [Paper("t1", "pair", tuple(ground.images[:2]))], by="anna")
    log.add_papers("file", ground.poll.id, [Paper("t2", "pair", tuple(ground.images[2:]))], by="anna")
    log.forget_run(log.forgetting(ground.run.id))
    (found,) = log.ballots(later.id)
    assert (found.id, found.comparisons) == (kept.id, (Comparison(copies[0], copies[1], "left"),))
    assert log.value("SELECT count(*) FROM ballots WHERE id = ?", (gone.id,)) == 0
    assert [poll.id for poll in log.polls(later.id)] == [ground.poll.id]
    assert log.papers("file") == (ground.poll.id, {"t1": Paper("t1", "pair", tuple(copies))})
    assert log.value("PRAGMA foreign_key_check") is None


def test_forgetting_a_run_alone_leaves_no_vote(ground: Ground) -> None:
    """Polls, ballots, looks and papers go with it."""
    ground.cast()
    ground.log.note_tally_view(ground.poll.id, by="anna")
    ground.log.add_papers("file", ground.poll.id, [Paper("t", "pair", tuple(ground.images[:2]))], by="anna")
    ground.log.forget_run(ground.log.forgetting(ground.run.id))
    for table in ("polls", "ballots", "votes", "tally_views", "ballot_papers"):
        assert ground.log.value(f"SELECT count(*) FROM {table}") == 0, table


def test_papers_are_read_as_they_were_written(ground: Ground) -> None:
    """Each token with its images in order; an unknown file has no poll and none; a closed poll takes no more."""
    papers = [Paper("b", "best_worst", tuple(ground.images[::-1])), Paper("a", "pair", tuple(ground.images[:2]))]
    ground.log.add_papers("file", ground.poll.id, papers, by="anna")
    assert ground.log.papers("file") == (ground.poll.id, {each.token: each for each in papers})
    assert ground.log.papers("other") == (None, {})
    ground.log.close_poll(ground.poll.id)
    with pytest.raises(InputError, match="poll-closed"):
        ground.log.add_papers("file", ground.poll.id, [Paper("c", "pair", tuple(ground.images[:2]))], by="anna")


def test_the_tally_was_seen_until_the_next_vote(ground: Ground) -> None:
    """Asking is per person and is noted each time; a later ballot asks for it again."""
    log, poll = ground.log, ground.poll.id
    assert not log.has_seen_tally(poll, by="anna")
    ground.cast(at="2026-11-22T10:00:00.000Z")
    log.note_tally_view(poll, by="anna")
    assert log.has_seen_tally(poll, by="anna")
    assert not log.has_seen_tally(poll, by="ben")
    ground.cast(2, 3, at="2999-01-01T00:00:00.000Z")
    assert not log.has_seen_tally(poll, by="anna")
