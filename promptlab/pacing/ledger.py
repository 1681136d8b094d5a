"""One SQLite file for all processes of a machine: each API key's sends, leases and lessons.

Every step is one small transaction; `turn` does in one what has come together since the last: slots given back, what
answers taught, and leave for as many requests as wait and may be sent.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from promptlab.errors import StoreError
from promptlab.pacing.key_limits import (
    DAY_S,
    Delay,
    Facts,
    Figures,
    Headers,
    KeyLimits,
    Lease,
    Lessons,
    Quota,
    effective,
    judge,
    taught,
)
from promptlab.pacing.owner import owner, state_of

__all__ = ["Heard", "Ledger", "state_folder"]

#: The file's name has the schema's version: an older promptlab beside a newer one keeps its own.
_FILE = "pacing-1.db"
_PATIENCE_S = 10.0
#: A clock that went back further than this is noticed; less than this is waited for.
_JUMP_S = 1.0
#: The slot of a live process that has not been renewed for so long was leaked.
_LEAKED_S = 3600.0
#: How soon to ask again for a slot that another process has to give back.
_POLL_S = 0.06
#: Old sends are removed once in this many acquires.
_SWEEP_EVERY = 256
_FORGET_S = 7 * DAY_S

_LESSONS = tuple(field.name for field in fields(Lessons))

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS keys (
    id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, opened REAL NOT NULL,
    {
    ", ".join(
        f"{name} {'' if field.default is None else 'NOT NULL DEFAULT 0'}"
        for name, field in zip(_LESSONS, fields(Lessons), strict=True)
    )
}
);
CREATE TABLE IF NOT EXISTS sends (key INTEGER, n INTEGER, at REAL, PRIMARY KEY (key, n)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leases (
    key INTEGER, n INTEGER, owner TEXT, expires REAL, PRIMARY KEY (key, n)
) WITHOUT ROWID;
"""
_SELECT_LESSONS = f"SELECT {', '.join(_LESSONS)} FROM keys WHERE id = ?"  # noqa: S608 - names of our own fields
_UPDATE_LESSONS = f"UPDATE keys SET {', '.join(f'{name} = ?' for name in _LESSONS)} WHERE id = ?"  # noqa: S608
#: All that a turn starts from: the lessons, the newest send, and how many leases are out.
_STATE = f"""
SELECT ifnull(newest.n, 0), ifnull(newest.at, 0.0), (SELECT count(*) FROM leases WHERE key = keys.id),
       {", ".join(_LESSONS)}
FROM keys LEFT JOIN (SELECT n, at FROM sends WHERE key = ?1 ORDER BY n DESC LIMIT 1) AS newest
WHERE id = ?1
"""  # noqa: S608
#: Lists go in as JSON: one statement, however many there are.
_FREE = "DELETE FROM leases WHERE key = ? AND n IN (SELECT value FROM json_each(?))"
_UNSENT = "UPDATE sends SET at = 0 WHERE key = ? AND n IN (SELECT value FROM json_each(?))"
_SEND = "INSERT INTO sends SELECT ?, value, ? FROM json_each(?)"
_LEASE = "INSERT OR REPLACE INTO leases SELECT ?, value, ?, ? FROM json_each(?)"
_SENDS = "SELECT n, at FROM sends WHERE key = ?1 AND n BETWEEN ?2 AND ?3"
_SENDS_OF_BOTH = f"{_SENDS} UNION ALL SELECT n, at FROM sends WHERE key = ?1 AND n BETWEEN ?4 AND ?5"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Heard:
    """The rate headers of one answer; our own sends later than `since` are those it can have counted."""

    headers: Headers
    since: float
    now: float


