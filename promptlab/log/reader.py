"""The log for people who read it: no method of this class writes, and the file itself is opened read-only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from promptlab.log.log import Log
from promptlab.log.runs import Failure, Totals
from promptlab.log.sums import Apart, Spent
from promptlab.model import Attempt, Generation, Image, Run

__all__ = ["LogReader", "log_of"]


class LogReader:
    """Runs, generations, images and spending, read from one log. Used from the thread that opened it; close it, or use
    it in a `with` block."""

    def __init__(self, log: Log) -> None:
        self._log = log

    @classmethod
    def open(cls, path: Path) -> LogReader:
        """Open a log for reading; LogError where there is none."""
        return cls(Log.open(path, create=False, readonly=True))

    @property
    def path(self) -> Path:
        """The file."""
        return self._log.path

    def close(self) -> None:
        """Close the file."""
        self._log.close()

    def __enter__(self) -> LogReader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def runs(self, *, experiment: str | None = None, limit: int | None = None) -> list[Run]:
        """The runs, newest first."""
        return self._log.runs(experiment=experiment, limit=limit)

    def find_run(self, text: str) -> Run:
        """The run of an id, the start of one, an experiment's name (its latest run), or `last`; InputError for none."""
        return self._log.find_run(text)

    def totals(self, run_id: str) -> Totals:
        """What became of a run's generations, counted from their rows."""
        return self._log.totals(run_id)

    def failures(self, run_id: str) -> list[Failure]:
        """What went wrong in a run, the most frequent first."""
        return list(self._log.failures(run_id))

    def generations(self, run_id: str, *, statuses: Collection[str] = ()) -> Iterator[Generation]:
        """A run's generations in the order of the plan, of these statuses if any are named."""
        return self._log.generations(run_id, statuses=statuses)

    def generation(self, generation_id: str) -> Generation | None:
        """The generation with this id."""
        return self._log.generation(generation_id)

    def attempts(self, generation_id: str) -> list[Attempt]:
        """Every time a generation was sent."""
        return list(self._log.attempts(generation_id))

    def images(self, run_id: str) -> Iterator[Image]:
        """A run's images in the order of the plan."""
        return iter(self._log.images(run_id))

    def images_of(self, generation_ids: Collection[str]) -> Mapping[str, list[Image]]:
        """The images of each of these generations."""
        return self._log.images_of(generation_ids)

    def usage(self, by: str = "day", *, since: str = "") -> list[Spent]:
        """Spending by day, experiment, template, model, user or project, from the UTC day `since` (ISO date) on."""
        return self._log.usage(by, since=since)

    def usage_in_all(self, rows: Iterable[Spent], *, since: str = "") -> Spent:
        """The total of rows of `usage`, with what was kept and rejected in all of them."""
        return self._log.usage_in_all(rows, since=since)

    def spent_apart(self, *, since: str = "") -> Apart:
        """What simulated runs, the cache, `redo` and judges come to, from the UTC day `since` on."""
        return self._log.spent_apart(since=since)

    def spent(self, *, since: str = "", project: str | None = None) -> Spent:
        """All spending from a UTC day on, of one project if named."""
        return self._log.spent(since=since, project=project)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> Iterator[dict[str, Any]]:
        """The rows of a query, each as column → value; docs/log.md has the tables and views. LogError for a write."""
        cursor = self._log.execute(sql, values)
        names = [column[0] for column in cursor.description or ()]
        return (dict(zip(names, row, strict=True)) for row in cursor)


def log_of(log: Log | LogReader) -> Log:
    """The log that a reader reads, for functions of this package that take either and write nothing."""
    return log._log if isinstance(log, LogReader) else log
