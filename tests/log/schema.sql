CREATE INDEX attempts_error_code ON attempts(error_code) WHERE error_code IS NOT NULL;

CREATE UNIQUE INDEX attempts_generation_id ON attempts(generation_id, number);

CREATE INDEX attempts_may_be_billed ON attempts(started_at) WHERE may_be_billed = 1;

CREATE INDEX attempts_outcome ON attempts(outcome) WHERE outcome <> 'ok';

CREATE INDEX ballot_papers_file_id ON ballot_papers(file_id);

CREATE INDEX ballot_papers_image_id ON ballot_papers(image_id);

CREATE INDEX ballot_papers_poll_id ON ballot_papers(poll_id);

CREATE INDEX ballots_by ON ballots("by");

CREATE INDEX ballots_poll_id ON ballots(poll_id);

CREATE INDEX generations_cached_from ON generations(cached_from) WHERE cached_from IS NOT NULL;

CREATE INDEX generations_created_at ON generations(created_at);

CREATE INDEX generations_error_code ON generations(error_code) WHERE error_code IS NOT NULL;

CREATE INDEX generations_experiment ON generations(experiment, variant_id);

CREATE INDEX generations_job_id ON generations(job_id) WHERE job_id IS NOT NULL;

CREATE INDEX generations_model ON generations(model);

CREATE INDEX generations_parameters ON generations(aspect_ratio, output_format, operation, provider);

CREATE INDEX generations_request_hash ON generations(request_hash);

CREATE INDEX generations_run_id ON generations(run_id, sequence);

CREATE INDEX generations_seed ON generations(seed) WHERE seed IS NOT NULL;

CREATE INDEX generations_simulated ON generations(run_id) WHERE cost_source = 'simulated';

CREATE INDEX generations_source_image ON generations(source_image) WHERE source_image IS NOT NULL;

CREATE INDEX generations_status ON generations(status);

CREATE INDEX generations_strength ON generations(strength) WHERE strength IS NOT NULL;

CREATE INDEX generations_template_id ON generations(template_id);

CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");

CREATE UNIQUE INDEX images_generation_id ON images(generation_id, position);

CREATE INDEX images_sha256 ON images(sha256) WHERE sha256 IS NOT NULL;

CREATE INDEX images_status ON images(status) WHERE status <> 'stored';

CREATE INDEX judge_calls_ballot_id ON judge_calls(ballot_id);

CREATE INDEX judge_calls_left_image ON judge_calls(left_image);

CREATE INDEX judge_calls_poll_id ON judge_calls(poll_id);

CREATE INDEX judge_calls_right_image ON judge_calls(right_image);

CREATE INDEX mark_events_batch ON mark_events(batch);

CREATE INDEX mark_events_by ON mark_events("by");

CREATE INDEX mark_events_image_id ON mark_events(image_id);

CREATE INDEX mark_events_undoes ON mark_events(undoes) WHERE undoes IS NOT NULL;

CREATE INDEX marks_by ON marks("by");

CREATE INDEX marks_mark ON marks(mark);

CREATE INDEX polls_experiment ON polls(experiment);

CREATE INDEX polls_run_id ON polls(run_id);

CREATE UNIQUE INDEX run_templates_one ON run_templates(run_id, template_id, ifnull(value, ''));

CREATE INDEX run_templates_template_id ON run_templates(template_id);

CREATE INDEX runs_experiment ON runs(experiment);

CREATE INDEX runs_kind ON runs(kind);

CREATE INDEX runs_parent_run ON runs(parent_run) WHERE parent_run IS NOT NULL;

CREATE INDEX runs_project ON runs(project);

CREATE INDEX runs_provider ON runs(provider);

CREATE INDEX runs_started_at ON runs(started_at);

CREATE INDEX runs_status ON runs(status);

CREATE INDEX runs_user ON runs(user);

CREATE UNIQUE INDEX scores_image ON scores(image_id, name, scorer, version) WHERE image_id IS NOT NULL;

CREATE INDEX scores_name ON scores(name);

CREATE UNIQUE INDEX scores_variant ON scores(experiment, variant_id, name, scorer, version)
  WHERE variant_id IS NOT NULL;

CREATE INDEX tally_views_poll_id ON tally_views(poll_id);

CREATE INDEX templates_path ON templates(path);

