"""Migration 006, as SQL text: sums that are kept, so that runs, spending and variants need not read every row.

A *block* is 4,096 neighbours of a run's plan (`sequence >> 12`). Each of the `_sums` tables has the sums of blocks;
`stale_sums` names the blocks whose sums are not to be trusted. Every trigger does one thing: it puts the block of a
changed row there, if it is not there yet. Each `_parts` view gives the sums of all other blocks and the single
rows of the stale ones, so whoever adds up the parts has the true figure at any moment, and reads few rows.

- Always equal: the mark is written by the same transaction as the change, whoever makes it (a run that is killed, an
  older promptlab that still has the file open, a person with the sqlite3 shell), and taken back by the same
  transaction that writes new sums. What a sum depends on beyond its own block is either joined when it is read (the
  run's kind, user and project, names, marks) or marks the block as well: a copy from the cache depends on the row
  that it is a copy of.
- Cheap on the way of a send: a trigger looks whether a short table has a row. An INSERT OR REPLACE does not fire the
  trigger of the row that goes, so the one for INSERT looks for it.
- Fresh: `Log.refresh_sums` adds up stale blocks one by one, 50 ms each: as a run goes on, and when a log is opened.
  A block is marked again by its next change, so a run of any length has few stale blocks at a time.

`variant_summary` counts a result once, however often it was copied. A copy beside the row it is a copy of, in the
same group and with the same status, adds to `cached` and costs only. All other copies are in `stray_copies`, and what
they add is found by looking at their paid rows when the view is read.

`rowid` becomes a column, so that VACUUM and a merge of two logs can't renumber what the search indexes refer to. It
is the last column of its table, where a row that was written before has no value, and SQLite takes an INTEGER PRIMARY
KEY from the row's own number in any case: so the tables' text is all that changes (a way that
sqlite.org/lang_altertable.html gives for changes that leave the content as it is), and a log of any size is converted
at once, its indexes untouched.

ANALYZE had noted two rows for the search indexes of the empty log. So SQLite read a whole index, 50 ms at 200,000
generations, wherever FTS5 merges small segments: at every sixteenth insert.
"""
# ruff: noqa: S608  the SQL is put together from this package's own names; values are bound

from __future__ import annotations

import re

from promptlab.log.schema import GALLERY, SIMULATED, bounded

__all__ = ["SPENDING_ROWS", "SUMS", "run_rows"]

_ROWIDS = """
PRAGMA writable_schema = ON;
UPDATE sqlite_master SET sql = replace(replace(sql, 'id TEXT PRIMARY KEY', 'id TEXT NOT NULL UNIQUE'),
  ',' || char(10) || '  FOREIGN KEY', ',' || char(10) || '  rowid INTEGER PRIMARY KEY,' || char(10) || '  FOREIGN KEY')
WHERE type = 'table' AND name = 'generations';
UPDATE sqlite_master SET sql = replace(sql, 'id TEXT PRIMARY KEY', 'id TEXT NOT NULL UNIQUE')
WHERE type = 'table' AND name = 'images';
UPDATE sqlite_master SET sql = rtrim(substr(sql, 1, length(sql) - length(') STRICT')), ' ' || char(10))
  || ',' || char(10) || '  rowid INTEGER PRIMARY KEY' || char(10) || ') STRICT'
WHERE type = 'table' AND name = 'images';
PRAGMA writable_schema = RESET;
DELETE FROM sqlite_stat1 WHERE tbl LIKE '%@_fts@_%' ESCAPE '@';
DROP INDEX attempts_outcome;
CREATE INDEX attempts_outcome ON attempts(outcome) WHERE outcome <> 'ok';
DELETE FROM sqlite_stat1 WHERE idx = 'attempts_outcome';
"""

