"""The log's schema as SQL text: the tables, indexes, search and views of migration 001, and what came up to 005.

A migration is append-only: once a log exists with it, its text stays, and a change is a new migration. Names follow
the promise to people who write SQL (docs/log.md). Three choices keep a row small and a facet quick:

- a column that is mostly NULL has a partial index, which holds only the rows that have it;
- tables that are only found by their key are WITHOUT ROWID, so that the key is not stored twice;
- `generations` and `images` keep rowids, since their search indexes refer to them.
"""
# ruff: noqa: S608  the SQL is put together from this package's own names; values are bound

from __future__ import annotations

__all__ = [
    "ANSWERS", "GALLERY", "HIDDEN", "MARK_EVENTS", "MONEY", "SEARCH", "SIMULATED", "SIMULATED_RUN", "STATISTICS",
    "TABLES", "VARIANT_SUMMARY", "VIEWS", "bounded",
]  # fmt: skip

TABLES = """
CREATE TABLE experiments (
  name TEXT PRIMARY KEY,
  spec_path TEXT,
  description TEXT,
  created_at TEXT NOT NULL,
  axes_view TEXT UNIQUE
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  parent_run TEXT REFERENCES runs(id),
  experiment TEXT NOT NULL REFERENCES experiments(name),
  project TEXT,
  user TEXT,
  host TEXT,
  spec_text TEXT,
  spec_sha256 TEXT,
  settings TEXT,
  price_table TEXT,
  provider TEXT NOT NULL,
  base_url TEXT,
  plan TEXT,
  status TEXT NOT NULL,
  started_at TEXT NOT NULL,
  ended_at TEXT,
  git_commit TEXT,
  git_branch TEXT,
  git_dirty INTEGER,
  promptlab_version TEXT NOT NULL,
  planned INTEGER,
  completed INTEGER NOT NULL DEFAULT 0,
  cached INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0,
  credits REAL,
  cost_usd REAL
) STRICT;
CREATE INDEX runs_experiment ON runs(experiment);
CREATE INDEX runs_kind ON runs(kind);
CREATE INDEX runs_parent_run ON runs(parent_run) WHERE parent_run IS NOT NULL;
CREATE INDEX runs_project ON runs(project);
CREATE INDEX runs_provider ON runs(provider);
CREATE INDEX runs_started_at ON runs(started_at);
CREATE INDEX runs_status ON runs(status);
CREATE INDEX runs_user ON runs(user);

CREATE TABLE inputs (
  run_id TEXT NOT NULL REFERENCES runs(id),
  path TEXT NOT NULL,
  role TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  content TEXT,
  PRIMARY KEY (run_id, path, role)
) STRICT;

CREATE TABLE templates (
  id TEXT PRIMARY KEY,
  path TEXT NOT NULL,
  source TEXT NOT NULL
) STRICT;
CREATE INDEX templates_path ON templates(path);

CREATE TABLE template_files (
  template_id TEXT NOT NULL REFERENCES templates(id),
  path TEXT NOT NULL,
  source TEXT NOT NULL,
  git_blob TEXT,
  PRIMARY KEY (template_id, path)
) STRICT;

CREATE TABLE run_templates (
  run_id TEXT NOT NULL REFERENCES runs(id),
  value TEXT,
  template_id TEXT NOT NULL REFERENCES templates(id),
  path TEXT NOT NULL,
  ref TEXT,
  git_commit TEXT,
  git_dirty INTEGER
) STRICT;
CREATE UNIQUE INDEX run_templates_one ON run_templates(run_id, template_id, ifnull(value, ''));
CREATE INDEX run_templates_template_id ON run_templates(template_id);

CREATE TABLE variants (
  experiment TEXT NOT NULL REFERENCES experiments(name),
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  axes TEXT NOT NULL,
  PRIMARY KEY (experiment, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE generations (
  id TEXT PRIMARY KEY,
  run_id TEXT NOT NULL REFERENCES runs(id),
  sequence INTEGER NOT NULL,
  experiment TEXT NOT NULL REFERENCES experiments(name),
  variant_id TEXT NOT NULL,
  template_id TEXT NOT NULL REFERENCES templates(id),
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  response_model TEXT,
  operation TEXT NOT NULL,
  seed INTEGER,
  seed_index INTEGER,
  draw INTEGER NOT NULL DEFAULT 0,
  axis_values TEXT,
  prompt TEXT NOT NULL,
  negative_prompt TEXT,
  aspect_ratio TEXT,
  output_format TEXT,
  n INTEGER NOT NULL DEFAULT 1,
  strength REAL,
  source_image TEXT,
  params TEXT,
  dropped TEXT,
  emulated TEXT,
  defaulted TEXT,
  file_name TEXT,
  request_hash TEXT NOT NULL,
  status TEXT NOT NULL,
  provider_id TEXT,
  provider_created_at TEXT,
  job_id TEXT,
  response TEXT,
  cached_from TEXT REFERENCES generations(id),
  credits REAL,
  cost_usd REAL,
  cost_source TEXT,
  attempts INTEGER NOT NULL DEFAULT 0,
  error_code TEXT,
  error_type TEXT,
  error_message TEXT,
  created_at TEXT NOT NULL,
  started_at TEXT,
  ended_at TEXT,
  latency_ms INTEGER,
  FOREIGN KEY (experiment, variant_id) REFERENCES variants(experiment, id)
) STRICT;
CREATE INDEX generations_cached_from ON generations(cached_from) WHERE cached_from IS NOT NULL;
CREATE INDEX generations_created_at ON generations(created_at);
CREATE INDEX generations_error_code ON generations(error_code) WHERE error_code IS NOT NULL;
CREATE INDEX generations_experiment ON generations(experiment, variant_id);
CREATE INDEX generations_parameters ON generations(aspect_ratio, output_format, operation, provider);
CREATE INDEX generations_job_id ON generations(job_id) WHERE job_id IS NOT NULL;
CREATE INDEX generations_model ON generations(model);
CREATE INDEX generations_request_hash ON generations(request_hash);
CREATE INDEX generations_run_id ON generations(run_id, sequence);
CREATE INDEX generations_seed ON generations(seed) WHERE seed IS NOT NULL;
CREATE INDEX generations_source_image ON generations(source_image) WHERE source_image IS NOT NULL;
CREATE INDEX generations_status ON generations(status);
CREATE INDEX generations_strength ON generations(strength) WHERE strength IS NOT NULL;
CREATE INDEX generations_template_id ON generations(template_id);

CREATE TABLE attempts (
  id TEXT PRIMARY KEY,
  generation_id TEXT NOT NULL REFERENCES generations(id),
  number INTEGER NOT NULL,
  idempotency_key TEXT NOT NULL,
  started_at TEXT NOT NULL,
  ended_at TEXT,
  status_code INTEGER,
  outcome TEXT,
  request_id TEXT,
  error_code TEXT,
  error_message TEXT,
  retry_after_s REAL,
  may_be_billed INTEGER NOT NULL DEFAULT 0,
  credits_at_risk REAL,
  cost_usd_at_risk REAL
) STRICT;
CREATE UNIQUE INDEX attempts_generation_id ON attempts(generation_id, number);
CREATE INDEX attempts_error_code ON attempts(error_code) WHERE error_code IS NOT NULL;
CREATE INDEX attempts_may_be_billed ON attempts(started_at) WHERE may_be_billed = 1;
CREATE INDEX attempts_outcome ON attempts(outcome) WHERE outcome IS NOT NULL;

CREATE TABLE images (
  id TEXT PRIMARY KEY,
  generation_id TEXT NOT NULL REFERENCES generations(id),
  position INTEGER NOT NULL,
  status TEXT NOT NULL,
  revised_prompt TEXT,
  sha256 TEXT,
  perceptual_hash TEXT,
  bytes INTEGER,
  width INTEGER,
  height INTEGER,
  format TEXT,
  url TEXT,
  path TEXT
) STRICT;
CREATE UNIQUE INDEX images_generation_id ON images(generation_id, position);
CREATE INDEX images_sha256 ON images(sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX images_status ON images(status) WHERE status <> 'stored';

CREATE TABLE marks (
  image_id TEXT NOT NULL REFERENCES images(id),
  "by" TEXT NOT NULL,
  mark TEXT NOT NULL,
  tags TEXT,
  note TEXT,
  at TEXT NOT NULL,
  PRIMARY KEY (image_id, "by")
) STRICT, WITHOUT ROWID;
CREATE INDEX marks_by ON marks("by");
CREATE INDEX marks_mark ON marks(mark);

CREATE TABLE claims (
  request_hash TEXT NOT NULL,
  draw INTEGER NOT NULL,
  owner TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  PRIMARY KEY (request_hash, draw)
) STRICT, WITHOUT ROWID;
"""

