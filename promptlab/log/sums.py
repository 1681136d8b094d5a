"""Sums that are kept: made again for the blocks of a run that changed since (schema.py, migration 006, says why)."""
# ruff: noqa: S608  the SQL is put together from this package's own names; values are bound

from __future__ import annotations

from typing import Final

from promptlab.log.connection import Connection

__all__ = ["Sums"]

#: Table of sums → its view of parts, and what one row is about.
_TABLES: Final = {
    "run_sums": ("run_parts", ("run_id", "block")),
    "spending_sums": (
        "spending_parts",
        ("run_id", "block", "day", "experiment", "template_id", "model", "provider"),
    ),
    "variant_sums": (
        "variant_parts",
        ("run_id", "block", "experiment", "variant_id", "template_id", "axis_values", "provider", "model"),
    ),
}
#: How many stale blocks a running run may leave behind: those it is working in.
_IN_WORK: Final = 2


class Sums(Connection):
    """The writer of sums."""

    def refresh_sums(self, run_id: str | None = None, *, running: bool = False) -> int:
        """Add up the stale blocks of a run, or of all runs that no process holds, each in its own commit.

        `running`: leave the newest blocks, which the run would make stale again at once. Says how many were added up.
        """
        if run_id is None:
            sql = """
                SELECT run_id, block FROM stale_sums
                WHERE 'run:' || run_id NOT IN (SELECT request_hash FROM claims) ORDER BY 1, 2
            """
            stale = list(self.rows(sql))
        else:
            stale = list(self.rows("SELECT run_id, block FROM stale_sums WHERE run_id = ? ORDER BY 2", (run_id,)))
        if running:
            stale = stale[:-_IN_WORK]
        for block in stale:
            with self.transaction():
                self._add_up(block)
        return len(stale)

    def _add_up(self, block: tuple[str, int]) -> None:
        """While the block is stale its parts are single rows; the mark goes with the commit that writes their sums."""
        for table, (parts, keys) in _TABLES.items():
            columns = [name for name, *_ in self.execute(f"SELECT * FROM {table} LIMIT 0").description]
            summed = [column if column in keys else f"sum({column})" for column in columns]
            self.execute(f"DELETE FROM {table} WHERE run_id = ? AND block = ?", block)
            self.execute(
                f"INSERT INTO {table} SELECT {', '.join(summed)} FROM {parts} "
                f"WHERE run_id = ? AND block = ? GROUP BY {', '.join(keys)}",
                block,
            )
        self.execute("DELETE FROM stray_sums WHERE run_id = ? AND block = ?", block)
        self.execute("INSERT INTO stray_sums SELECT * FROM stray_copies WHERE run_id = ? AND block = ?", block)
        self.execute("DELETE FROM stale_sums WHERE run_id = ? AND block = ?", block)
