"""Votes for Python code: what was voted on, ending a vote, and ballots that travel as files.

Blind voting itself is a page (`promptlab browse`), and picks are made in the grid.
"""

from __future__ import annotations

import getpass
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from promptlab.errors import InputError
from promptlab.log import Log
from promptlab.log.votes import Poll
from promptlab.report.ballot import WrittenBallot, make_ballot
from promptlab.report.ballot_import import ImportedVotes, import_into
from promptlab.stats.next_pair import Goal
from promptlab.studio.studio import Studio

__all__ = ["PollSummary", "close_votes", "import_votes", "polls_of", "votes", "write_ballot"]


@dataclass(frozen=True, slots=True)
class PollSummary:
    """A poll, and who took part: voter → ballots that hold; `looks` is how often somebody asked for the tally."""

    poll: Poll
    ballots: Mapping[str, int]
    looks: int

    @property
    def total(self) -> int:
        """All ballots that hold."""
        return sum(self.ballots.values())


def polls_of(log: Log, run_id: str) -> list[PollSummary]:
    """The polls of a run, the oldest first."""
    looks = "SELECT count(*) FROM tally_views WHERE poll_id = ?"
    return [PollSummary(poll, log.voters(poll.id), int(log.value(looks, (poll.id,)))) for poll in log.polls(run_id)]


def votes(run: str, *, studio: Path | str | None = None, db: Path | None = None) -> list[PollSummary]:
    """What was voted on in a run, by whom; which way is `promptlab compare`'s to say."""
    with _studio(studio, db).log(create=False, readonly=True) as log:
        return polls_of(log, log.find_whole_run(run).id)


def close_votes(
    run: str, by: str | None = None, *, studio: Path | str | None = None, db: Path | None = None
) -> list[Poll]:
    """End the open polls of a run, or those on the axis `by` (`variant`: on whole variants); gives what was closed.

    InputError where none is open.
    """
    with _studio(studio, db).log(create=False) as log:
        run_id = log.find_whole_run(run).id
        chosen = [poll for poll in log.polls(run_id) if poll.closed_at is None and by in (None, poll.axis or "variant")]
        if not chosen:
            on = f" by {by}" if by else ""
            raise InputError(
                f"no vote on run {run_id}{on} is open; `promptlab votes {run}` lists them", code="no-such-poll"
            )
        for poll in chosen:
            log.close_poll(poll.id)
        closed = {poll.id for poll in chosen}
        return [poll for poll in log.polls(run_id) if poll.id in closed]


def write_ballot(
    run: str,
    by: str,
    output: Path | str,
    *,
    pairs: int = 30,
    kind: Literal["pair", "best_worst"] = "pair",
    goal: Goal | None = None,
    only: Mapping[str, str] | None = None,
    title: str | None = None,
    studio: Path | str | None = None,
    db: Path | None = None,
    tell: Callable[[int, int], None] | None = None,
) -> WrittenBallot:
    """Write one HTML file that votes offline on a run, compared by an axis (or by `variant`).

    `pairs` is how many ballots it holds, of two pictures or (`best_worst`) of four. `only` holds other axes to a
    value. InputError where there is nothing to vote on, StoreError where a picture can't be read.
    """
    opened = _studio(studio, db)
    settings = opened.settings
    who = settings.user or getpass.getuser()
    with opened.log(create=False) as log:
        run_id = log.find_whole_run(run).id
        axis = None if by == "variant" else by
        return make_ballot(
            log, opened.store(), run_id, axis, Path(output), who=who, pairs=pairs, kind=kind, goal=goal, only=only,
            title=title, tell=tell,
        )  # fmt: skip


def import_votes(
    paths: Sequence[Path | str], *, reopen: bool = False, studio: Path | str | None = None, db: Path | None = None
) -> list[ImportedVotes]:
    """Count the votes of files that an offline ballot gave back; read again, a file changes nothing.

    InputError with every problem, and nothing written, where one of the files is not whole or not of this log.
    """
    with _studio(studio, db).log(create=False) as log:
        return import_into(log, [Path(path) for path in paths], reopen=reopen)


def _studio(studio: Path | str | None, db: Path | None) -> Studio:
    return Studio.open(Path.cwd() if studio is None else Path(studio), db=db)
