"""What a list of runs needs: which runs are hidden from it, and how short an id can be said."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from promptlab.log.connection import Connection
from promptlab.model import utc_now

__all__ = ["Listing", "short"]

LEAST = 8  # a shorter prefix would soon name several runs


def short(ids: Iterable[str]) -> dict[str, str]:
    """Id → the shortest prefix that no other of these ids has, of at least eight letters."""
    ordered = sorted(set(ids))
    lengths = dict.fromkeys(ordered, LEAST)
    for one, other in pairwise(ordered):
        same = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
        for id_ in (one, other):
            lengths[id_] = max(lengths[id_], same + 1)
    return {id_: id_[:length] for id_, length in lengths.items()}


class Listing(Connection):
    """Hiding runs, and short names for them."""

    def short_ids(self) -> dict[str, str]:
        """Run id → the shortest prefix that names it and no other run of this log."""
        return short(id_ for (id_,) in self.rows("SELECT id FROM runs"))

    def hidden_runs(self) -> set[str]:
        """The ids of the runs that lists leave out."""
        return {id_ for (id_,) in self.rows("SELECT run_id FROM hidden_runs")}

    def hide_run(self, run_id: str) -> None:
        """Leave a run out of lists; nothing else changes."""
        self.execute("INSERT INTO hidden_runs (run_id, at) VALUES (?, ?) ON CONFLICT DO NOTHING", (run_id, utc_now()))

    def unhide_run(self, run_id: str) -> None:
        """Put a run back into lists."""
        self.execute("DELETE FROM hidden_runs WHERE run_id = ?", (run_id,))