_SUM_TABLES = """
CREATE TABLE stale_sums (
  run_id TEXT NOT NULL,
  block INTEGER NOT NULL,
  PRIMARY KEY (run_id, block)
) STRICT, WITHOUT ROWID;

CREATE TABLE run_sums (
  run_id TEXT NOT NULL,
  block INTEGER NOT NULL,
  generations INTEGER NOT NULL,
  completed INTEGER NOT NULL,
  cached INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  unknown INTEGER NOT NULL,
  lost INTEGER NOT NULL,
  in_flight INTEGER NOT NULL,
  planned INTEGER NOT NULL,
  skipped INTEGER NOT NULL,
  simulated INTEGER NOT NULL,
  results INTEGER NOT NULL,
  bounded_credits INTEGER NOT NULL,
  bounded_usd INTEGER NOT NULL,
  known_credits INTEGER NOT NULL,
  known_usd INTEGER NOT NULL,
  credits REAL,
  cost_usd REAL,
  latencies INTEGER NOT NULL,
  latency_ms INTEGER,
  images INTEGER NOT NULL,
  images_lost INTEGER NOT NULL,
  bytes INTEGER,
  attempts INTEGER NOT NULL,
  attempts_at_risk INTEGER NOT NULL,
  bounded_credits_at_risk INTEGER NOT NULL,
  bounded_usd_at_risk INTEGER NOT NULL,
  credits_at_risk REAL,
  cost_usd_at_risk REAL,
  PRIMARY KEY (run_id, block)
) STRICT, WITHOUT ROWID;

CREATE TABLE spending_sums (
  run_id TEXT NOT NULL,
  block INTEGER NOT NULL,
  day TEXT NOT NULL,
  experiment TEXT NOT NULL,
  template_id TEXT NOT NULL,
  model TEXT NOT NULL,
  provider TEXT NOT NULL,
  results INTEGER NOT NULL,
  images INTEGER NOT NULL,
  bounded_credits INTEGER NOT NULL,
  bounded_usd INTEGER NOT NULL,
  known_credits INTEGER NOT NULL,
  known_usd INTEGER NOT NULL,
  credits REAL,
  cost_usd REAL,
  attempts_at_risk INTEGER NOT NULL,
  bounded_credits_at_risk INTEGER NOT NULL,
  bounded_usd_at_risk INTEGER NOT NULL,
  credits_at_risk REAL,
  cost_usd_at_risk REAL,
  PRIMARY KEY (run_id, block, day, experiment, template_id, model, provider)
) STRICT, WITHOUT ROWID;

CREATE TABLE variant_sums (
  run_id TEXT NOT NULL,
  block INTEGER NOT NULL,
  experiment TEXT NOT NULL,
  variant_id TEXT NOT NULL,
  template_id TEXT NOT NULL,
  axis_values TEXT,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  simulated INTEGER NOT NULL,
  generations INTEGER NOT NULL,
  images INTEGER NOT NULL,
  completed INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  unknown INTEGER NOT NULL,
  lost INTEGER NOT NULL,
  cached INTEGER NOT NULL,
  credits REAL,
  cost_usd REAL,
  latencies INTEGER NOT NULL,
  latency_ms INTEGER
) STRICT;
CREATE INDEX variant_sums_block ON variant_sums(run_id, block);

CREATE TABLE stray_sums (
  run_id TEXT NOT NULL,
  block INTEGER NOT NULL,
  generation_id TEXT NOT NULL,
  PRIMARY KEY (run_id, block, generation_id)
) STRICT, WITHOUT ROWID;
"""


def _mark(condition: str) -> str:
    """What a trigger does: the blocks of these generations are stale."""
    return f"""INSERT INTO stale_sums SELECT g.run_id, g.sequence >> 12 FROM generations g WHERE {condition}
    ON CONFLICT DO NOTHING;"""


def _mark_own(row: str) -> str:
    return f"INSERT INTO stale_sums VALUES ({row}.run_id, {row}.sequence >> 12) ON CONFLICT DO NOTHING;"


#: Whether the block of the row that a trigger is about is marked already, which is so nearly always.
_IS_MARKED = "EXISTS (SELECT 1 FROM stale_sums x WHERE x.run_id = new.run_id AND x.block = new.sequence >> 12)"
_OWNER_IS_MARKED = """EXISTS (SELECT 1 FROM generations g JOIN stale_sums x
  ON x.run_id = g.run_id AND x.block = g.sequence >> 12 WHERE g.id = new.generation_id)"""


def _child_triggers(table: str, columns: str) -> str:
    """The triggers of a table whose rows belong to generations."""
    return f"""
CREATE TRIGGER {table}_sums_insert BEFORE INSERT ON {table}
WHEN NOT {_OWNER_IS_MARKED} OR EXISTS (SELECT 1 FROM {table} o WHERE o.id = new.id) BEGIN
  {_mark(f"g.id IN (new.generation_id, (SELECT o.generation_id FROM {table} o WHERE o.id = new.id))")}
END;
CREATE TRIGGER {table}_sums_delete AFTER DELETE ON {table} BEGIN
  {_mark("g.id = old.generation_id")}
END;
CREATE TRIGGER {table}_sums_update AFTER UPDATE OF {columns} ON {table} WHEN NOT {_OWNER_IS_MARKED} BEGIN
  {_mark("g.id = new.generation_id")}
END;
CREATE TRIGGER {table}_sums_move AFTER UPDATE OF generation_id ON {table} BEGIN
  {_mark("g.id IN (old.generation_id, new.generation_id)")}
END;
"""


