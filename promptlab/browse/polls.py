"""The open polls that this process serves: what comes next for whom, and the tickets under which pictures are shown.

Everything here is in memory and can be lost: a vote is in the log before its voter is told so, and a ticket that is
gone only means another pair. A ticket is the one name that a page gets for its pictures: a secret by chance, for one
voter and one ballot, so that no address, no cache and no repeated request says what a picture is.
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
import threading
import time
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptlab.compare.next_ballot import Chooser, Pair, Shown
from promptlab.compare.voting_scenes import read_casts, read_voting_scenes
from promptlab.log.votes import BallotKind, BallotsState, Poll, Votes
from promptlab.model import new_id, utc_now
from promptlab.store.blind import Frame, common_frame

__all__ = ["LivePoll", "Ticket", "Tickets", "live_poll", "tickets"]

SIDE = 1024  # pixels of the longer side of a picture
LENGTH = 256 * 1024  # bytes of every picture
_POLLS = 8  # that are kept ready
_RUNNING_S = 15.0  # a run that goes on is looked at again for new pictures
_EXPIRES_S = 3600.0
_MOST_BYTES = 128 * 1024 * 1024  # of pictures that wait for an answer
_TABS = 3  # open ballots of one voter in one poll
_UNDONE = 50  # ballots of a voter that undo shows again


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ballot on somebody's screen: its pictures, ready to send, and the id under which it will be cast."""

    token: str
    poll_id: str
    voter: str
    shown: Shown
    files: tuple[bytes, ...] = field(repr=False)
    ballot_id: str = field(default_factory=new_id)
    shown_at: str = field(default_factory=utc_now)
    expires: float = field(default_factory=lambda: time.monotonic() + _EXPIRES_S)


class Tickets:
    """The open tickets of all polls: bounded in number and bytes, each for an hour. Safe for threads."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._open: OrderedDict[str, Ticket] = OrderedDict()
        self._lock = threading.Lock()

    def issue(self, poll_id: str, voter: str, shown: Shown, files: tuple[bytes, ...]) -> Ticket:
        """A new ticket; the oldest ones go where there are too many."""
        ticket = Ticket(secrets.token_urlsafe(24), poll_id, voter, shown, files)
        with self._lock:
            self._open[ticket.token] = ticket
            self._bytes += sum(map(len, files))
            mine = [each.token for each in self._open.values() if (each.poll_id, each.voter) == (poll_id, voter)]
            for token in mine[:-_TABS]:
                self._drop(token)
            while self._bytes > self._most and len(self._open) > 1:
                self._drop(next(iter(self._open)))
        return ticket

    def get(self, token: str) -> Ticket | None:
        """The open ticket of this name."""
        with self._lock:
            self._expire()
            return self._open.get(token)

    def drop(self, token: str) -> None:
        """Close a ticket: it was answered, or its voter asked for another one."""
        with self._lock:
            self._drop(token)

    def of_poll(self, poll_id: str) -> list[Ticket]:
        """What is on people's screens, the oldest first."""
        with self._lock:
            self._expire()
            return [each for each in self._open.values() if each.poll_id == poll_id]

    def current(self, poll_id: str, voter: str, kind: BallotKind) -> Ticket | None:
        """What this voter has in front of them: a page that is loaded again shows the same."""
        mine = [each for each in self.of_poll(poll_id) if each.voter == voter and each.shown.kind == kind]
        return mine[-1] if mine else None

    def _expire(self) -> None:
        now = time.monotonic()
        while self._open and next(iter(self._open.values())).expires < now:
            self._drop(next(iter(self._open)))

    def _drop(self, token: str) -> None:
        if (ticket := self._open.pop(token, None)) is not None:
            self._bytes -= sum(map(len, ticket.files))


#: One for the process: a token is a secret whatever log it is about.
tickets = Tickets()