CREATE INDEX variant_sums_block ON variant_sums(run_id, block);

CREATE INDEX votes_left_image ON votes(left_image);

CREATE INDEX votes_right_image ON votes(right_image);

CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);

CREATE TABLE answers (
  generation_id TEXT PRIMARY KEY REFERENCES generations(id) ON DELETE CASCADE,
  status_code INTEGER NOT NULL,
  headers TEXT NOT NULL,
  body BLOB,
  latency_ms INTEGER NOT NULL,
  at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

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

CREATE TABLE ballot_papers (
  token TEXT NOT NULL,
  number INTEGER NOT NULL,
  image_id TEXT NOT NULL REFERENCES images(id),
  file_id TEXT NOT NULL,
  poll_id TEXT NOT NULL REFERENCES polls(id),
  kind TEXT NOT NULL,
  "by" TEXT NOT NULL,
  at TEXT NOT NULL,
  PRIMARY KEY (token, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE ballots (
  id TEXT PRIMARY KEY,
  poll_id TEXT NOT NULL REFERENCES polls(id),
  kind TEXT NOT NULL,
  "by" TEXT NOT NULL,
  judge TEXT,
  shown_at TEXT,
  at TEXT NOT NULL,
  undone_at TEXT
) STRICT;

CREATE TABLE claims (
  request_hash TEXT NOT NULL,
  draw INTEGER NOT NULL,
  owner TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  PRIMARY KEY (request_hash, draw)
) STRICT, WITHOUT ROWID;

CREATE TABLE experiments (
  name TEXT PRIMARY KEY,
  spec_path TEXT,
  description TEXT,
  created_at TEXT NOT NULL,
  axes_view TEXT UNIQUE
) STRICT, WITHOUT ROWID;

CREATE TABLE generations (
  id TEXT NOT NULL UNIQUE,
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
  rowid INTEGER PRIMARY KEY,
  FOREIGN KEY (experiment, variant_id) REFERENCES variants(experiment, id)
) STRICT;

CREATE VIRTUAL TABLE generations_fts USING fts5(
  prompt, negative_prompt, content="generations", columnsize=0, tokenize="porter unicode61 remove_diacritics 2"
);

CREATE TABLE 'generations_fts_config'(k PRIMARY KEY, v) WITHOUT ROWID;

CREATE TABLE 'generations_fts_data'(id INTEGER PRIMARY KEY, block BLOB);

CREATE TABLE 'generations_fts_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;

CREATE TABLE hidden_runs (
  run_id TEXT PRIMARY KEY REFERENCES runs(id),
  at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE images (
  id TEXT NOT NULL UNIQUE,
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
  path TEXT,
  rowid INTEGER PRIMARY KEY
, label TEXT) STRICT;

CREATE VIRTUAL TABLE images_fts USING fts5(
  revised_prompt, content="images", columnsize=0, tokenize="porter unicode61 remove_diacritics 2"
);

CREATE TABLE 'images_fts_config'(k PRIMARY KEY, v) WITHOUT ROWID;

CREATE TABLE 'images_fts_data'(id INTEGER PRIMARY KEY, block BLOB);

CREATE TABLE 'images_fts_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;

CREATE TABLE inputs (
  run_id TEXT NOT NULL REFERENCES runs(id),
  path TEXT NOT NULL,
  role TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  content TEXT,
  PRIMARY KEY (run_id, path, role)
) STRICT;

CREATE TABLE judge_calls (
  id TEXT PRIMARY KEY,
  poll_id TEXT NOT NULL REFERENCES polls(id),
  ballot_id TEXT REFERENCES ballots(id),
  model TEXT NOT NULL,
  base_url TEXT,
  left_image TEXT NOT NULL REFERENCES images(id),
  right_image TEXT NOT NULL REFERENCES images(id),
  prompt_sha256 TEXT NOT NULL,
  started_at TEXT NOT NULL,
  ended_at TEXT,
  status_code INTEGER,
  outcome TEXT,
  answer TEXT,
  input_tokens INTEGER,
  output_tokens INTEGER,
  cost_usd REAL,
  cost_source TEXT,
  may_be_billed INTEGER NOT NULL DEFAULT 0,
  cost_usd_at_risk REAL
) STRICT;

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

CREATE TABLE marks (
  image_id TEXT NOT NULL REFERENCES images(id),
  "by" TEXT NOT NULL,
  mark TEXT NOT NULL,
  tags TEXT,
  note TEXT,
  at TEXT NOT NULL,
  PRIMARY KEY (image_id, "by")
) STRICT, WITHOUT ROWID;

CREATE TABLE polls (
  id TEXT PRIMARY KEY,
  experiment TEXT NOT NULL REFERENCES experiments(name),
  run_id TEXT NOT NULL REFERENCES runs(id),
  axis TEXT,
  only_values TEXT,
  goal TEXT NOT NULL,
  blind INTEGER NOT NULL,
  opened_by TEXT NOT NULL,
  opened_at TEXT NOT NULL,
  closed_at TEXT
) STRICT;

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

CREATE TABLE run_templates (
  run_id TEXT NOT NULL REFERENCES runs(id),
  value TEXT,
  template_id TEXT NOT NULL REFERENCES templates(id),
  path TEXT NOT NULL,
  ref TEXT,
  git_commit TEXT,
  git_dirty INTEGER
) STRICT;

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

CREATE TABLE scores (
  id TEXT PRIMARY KEY,
  image_id TEXT REFERENCES images(id),
  experiment TEXT REFERENCES experiments(name),
  variant_id TEXT,
  name TEXT NOT NULL,
  number REAL,
  text TEXT,
  successes REAL,
  trials REAL,
  scorer TEXT NOT NULL,
  version TEXT NOT NULL,
  source TEXT,
  at TEXT NOT NULL,
  FOREIGN KEY (experiment, variant_id) REFERENCES variants(experiment, id)
) STRICT;

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

CREATE TABLE sqlite_stat1(tbl,idx,stat);

CREATE TABLE stale_sums (
  run_id TEXT NOT NULL,
  block INTEGER NOT NULL,
  PRIMARY KEY (run_id, block)
) STRICT, WITHOUT ROWID;

CREATE TABLE stray_sums (
  run_id TEXT NOT NULL,
  block INTEGER NOT NULL,
  generation_id TEXT NOT NULL,
  PRIMARY KEY (run_id, block, generation_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE tally_views (
  id TEXT PRIMARY KEY,
  poll_id TEXT NOT NULL REFERENCES polls(id),
  "by" TEXT NOT NULL,
  at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE template_files (
  template_id TEXT NOT NULL REFERENCES templates(id),
  path TEXT NOT NULL,
  source TEXT NOT NULL,
  git_blob TEXT,
  PRIMARY KEY (template_id, path)
) STRICT;

CREATE TABLE templates (
  id TEXT PRIMARY KEY,
  path TEXT NOT NULL,
  source TEXT NOT NULL
) STRICT;

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

CREATE TABLE variants (
  experiment TEXT NOT NULL REFERENCES experiments(name),
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  axes TEXT NOT NULL,
  PRIMARY KEY (experiment, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE votes (
  ballot_id TEXT NOT NULL REFERENCES ballots(id),
  number INTEGER NOT NULL,
  left_image TEXT NOT NULL REFERENCES images(id),
  right_image TEXT NOT NULL REFERENCES images(id),
  outcome TEXT NOT NULL,
  PRIMARY KEY (ballot_id, number)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER attempts_sums_delete AFTER DELETE ON attempts BEGIN
  INSERT INTO stale_sums SELECT g.run_id, g.sequence >> 12 FROM generations g WHERE g.id = old.generation_id
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER attempts_sums_insert BEFORE INSERT ON attempts
WHEN NOT EXISTS (SELECT 1 FROM generations g JOIN stale_sums x
  ON x.run_id = g.run_id AND x.block = g.sequence >> 12 WHERE g.id = new.generation_id) OR EXISTS (SELECT 1 FROM attempts o WHERE o.id = new.id) BEGIN
  INSERT INTO stale_sums SELECT g.run_id, g.sequence >> 12 FROM generations g WHERE g.id IN (new.generation_id, (SELECT o.generation_id FROM attempts o WHERE o.id = new.id))
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER attempts_sums_move AFTER UPDATE OF generation_id ON attempts BEGIN
  INSERT INTO stale_sums SELECT g.run_id, g.sequence >> 12 FROM generations g WHERE g.id IN (old.generation_id, new.generation_id)
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER attempts_sums_update AFTER UPDATE OF started_at, outcome, may_be_billed, credits_at_risk, cost_usd_at_risk ON attempts WHEN NOT EXISTS (SELECT 1 FROM generations g JOIN stale_sums x
  ON x.run_id = g.run_id AND x.block = g.sequence >> 12 WHERE g.id = new.generation_id) BEGIN
  INSERT INTO stale_sums SELECT g.run_id, g.sequence >> 12 FROM generations g WHERE g.id = new.generation_id
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER generations_ad AFTER DELETE ON generations BEGIN
  INSERT INTO generations_fts (generations_fts, rowid, prompt, negative_prompt)
    VALUES ('delete', old.rowid, old.prompt, old.negative_prompt);
END;

CREATE TRIGGER generations_ai AFTER INSERT ON generations BEGIN
  INSERT INTO generations_fts (rowid, prompt, negative_prompt) VALUES (new.rowid, new.prompt, new.negative_prompt);
END;

CREATE TRIGGER generations_au AFTER UPDATE OF prompt, negative_prompt ON generations BEGIN
  INSERT INTO generations_fts (generations_fts, rowid, prompt, negative_prompt)
    VALUES ('delete', old.rowid, old.prompt, old.negative_prompt);
  INSERT INTO generations_fts (rowid, prompt, negative_prompt) VALUES (new.rowid, new.prompt, new.negative_prompt);
END;

CREATE TRIGGER generations_sums_delete AFTER DELETE ON generations BEGIN
  INSERT INTO stale_sums VALUES (old.run_id, old.sequence >> 12) ON CONFLICT DO NOTHING;
  INSERT INTO stale_sums SELECT g.run_id, g.sequence >> 12 FROM generations g WHERE g.cached_from = old.id
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER generations_sums_insert BEFORE INSERT ON generations
WHEN NOT EXISTS (SELECT 1 FROM stale_sums x WHERE x.run_id = new.run_id AND x.block = new.sequence >> 12) OR EXISTS (SELECT 1 FROM generations g WHERE g.id = new.id)
  OR EXISTS (SELECT 1 FROM generations g WHERE g.cached_from = new.id) BEGIN
  INSERT INTO stale_sums VALUES (new.run_id, new.sequence >> 12) ON CONFLICT DO NOTHING;
  INSERT INTO stale_sums SELECT g.run_id, g.sequence >> 12 FROM generations g WHERE g.id = new.id OR g.cached_from = new.id
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER generations_sums_move AFTER UPDATE OF id, run_id, sequence ON generations BEGIN
  INSERT INTO stale_sums VALUES (old.run_id, old.sequence >> 12) ON CONFLICT DO NOTHING;
  INSERT INTO stale_sums SELECT g.run_id, g.sequence >> 12 FROM generations g WHERE g.id = new.id OR g.cached_from IN (old.id, new.id)
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER generations_sums_update AFTER UPDATE OF
  experiment, variant_id, template_id, axis_values, provider, model, status, cached_from, credits, cost_usd,
  cost_source, created_at, started_at, latency_ms
ON generations WHEN NOT EXISTS (SELECT 1 FROM stale_sums x WHERE x.run_id = new.run_id AND x.block = new.sequence >> 12) OR EXISTS (SELECT 1 FROM generations g WHERE g.cached_from = new.id) BEGIN
  INSERT INTO stale_sums VALUES (new.run_id, new.sequence >> 12) ON CONFLICT DO NOTHING;
  INSERT INTO stale_sums SELECT g.run_id, g.sequence >> 12 FROM generations g WHERE g.cached_from = new.id
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER images_ad AFTER DELETE ON images BEGIN
  INSERT INTO images_fts (images_fts, rowid, revised_prompt) VALUES ('delete', old.rowid, old.revised_prompt);
END;

CREATE TRIGGER images_ai AFTER INSERT ON images BEGIN
  INSERT INTO images_fts (rowid, revised_prompt) VALUES (new.rowid, new.revised_prompt);
END;

CREATE TRIGGER images_au AFTER UPDATE OF revised_prompt ON images BEGIN
  INSERT INTO images_fts (images_fts, rowid, revised_prompt) VALUES ('delete', old.rowid, old.revised_prompt);
  INSERT INTO images_fts (rowid, revised_prompt) VALUES (new.rowid, new.revised_prompt);
END;

CREATE TRIGGER images_sums_delete AFTER DELETE ON images BEGIN
  INSERT INTO stale_sums SELECT g.run_id, g.sequence >> 12 FROM generations g WHERE g.id = old.generation_id
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER images_sums_insert BEFORE INSERT ON images
WHEN NOT EXISTS (SELECT 1 FROM generations g JOIN stale_sums x
  ON x.run_id = g.run_id AND x.block = g.sequence >> 12 WHERE g.id = new.generation_id) OR EXISTS (SELECT 1 FROM images o WHERE o.id = new.id) BEGIN
  INSERT INTO stale_sums SELECT g.run_id, g.sequence >> 12 FROM generations g WHERE g.id IN (new.generation_id, (SELECT o.generation_id FROM images o WHERE o.id = new.id))
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER images_sums_move AFTER UPDATE OF generation_id ON images BEGIN
  INSERT INTO stale_sums SELECT g.run_id, g.sequence >> 12 FROM generations g WHERE g.id IN (old.generation_id, new.generation_id)
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER images_sums_update AFTER UPDATE OF status, bytes ON images WHEN NOT EXISTS (SELECT 1 FROM generations g JOIN stale_sums x
  ON x.run_id = g.run_id AND x.block = g.sequence >> 12 WHERE g.id = new.generation_id) BEGIN
  INSERT INTO stale_sums SELECT g.run_id, g.sequence >> 12 FROM generations g WHERE g.id = new.generation_id
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER runs_sums_delete AFTER DELETE ON runs BEGIN
  INSERT INTO stale_sums SELECT g.run_id, g.sequence >> 12 FROM generations g WHERE g.cached_from IN (SELECT p.id FROM generations p WHERE p.run_id = old.id)
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER runs_sums_insert AFTER INSERT ON runs BEGIN
  INSERT INTO stale_sums SELECT g.run_id, g.sequence >> 12 FROM generations g WHERE g.cached_from IN (SELECT p.id FROM generations p WHERE p.run_id = new.id)
    ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER runs_sums_update AFTER UPDATE OF id, kind ON runs BEGIN
  INSERT INTO stale_sums SELECT g.run_id, g.sequence >> 12 FROM generations g WHERE g.cached_from IN (SELECT p.id FROM generations p WHERE p.run_id IN (old.id, new.id))
    ON CONFLICT DO NOTHING;
END;

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
  (SELECT m.mark FROM latest_marks m WHERE m.image_id = ifnull(
    (SELECT p.id FROM images p WHERE p.generation_id = g.cached_from AND p.position = i.position), i.id)) AS mark,
  (SELECT m.tags FROM latest_marks m WHERE m.image_id = ifnull(
    (SELECT p.id FROM images p WHERE p.generation_id = g.cached_from AND p.position = i.position), i.id)) AS tags,
  (SELECT m.note FROM latest_marks m WHERE m.image_id = ifnull(
    (SELECT p.id FROM images p WHERE p.generation_id = g.cached_from AND p.position = i.position), i.id)) AS note,
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
  (g.provider = 'simulator' OR g.cost_source IS 'simulated') AS simulated,
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
  ifnull(
    (SELECT p.id FROM images p WHERE p.generation_id = g.cached_from AND p.position = i.position), i.id) AS paid_image_id,
  g.rowid AS generation_rowid
FROM images i
JOIN generations g ON g.id = i.generation_id
JOIN runs r ON r.id = g.run_id
WHERE r.kind <> 'verify';

CREATE VIEW latest_marks AS
SELECT m.image_id, m."by", m.mark, m.tags, m.note, m.at FROM marks m
WHERE NOT EXISTS (
  SELECT 1 FROM marks n WHERE n.image_id = m.image_id AND (n.at > m.at OR (n.at = m.at AND n."by" < m."by")));

CREATE VIEW picks AS
WITH kept AS MATERIALIZED (
  SELECT p.generation_id, p.position, p.id AS image_id, p.sha256, p.path, p.rowid AS image_rowid, m."by", m.at
  FROM marks k CROSS JOIN latest_marks m ON m.image_id = k.image_id AND m."by" = k."by"
  CROSS JOIN images p ON p.id = k.image_id
  WHERE k.mark = 'keep' AND p.status = 'stored'
),
shown AS MATERIALIZED (
  SELECT g.experiment, g.variant_id, g.run_id, k.* FROM kept k CROSS JOIN generations g ON g.id = k.generation_id
  UNION ALL
  SELECT g.experiment, g.variant_id, g.run_id, k.* FROM kept k CROSS JOIN generations g
    ON g.cached_from = k.generation_id
),
ordered AS (
  SELECT s.*, row_number() OVER (
    PARTITION BY s.experiment, s.variant_id ORDER BY s.at DESC, s.image_rowid DESC) AS place
  FROM shown s JOIN runs r ON r.id = s.run_id WHERE r.kind <> 'verify'
)
SELECT
  o.experiment,
  (SELECT v.name FROM variants v WHERE v.experiment = o.experiment AND v.id = o.variant_id) AS variant,
  o.image_id,
  o.sha256,
  o.path,
  o."by",
  o.at,
  o.generation_id,
  o.variant_id
FROM ordered o WHERE o.place = 1;

CREATE VIEW run_parts AS
SELECT * FROM run_sums s WHERE NOT EXISTS (SELECT 1 FROM stale_sums x WHERE x.run_id = s.run_id AND x.block = s.block)
UNION ALL
SELECT
  g.run_id, x.block AS block,
  1 AS generations,
  g.status = 'completed' AND g.cached_from IS NULL AS completed,
  g.cached_from IS NOT NULL AS cached,
  g.status = 'failed' AS failed,
  g.status = 'unknown' AS unknown,
  g.status = 'lost' AS lost,
  g.status = 'in_flight' AS in_flight,
  g.status = 'planned' AS planned,
  g.status = 'skipped' AS skipped,
  (g.provider = 'simulator' OR g.cost_source IS 'simulated') AS simulated,
  g.cached_from IS NULL AND g.status IN ('completed', 'lost') AS results,
  g.cached_from IS NULL AND g.status IN ('completed', 'lost') AND (g.credits IS NOT NULL OR EXISTS (SELECT 1 FROM attempts b WHERE b.generation_id = g.id
      AND b.may_be_billed = 1 AND b.outcome IN ('ok', 'short') AND b.credits_at_risk IS NOT NULL)) AS bounded_credits,
  g.cached_from IS NULL AND g.status IN ('completed', 'lost') AND (g.cost_usd IS NOT NULL OR EXISTS (SELECT 1 FROM attempts b WHERE b.generation_id = g.id
      AND b.may_be_billed = 1 AND b.outcome IN ('ok', 'short') AND b.cost_usd_at_risk IS NOT NULL)) AS bounded_usd,
  g.cached_from IS NULL AND g.credits IS NOT NULL AS known_credits,
  g.cached_from IS NULL AND g.cost_usd IS NOT NULL AS known_usd,
  CASE WHEN g.cached_from IS NULL THEN g.credits END AS credits,
  CASE WHEN g.cached_from IS NULL THEN g.cost_usd END AS cost_usd,
  g.cached_from IS NULL AND g.status = 'completed' AND g.latency_ms IS NOT NULL AS latencies,
  CASE WHEN g.cached_from IS NULL AND g.status = 'completed' THEN g.latency_ms END AS latency_ms,
  0 AS images, 0 AS images_lost, 0 AS bytes, 0 AS attempts, 0 AS attempts_at_risk,
  0 AS bounded_credits_at_risk, 0 AS bounded_usd_at_risk, NULL AS credits_at_risk, NULL AS cost_usd_at_risk
FROM stale_sums x CROSS JOIN generations g ON g.run_id = x.run_id
  AND g.sequence BETWEEN x.block << 12 AND (x.block << 12) + 4095
UNION ALL
SELECT g.run_id, x.block, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, 0, NULL,
  i.status = 'stored', i.status = 'lost', CASE WHEN i.status = 'stored' THEN i.bytes END, 0, 0, 0, 0, NULL, NULL
FROM stale_sums x CROSS JOIN generations g ON g.run_id = x.run_id
  AND g.sequence BETWEEN x.block << 12 AND (x.block << 12) + 4095 CROSS JOIN images i ON i.generation_id = g.id
UNION ALL
SELECT g.run_id, x.block, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, 0, NULL, 0, 0, 0,
  1, a.may_be_billed <> 0,
  a.may_be_billed AND a.credits_at_risk IS NOT NULL, a.may_be_billed AND a.cost_usd_at_risk IS NOT NULL,
  CASE WHEN a.may_be_billed THEN a.credits_at_risk END, CASE WHEN a.may_be_billed THEN a.cost_usd_at_risk END
FROM stale_sums x CROSS JOIN generations g ON g.run_id = x.run_id
  AND g.sequence BETWEEN x.block << 12 AND (x.block << 12) + 4095 CROSS JOIN attempts a ON a.generation_id = g.id;

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

CREATE VIEW spending_parts AS
SELECT * FROM spending_sums s WHERE NOT EXISTS (SELECT 1 FROM stale_sums x WHERE x.run_id = s.run_id AND x.block = s.block)
UNION ALL
SELECT
  g.run_id, x.block,
  substr(coalesce(g.started_at, g.created_at), 1, 10) AS day, g.experiment, g.template_id, g.model, g.provider,
  g.status IN ('completed', 'lost') AS results,
  (SELECT count(*) FROM images i WHERE i.generation_id = g.id) AS images,
  g.status IN ('completed', 'lost') AND (g.credits IS NOT NULL OR EXISTS (SELECT 1 FROM attempts b WHERE b.generation_id = g.id
      AND b.may_be_billed = 1 AND b.outcome IN ('ok', 'short') AND b.credits_at_risk IS NOT NULL)) AS bounded_credits,
  g.status IN ('completed', 'lost') AND (g.cost_usd IS NOT NULL OR EXISTS (SELECT 1 FROM attempts b WHERE b.generation_id = g.id
      AND b.may_be_billed = 1 AND b.outcome IN ('ok', 'short') AND b.cost_usd_at_risk IS NOT NULL)) AS bounded_usd,
  g.credits IS NOT NULL AS known_credits,
  g.cost_usd IS NOT NULL AS known_usd,
  g.credits,
  g.cost_usd,
  0 AS attempts_at_risk, 0 AS bounded_credits_at_risk, 0 AS bounded_usd_at_risk,
  NULL AS credits_at_risk, NULL AS cost_usd_at_risk
FROM stale_sums x CROSS JOIN generations g ON g.run_id = x.run_id
  AND g.sequence BETWEEN x.block << 12 AND (x.block << 12) + 4095
WHERE CASE WHEN g.run_id = x.run_id THEN g.cached_from IS NULL AND NOT (g.provider = 'simulator' OR g.cost_source IS 'simulated') AND (g.status IN ('completed', 'lost') OR g.credits IS NOT NULL OR g.cost_usd IS NOT NULL) END
UNION ALL
SELECT
  g.run_id, x.block, substr(a.started_at, 1, 10), g.experiment, g.template_id, g.model, g.provider,
  0, 0, 0, 0, 0, 0, NULL, NULL,
  1, a.credits_at_risk IS NOT NULL, a.cost_usd_at_risk IS NOT NULL, a.credits_at_risk, a.cost_usd_at_risk
FROM stale_sums x CROSS JOIN generations g ON g.run_id = x.run_id
  AND g.sequence BETWEEN x.block << 12 AND (x.block << 12) + 4095 CROSS JOIN attempts a ON a.generation_id = g.id
WHERE CASE WHEN g.run_id = x.run_id THEN a.may_be_billed = 1 AND NOT (g.provider = 'simulator' OR g.cost_source IS 'simulated') END;

CREATE VIEW stray_copies AS
SELECT s.run_id, s.block, s.generation_id FROM stray_sums s WHERE NOT EXISTS (SELECT 1 FROM stale_sums x WHERE x.run_id = s.run_id AND x.block = s.block)
UNION ALL
SELECT g.run_id, x.block, g.id FROM stale_sums x CROSS JOIN generations g ON g.run_id = x.run_id
  AND g.sequence BETWEEN x.block << 12 AND (x.block << 12) + 4095
WHERE CASE WHEN g.run_id = x.run_id THEN g.cached_from IS NOT NULL AND g.status NOT IN ('planned', 'skipped') AND NOT EXISTS (SELECT 1 FROM generations p JOIN runs q ON q.id = p.run_id
  WHERE p.id = g.cached_from AND p.cached_from IS NULL AND p.status = g.status AND q.kind <> 'verify'
    AND p.experiment = g.experiment AND p.variant_id = g.variant_id AND p.template_id = g.template_id
    AND p.axis_values IS g.axis_values AND p.provider = g.provider AND p.model = g.model) END;

CREATE VIEW variant_parts AS
SELECT * FROM variant_sums s WHERE NOT EXISTS (SELECT 1 FROM stale_sums x WHERE x.run_id = s.run_id AND x.block = s.block)
UNION ALL
SELECT
  g.run_id, x.block, g.experiment, g.variant_id, g.template_id, g.axis_values, g.provider, g.model,
  (g.provider = 'simulator' OR g.cost_source IS 'simulated') AS simulated,
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
FROM stale_sums x CROSS JOIN generations g ON g.run_id = x.run_id
  AND g.sequence BETWEEN x.block << 12 AND (x.block << 12) + 4095
WHERE CASE WHEN g.run_id = x.run_id THEN g.status NOT IN ('planned', 'skipped') END;

CREATE VIEW variant_summary AS
WITH strays AS (
  SELECT g.experiment, g.variant_id, g.template_id, g.axis_values, g.provider, g.model, g.cached_from AS paid_id,
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
  GROUP BY g.experiment, g.variant_id, g.template_id, g.axis_values, g.provider, g.model, paid_id
),
marked AS (SELECT i.id, i.generation_id, m.mark FROM latest_marks m CROSS JOIN images i ON i.id = m.image_id),
judged AS ( -- conditions on g alone would make SQLite read all of it, for a Bloom filter
  SELECT g.experiment, g.variant_id, g.template_id, g.axis_values, g.provider, g.model, m.id, m.mark
  FROM marked m CROSS JOIN generations g ON g.id = m.generation_id AND coalesce(g.cached_from, g.id) = m.generation_id
  CROSS JOIN runs r ON r.id = g.run_id
  WHERE NOT (r.kind = 'verify' OR g.status IN ('planned', 'skipped'))
  UNION
  SELECT g.experiment, g.variant_id, g.template_id, g.axis_values, g.provider, g.model, m.id, m.mark
  FROM marked m CROSS JOIN generations g ON g.cached_from = m.generation_id
  CROSS JOIN runs r ON r.id = g.run_id
  WHERE NOT (r.kind = 'verify' OR g.status IN ('planned', 'skipped'))
),
parts AS (
  SELECT p.experiment, p.variant_id, p.template_id, p.axis_values, p.provider, p.model,
    p.simulated, p.generations, p.images, p.completed, p.failed, p.unknown, p.lost, p.cached, 0 AS kept, 0 AS rejected,
    p.credits, p.cost_usd, p.latencies, p.latency_ms
  FROM variant_parts p CROSS JOIN runs r ON r.id = p.run_id WHERE r.kind <> 'verify'
  UNION ALL
  SELECT experiment, variant_id, template_id, axis_values, provider, model,
    0, counted IS NULL,
    CASE WHEN counted IS NULL THEN
      (SELECT count(*) FROM images i WHERE i.generation_id = paid_id AND +i.status = 'stored') ELSE 0 END,
    completed AND counted IS NOT 'completed', failed AND counted IS NOT 'failed',
    unknown AND counted IS NOT 'unknown', lost AND counted IS NOT 'lost',
    0, 0, 0, NULL, NULL, 0, NULL
  FROM strays
  UNION ALL
  SELECT experiment, variant_id, template_id, axis_values, provider, model, 0, 0, 0, 0, 0, 0, 0, 0, mark = 'keep', mark = 'reject', NULL, NULL, 0, NULL FROM judged
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

CREATE VIEW vote_results AS
SELECT
  b.at,
  b."by",
  b.judge,
  p.experiment,
  p.run_id,
  p.axis,
  b.kind,
  (SELECT v.name FROM images i JOIN generations g ON g.id = i.generation_id
    JOIN variants v ON v.experiment = g.experiment AND v.id = g.variant_id WHERE i.id = o.left_image) AS left_variant,
  o.outcome,
  (SELECT v.name FROM images i JOIN generations g ON g.id = i.generation_id
    JOIN variants v ON v.experiment = g.experiment AND v.id = g.variant_id WHERE i.id = o.right_image) AS right_variant,
  o.left_image,
  o.right_image,
  o.ballot_id,
  o.number,
  b.poll_id
FROM votes o
JOIN ballots b ON b.id = o.ballot_id
JOIN polls p ON p.id = b.poll_id
WHERE b.undone_at IS NULL;