_SUM_TRIGGERS = f"""
CREATE TRIGGER generations_sums_insert BEFORE INSERT ON generations
WHEN NOT {_IS_MARKED} OR EXISTS (SELECT 1 FROM generations g WHERE g.id = new.id)
  OR EXISTS (SELECT 1 FROM generations g WHERE g.cached_from = new.id) BEGIN
  {_mark_own("new")}
  {_mark("g.id = new.id OR g.cached_from = new.id")}
END;
CREATE TRIGGER generations_sums_delete AFTER DELETE ON generations BEGIN
  {_mark_own("old")}
  {_mark("g.cached_from = old.id")}
END;
CREATE TRIGGER generations_sums_update AFTER UPDATE OF
  experiment, variant_id, template_id, axis_values, provider, model, status, cached_from, credits, cost_usd,
  cost_source, created_at, started_at, latency_ms
ON generations WHEN NOT {_IS_MARKED} OR EXISTS (SELECT 1 FROM generations g WHERE g.cached_from = new.id) BEGIN
  {_mark_own("new")}
  {_mark("g.cached_from = new.id")}
END;
CREATE TRIGGER generations_sums_move AFTER UPDATE OF id, run_id, sequence ON generations BEGIN
  {_mark_own("old")}
  {_mark("g.id = new.id OR g.cached_from IN (old.id, new.id)")}
END;
CREATE TRIGGER runs_sums_insert AFTER INSERT ON runs BEGIN
  {_mark("g.cached_from IN (SELECT p.id FROM generations p WHERE p.run_id = new.id)")}
END;
CREATE TRIGGER runs_sums_delete AFTER DELETE ON runs BEGIN
  {_mark("g.cached_from IN (SELECT p.id FROM generations p WHERE p.run_id = old.id)")}
END;
CREATE TRIGGER runs_sums_update AFTER UPDATE OF id, kind ON runs BEGIN
  {_mark("g.cached_from IN (SELECT p.id FROM generations p WHERE p.run_id IN (old.id, new.id))")}
END;
{_child_triggers("attempts", "started_at, outcome, may_be_billed, credits_at_risk, cost_usd_at_risk")}
{_child_triggers("images", "status, bytes")}
"""

_STALE = """stale_sums x CROSS JOIN generations g ON g.run_id = x.run_id
  AND g.sequence BETWEEN x.block << 12 AND (x.block << 12) + 4095"""
_FRESH = "NOT EXISTS (SELECT 1 FROM stale_sums x WHERE x.run_id = s.run_id AND x.block = s.block)"


def _of_stale(condition: str) -> str:
    """A condition on rows of `_STALE`, said of both tables: of one alone, SQLite reads all of it for a Bloom filter."""
    return f"CASE WHEN g.run_id = x.run_id THEN {condition} END"


