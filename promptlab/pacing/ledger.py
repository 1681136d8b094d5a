"""One API key's sends, leases and lessons, kept for all processes; every step is one small transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path

from promptlab.pacing.database import LESSONS, connect, explained
from promptlab.pacing.limits import DAY_S, Figures, Limits
from promptlab.pacing.owner import owner, state_of
from promptlab.pacing.window import Delay, Facts, Lease, Lessons, Quota, effective, judge

__all__ = ["Ledger"]

#: A clock that went back further than this is noticed; less than this is waited for.
_JUMP_S = 1.0
#: The slot of a live process that has not been renewed for so long was leaked.
_LEAKED_S = 3600.0
#: How soon to ask again for a slot that another process has to give back.
_POLL_S = 0.06
#: Old sends are removed once in this many acquires.
_SWEEP_EVERY = 256
_FORGET_S = 7 * DAY_S

_SELECT_LESSONS = f"SELECT {', '.join(LESSONS)} FROM keys WHERE id = ?"  # noqa: S608 - names of our own fields
_UPDATE_LESSONS = f"UPDATE keys SET {', '.join(f'{name} = ?' for name in LESSONS)} WHERE id = ?"  # noqa: S608
_NEWEST = "SELECT n, at FROM sends WHERE key = ? ORDER BY n DESC LIMIT 1"


class Ledger:
    """One key's part of the file. StoreError, with what to do, when the disk or SQLite refuses.

    Sends are numbered without gaps, so "the send N places back" is one look-up whatever the size of the log.
    """

    def __init__(self, folder: Path, key: str, limits: Limits, plans: Mapping[int, Limits], lease_s: float) -> None:
        self._limits, self._plans, self._lease_s = limits, plans, lease_s
        self._owner = owner()
        self._db = connect(folder)
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

    def take(self, clock: Callable[[], float], held: int) -> Lease | Delay | Quota:
        """A lease, or how long to wait. `held` is how many leases this process has out."""
        with self._transaction():
            now = clock()  # read under the lock: sends are in the order of their times
            number, latest = self._db.execute(_NEWEST, (self._key,)).fetchone() or (0, 0.0)
            lessons = self.lessons()
            ahead = max(latest, lessons.latest) - now
            if ahead > _JUMP_S:
                lessons, latest = self._set_back(lessons, ahead), latest - ahead
            figures = effective(self._limits, self._plans, lessons, now)
            facts = self._facts(figures, number)
            verdict = judge(self._limits, figures, lessons, facts, now)
            if isinstance(verdict, Delay) and verdict.reason == "concurrency":
                if self._reclaim(now):
                    verdict = judge(self._limits, figures, lessons, self._facts(figures, number), now)
                elif facts.leases > held:
                    verdict = Delay(_POLL_S, "concurrency")
            return verdict or self._record(number + 1, max(now, latest), now)

    def lessons(self) -> Lessons:
        """What the key's answers have taught."""
        with explained(self._path):
            return Lessons(*self._db.execute(_SELECT_LESSONS, (self._key,)).fetchone())

    @contextmanager
    def teaching(self) -> Iterator[list[Lessons]]:
        """Change the lessons in one transaction: replace the list's only element."""
        with self._transaction():
            before = self.lessons()
            box = [before]
            yield box
            if box[0] is not before:
                self._db.execute(_UPDATE_LESSONS, (*astuple(box[0]), self._key))

    def give_back(self, number: int, *, sent: bool) -> None:
        """End a lease. A request that was certainly not sent has used nothing: its place is free at once."""
        with self._transaction():
            self._db.execute("DELETE FROM leases WHERE key = ? AND n = ?", (self._key, number))
            if not sent:
                self._db.execute("UPDATE sends SET at = 0 WHERE key = ? AND n = ?", (self._key, number))

    def renew(self, numbers: Iterable[int], now: float) -> None:
        """Hold on to these leases; one that was taken away in the meantime is put back, since it is in flight."""
        rows = [(self._key, number, self._owner, now + self._lease_s) for number in numbers]
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?)", rows)

    def move(self, number: int, at: float) -> None:
        """A send left later than it was allowed."""
        with explained(self._path):
            self._db.execute(
                "UPDATE sends SET at = ? WHERE key = ? AND n = ? AND at BETWEEN 1 AND ?", (at, self._key, number, at)
            )

    def count_since(self, moment: float, enough: int) -> int:
        """How many of the sends are later than `moment`, counting no further than `enough`."""
        with explained(self._path):
            newest = self._db.execute(_NEWEST, (self._key,)).fetchone()
            if newest is None:
                return 0
            if (self._at(newest[0] + 1 - enough) or 0.0) > moment:
                return enough
            count = "SELECT count(*) FROM sends WHERE key = ? AND n > ? AND at > ?"
            return int(self._db.execute(count, (self._key, newest[0] - enough, moment)).fetchone()[0])

    def _facts(self, figures: Figures, number: int) -> Facts:
        leases = 0
        if figures.concurrent is not None:
            leases = self._db.execute("SELECT count(*) FROM leases WHERE key = ?", (self._key,)).fetchone()[0]
        return Facts(
            slot=self._at(number + 1 - figures.requests) if figures.requests else None,
            day_slot=self._at(number + 1 - figures.daily) if figures.daily else None,
            leases=leases,
        )

    def _at(self, number: int) -> float | None:
        row = self._db.execute("SELECT at FROM sends WHERE key = ? AND n = ?", (self._key, number)).fetchone()
        return row[0] if row else None

    def _record(self, number: int, at: float, now: float) -> Lease:
        self._db.execute("INSERT INTO sends VALUES (?, ?, ?)", (self._key, number, at))
        lease = (self._key, number, self._owner, now + self._lease_s)
        self._db.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?)", lease)
        if number % _SWEEP_EVERY == 0:
            self._sweep(now - DAY_S - 2 * self._limits.window_s)
        return Lease(number, at)

    def _sweep(self, before: float) -> None:
        """Forget sends older than anything that counts them. The scan ends at the first that is young enough."""
        first = "SELECT n FROM sends WHERE key = ? AND at >= ? ORDER BY n LIMIT 1"
        self._db.execute(f"DELETE FROM sends WHERE key = ? AND n < ({first})", (self._key, self._key, before))  # noqa: S608

    def _reclaim(self, now: float) -> bool:
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
        return bool(gone)

    def _set_back(self, lessons: Lessons, seconds: float) -> Lessons:
        """The clock was set back: what is written in the future moves with it, so that every age stays what it was."""
        self._db.execute("UPDATE sends SET at = at - ? WHERE key = ? AND at > 0", (seconds, self._key))
        self._db.execute("UPDATE leases SET expires = expires - ? WHERE key = ?", (seconds, self._key))
        moved = lessons.shifted(seconds)
        self._db.execute(_UPDATE_LESSONS, (*astuple(moved), self._key))
        return moved

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with explained(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