# Without statistics SQLite takes an index of five states to be as good as one of a million hashes, and may walk all
# completed generations to find one. "rows, rows with the same value" (sqlite.org/fileformat2.html#stat1tab).
STATISTICS = """
ANALYZE;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('generations', 'generations_experiment', '100000 10000 10'),
  ('generations', 'generations_model', '100000 50000'),
  ('generations', 'generations_parameters', '100000 25000 20000 20000 20000'),
  ('generations', 'generations_run_id', '100000 1000 1'),
  ('generations', 'generations_seed', '100000 100'),
  ('generations', 'generations_status', '100000 50000'),
  ('generations', 'generations_template_id', '100000 10000'),
  ('attempts', 'attempts_outcome', '100000 50000'),
  ('runs', 'runs_kind', '1000 500'),
  ('runs', 'runs_status', '1000 500');
"""

# External content: the index holds no second copy of a text. `content="generations"` in double quotes is how both
# Datasette and sqlite-utils find the search of a table. Porter stems, so that "teapot" finds "teapots".
SEARCH = """
CREATE VIRTUAL TABLE generations_fts USING fts5(
  prompt, negative_prompt, content="generations", columnsize=0, tokenize="porter unicode61 remove_diacritics 2"
);
CREATE TRIGGER generations_ai AFTER INSERT ON generations BEGIN
  INSERT INTO generations_fts (rowid, prompt, negative_prompt) VALUES (new.rowid, new.prompt, new.negative_prompt);
END;
CREATE TRIGGER generations_ad AFTER DELETE ON generations BEGIN
  INSERT INTO generations_fts (generations_fts, rowid, prompt, negative_prompt)
    VALUES ('delete', old.rowid, old.prompt, old.negative_prompt);
END;
CREATE TRIGGER generations_au AFTER UPDATE OF prompt, negative_prompt ON generations BEGIN
  INSERT INTO generations_fts (generations_fts, rowid, prompt, negative_prompt)
    VALUES ('delete', old.rowid, old.prompt, old.negative_prompt);
  INSERT INTO generations_fts (rowid, prompt, negative_prompt) VALUES (new.rowid, new.prompt, new.negative_prompt);
END;

CREATE VIRTUAL TABLE images_fts USING fts5(
  revised_prompt, content="images", columnsize=0, tokenize="porter unicode61 remove_diacritics 2"
);
CREATE TRIGGER images_ai AFTER INSERT ON images BEGIN
  INSERT INTO images_fts (rowid, revised_prompt) VALUES (new.rowid, new.revised_prompt);
END;
CREATE TRIGGER images_ad AFTER DELETE ON images BEGIN
  INSERT INTO images_fts (images_fts, rowid, revised_prompt) VALUES ('delete', old.rowid, old.revised_prompt);
END;
CREATE TRIGGER images_au AFTER UPDATE OF revised_prompt ON images BEGIN
  INSERT INTO images_fts (images_fts, rowid, revised_prompt) VALUES ('delete', old.rowid, old.revised_prompt);
  INSERT INTO images_fts (rowid, revised_prompt) VALUES (new.rowid, new.revised_prompt);
END;
"""