def run_rows(source: str, block: str) -> str:
    """What each row of a run adds to its totals; `source` joins the generations `g` that are to be added up."""
    return f"""SELECT
  g.run_id, {block} AS block,
  1 AS generations,
  g.status = 'completed' AND g.cached_from IS NULL AS completed,
  g.cached_from IS NOT NULL AS cached,
  g.status = 'failed' AS failed,
  g.status = 'unknown' AS unknown,
  g.status = 'lost' AS lost,
  g.status = 'in_flight' AS in_flight,
  g.status = 'planned' AS planned,
  g.status = 'skipped' AS skipped,
  {SIMULATED} AS simulated,
  g.cached_from IS NULL AND g.status IN ('completed', 'lost') AS results,
  g.cached_from IS NULL AND g.status IN ('completed', 'lost') AND {bounded("credits")} AS bounded_credits,
  g.cached_from IS NULL AND g.status IN ('completed', 'lost') AND {bounded("cost_usd")} AS bounded_usd,
  g.cached_from IS NULL AND g.credits IS NOT NULL AS known_credits,
  g.cached_from IS NULL AND g.cost_usd IS NOT NULL AS known_usd,
  CASE WHEN g.cached_from IS NULL THEN g.credits END AS credits,
  CASE WHEN g.cached_from IS NULL THEN g.cost_usd END AS cost_usd,
  g.cached_from IS NULL AND g.status = 'completed' AND g.latency_ms IS NOT NULL AS latencies,
  CASE WHEN g.cached_from IS NULL AND g.status = 'completed' THEN g.latency_ms END AS latency_ms,
  0 AS images, 0 AS images_lost, 0 AS bytes, 0 AS attempts, 0 AS attempts_at_risk,
  0 AS bounded_credits_at_risk, 0 AS bounded_usd_at_risk, NULL AS credits_at_risk, NULL AS cost_usd_at_risk
FROM {source}
UNION ALL
SELECT g.run_id, {block}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, 0, NULL,
  i.status = 'stored', i.status = 'lost', CASE WHEN i.status = 'stored' THEN i.bytes END, 0, 0, 0, 0, NULL, NULL
FROM {source} CROSS JOIN images i ON i.generation_id = g.id
UNION ALL
SELECT g.run_id, {block}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, 0, NULL, 0, 0, 0,
  1, a.may_be_billed <> 0,
  a.may_be_billed AND a.credits_at_risk IS NOT NULL, a.may_be_billed AND a.cost_usd_at_risk IS NOT NULL,
  CASE WHEN a.may_be_billed THEN a.credits_at_risk END, CASE WHEN a.may_be_billed THEN a.cost_usd_at_risk END
FROM {source} CROSS JOIN attempts a ON a.generation_id = g.id"""


_RUN_PARTS = f"""
CREATE VIEW run_parts AS
SELECT * FROM run_sums s WHERE {_FRESH}
UNION ALL
{run_rows(_STALE, "x.block")};
"""

# cost of results ≤ what the provider billed ≤ cost of results + attempts that may be billed. A bound is NULL where a
# part of it has no known price. Copies from the cache have no row here, simulated generations neither.
#: The rows of `spending_parts`, as far as generations make them.
SPENDING_ROWS = f"""
SELECT * FROM spending_sums s WHERE {_FRESH}
UNION ALL
SELECT
  g.run_id, x.block,
  substr(coalesce(g.started_at, g.created_at), 1, 10) AS day, g.experiment, g.template_id, g.model, g.provider,
  g.status IN ('completed', 'lost') AS results,
  (SELECT count(*) FROM images i WHERE i.generation_id = g.id) AS images,
  g.status IN ('completed', 'lost') AND {bounded("credits")} AS bounded_credits,
  g.status IN ('completed', 'lost') AND {bounded("cost_usd")} AS bounded_usd,
  g.credits IS NOT NULL AS known_credits,
  g.cost_usd IS NOT NULL AS known_usd,
  g.credits,
  g.cost_usd,
  0 AS attempts_at_risk, 0 AS bounded_credits_at_risk, 0 AS bounded_usd_at_risk,
  NULL AS credits_at_risk, NULL AS cost_usd_at_risk
FROM {_STALE}
WHERE {
    _of_stale(
        f"g.cached_from IS NULL AND NOT {SIMULATED} AND "
        "(g.status IN ('completed', 'lost') OR g.credits IS NOT NULL OR g.cost_usd IS NOT NULL)"
    )
}
UNION ALL
SELECT
  g.run_id, x.block, substr(a.started_at, 1, 10), g.experiment, g.template_id, g.model, g.provider,
  0, 0, 0, 0, 0, 0, NULL, NULL,
  1, a.credits_at_risk IS NOT NULL, a.cost_usd_at_risk IS NOT NULL, a.credits_at_risk, a.cost_usd_at_risk
FROM {_STALE} CROSS JOIN attempts a ON a.generation_id = g.id
WHERE {_of_stale(f"a.may_be_billed = 1 AND NOT {SIMULATED}")}"""

