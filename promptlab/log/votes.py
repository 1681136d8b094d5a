"""Votes: which of two images somebody preferred. They belong to the paid images; copies from the cache share them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from promptlab.errors import InputError
from promptlab.log.connection import Connection
from promptlab.log.rows import paid_images
from promptlab.model import new_id, utc_now

__all__ = ["Ballot", "BallotKind", "BallotsState", "Comparison", "Paper", "Poll", "Votes"]

BallotKind = Literal["pair", "best", "best_worst"]
_INSERT_POLL = """
INSERT INTO polls (id, experiment, run_id, axis, only_values, goal, blind, opened_by, opened_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_POLLS = """
SELECT id, experiment, run_id, axis, only_values, goal, blind, opened_by, opened_at, closed_at
FROM polls WHERE {} ORDER BY opened_at, rowid
"""
_BALLOT = """
INSERT INTO ballots (id, poll_id, kind, "by", judge, shown_at, at) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_PAPER = """
INSERT INTO ballot_papers (token, number, image_id, file_id, poll_id, kind, "by", at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_VOTE = "INSERT INTO votes (ballot_id, number, left_image, right_image, outcome) VALUES (?, ?, ?, ?, ?)"
# In the order in which they were written: two ballots may share a millisecond.
_LAST = """
SELECT id FROM ballots WHERE poll_id = ? AND "by" = ? AND judge IS NULL AND undone_at IS NULL
ORDER BY rowid DESC LIMIT 1
"""
_ON_IMAGES = """
SELECT DISTINCT b.id FROM votes o CROSS JOIN ballots b ON b.id = o.ballot_id
WHERE b.poll_id = ?1 AND b."by" = ?2 AND b.judge IS NULL AND (b.undone_at IS NULL) = ?4
  AND (o.left_image IN (SELECT value FROM json_each(?3)) OR o.right_image IN (SELECT value FROM json_each(?3)))
ORDER BY b.rowid
"""
_STATE = "SELECT ifnull(max(rowid), 0), count(*), total(undone_at IS NOT NULL), max(undone_at) FROM ballots"
# From the votes to the run: a log has far fewer votes than images.
_OF_RUN = """
SELECT b.id, b.poll_id, b.kind, b."by", b.judge, b.at, o.left_image, o.right_image, o.outcome
FROM ballots b CROSS JOIN votes o ON o.ballot_id = b.id
WHERE b.undone_at IS NULL AND b.rowid > ?2
  AND EXISTS (SELECT 1 FROM images i JOIN generations g ON g.id = i.generation_id
    WHERE i.id = o.left_image AND (g.run_id = ?1 OR EXISTS (
      SELECT 1 FROM generations c WHERE c.cached_from = g.id AND c.run_id = ?1)))
  AND EXISTS (SELECT 1 FROM images i JOIN generations g ON g.id = i.generation_id
    WHERE i.id = o.right_image AND (g.run_id = ?1 OR EXISTS (
      SELECT 1 FROM generations c WHERE c.cached_from = g.id AND c.run_id = ?1)))
ORDER BY b.rowid, o.number
"""


@dataclass(frozen=True, slots=True)
class Poll:
    """What is voted on: a run's images, compared by `axis` (None: whole variants), held to `only`.

    `goal` is `best` (find the best) or `rank` (rank all). While `closed_at` is None, people may still vote.
    """

    id: str
    experiment: str
    run_id: str
    axis: str | None
    only: Mapping[str, str]
    goal: Literal["best", "rank"]
    blind: bool
    opened_by: str
    opened_at: str
    closed_at: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two images, and which was preferred; `bad` is "both bad"."""

    left_image: str
    right_image: str
    outcome: Literal["left", "right", "tie", "bad"]


@dataclass(frozen=True, slots=True)
class Ballot:
    """One act of one voter. `id` is chosen by who shows it, so that a ballot that is sent twice counts once.

    Of `best` and `best_worst` ballots the sides say nothing: the preferred image is on the left.
    """

    id: str
    poll_id: str
    kind: BallotKind
    by: str
    comparisons: tuple[Comparison, ...]
    judge: str | None = None  # the model that voted; None: a person
    shown_at: str | None = None
    at: str | None = None  # None: now


@dataclass(frozen=True, slots=True)
class Paper:
    """One ballot of a file that votes offline: the images under its token, from the left."""

    token: str
    kind: BallotKind
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BallotsState:
    """The ballots of a log at one moment: the last one's place, how many, and how many were taken back, when last."""

    last: int
    number: int
    undone: float
    undone_at: str | None


class Votes(Connection):
    """Writers and readers of polls, ballots and votes. Images are named by any copy, and kept as the paid one."""

    def open_poll(
        self,
        run_id: str,
        axis: str | None,
        *,
        by: str,
        only: Mapping[str, str] | None = None,
        goal: Literal["best", "rank"] = "best",
        blind: bool = True,
    ) -> Poll:
        """The poll of this run, axis, filter and blindness that is still open; a new one where there is none."""
        with self.transaction():
            wanted = (axis, dict(only or {}), blind)
            for poll in self.polls(run_id):
                if poll.closed_at is None and (poll.axis, dict(poll.only), poll.blind) == wanted:
                    return poll
            experiment = self.value("SELECT experiment FROM runs WHERE id = ?", (run_id,))
            if experiment is None:
                raise InputError(f"there is no run {run_id}", code="no-such-run")
            poll = Poll(new_id(), experiment, run_id, axis, dict(only or {}), goal, blind, by, utc_now())
            text = json.dumps(poll.only, ensure_ascii=False, sort_keys=True) if poll.only else None
            row = (poll.id, experiment, run_id, axis, text, goal, blind, by, poll.opened_at)
            self.execute(_INSERT_POLL, row)
            return poll

    def set_goal(self, poll_id: str, goal: Literal["best", "rank"]) -> None:
        """What the poll is for: it decides which pair is shown next."""
        self.execute("UPDATE polls SET goal = ? WHERE id = ?", (goal, poll_id))

    def close_poll(self, poll_id: str) -> None:
        """No more votes: from now on the interval for a fixed number of votes is the right one."""
        self.execute("UPDATE polls SET closed_at = ifnull(closed_at, ?) WHERE id = ?", (utc_now(), poll_id))

    def polls(self, run_id: str) -> list[Poll]:
        """The polls that were opened on a run, in order."""
        return [_poll(row) for row in self.rows(_POLLS.format("run_id = ?"), (run_id,))]

    def poll(self, poll_id: str) -> Poll | None:
        """The poll with this id."""
        return next((_poll(row) for row in self.rows(_POLLS.format("id = ?"), (poll_id,))), None)

    def cast(self, ballot: Ballot) -> bool:
        """Write a ballot, in one commit; False where one with its id is there already, which stays as it is.

        InputError where its poll is closed or not there, or the log has not the images.
        """
        with self.transaction():
            self._open(ballot.poll_id)
            row = (ballot.id, ballot.poll_id, ballot.kind, ballot.by, ballot.judge, ballot.shown_at)
            if not self.execute(_BALLOT, (*row, ballot.at or utc_now())).rowcount:
                return False
            shown = {id_ for each in ballot.comparisons for id_ in (each.left_image, each.right_image)}
            paid = paid_images(self, shown)
            for number, each in enumerate(ballot.comparisons):
                self.execute(_VOTE, (ballot.id, number, paid[each.left_image], paid[each.right_image], each.outcome))
        return True

    def replace_ballot(self, ballot: Ballot, images: Collection[str]) -> list[str]:
        """Write a ballot in the place of those that this voter cast on any of `images` in its poll; gives their ids.

        One commit: the old ones are taken back as the new one is written. `undo_ballot` brings them back.
        """
        with self.transaction():
            at = ballot.at or utc_now()
            paid = json.dumps(sorted(set(paid_images(self, images).values())))
            old = [id_ for (id_,) in self.rows(_ON_IMAGES, (ballot.poll_id, ballot.by, paid, True))]
            if ballot.id in old:
                return []
            self.executemany("UPDATE ballots SET undone_at = ? WHERE id = ?", [(at, id_) for id_ in old])
            self.cast(replace(ballot, at=at))
        return old

    def undo_ballot(self, poll_id: str, *, by: str) -> str | None:
        """Take back this voter's last ballot in the poll; gives its id, or None where there is none.

        A ballot that it had replaced holds again. InputError where the poll is closed.
        """
        with self.transaction():
            self._open(poll_id)
            last: str | None = self.value(_LAST, (poll_id, by))
            if last is None:
                return None
            at = self.value("SELECT at FROM ballots WHERE id = ?", (last,))
            shown = {id_ for each in self.comparisons(last) for id_ in (each.left_image, each.right_image)}
            for (replaced,) in list(self.rows(_ON_IMAGES, (poll_id, by, json.dumps(sorted(shown)), False))):
                self.execute("UPDATE ballots SET undone_at = NULL WHERE id = ? AND undone_at = ?", (replaced, at))
            self.execute("UPDATE ballots SET undone_at = ? WHERE id = ?", (utc_now(), last))
        return last

    def has_seen_tally(self, poll_id: str, *, by: str) -> bool:
        """Whether this person asked for the tally after their last ballot in the poll."""
        sql = """
            SELECT max(t.at) >= ifnull(
              (SELECT max(b.at) FROM ballots b WHERE b.poll_id = ?1 AND b."by" = ?2 AND b.judge IS NULL), '')
            FROM tally_views t WHERE t.poll_id = ?1 AND t."by" = ?2
        """
        return bool(self.value(sql, (poll_id, by)))

    def ballots_state(self) -> BallotsState:
        """What changes whenever a ballot of any poll is cast, taken back, put back or deleted."""
        return BallotsState(*self.execute(_STATE).fetchone())

    def undone_ballots(self) -> set[str]:
        """The ballots that were taken back, of every poll."""
        return {id_ for (id_,) in self.rows("SELECT id FROM ballots WHERE undone_at IS NOT NULL")}

    def count_ballots(self, poll_id: str, *, by: str | None = None) -> int:
        """How many ballots of people hold in a poll, of all voters or of one."""
        sql = """
            SELECT count(*) FROM ballots
            WHERE poll_id = ?1 AND undone_at IS NULL AND judge IS NULL AND (?2 IS NULL OR "by" = ?2)
        """
        return int(self.value(sql, (poll_id, by)))

    def voters(self, poll_id: str) -> dict[str, int]:
        """Voter → how many of their ballots hold in a poll, those who voted most first; a judge is its model."""
        sql = """
            SELECT ifnull(judge, "by"), count(*) FROM ballots WHERE poll_id = ? AND undone_at IS NULL
            GROUP BY 1 ORDER BY 2 DESC, 1
        """
        return dict(self.rows(sql, (poll_id,)))

    def comparisons(self, ballot_id: str) -> list[Comparison]:
        """What a ballot says, also one that was taken back."""
        sql = "SELECT left_image, right_image, outcome FROM votes WHERE ballot_id = ? ORDER BY number"
        return [Comparison(*row) for row in self.rows(sql, (ballot_id,))]

    def add_papers(self, file_id: str, poll_id: str, papers: Iterable[Paper], *, by: str) -> None:
        """Note what a file that votes offline shows, in one commit, before the file is given to anybody."""
        now = utc_now()
        with self.transaction():
            self._open(poll_id)
            for each in papers:
                paid = paid_images(self, set(each.images))
                for number, image in enumerate(each.images):
                    row = (each.token, number, paid[image], file_id, poll_id, each.kind, by, now)
                    self.execute(_PAPER, row)

    def papers(self, file_id: str) -> tuple[str | None, dict[str, Paper]]:
        """The poll of a file that votes offline (None: no such file here), and its ballots by their tokens."""
        sql = """
            SELECT poll_id, token, kind, json_group_array(image_id) FROM (
              SELECT * FROM ballot_papers WHERE file_id = ? ORDER BY token, number
            ) GROUP BY poll_id, token, kind
        """
        rows = list(self.rows(sql, (file_id,)))
        found = {token: Paper(token, kind, tuple(json.loads(images))) for _, token, kind, images in rows}
        return (rows[0][0] if rows else None), found

    def _open(self, poll_id: str) -> None:
        poll = self.poll(poll_id)
        if poll is None or poll.closed_at is not None:
            raise InputError("this vote is closed; open a new one to go on", code="poll-closed")

    def note_tally_view(self, poll_id: str, *, by: str) -> None:
        """Somebody asked how the vote stands: whoever votes after that is not blind any more."""
        self.execute(
            'INSERT INTO tally_views (id, poll_id, "by", at) VALUES (?, ?, ?, ?)', (new_id(), poll_id, by, utc_now())
        )

    def ballots(self, run_id: str, *, after: int = 0) -> Iterator[Ballot]:
        """Every ballot that holds whose images are all shown by this run, in the order in which they were cast.

        Of a ballot with some other images, those comparisons that are within the run. `after` is a state's `last`:
        only what was cast since.
        """
        found: dict[str, tuple[tuple[str, ...], list[Comparison]]] = {}
        for *head, left, right, outcome in self.rows(_OF_RUN, (run_id, after)):
            found.setdefault(head[0], (tuple(head), []))[1].append(Comparison(left, right, outcome))
        for (id_, poll_id, kind, by, judge, at), comparisons in found.values():
            yield Ballot(id_, poll_id, kind, by, tuple(comparisons), judge, None, at)  # type: ignore[arg-type]


def _poll(row: Sequence[object]) -> Poll:
    id_, experiment, run_id, axis, only, goal, blind, opened_by, opened_at, closed_at = row
    values = json.loads(str(only)) if only else {}
    return Poll(id_, experiment, run_id, axis, values, goal, bool(blind), opened_by, opened_at, closed_at)  # type: ignore[arg-type]
