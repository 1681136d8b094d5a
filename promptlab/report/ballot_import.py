"""Reading back what a file that votes offline gave: checked whole before anything is written, and counted once."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from promptlab.compare.answers import comparisons_of, read_answer
from promptlab.errors import InputError, Problem
from promptlab.log import Log
from promptlab.log.votes import Ballot, Paper, Poll
from promptlab.model import utc_now

__all__ = ["ImportedVotes", "import_into"]

_MOST_BYTES = 5_000_000
_LONGEST_NAME = 60
_FIELDS = ("token", "outcome", "best", "worst", "at")


@dataclass(frozen=True, slots=True)
class ImportedVotes:
    """One file: how many ballots are new, were there already, were there with another answer (and stay as they were),
    or are about images that have since been deleted."""

    path: str
    voter: str
    poll_id: str
    run_id: str
    new: int
    already: int
    differ: int
    gone: int


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    voter: str
    poll: Poll
    ballots: tuple[Ballot, ...]
    gone: int


def import_into(log: Log, paths: Sequence[Path], *, reopen: bool = False) -> list[ImportedVotes]:
    """Write the votes of these files, in one commit; InputError with every problem of every file, and nothing written.

    Votes of a poll that was closed go to the open poll on the same, or to a new one, if `reopen`; else they are a
    problem.
    """
    problems: list[Problem] = []
    files: list[_File] = []
    for path in paths:
        try:
            files.append(_read(log, path, reopen=reopen))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    with log.transaction():
        return [_write(log, each) for each in files]


def _bad(path: Path, reason: str) -> InputError:
    return InputError(Problem("bad-votes-file", reason, str(path)))


def _read(log: Log, path: Path, *, reopen: bool) -> _File:
    found = _parsed(path)
    voter = found["voter"]
    poll_id, papers = log.papers(found["file"])
    poll = log.poll(poll_id) if poll_id is not None else None
    if poll is None:
        reason = f"its ballots are not of {log.path}; read it into the log that made them"
        raise InputError(Problem("no-such-poll", reason, str(path)))
    if poll.closed_at is not None and not reopen:
        reason = f"its vote was closed at {poll.closed_at}; --reopen counts it in a new one"
        raise InputError(Problem("poll-closed", reason, str(path)))
    ballots, gone = [], 0
    for number, vote in enumerate(found["votes"], 1):
        paper = papers.get(vote["token"])
        if paper is None:
            gone += 1
            continue
        ballots.append(_ballot(path, number, vote, paper, poll, voter))
    if not papers or (gone and gone == len(found["votes"])):
        raise _bad(path, "none of its ballots is known here; was it changed?")
    return _File(str(path), voter, poll, tuple(ballots), gone)


def _ballot(path: Path, number: int, vote: Mapping[str, Any], paper: Paper, poll: Poll, voter: str) -> Ballot:
    best, worst = ("" if vote.get(name) is None else str(vote[name]) for name in ("best", "worst"))
    try:
        answer = read_answer(paper.kind, len(paper.images), str(vote["outcome"]), best, worst)
    except InputError as error:
        raise _bad(path, f"vote {number}: {error.problems[0].message}") from error
    said = comparisons_of(paper.images, answer)
    id_ = hashlib.sha256(f"{paper.token}\n{voter}".encode()).hexdigest()[:26].upper()
    return Ballot(id_, poll.id, paper.kind, voter, said, at=_time(vote.get("at")))


def _time(text: object) -> str:
    """When a vote was cast, as the log writes it; now, where the file's clock says nothing or is ahead."""
    now = utc_now()
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return now
    if moment.tzinfo is None:
        return now
    return min(now, moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z")


def _parsed(path: Path) -> dict[str, Any]:
    """The file's content, once it is what such a file holds, and whole."""
    try:
        data = path.read_bytes()
        if len(data) > _MOST_BYTES:
            raise _bad(path, "too large for a file of votes")
        found = json.loads(data)
    except OSError as error:
        raise InputError(Problem("missing-file", f"the file can't be read ({error.strerror})", str(path))) from error
    except ValueError as error:
        raise _bad(path, "is not JSON; save it again from the ballot, or copy all of its text") from error
    if not isinstance(found, dict) or found.get("format") != "promptlab-votes":
        raise _bad(path, "is not a file of votes; a ballot gives one with `Save the votes`")
    if found.get("version") != 1:
        raise _bad(path, "was made by a newer promptlab; upgrade this one")
    votes = found.get("votes")
    texts = all(isinstance(found.get(name), str) for name in ("file", "voter", "check"))
    if not texts or not isinstance(votes, list) or not all(map(_is_vote, votes)):
        raise _bad(path, "is incomplete or was changed")
    if found["check"] != _check(found):
        raise _bad(path, "was changed or cut since it was saved: its check does not fit")
    voter = " ".join(found["voter"].split())
    if not voter or len(voter) > _LONGEST_NAME or not voter.isprintable():
        raise _bad(path, f"needs the voter's name, of at most {_LONGEST_NAME} letters")
    tokens = [vote["token"] for vote in votes]
    if len(set(tokens)) < len(tokens):
        raise _bad(path, "has two votes on one ballot")
    if not votes:
        raise _bad(path, "holds no vote")
    return {**found, "voter": voter}


def _is_vote(vote: object) -> bool:
    return (
        isinstance(vote, dict)
        and set(vote) <= set(_FIELDS)
        and all(isinstance(vote.get(name), str) for name in ("token", "outcome", "at"))
        and all(vote.get(name) is None or type(vote[name]) is int for name in ("best", "worst"))
    )


def _check(found: Mapping[str, Any]) -> str:
    """CRC-32 (ISO 3309) over what the file says, as its script makes it."""
    lines = [found["file"], found["voter"]]
    lines += [
        "\t".join("" if vote.get(name) is None else str(vote[name]) for name in _FIELDS) for vote in found["votes"]
    ]
    return f"{zlib.crc32(chr(10).join(lines).encode('utf-8', 'surrogatepass')):08x}"


def _write(log: Log, file: _File) -> ImportedVotes:
    poll = file.poll
    if poll.closed_at is not None:
        poll = log.open_poll(poll.run_id, poll.axis, by=file.voter, only=poll.only, goal=poll.goal, blind=poll.blind)
    new = already = differ = 0
    for ballot in file.ballots:
        if log.cast(Ballot(ballot.id, poll.id, ballot.kind, ballot.by, ballot.comparisons, at=ballot.at)):
            new += 1
        elif tuple(log.comparisons(ballot.id)) == ballot.comparisons:
            already += 1
        else:
            differ += 1
    return ImportedVotes(file.path, file.voter, poll.id, poll.run_id, new, already, differ, file.gone)
