"""Forgetting a run: its rows, and which files nothing else uses.

A paid generation that other runs copied from the cache is not lost with its run: the oldest copy takes its place,
with its cost, attempts, answers and marks, so that what was paid stays in the log once. Tables are found by the
columns `run_id`, `generation_id` and `image_id`, so that a later migration's tables are covered too.
"""
# ruff: noqa: S608  the SQL is put together from this package's own names and the schema's; values are bound

from __future__ import annotations

import json
from dataclasses import dataclass

from promptlab.errors import InputError
from promptlab.log.connection import Connection, quote
from promptlab.log.schema import SIMULATED

__all__ = ["Forget", "Forgetting"]


@dataclass(frozen=True, slots=True)
class Forgetting:
    """What goes with a run, and what stays.

    `heirs` are paid generation → the copy in another run that takes its place. `files` are hashes and `names` are
    (path, sha256) that no other row of this log has. The costs are those of real generations that leave the log; the
    latest of these was sent or may have been billed at `last_billed` (None: nothing real was).
    """

    run_id: str
    experiment: str
    generations: int
    images: int
    unknown: int
    heirs: dict[str, str]
    files: tuple[str, ...]
    names: tuple[tuple[str, str], ...]
    credits: float
    cost_usd: float
    last_billed: str | None


#: What makes a row this run's own place in the plan; all other columns tell what the request was and what it gave.
_OWN = frozenset(
    ("id", "rowid", "run_id", "sequence", "experiment", "variant_id", "template_id", "axis_values", "seed_index",
     "file_name", "status", "created_at", "cached_from")
)  # fmt: skip

_COPIES = """
SELECT p.id, c.id,
  (SELECT json_group_array(position) FROM (SELECT position FROM images WHERE generation_id = p.id ORDER BY 1)) =
  (SELECT json_group_array(position) FROM (SELECT position FROM images WHERE generation_id = c.id ORDER BY 1))
FROM generations p JOIN generations c ON c.cached_from = p.id
WHERE p.run_id = ?1 AND c.run_id <> ?1 AND c.status = 'completed' ORDER BY p.id, c.id
"""
_HASHES = """
SELECT i.sha256 AS sha256 FROM images i JOIN generations g ON g.id = i.generation_id
  WHERE g.run_id {0} ?1 AND i.sha256 IS NOT NULL
UNION SELECT source_image FROM generations WHERE run_id {0} ?1 AND source_image IS NOT NULL
UNION SELECT sha256 FROM inputs WHERE run_id {0} ?1 AND role = 'image'
"""
_NAMES = """
SELECT i.path, i.sha256 FROM images i JOIN generations g ON g.id = i.generation_id
WHERE g.run_id = ?1 AND i.path IS NOT NULL AND i.sha256 IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM images o JOIN generations h ON h.id = o.generation_id WHERE o.path = i.path AND h.run_id <> ?1)
ORDER BY 1
"""
_MONEY = f"""
WITH gone AS (
  SELECT g.* FROM generations g WHERE g.run_id = ?1 AND g.cached_from IS NULL AND NOT {SIMULATED}
    AND g.id NOT IN (SELECT key FROM json_each(?2))
),
risk AS (SELECT a.* FROM attempts a JOIN gone ON gone.id = a.generation_id WHERE a.may_be_billed = 1)
SELECT
  (SELECT total(credits) FROM gone) + (SELECT total(credits_at_risk) FROM risk),
  (SELECT total(cost_usd) FROM gone) + (SELECT total(cost_usd_at_risk) FROM risk),
  (SELECT max(at) FROM (
    SELECT max(coalesce(started_at, created_at)) AS at FROM gone
      WHERE status IN ('completed', 'lost') OR credits IS NOT NULL OR cost_usd IS NOT NULL
    UNION ALL SELECT max(started_at) FROM risk))
"""


