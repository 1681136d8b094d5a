"""Forgetting a run takes its rows and nothing that another run needs."""

from __future__ import annotations

from typing import Any

import pytest

from promptlab.errors import InputError
from promptlab.log import Log
from promptlab.model import Generation, Run

COUNTED = ("runs", "generations", "attempts", "images", "marks", "inputs", "templates", "template_files",
           "run_templates", "variants", "experiments", "hidden_runs")  # fmt: skip


def counts(log: Log) -> dict[str, int]:
    return {table: log.value(f"SELECT count(*) FROM {table}") for table in COUNTED}


def forget(log: Log, run: Run) -> Any:
    found = log.forgetting(run.id)
    log.forget_run(found)
    assert log.rows("PRAGMA foreign_key_check") is not None
    assert list(log.rows("PRAGMA foreign_key_check")) == []
    return found


def paid_run(log: Log, rows: Any, **changes: Any) -> tuple[Run, Generation]:
    """A run with one paid generation, its attempt, image, mark and hidden flag."""
    run = rows.run(**changes)
    paid = rows.generation(run, request_hash="same", credits=50.0, cost_usd=2.0, cost_source="table", attempts=1,
                           started_at="2026-10-01T10:00:00.000Z", template_id=f"t-{run.experiment}")  # fmt: skip
    rows.attempt(paid)
    image = rows.image(paid, sha256="a" * 64, path=f"results/{run.experiment}/a.png")
    log.set_marks([image.id], "keep", by="ada", tags=["warm"])
    log.hide_run(run.id)
    return run, paid


def copy_of(rows: Any, run: Run, paid: Generation, *, images: int = 1) -> Generation:
    """A cached copy in another run, with another image at each place."""
    copy: Generation = rows.generation(
        run, request_hash="same", cached_from=paid.id, credits=0.0, cost_usd=0.0, cost_source="cache"
    )
    for position in range(images):
        rows.image(copy, position=position, sha256="a" * 64, path=f"results/{run.experiment}/b.png")
    return copy


def test_a_run_alone_leaves_nothing(log: Log, rows: Any) -> None:
    """Every row of a run goes, with its experiment, variants, templates and view, where nothing else has them."""
    before = counts(log)
    run, _ = paid_run(log, rows)
    view = log.ensure_axes_view(run.experiment, ["style"])
    found = forget(log, run)
    assert (found.images, found.files, found.names) == (1, ("a" * 64,), (("results/shelf/a.png", "a" * 64),))
    assert (found.credits, found.cost_usd, found.last_billed) == (50.0, 2.0, "2026-10-01T10:00:00.000Z")
    assert counts(log) == before
    assert log.value("SELECT 1 FROM sqlite_master WHERE name = ?", (view,)) is None


def test_what_another_run_copied_is_handed_over(log: Log, rows: Any) -> None:
    """The oldest copy becomes the paid generation: cost, attempts and marks move to it, and other copies follow."""
    run, paid = paid_run(log, rows)
    other, third = rows.run(experiment="other", cached=1), rows.run(experiment="third", cached=1)
    heir, late = copy_of(rows, other, paid), copy_of(rows, third, paid)
    spent = log.spent()
    found = forget(log, run)
    assert (found.heirs, found.files, found.cost_usd, found.last_billed) == ({paid.id: heir.id}, (), 0.0, None)
    row = log.generations_by_id([heir.id])[heir.id]
    assert (row.cached_from, row.credits, row.cost_usd, row.cost_source) == (None, 50.0, 2.0, "table")
    assert log.generations_by_id([late.id])[late.id].cached_from == heir.id
    assert len(log.attempts(heir.id)) == 1
    kept = "SELECT image_id FROM gallery WHERE run_id = ? AND mark = 'keep'"
    assert [id_ for (id_,) in log.rows(kept, (other.id,))] == [log.images_of([heir.id])[heir.id][0].id]
    assert log.spent() == spent
    changed = log.run(other.id)
    assert changed is not None
    assert (changed.cached, changed.credits, changed.cost_usd) == (0, 50.0, 2.0)
    assert log.cached("same") is not None


def test_a_copy_without_images_refuses(log: Log, rows: Any) -> None:
    """Where a copy cannot take the images over, nothing is deleted."""
    run, paid = paid_run(log, rows)
    copy_of(rows, rows.run(experiment="other"), paid, images=2)
    before = counts(log)
    with pytest.raises(InputError, match="can't be forgotten") as refused:
        log.forgetting(run.id)
    assert refused.value.problems[0].code == "run-in-use"
    assert counts(log) == before


def test_shared_files_are_not_named(log: Log, rows: Any) -> None:
    """A content that another run's image, edit or input has is not among the files, nor is a shared name."""
    run, _ = paid_run(log, rows)
    shared = rows.generation(run, request_hash="b")
    rows.image(shared, sha256="b" * 64, path="results/shelf/same.png")
    rows.image(shared, position=1, sha256="c" * 64)
    other = rows.run(experiment="other")
    again = rows.generation(other, request_hash="c", source_image="c" * 64)
    rows.image(again, sha256="b" * 64, path="results/shelf/same.png")
    found = forget(log, run)
    assert found.files == ("a" * 64,)
    assert [path for path, _ in found.names] == ["results/shelf/a.png"]


def test_money_at_risk_counts(log: Log, rows: Any) -> None:
    """An attempt that may have been billed is money that leaves the log; what was simulated is not."""
    run = rows.run()
    row = rows.generation(run, status="unknown")
    rows.attempt(row, may_be_billed=1, credits_at_risk=50.0, cost_usd_at_risk=1.5)
    found = log.forgetting(run.id)
    assert (found.unknown, found.cost_usd, found.last_billed) == (1, 1.5, row.created_at)
    simulated = rows.run(provider="simulator")
    rows.generation(simulated, cost_usd=9.0, cost_source="simulated")
    assert log.forgetting(simulated.id).last_billed is None


def test_a_later_tables_rows_go_too(log: Log, rows: Any) -> None:
    """A table that a later migration adds is found by its columns: its rows move with an heir, else they go."""
    log.execute("CREATE TABLE later (generation_id TEXT REFERENCES generations(id), image_id TEXT) STRICT")
    run, paid = paid_run(log, rows)
    heir = copy_of(rows, rows.run(experiment="other"), paid)
    gone = rows.generation(run, request_hash="d")
    log.execute(
        "INSERT INTO later VALUES (?, ?), (?, NULL)", (paid.id, log.images_of([paid.id])[paid.id][0].id, gone.id)
    )
    forget(log, run)
    assert list(log.rows("SELECT * FROM later")) == [(heir.id, log.images_of([heir.id])[heir.id][0].id)]


def test_a_run_that_changed_is_not_forgotten(log: Log, rows: Any) -> None:
    """Between the question and the answer another process may have used it: then nothing goes."""
    run, _ = paid_run(log, rows)
    found = log.forgetting(run.id)
    rows.generation(run)
    with pytest.raises(InputError, match="has changed"):
        log.forget_run(found)
    assert log.run(run.id) is not None