_SPENDING_PARTS = f"""
CREATE VIEW spending_parts AS{SPENDING_ROWS};

DROP VIEW spending;
CREATE VIEW spending AS
SELECT
  s.day,
  s.experiment,
  (SELECT t.path FROM templates t WHERE t.id = s.template_id) AS template,
  s.model,
  r.user,
  r.project,
  s.provider,
  sum(s.results) AS generations,
  sum(s.images) AS images,
  CASE WHEN sum(s.results) = 0 AND sum(s.known_credits) = 0 THEN 0.0 ELSE sum(s.credits) END AS credits,
  CASE WHEN sum(s.results) = 0 AND sum(s.known_usd) = 0 THEN 0.0 ELSE sum(s.cost_usd) END AS cost_usd,
  sum(s.attempts_at_risk) AS attempts_at_risk,
  CASE WHEN sum(s.results) = sum(s.bounded_credits) AND sum(s.attempts_at_risk) = sum(s.bounded_credits_at_risk)
    THEN total(s.credits) + total(s.credits_at_risk) END AS credits_at_most,
  CASE WHEN sum(s.results) = sum(s.bounded_usd) AND sum(s.attempts_at_risk) = sum(s.bounded_usd_at_risk)
    THEN total(s.cost_usd) + total(s.cost_usd_at_risk) END AS cost_usd_at_most,
  s.template_id
FROM spending_parts s
JOIN runs r ON r.id = s.run_id
GROUP BY s.day, s.experiment, s.template_id, s.model, r.user, r.project, s.provider;
"""

#: The paid row `p` of a copy `g`, as far as `variant_summary` counts it in the same group with the same status.
_BESIDE = """SELECT 1 FROM generations p JOIN runs q ON q.id = p.run_id
  WHERE p.id = g.cached_from AND p.cached_from IS NULL AND p.status = g.status AND q.kind <> 'verify'
    AND p.experiment = g.experiment AND p.variant_id = g.variant_id AND p.template_id = g.template_id
    AND p.axis_values IS g.axis_values AND p.provider = g.provider AND p.model = g.model"""
_KEY = "experiment, variant_id, template_id, axis_values, provider, model"
_G_KEY = "g.experiment, g.variant_id, g.template_id, g.axis_values, g.provider, g.model"