#: What makes a generation `g` a simulated one, everywhere: the simulator in this process, whose failed ones have no
#: cost_source, or a server that named itself one in its answers.
SIMULATED = "(g.provider = 'simulator' OR g.cost_source IS 'simulated')"

#: The same of a row of `runs`: one that the simulator made, or that has anything of a simulator server in it.
SIMULATED_RUN = """(runs.provider = 'simulator' OR EXISTS (
  SELECT 1 FROM generations g WHERE g.run_id = runs.id AND g.cost_source = 'simulated'))"""

# The image that carries the marks: the paid one, for a copy from the cache the one at its place.
_PAID_IMAGE = """ifnull(
    (SELECT p.id FROM images p WHERE p.generation_id = g.cached_from AND p.position = i.position), i.id)"""

# What a page may not need is a scalar subquery, not a join: counting and faceting then never look it up.
GALLERY = f"""
CREATE VIEW gallery AS
SELECT
  i.id AS image_id,
  CASE i.status WHEN 'stored' THEN i.sha256 END AS thumbnail,
  g.experiment,
  (SELECT v.name FROM variants v WHERE v.experiment = g.experiment AND v.id = g.variant_id) AS variant,
  (SELECT t.path FROM templates t WHERE t.id = g.template_id) AS template,
  g.model,
  g.seed,
  g.seed_index,
  g.draw,
  i.position,
  (SELECT m.mark FROM marks m WHERE m.image_id = {_PAID_IMAGE} ORDER BY m.at DESC LIMIT 1) AS mark,
  (SELECT m.tags FROM marks m WHERE m.image_id = {_PAID_IMAGE} ORDER BY m.at DESC LIMIT 1) AS tags,
  (SELECT m.note FROM marks m WHERE m.image_id = {_PAID_IMAGE} ORDER BY m.at DESC LIMIT 1) AS note,
  g.prompt,
  i.revised_prompt,
  g.negative_prompt,
  g.aspect_ratio,
  g.output_format,
  g.n,
  g.strength,
  g.source_image,
  g.params,
  (SELECT v.axes FROM variants v WHERE v.experiment = g.experiment AND v.id = g.variant_id) AS axes,
  g.axis_values,
  g.operation,
  g.provider,
  g.response_model,
  {SIMULATED} AS simulated,
  g.cached_from IS NOT NULL AS cached,
  i.status,
  g.credits,
  g.cost_usd,
  g.cost_source,
  g.latency_ms,
  i.width,
  i.height,
  i.bytes,
  i.format,
  i.sha256,
  i.perceptual_hash,
  i.path,
  i.url,
  g.provider_id,
  g.request_hash,
  g.run_id,
  r.kind AS run_kind,
  r.project,
  r.user,
  r.git_commit,
  g.created_at,
  g.ended_at,
  g.variant_id,
  g.template_id,
  g.id AS generation_id,
  g.cached_from,
  {_PAID_IMAGE} AS paid_image_id,
  g.rowid AS generation_rowid
FROM images i
JOIN generations g ON g.id = i.generation_id
JOIN runs r ON r.id = g.run_id
WHERE r.kind <> 'verify';
"""