# A cost that is not known adds nothing, and is not 0.
_TAKE_OVER = """
UPDATE runs SET cached = max(0, runs.cached - 1),
  credits = CASE WHEN g.credits IS NULL THEN runs.credits ELSE ifnull(runs.credits, 0) + g.credits END,
  cost_usd = CASE WHEN g.cost_usd IS NULL THEN runs.cost_usd ELSE ifnull(runs.cost_usd, 0) + g.cost_usd END
FROM generations g WHERE g.id = ? AND runs.id = g.run_id
"""
# What is left of a poll's votes is about images of other runs: the first of them takes it.
_MOVE_POLLS = """
UPDATE polls SET (run_id, experiment) = (
  SELECT g.run_id, g.experiment FROM ballots b JOIN votes o ON o.ballot_id = b.id
  JOIN images i ON i.id = o.left_image JOIN generations g ON g.id = i.generation_id
  WHERE b.poll_id = polls.id ORDER BY b.rowid, o.number LIMIT 1)
WHERE run_id = ?1 AND EXISTS (
  SELECT 1 FROM ballots b JOIN votes o ON o.ballot_id = b.id WHERE b.poll_id = polls.id)
"""


class Forget(Connection):
    """Looking at what a run would take with it, and forgetting it."""

    def forgetting(self, run_id: str) -> Forgetting:
        """What forgetting this run would do; InputError where another run uses what cannot be handed over."""
        experiment, generations, unknown = self.execute(
            "SELECT r.experiment, count(g.id), total(g.status IN ('unknown', 'lost')) FROM runs r "
            "LEFT JOIN generations g ON g.run_id = r.id WHERE r.id = ? GROUP BY r.id",
            (run_id,),
        ).fetchone()
        images = self.value(
            "SELECT count(*) FROM images i JOIN generations g ON g.id = i.generation_id WHERE g.run_id = ?", (run_id,)
        )
        heirs = self._heirs(run_id)
        files = self._hashes(run_id, "=") - self._hashes(run_id, "<>")
        credits, usd, last = self.execute(_MONEY, (run_id, json.dumps(heirs))).fetchone()
        return Forgetting(
            run_id, experiment, generations, images, int(unknown), heirs, tuple(sorted(files)),
            tuple(self.rows(_NAMES, (run_id,))), credits, usd, last,
        )  # fmt: skip

    def _heirs(self, run_id: str) -> dict[str, str]:
        heirs: dict[str, str] = {}
        copied: set[str] = set()
        for paid, copy, same_images in self.rows(_COPIES, (run_id,)):
            copied.add(paid)
            if same_images:
                heirs.setdefault(paid, copy)
        if alone := copied - heirs.keys():
            raise InputError(
                f"run {run_id} can't be forgotten: other runs show images of its generation {min(alone)}, and have no "
                "rows for them; `promptlab runs --hide` leaves it out of lists",
                code="run-in-use",
            )
        return heirs

    def _hashes(self, run_id: str, sign: str) -> set[str]:
        return {sha256 for (sha256,) in self.rows(_HASHES.format(sign), (run_id,))}

    def forget_run(self, found: Forgetting) -> None:
        """Delete a run's rows, in one commit. Files are left to the caller: they go once the commit is safe."""
        run_id = found.run_id
        with self.transaction():
            if self.forgetting(run_id) != found:
                raise InputError(f"run {run_id} has changed since it was looked at; ask again", code="run-in-use")
            for paid, copy in found.heirs.items():
                self._hand_over(run_id, paid, copy)
            templates = [
                id_ for (id_,) in self.rows("SELECT template_id FROM run_templates WHERE run_id = ?", (run_id,))
            ]
            self.execute(
                "UPDATE runs SET parent_run = (SELECT parent_run FROM runs WHERE id = ?1) WHERE parent_run = ?1",
                (run_id,),
            )
            self._delete_rows(run_id)
            self._delete_unused(found.experiment, templates)

    def _hand_over(self, run_id: str, paid: str, copy: str) -> None:
        """Make a copy the paid generation: what it cost, how it was sent, what people think of its images."""
        columns = [name for name in self._columns("generations") if name not in _OWN]
        names = ", ".join(map(quote, columns))
        self.execute(
            f"UPDATE generations SET cached_from = NULL, ({names}) = (SELECT {names} FROM generations WHERE id = ?) "
            "WHERE id = ?",
            (paid, copy),
        )
        self.execute(
            "UPDATE generations SET cached_from = ? WHERE cached_from = ? AND run_id <> ?", (copy, paid, run_id)
        )
        for table in self._tables("generation_id", "images"):
            self.execute(f"UPDATE {table} SET generation_id = ? WHERE generation_id = ?", (copy, paid))
        for table in self._tables("image_id"):
            sql = f"""
                UPDATE {table} SET image_id = (SELECT c.id FROM images p JOIN images c ON c.position = p.position
                  WHERE p.id = {table}.image_id AND c.generation_id = ?)
                WHERE image_id IN (SELECT id FROM images WHERE generation_id = ?)
            """
            self.execute(sql, (copy, paid))
        for side in ("left_image", "right_image"):
            for table in self._tables(side):
                sql = f"""
                    UPDATE {table} SET {side} = (SELECT c.id FROM images p JOIN images c ON c.position = p.position
                      WHERE p.id = {table}.{side} AND c.generation_id = ?)
                    WHERE {side} IN (SELECT id FROM images WHERE generation_id = ?)
                """
                self.execute(sql, (copy, paid))
        self.execute(_TAKE_OVER, (copy,))

    def _delete_votes(self, run_id: str) -> None:
        """Votes on this run's images; its polls stay with a run whose images were voted on too, if there is one."""
        images = """
            SELECT i.id FROM images i JOIN generations g ON g.id = i.generation_id WHERE g.run_id = ?1
        """
        for table in self._tables("left_image"):
            sql = f"DELETE FROM {table} WHERE left_image IN ({images}) OR right_image IN ({images})"
            self.execute(sql, (run_id,))
        self.execute(_MOVE_POLLS, (run_id,))
        gone = "SELECT id FROM polls WHERE run_id = ?"
        for table in self._tables("poll_id", "ballots"):
            self.execute(f"DELETE FROM {table} WHERE poll_id IN ({gone})", (run_id,))
        self.execute(f"DELETE FROM ballots WHERE poll_id IN ({gone})", (run_id,))
        self.execute("DELETE FROM ballots WHERE id NOT IN (SELECT ballot_id FROM votes)")

    def _delete_rows(self, run_id: str) -> None:
        """Children before parents, as foreign keys want it."""
        generations = "SELECT id FROM generations WHERE run_id = ?"
        self._delete_votes(run_id)
        for table in self._tables("image_id"):
            images = f"SELECT id FROM images WHERE generation_id IN ({generations})"
            self.execute(f"DELETE FROM {table} WHERE image_id IN ({images})", (run_id,))
        for table in self._tables("generation_id"):
            self.execute(f"DELETE FROM {table} WHERE generation_id IN ({generations})", (run_id,))
        self.execute("DELETE FROM generations WHERE run_id = ?", (run_id,))
        for table in self._tables("run_id", "generations"):
            self.execute(f"DELETE FROM {table} WHERE run_id = ?", (run_id,))
        self.execute("DELETE FROM claims WHERE request_hash = 'run:' || ?", (run_id,))
        self.execute("DELETE FROM runs WHERE id = ?", (run_id,))

    def _delete_unused(self, experiment: str, templates: list[str]) -> None:
        """Templates, variants and the experiment, as far as no other run has them."""
        unused = """
            IN (SELECT value FROM json_each(?) EXCEPT SELECT template_id FROM run_templates
                EXCEPT SELECT template_id FROM generations)
        """
        chosen = json.dumps(templates)
        self.execute(f"DELETE FROM template_files WHERE template_id {unused}", (chosen,))
        self.execute(f"DELETE FROM templates WHERE id {unused}", (chosen,))
        self.execute(
            "DELETE FROM scores WHERE experiment = ?1 AND variant_id NOT IN "
            "(SELECT variant_id FROM generations WHERE experiment = ?1)",
            (experiment,),
        )
        self.execute(
            "DELETE FROM variants WHERE experiment = ?1 AND id NOT IN "
            "(SELECT variant_id FROM generations WHERE experiment = ?1)",
            (experiment,),
        )
        if self.value("SELECT 1 FROM runs WHERE experiment = ? LIMIT 1", (experiment,)) is None:
            view = self.value("SELECT axes_view FROM experiments WHERE name = ?", (experiment,))
            if view is not None:
                self.execute(f"DROP VIEW IF EXISTS {quote(view)}")
            self.execute("DELETE FROM experiments WHERE name = ?", (experiment,))

    def _tables(self, column: str, *without: str) -> list[str]:
        """The tables that have a column, quoted."""
        sql = """
            SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c ON c.name = ?
            WHERE m.type = 'table' AND m.sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY 1
        """
        return [quote(name) for (name,) in self.rows(sql, (column,)) if name not in without]

    def _columns(self, table: str) -> list[str]:
        return [name for (name,) in self.rows("SELECT name FROM pragma_table_info(?)", (table,))]