_VARIANT_PARTS = f"""
CREATE VIEW stray_copies AS
SELECT s.run_id, s.block, s.generation_id FROM stray_sums s WHERE {_FRESH}
UNION ALL
SELECT g.run_id, x.block, g.id FROM {_STALE}
WHERE {_of_stale(f"g.cached_from IS NOT NULL AND g.status NOT IN ('planned', 'skipped') AND NOT EXISTS ({_BESIDE})")};

CREATE VIEW variant_parts AS
SELECT * FROM variant_sums s WHERE {_FRESH}
UNION ALL
SELECT
  g.run_id, x.block, {_G_KEY},
  {SIMULATED} AS simulated,
  g.cached_from IS NULL AS generations,
  CASE WHEN g.cached_from IS NULL THEN
    (SELECT count(*) FROM images i WHERE i.generation_id = g.id AND +i.status = 'stored') ELSE 0 END AS images,
  g.cached_from IS NULL AND g.status = 'completed' AS completed,
  g.cached_from IS NULL AND g.status = 'failed' AS failed,
  g.cached_from IS NULL AND g.status = 'unknown' AS unknown,
  g.cached_from IS NULL AND g.status = 'lost' AS lost,
  g.cached_from IS NOT NULL AS cached,
  g.credits,
  g.cost_usd,
  g.cached_from IS NULL AND g.status = 'completed' AND g.latency_ms IS NOT NULL AS latencies,
  CASE WHEN g.cached_from IS NULL AND g.status = 'completed' THEN g.latency_ms END AS latency_ms
FROM {_STALE}
WHERE {_of_stale("g.status NOT IN ('planned', 'skipped')")};

DROP VIEW variant_summary;
CREATE VIEW variant_summary AS
WITH strays AS (
  SELECT {_G_KEY}, g.cached_from AS paid_id,
    max(g.status = 'completed') AS completed, max(g.status = 'failed') AS failed,
    max(g.status = 'unknown') AS unknown, max(g.status = 'lost') AS lost,
    (SELECT p.status FROM generations p JOIN runs q ON q.id = p.run_id
      WHERE p.id = g.cached_from AND p.cached_from IS NULL AND q.kind <> 'verify'
        AND p.status NOT IN ('planned', 'skipped')
        AND p.experiment = g.experiment AND p.variant_id = g.variant_id AND p.template_id = g.template_id
        AND p.axis_values IS g.axis_values AND p.provider = g.provider AND p.model = g.model) AS counted
  FROM stray_copies s
  CROSS JOIN generations g ON g.id = s.generation_id
  CROSS JOIN runs r ON r.id = g.run_id
  WHERE r.kind <> 'verify'
  GROUP BY {_G_KEY}, paid_id
),
marked AS (SELECT i.id, i.generation_id, m.mark FROM latest_marks m CROSS JOIN images i ON i.id = m.image_id),
judged AS ( -- conditions on g alone would make SQLite read all of it, for a Bloom filter
  SELECT {_G_KEY}, m.id, m.mark
  FROM marked m CROSS JOIN generations g ON g.id = m.generation_id AND coalesce(g.cached_from, g.id) = m.generation_id
  CROSS JOIN runs r ON r.id = g.run_id
  WHERE NOT (r.kind = 'verify' OR g.status IN ('planned', 'skipped'))
  UNION
  SELECT {_G_KEY}, m.id, m.mark
  FROM marked m CROSS JOIN generations g ON g.cached_from = m.generation_id
  CROSS JOIN runs r ON r.id = g.run_id
  WHERE NOT (r.kind = 'verify' OR g.status IN ('planned', 'skipped'))
),
parts AS (
  SELECT {_KEY.replace(", ", ", p.").replace("experiment", "p.experiment", 1)},
    p.simulated, p.generations, p.images, p.completed, p.failed, p.unknown, p.lost, p.cached, 0 AS kept, 0 AS rejected,
    p.credits, p.cost_usd, p.latencies, p.latency_ms
  FROM variant_parts p CROSS JOIN runs r ON r.id = p.run_id WHERE r.kind <> 'verify'
  UNION ALL
  SELECT {_KEY},
    0, counted IS NULL,
    CASE WHEN counted IS NULL THEN
      (SELECT count(*) FROM images i WHERE i.generation_id = paid_id AND +i.status = 'stored') ELSE 0 END,
    completed AND counted IS NOT 'completed', failed AND counted IS NOT 'failed',
    unknown AND counted IS NOT 'unknown', lost AND counted IS NOT 'lost',
    0, 0, 0, NULL, NULL, 0, NULL
  FROM strays
  UNION ALL
  SELECT {_KEY}, 0, 0, 0, 0, 0, 0, 0, 0, mark = 'keep', mark = 'reject', NULL, NULL, 0, NULL FROM judged
)
SELECT
  s.experiment,
  (SELECT v.name FROM variants v WHERE v.experiment = s.experiment AND v.id = s.variant_id) AS variant,
  (SELECT t.path FROM templates t WHERE t.id = s.template_id) AS template,
  s.axis_values,
  s.provider,
  s.model,
  sum(s.simulated) > 0 AS simulated,
  sum(s.generations) AS generations,
  sum(s.images) AS images,
  sum(s.completed) AS completed,
  sum(s.failed) AS failed,
  sum(s.unknown) AS unknown,
  sum(s.lost) AS lost,
  sum(s.cached) AS cached,
  sum(s.kept) AS kept,
  sum(s.rejected) AS rejected,
  sum(s.credits) AS credits,
  sum(s.cost_usd) AS cost_usd,
  sum(s.latency_ms) * 1.0 / sum(s.latencies) AS mean_latency_ms,
  s.variant_id,
  s.template_id
FROM parts s
GROUP BY s.experiment, s.variant_id, s.template_id, s.axis_values, s.provider, s.model;
"""

# A copy from the cache shows the mark of the paid image, the latest one of all users.
_MARKS = """
CREATE VIEW latest_marks AS
SELECT m.image_id, m."by", m.mark, m.tags, m.note, m.at FROM marks m
WHERE NOT EXISTS (
  SELECT 1 FROM marks n WHERE n.image_id = m.image_id AND (n.at > m.at OR (n.at = m.at AND n."by" < m."by")));
"""
_OLD_MARK = re.compile(r"FROM marks m (WHERE m\.image_id = .*?) ORDER BY m\.at DESC LIMIT 1", re.DOTALL)
_GALLERY_AGAIN = "DROP VIEW gallery;\n" + _OLD_MARK.sub(r"FROM latest_marks m \1", GALLERY)

#: Migration 006, whose reasons stand above. A log that is not empty has all its sums to make.
SUMS = "".join((_ROWIDS, _SUM_TABLES, _MARKS, _GALLERY_AGAIN, _RUN_PARTS, _SPENDING_PARTS, _VARIANT_PARTS,
    "\nINSERT INTO stale_sums SELECT DISTINCT run_id, sequence >> 12 FROM generations;\n", _SUM_TRIGGERS))  # fmt: skip
