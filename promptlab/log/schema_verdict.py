"""Migration 007, as SQL text: votes, scores, picks, and what label an image carries.

A vote is about two *paid* images, as a mark is about one: copies from the cache and later runs that take the same
images show it too, so that a run with more seeds keeps every vote that was cast before. What two images differ in, and
which scene they share, is not stored: it is read from their variants, for whatever axis is compared.

A *ballot* is one act of one person: a pair, the best of a row, best and worst of four. Its comparisons are the rows of
`votes`; a ballot that was taken back keeps its rows and is `undone_at`. Ballots belong to a *poll*, which knows what
was asked; while a poll is open, only intervals that may be looked at after every vote are shown. `ballot_papers` says
which pictures a file that votes offline shows under which token; the file itself does not say it.
"""

from __future__ import annotations

__all__ = ["VERDICT"]

_LABEL = """
ALTER TABLE images ADD COLUMN label TEXT;
"""

_VOTES = """
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
CREATE INDEX polls_experiment ON polls(experiment);
CREATE INDEX polls_run_id ON polls(run_id);

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
CREATE INDEX ballots_by ON ballots("by");
CREATE INDEX ballots_poll_id ON ballots(poll_id);

CREATE TABLE votes (
  ballot_id TEXT NOT NULL REFERENCES ballots(id),
  number INTEGER NOT NULL,
  left_image TEXT NOT NULL REFERENCES images(id),
  right_image TEXT NOT NULL REFERENCES images(id),
  outcome TEXT NOT NULL,
  PRIMARY KEY (ballot_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX votes_left_image ON votes(left_image);
CREATE INDEX votes_right_image ON votes(right_image);

CREATE TABLE tally_views (
  id TEXT PRIMARY KEY,
  poll_id TEXT NOT NULL REFERENCES polls(id),
  "by" TEXT NOT NULL,
  at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tally_views_poll_id ON tally_views(poll_id);

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
CREATE INDEX ballot_papers_file_id ON ballot_papers(file_id);
CREATE INDEX ballot_papers_image_id ON ballot_papers(image_id);
CREATE INDEX ballot_papers_poll_id ON ballot_papers(poll_id);

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
CREATE INDEX judge_calls_ballot_id ON judge_calls(ballot_id);
CREATE INDEX judge_calls_left_image ON judge_calls(left_image);
CREATE INDEX judge_calls_poll_id ON judge_calls(poll_id);
CREATE INDEX judge_calls_right_image ON judge_calls(right_image);
"""

# A score is of an image, or of a whole variant (sales). `version` is never NULL, so that a key can hold it.
_SCORES = """
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
CREATE UNIQUE INDEX scores_image ON scores(image_id, name, scorer, version) WHERE image_id IS NOT NULL;
CREATE UNIQUE INDEX scores_variant ON scores(experiment, variant_id, name, scorer, version)
  WHERE variant_id IS NOT NULL;
CREATE INDEX scores_name ON scores(name);
"""

# Kept images are few beside all: start at their marks, then look for the generations that show them. Materialized,
# since SQLite pushes a condition on the experiment into both halves, and sorts each of them: 200 ms instead of 70.
_VIEWS = """
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
"""

VERDICT = _LABEL + _VOTES + _SCORES + _VIEWS