class Ledger:
    """One key's part of the file. StoreError, with what to do, when the disk or SQLite refuses.

    Sends are numbered without gaps, so "the send N places back" is one look-up whatever the size of the log.
    """

    def __init__(
        self, folder: Path, key: str, limits: KeyLimits, plans: Mapping[int, KeyLimits], lease_s: float
    ) -> None:
        self._limits, self._plans, self._lease_s = limits, plans, lease_s
        self._owner = owner()
        self._db = _connect(folder)
        self._path = folder
        self._name = key
        self._key = 0

    def open(self, now: float) -> None:
        """Find or make the key's row, and forget keys that were not opened for a week."""
        with self._transaction():
            for old in self._db.execute("SELECT id FROM keys WHERE opened < ?", (now - _FORGET_S,)).fetchall():
                self._db.execute("DELETE FROM sends WHERE key = ?", old)
                self._db.execute("DELETE FROM leases WHERE key = ?", old)
                self._db.execute("DELETE FROM keys WHERE id = ?", old)
            self._key = self._db.execute(
                "INSERT INTO keys (hash, opened) VALUES (?, ?)"
                " ON CONFLICT (hash) DO UPDATE SET opened = excluded.opened RETURNING id",
                (self._name, now),
            ).fetchone()[0]

    def close(self) -> None:
        """Close the file; leases still out stay until they are released, expire, or their process ends."""
        self._db.close()

    def turn(
        self,
        clock: Callable[[], float],
        held: int,
        wanted: int,
        returned: Mapping[int, bool] | None = None,
        heard: Sequence[Heard] = (),
    ) -> tuple[list[Lease], Delay | Quota | None]:
        """Leases for up to `wanted` requests, and what stands in the way of the next one.

        `held` is how many leases this process has out. `returned` are leases that ended since the last turn, by
        number: False for a request that was certainly not sent and has used nothing, whose place is free at once.
        """
        returned = returned or {}
        if not wanted and not heard and all(returned.values()):
            with _explained(self._path):  # one statement is a transaction of its own
                self._db.execute(_FREE, (self._key, json.dumps(list(returned))))
            return [], None
        with self._transaction():
            self._give_back(returned)
            number, latest, leases, *row = self._db.execute(_STATE, (self._key,)).fetchone()
            before = lessons = Lessons(*row)
            for each in heard:
                lessons = taught(self._limits, lessons, each.headers, self._counter(number, each.since), each.now)
            if lessons is not before:
                self._db.execute(_UPDATE_LESSONS, (*astuple(lessons), self._key))
            if not wanted:
                return [], None
            now = clock()  # read under the lock: sends are in the order of their times
            ahead = max(latest, lessons.latest) - now
            if ahead > _JUMP_S:
                lessons, latest = self._set_back(lessons, ahead), latest - ahead
            times, refused = self._judge(lessons, number, leases, held, wanted, now, max(now, latest))
            if times:
                self._record(number, times, now)
            return [Lease(place, at) for place, at in times.items()], refused

    def _judge(
        self, lessons: Lessons, number: int, leases: int, held: int, wanted: int, now: float, at: float
    ) -> tuple[dict[int, float], Delay | Quota | None]:
        """Which of the next `wanted` sends may leave now, with their times, and why no more of them."""
        figures = effective(self._limits, self._plans, lessons, now)
        past = self._past(figures, number, wanted)
        granted: dict[int, float] = {}
        looked = False
        while len(granted) < wanted:
            place = number + 1 + len(granted)
            facts = Facts(
                slot=past.get(place - figures.requests) if figures.requests else None,
                day_slot=past.get(place - figures.daily) if figures.daily else None,
                leases=leases + len(granted),
            )
            verdict = judge(self._limits, figures, lessons, facts, now)
            if verdict is None:
                past[place] = granted[place] = at
                continue
            if isinstance(verdict, Delay) and verdict.reason == "concurrency":
                if not looked and (freed := self._reclaim(now)):
                    looked, leases = True, leases - freed
                    continue
                if leases > held:
                    verdict = Delay(_POLL_S, "concurrency")  # another process may give one back any moment
            return granted, verdict
        return granted, None

    def _past(self, figures: Figures, number: int, wanted: int) -> dict[int, float]:
        """When the sends were that the next `wanted` ones are measured against, by number."""
        ranges = [
            (number + 1 - figure, min(number, number + wanted - figure))
            for figure in (figures.requests, figures.daily)
            if figure and number + wanted > figure
        ]
        if not ranges:
            return {}
        query = _SENDS if len(ranges) == 1 else _SENDS_OF_BOTH
        return dict(self._db.execute(query, (self._key, *(bound for each in ranges for bound in each))).fetchall())

    def lessons(self) -> Lessons:
        """What the key's answers have taught."""
        with _explained(self._path):
            return Lessons(*self._db.execute(_SELECT_LESSONS, (self._key,)).fetchone())

    def teach(self, change: Callable[[Lessons], Lessons]) -> None:
        """Change the lessons in one transaction."""
        with self._transaction():
            before = self.lessons()
            after = change(before)
            if after is not before:
                self._db.execute(_UPDATE_LESSONS, (*astuple(after), self._key))

    def _give_back(self, returned: Mapping[int, bool]) -> None:
        if returned:
            self._db.execute(_FREE, (self._key, json.dumps(list(returned))))
        if unsent := [number for number, sent in returned.items() if not sent]:
            self._db.execute(_UNSENT, (self._key, json.dumps(unsent)))

    def renew(self, numbers: Iterable[int], now: float) -> None:
        """Hold on to these leases; one that was taken away in the meantime is put back, since it is in flight."""
        rows = [(self._key, number, self._owner, now + self._lease_s) for number in numbers]
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?)", rows)

    def move(self, number: int, at: float) -> None:
        """A send left later than it was allowed."""
        with _explained(self._path):
            self._db.execute(
                "UPDATE sends SET at = ? WHERE key = ? AND n = ? AND at BETWEEN 1 AND ?", (at, self._key, number, at)
            )

    def _counter(self, number: int, since: float) -> Callable[[int], int]:
        """Counts the sends later than `since`, no further than it is asked for. The newest is number `number`."""

        def count(enough: int) -> int:
            oldest = self._db.execute(_SENDS, (self._key, number + 1 - enough, number + 1 - enough)).fetchone()
            if oldest is not None and oldest[1] > since:
                return enough
            counted = "SELECT count(*) FROM sends WHERE key = ? AND n > ? AND at > ?"
            return int(self._db.execute(counted, (self._key, number - enough, since)).fetchone()[0])

        return count

    def _record(self, number: int, times: Mapping[int, float], now: float) -> None:
        """Write the sends and their leases; all of one turn have one time."""
        places, at = json.dumps(list(times)), next(iter(times.values()))
        self._db.execute(_SEND, (self._key, at, places))
        self._db.execute(_LEASE, (self._key, self._owner, now + self._lease_s, places))
        if number // _SWEEP_EVERY != (number + len(times)) // _SWEEP_EVERY:
            self._sweep(now - DAY_S - 2 * self._limits.window_s)

    def _sweep(self, before: float) -> None:
        """Forget sends older than anything that counts them. The scan ends at the first that is young enough."""
        first = "SELECT n FROM sends WHERE key = ? AND at >= ? ORDER BY n LIMIT 1"
        self._db.execute(f"DELETE FROM sends WHERE key = ? AND n < ({first})", (self._key, self._key, before))  # noqa: S608

    def _reclaim(self, now: float) -> int:
        """Free the slots of processes that ended, and those that expired unless their process is known to live."""
        query = "SELECT n, owner, expires FROM leases WHERE key = ? AND owner != ?"
        rows = self._db.execute(query, (self._key, self._owner)).fetchall()
        states = {who: state_of(who) for who in {row[1] for row in rows}}
        gone = [
            (self._key, number)
            for number, who, expires in rows
            if states[who] == "dead" or now > expires + (_LEAKED_S if states[who] == "alive" else 0.0)
        ]
        self._db.executemany("DELETE FROM leases WHERE key = ? AND n = ?", gone)
        return len(gone)

    def _set_back(self, lessons: Lessons, seconds: float) -> Lessons:
        """The clock was set back: what is written in the future moves with it, so that every age stays what it was."""
        self._db.execute("UPDATE sends SET at = at - ? WHERE key = ? AND at > 0", (seconds, self._key))
        self._db.execute("UPDATE leases SET expires = expires - ? WHERE key = ?", (seconds, self._key))
        moved = lessons.shifted(seconds)
        self._db.execute(_UPDATE_LESSONS, (*astuple(moved), self._key))
        return moved

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _explained(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")


# --- the file -----------------------------------------------------------------------------------------------------


def state_folder(environ: Mapping[str, str]) -> Path:
    """`$PROMPTLAB_STATE`, else `$XDG_STATE_HOME/promptlab`, else `~/.local/state/promptlab` (XDG base directories).

    A relative `$XDG_STATE_HOME` is ignored, as that specification asks; a relative `$PROMPTLAB_STATE` is taken
    from the current folder, as the user who set it sees it.
    """
    if chosen := environ.get("PROMPTLAB_STATE"):
        return Path(chosen).expanduser().absolute()
    shared = environ.get("XDG_STATE_HOME", "")
    if shared and Path(shared).is_absolute():
        return Path(shared) / "promptlab"
    return Path(environ.get("HOME") or Path.home()) / ".local" / "state" / "promptlab"


def _connect(folder: Path) -> sqlite3.Connection:
    """Open the file, making it (0600) and its folder (0700) where they are missing; StoreError if it can't be used."""
    path = folder / _FILE
    with _explained(path):
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return _open(path)
            except sqlite3.OperationalError as error:
                # Several processes that switch a new file to WAL at once are refused without the usual wait.
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)


def _open(path: Path) -> sqlite3.Connection:
    # Transactions are written out by hand: BEGIN IMMEDIATE takes the one write lock before anything is read.
    database = sqlite3.connect(path, isolation_level=None, timeout=_PATIENCE_S)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(_SCHEMA)
    except BaseException:
        database.close()
        raise
    return database


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what the disk or SQLite refuses into a StoreError that says what to do."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise StoreError(
            f"the pacing state {path} cannot be used ({reason}); it is how runs that share an API key keep to its"
            " limits. Set PROMPTLAB_STATE to a folder on a local disk that you can write"
            + ("; the file itself may be deleted" if isinstance(error, sqlite3.DatabaseError) else "")
        ) from error