# A result is a paid generation or its copies, once in a group: a cached re-run adds to `cached` and to nothing else.
VARIANT_SUMMARY = f"""
CREATE VIEW variant_summary AS
WITH results AS (
  SELECT
    g.experiment, g.variant_id, g.template_id, g.axis_values, g.provider, g.model,
    coalesce(g.cached_from, g.id) AS paid_id,
    max({SIMULATED}) AS simulated,
    max(g.status = 'completed') AS completed,
    max(g.status = 'failed') AS failed,
    max(g.status = 'unknown') AS unknown,
    max(g.status = 'lost') AS lost,
    count(g.cached_from) AS cached,
    sum(g.credits) AS credits,
    sum(g.cost_usd) AS cost_usd,
    max(CASE WHEN g.cached_from IS NULL AND g.status = 'completed' THEN g.latency_ms END) AS latency_ms
  FROM generations g
  JOIN runs r ON r.id = g.run_id
  WHERE r.kind <> 'verify' AND g.status NOT IN ('planned', 'skipped')
  GROUP BY g.experiment, g.variant_id, g.template_id, g.axis_values, g.provider, g.model, paid_id
),
pictured AS (
  SELECT
    s.*,
    (SELECT count(*) FROM images i WHERE i.generation_id = s.paid_id AND +i.status = 'stored') AS images,
    (SELECT count(*) FROM images i WHERE i.generation_id = s.paid_id AND 'keep' =
      (SELECT m.mark FROM marks m WHERE m.image_id = i.id ORDER BY m.at DESC LIMIT 1)) AS kept,
    (SELECT count(*) FROM images i WHERE i.generation_id = s.paid_id AND 'reject' =
      (SELECT m.mark FROM marks m WHERE m.image_id = i.id ORDER BY m.at DESC LIMIT 1)) AS rejected
  FROM results s
)
SELECT
  s.experiment,
  v.name AS variant,
  t.path AS template,
  s.axis_values,
  s.provider,
  s.model,
  max(s.simulated) AS simulated,
  count(*) AS generations,
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
  avg(s.latency_ms) AS mean_latency_ms,
  s.variant_id,
  s.template_id
FROM pictured s
LEFT JOIN variants v ON v.experiment = s.experiment AND v.id = s.variant_id
LEFT JOIN templates t ON t.id = s.template_id
GROUP BY s.experiment, s.variant_id, s.template_id, s.axis_values, s.provider, s.model;
"""