class LivePoll:
    """One poll as this process knows it. Its methods take the log's connection of the thread they are called in."""

    def __init__(self, poll: Poll) -> None:
        self.poll = poll
        self.frame = Frame(SIDE, SIDE)
        self.length = LENGTH
        self.values = 0  # of the fullest scene: four and more can be voted on four at a time
        self._lock = threading.Lock()
        self._chooser: Chooser | None = None
        self._state: BallotsState | None = None
        self._undone: set[str] = set()
        self._read_at = 0.0
        self._running = False
        self.kinds: dict[str, BallotKind] = {}  # what each voter asked for when they began
        self.ready: OrderedDict[tuple[str, BallotKind], Any] = OrderedDict()  # tasks of the page: what comes next
        self._hidden: dict[str, set[Pair]] = defaultdict(set)
        self._cast: dict[str, deque[tuple[str, Shown]]] = defaultdict(lambda: deque(maxlen=_UNDONE))
        self._again: dict[str, list[Shown]] = defaultdict(list)

    def next(self, connection: sqlite3.Connection, voter: str, kind: BallotKind) -> Shown | None:
        """What this voter sees next; None where nothing is left."""
        log = Votes(Path(), connection)
        on_screen = tickets.of_poll(self.poll.id)
        with self._ready(log) as chooser:
            again = self._again[voter]
            while again:
                if (shown := again.pop()).kind == kind:
                    return shown
            mine = {pair for each in on_screen if each.voter == voter for pair in each.shown.pairs}
            goal = self.poll.goal
            busy = [each.shown.scene for each in on_screen]
            return chooser.choose(goal, kind, voter, hidden=self._hidden[voter] | mine, busy=busy)

    def waits_for(self, voter: str, kind: BallotKind) -> bool:
        """Whether something that was taken back comes before anything that was made ready."""
        return any(shown.kind == kind for shown in self._again[voter])

    def is_fresh(self, voter: str, shown: Shown) -> bool:
        """Whether what was made ready for a voter earlier is still something new to them."""
        with self._lock:
            if shown.kind == "pair" and self._chooser is not None and self._chooser.has_seen(voter, shown.pairs):
                return False
            return not shown.pairs & self._hidden[voter]

    def sent(self, length: int) -> None:
        """A ballot's pictures had this length: no later one of this poll is shorter, so that none stands out."""
        with self._lock:
            self.length = max(self.length, length)

    def prepare(self, connection: sqlite3.Connection) -> None:
        """Read what there is to vote on, so that `values` and `frame` are known."""
        with self._ready(Votes(Path(), connection)):
            pass

    def noted(self, voter: str, ballot_id: str, shown: Shown) -> None:
        """A ballot was written: undo may show it again."""
        with self._lock:
            self._cast[voter].append((ballot_id, shown))

    def undone(self, voter: str, ballot_id: str) -> None:
        """A ballot was taken back: its pictures come next."""
        with self._lock:
            self._again[voter] += [shown for id_, shown in self._cast[voter] if id_ == ballot_id]

    def skip(self, voter: str, shown: Shown) -> None:
        """Do not show these pictures together to this voter, until they ask for what they skipped."""
        with self._lock:
            self._hidden[voter] |= shown.pairs

    def skipped(self, voter: str) -> int:
        """How many pairs of pictures this voter skipped."""
        return len(self._hidden[voter])

    def show_skipped(self, voter: str) -> None:
        """Show them again."""
        with self._lock:
            self._hidden[voter].clear()

    # --- the log's state ---

    @contextlib.contextmanager
    def _ready(self, log: Votes) -> Iterator[Chooser]:
        """The chooser, with every picture and every ballot there is, for one thread at a time."""
        with self._lock:
            if self._chooser is None or (self._running and time.monotonic() - self._read_at > _RUNNING_S):
                self._read_scenes(log)
            self._read_ballots(log)
            assert self._chooser is not None
            yield self._chooser

    def _read_scenes(self, log: Votes) -> None:
        poll = self.poll
        self._running = log.value("SELECT status FROM runs WHERE id = ?", (poll.run_id,)) == "running"
        ground = read_voting_scenes(log, poll.run_id, poll.axis, poll.only, seed=poll.id)
        pictures = (each for scene in ground.scenes for cell in scene.pictures.values() for each in cell)
        self.frame = common_frame(((each.width, each.height) for each in pictures), SIDE)
        self.values = ground.most_values
        self._chooser, self._state, self._undone = Chooser(ground), None, set()
        self._read_at = time.monotonic()

    def _read_ballots(self, log: Votes) -> None:
        """Count what was cast and taken back since, by anybody in any process."""
        chooser, seen, state = self._chooser, self._state, log.ballots_state()
        if state == seen or chooser is None:
            return
        undone = log.undone_ballots()
        since = 0
        if seen is not None and self._undone <= undone:  # else one that was taken back holds again
            newer = log.value("SELECT count(*) FROM ballots WHERE rowid > ?", (seen.last,))
            since = seen.last if newer == state.number - seen.number else 0
        for id_ in undone - self._undone:
            chooser.remove(id_)
        casts = read_casts(log, self.poll.run_id, self.poll.axis, log.ballots(self.poll.run_id, after=since))
        if not since:
            for id_ in set(chooser.ids) - {cast.id for cast in casts}:
                chooser.remove(id_)
        for cast in casts:
            chooser.add(cast)
        self._state, self._undone = state, undone


_lives: OrderedDict[tuple[Path, str], LivePoll] = OrderedDict()
_lives_lock = threading.Lock()


def live_poll(path: Path, poll: Poll) -> LivePoll:
    """The state of a poll of the log at `path`, made when somebody first votes in it."""
    with _lives_lock:
        key = (path, poll.id)
        found = _lives.get(key)
        if found is None:
            found = _lives[key] = LivePoll(poll)
        found.poll = poll  # its goal may have changed
        _lives.move_to_end(key)
        while len(_lives) > _POLLS:
            _lives.popitem(last=False)
    return found
