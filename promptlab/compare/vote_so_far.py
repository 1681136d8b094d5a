"""How an open vote stands, in figures and in words that hold however often one looks."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from promptlab.compare.voting_scenes import read_casts
from promptlab.log.connection import Connection
from promptlab.log.votes import Poll, Votes
from promptlab.stats.live import Live, live
from promptlab.stats.votes import Vote, tally, variants_of

__all__ = ["ValueSoFar", "VoteSoFar", "vote_so_far", "words_of"]


@dataclass(frozen=True, slots=True)
class ValueSoFar:
    """One value: how often it was preferred, of how many decided votes, how often there was no difference."""

    value: str
    label: str
    wins: int
    decided: int
    ties: int
    bad: int


@dataclass(frozen=True, slots=True)
class VoteSoFar:
    """What a run's ballots say of an axis so far. `rows` are in order of preference; `live` is None before a vote."""

    by: str | None
    ballots: int
    voters: int
    rows: tuple[ValueSoFar, ...]
    live: Live | None

    def as_json(self) -> dict[str, Any]:
        """The same as JSON has it."""
        return asdict(self)


def vote_so_far(log: Votes, poll: Poll) -> VoteSoFar:
    """How the vote on the poll's axis stands: the ballots of all the run's polls count, as in the ranking."""
    casts = read_casts(log, poll.run_id, poll.axis, log.ballots(poll.run_id))
    votes = [vote for cast in casts for vote in cast.votes]
    labels = _labels(log, poll.experiment) if poll.axis is None else {}
    return VoteSoFar(poll.axis, len(casts), len({cast.voter for cast in casts}), _rows(votes, labels), live(votes))


def _rows(votes: list[Vote], labels: dict[str, str]) -> tuple[ValueSoFar, ...]:
    met = tally(votes)
    rows = []
    for value in variants_of(votes):
        mine = [found for (first, _), found in met.items() if first == value]
        wins, decided = sum(each.wins for each in mine), sum(each.decided for each in mine)
        bad = sum(each.bad for each in mine)
        rows.append(
            ValueSoFar(value, labels.get(value, value), wins, decided, sum(each.ties for each in mine) - bad, bad)
        )
    return tuple(sorted(rows, key=lambda row: (-(row.wins + 0.5) / (row.decided + 1), row.label)))


def _labels(log: Connection, experiment: str) -> dict[str, str]:
    found = log.rows("SELECT id, axes FROM variants WHERE experiment = ?", (experiment,))
    return {
        id_: ", ".join(f"{axis}={value}" for axis, value in json.loads(axes or "{}").items()) or id_
        for id_, axes in found
    }


def words_of(standing: VoteSoFar) -> list[str]:
    """The headline, then a sentence for each difference to the leader."""
    found = standing.live
    if found is None:
        return ["Nobody has voted yet."]
    label = {row.value: row.label for row in standing.rows}
    leader = label.get(found.leader, found.leader)
    base = (
        f"{_count(standing.ballots, 'ballot')} by {_count(standing.voters, 'person', 'people')} "
        f"in {_count(found.scenes, 'scene')}"
    )
    if found.winner is not None:
        lines = [f"{leader} wins: apart from all others, however often one looks ({base})."]
    else:
        lines = [
            f"{leader} leads, and it is too early to name a winner ({base}). You may stop, or go on, whenever you like."
        ]
    for each in found.differences:
        other = label.get(each.other, each.other)
        share = f"{leader} against {other}: preferred in {_of(each.chance)} of 100"
        if each.low is None or each.high is None:
            lines.append(f"{share}; too few scenes to say how sure that is.")
        else:
            apart = "" if each.apart else ": not apart yet"
            lines.append(f"{share}, surely between {_of(each.low)} and {_of(each.high)}{apart}.")
    return lines


def _of(chance: float) -> str:
    return f"{100 * chance:.0f}"


def _count(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