# cost of results ≤ what the provider billed ≤ cost of results + attempts that may be billed. A bound is NULL where a
# part of it has no known price. Copies from the cache have no row here, simulated generations neither.
_SPENDING = f"""
CREATE VIEW spending AS
WITH entries AS (
  SELECT
    substr(coalesce(g.started_at, g.created_at), 1, 10) AS day, g.id, g.run_id,
    g.status IN ('completed', 'lost') AS results,
    (SELECT count(*) FROM images i WHERE i.generation_id = g.id) AS images,
    g.credits, g.cost_usd,
    0 AS attempts_at_risk, NULL AS credits_at_risk, NULL AS cost_usd_at_risk
  FROM generations g
  WHERE g.cached_from IS NULL AND NOT {SIMULATED}
    AND (g.status IN ('completed', 'lost') OR g.credits IS NOT NULL OR g.cost_usd IS NOT NULL)
  UNION ALL
  SELECT
    substr(a.started_at, 1, 10), g.id, g.run_id, 0, 0, NULL, NULL, 1, a.credits_at_risk, a.cost_usd_at_risk
  FROM attempts a
  JOIN generations g ON g.id = a.generation_id
  WHERE a.may_be_billed = 1 AND NOT {SIMULATED}
)
SELECT
  e.day,
  g.experiment,
  t.path AS template,
  g.model,
  r.user,
  r.project,
  g.provider,
  sum(e.results) AS generations,
  sum(e.images) AS images,
  CASE WHEN sum(e.results) = 0 AND count(e.credits) = 0 THEN 0.0 ELSE sum(e.credits) END AS credits,
  CASE WHEN sum(e.results) = 0 AND count(e.cost_usd) = 0 THEN 0.0 ELSE sum(e.cost_usd) END AS cost_usd,
  sum(e.attempts_at_risk) AS attempts_at_risk,
  CASE WHEN sum(e.results) <= sum(e.results AND e.credits IS NOT NULL)
    AND sum(e.attempts_at_risk) = count(e.credits_at_risk)
    THEN total(e.credits) + total(e.credits_at_risk) END AS credits_at_most,
  CASE WHEN sum(e.results) <= sum(e.results AND e.cost_usd IS NOT NULL)
    AND sum(e.attempts_at_risk) = count(e.cost_usd_at_risk)
    THEN total(e.cost_usd) + total(e.cost_usd_at_risk) END AS cost_usd_at_most,
  g.template_id
FROM entries e
JOIN generations g ON g.id = e.id
JOIN runs r ON r.id = e.run_id
LEFT JOIN templates t ON t.id = g.template_id
GROUP BY e.day, g.experiment, g.template_id, g.model, r.user, r.project, g.provider;
"""

VIEWS = GALLERY + VARIANT_SUMMARY + _SPENDING

#: Migration 002: answers as they came, committed before anything reads them and forgotten once their images are kept.
#: `body` is NULL where a large one is in a file (images/.answers/<generation_id>). The index is how a run is known to
#: be simulated, for pages and lists.
ANSWERS = """
CREATE TABLE answers (
  generation_id TEXT PRIMARY KEY REFERENCES generations(id) ON DELETE CASCADE,
  status_code INTEGER NOT NULL,
  headers TEXT NOT NULL,
  body BLOB,
  latency_ms INTEGER NOT NULL,
  at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX generations_simulated ON generations(run_id) WHERE cost_source = 'simulated';
"""

# Migration 003: `marks` stays the current state, this is how it came to be. `batch` is one command; `before` is the row
# of `marks` that stood there (JSON; NULL for none), which is what undoing a command puts back.
MARK_EVENTS = """
CREATE TABLE mark_events (
  id TEXT PRIMARY KEY,
  batch TEXT NOT NULL,
  image_id TEXT NOT NULL REFERENCES images(id),
  "by" TEXT NOT NULL,
  mark TEXT,
  tags TEXT,
  note TEXT,
  before TEXT,
  undoes TEXT,
  at TEXT NOT NULL
) STRICT;
CREATE INDEX mark_events_batch ON mark_events(batch);
CREATE INDEX mark_events_by ON mark_events("by");
CREATE INDEX mark_events_image_id ON mark_events(image_id);
CREATE INDEX mark_events_undoes ON mark_events(undoes) WHERE undoes IS NOT NULL;
"""


def bounded(unit: str) -> str:
    """SQL: whether the most that result `g` can have cost is known in `unit`: its cost is, or its attempt has a bound.

    An answer that says nothing of its cost leaves the table's worst price at risk with its attempt.
    """
    return f"""(g.{unit} IS NOT NULL OR EXISTS (SELECT 1 FROM attempts b WHERE b.generation_id = g.id
      AND b.may_be_billed = 1 AND b.outcome IN ('ok', 'short') AND b.{unit}_at_risk IS NOT NULL))"""


#: Migration 004: a result of unknown cost is bounded by what its attempt may have been billed.
MONEY = f"""
DROP VIEW spending;
CREATE VIEW spending AS
WITH entries AS (
  SELECT
    substr(coalesce(g.started_at, g.created_at), 1, 10) AS day, g.id, g.run_id,
    g.status IN ('completed', 'lost') AS results,
    (SELECT count(*) FROM images i WHERE i.generation_id = g.id) AS images,
    g.credits, g.cost_usd,
    {bounded("credits")} AS in_credits,
    {bounded("cost_usd")} AS in_usd,
    0 AS attempts_at_risk, NULL AS credits_at_risk, NULL AS cost_usd_at_risk
  FROM generations g
  WHERE g.cached_from IS NULL AND NOT {SIMULATED}
    AND (g.status IN ('completed', 'lost') OR g.credits IS NOT NULL OR g.cost_usd IS NOT NULL)
  UNION ALL
  SELECT
    substr(a.started_at, 1, 10), g.id, g.run_id, 0, 0, NULL, NULL, 0, 0, 1, a.credits_at_risk, a.cost_usd_at_risk
  FROM attempts a
  JOIN generations g ON g.id = a.generation_id
  WHERE a.may_be_billed = 1 AND NOT {SIMULATED}
)
SELECT
  e.day,
  g.experiment,
  t.path AS template,
  g.model,
  r.user,
  r.project,
  g.provider,
  sum(e.results) AS generations,
  sum(e.images) AS images,
  CASE WHEN sum(e.results) = 0 AND count(e.credits) = 0 THEN 0.0 ELSE sum(e.credits) END AS credits,
  CASE WHEN sum(e.results) = 0 AND count(e.cost_usd) = 0 THEN 0.0 ELSE sum(e.cost_usd) END AS cost_usd,
  sum(e.attempts_at_risk) AS attempts_at_risk,
  CASE WHEN sum(e.results) = sum(e.results AND e.in_credits) AND sum(e.attempts_at_risk) = count(e.credits_at_risk)
    THEN total(e.credits) + total(e.credits_at_risk) END AS credits_at_most,
  CASE WHEN sum(e.results) = sum(e.results AND e.in_usd) AND sum(e.attempts_at_risk) = count(e.cost_usd_at_risk)
    THEN total(e.cost_usd) + total(e.cost_usd_at_risk) END AS cost_usd_at_most,
  g.template_id
FROM entries e
JOIN generations g ON g.id = e.id
JOIN runs r ON r.id = e.run_id
LEFT JOIN templates t ON t.id = g.template_id
GROUP BY e.day, g.experiment, g.template_id, g.model, r.user, r.project, g.provider;
"""

#: Migration 005: runs that lists leave out.
HIDDEN = """
CREATE TABLE hidden_runs (
  run_id TEXT PRIMARY KEY REFERENCES runs(id),
  at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""
