"""Rows, transactions and what a run is about."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from promptlab.errors import InputError, LogError
from promptlab.log import Log
from promptlab.model import Attempt, Experiment, Generation, Image, InputFile, Run, RunTemplate, TemplateFile, Variant


def test_round_trip(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """What is written is what is read: None stays None, True stays True."""
    run = rows.run(git_dirty=True, credits=1.5, project=None)
    generation = rows.generation(run, seed=0, strength=0.6, negative_prompt=None)
    attempt = rows.attempt(generation, may_be_billed=True)
    image = rows.image(generation, width=1024)
    assert log.run(run.id) == run
    assert log.run(run.id).git_dirty is True  # type: ignore[union-attr]
    assert log.generation(generation.id) == generation
    assert log.attempts(generation.id) == [attempt]
    assert log.attempts(generation.id)[0].may_be_billed is True
    assert list(log.images(run.id)) == [image]


def test_update(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """An update changes the named columns of one row."""
    run = rows.run()
    one, other = rows.generation(run, status="in_flight"), rows.generation(run, status="in_flight")
    log.update(Generation, one.id, status="completed", credits=50.0)
    assert log.generation(one.id) == replace(one, status="completed", credits=50.0)
    assert log.generation(other.id) == other


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda log: log.update(Generation, "01X", status="failed"), "has no row 01X in generations"),
        (lambda log: log.update(Image, "01X", colour="red"), "images has no column colour"),
        (lambda log: log.update(Image, "01X", id="01Y"), "images has no column id to change"),
        (lambda log: log.insert(Experiment("e", Path("e"), Path(), "")), "no table for Experiment"),
    ],
)
def test_wrong_update(log: Log, change, words: str) -> None:  # type: ignore[no-untyped-def]
    """A row, column or class that is not there is an error."""
    with pytest.raises(LogError, match=words):
        change(log)


def test_foreign_keys(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """A row without its parent is refused."""
    generation = rows.generation(rows.run())
    with pytest.raises(LogError, match="FOREIGN KEY"):
        log.insert(replace(generation, id="01Z", run_id="nobody"))


def test_transaction(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """A block is one commit, a nested one a part of it; an exception undoes it; readers see nothing before its end."""
    run = rows.run()
    with Log.open(log.path, readonly=True) as reader:
        with log.transaction():
            log.update(Run, run.id, planned=1)
            with log.transaction():
                log.update(Run, run.id, completed=1)
            assert reader.run(run.id) == run
        assert reader.run(run.id) == replace(run, planned=1, completed=1)

        def fail() -> None:
            with log.transaction(), log.transaction():
                log.update(Run, run.id, planned=2)
                raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            fail()
        assert reader.run(run.id) == log.run(run.id) == replace(run, planned=1, completed=1)


def test_insert_many(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """Rows of several kinds are written in one commit, parents first, however they come."""
    run = rows.run()
    first = rows.generation(run)
    second = replace(first, id="01G2", sequence=99)
    image = Image(id="01I2", generation_id="01G2", position=0, sha256="s")
    attempt = Attempt(id="01A2", generation_id="01G2", number=1, idempotency_key="k", started_at=first.created_at)
    log.insert_many([image, attempt, second])
    assert log.images_of(["01G2", first.id]) == {"01G2": [image], first.id: []}
    with pytest.raises(LogError, match="UNIQUE"):
        log.insert_many([replace(second, id="01G3"), replace(image, id="01I3")])
    assert log.generation("01G3") is None


def test_inputs_and_templates(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """Files of a run are kept once, a template's text once for all runs."""
    files = [TemplateFile("_base.j2", "base", "b10b"), TemplateFile("hero.j2", "hero")]
    for run in (rows.run(), rows.run()):
        for _ in range(2):
            log.add_inputs(
                run.id,
                [InputFile("data/items.csv", "rows", "sha", "sku,name\n"), InputFile("p.jpg", "image", "s", None)],
            )
            log.add_templates(
                run.id,
                [(RunTemplate(None, "t1", "hero.j2"), files), (RunTemplate("old", "t1", "hero.j2", "v1"), files)],
            )
    assert list(log.rows("SELECT count(*), count(content) FROM inputs")) == [(4, 2)]
    assert list(log.rows("SELECT * FROM templates")) == [("t1", "hero.j2", "hero")]
    assert list(log.rows("SELECT path, git_blob FROM template_files")) == [("_base.j2", "b10b"), ("hero.j2", None)]
    assert log.value("SELECT count(*) FROM run_templates") == 4


def test_variants(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """Variants keep their name and axes as JSON; one that is there stays."""
    rows.run()
    log.add_variants(
        "shelf", [Variant("v1", {"style": "film", "look": "grün"}), Variant("v1", {"look": "grün", "style": "film"})]
    )
    assert list(log.rows("SELECT * FROM variants")) == [
        ("shelf", "v1", "style=film,look=grün", '{"style":"film","look":"grün"}')
    ]


class TestUseExperiment:
    """One name, one file."""

    def test_same_file(self, log: Log, tmp_path: Path) -> None:
        """The same file may change its description; its path is kept relative to the studio."""
        spec = tmp_path / "experiments" / "shelf.yaml"
        spec.parent.mkdir()
        spec.touch()
        log.use_experiment("shelf", spec, None, tmp_path)
        log.use_experiment("shelf", spec, "a shelf", tmp_path)
        assert list(log.rows("SELECT name, spec_path, description FROM experiments")) == [
            ("shelf", "experiments/shelf.yaml", "a shelf")
        ]

    def test_two_files(self, log: Log, tmp_path: Path) -> None:
        """Two files with one name are an error that names both, unless the old file is gone."""
        old, new = tmp_path / "a.yaml", tmp_path / "b.yaml"
        old.touch()
        new.touch()
        log.use_experiment("shelf", old, None, tmp_path)
        with pytest.raises(InputError, match=r"b\.yaml: the experiment name 'shelf' belongs to a\.yaml; rename"):
            log.use_experiment("shelf", new, None, tmp_path)
        old.unlink()
        log.use_experiment("shelf", new, None, tmp_path)
        assert log.value("SELECT spec_path FROM experiments") == "b.yaml"

    def test_one_file_two_paths(self, log: Log, tmp_path: Path) -> None:
        """A file reached by a second path is the same file."""
        old, new = tmp_path / "a.yaml", tmp_path / "b.yaml"
        old.touch()
        os.link(old, new)
        log.use_experiment("shelf", old, None, tmp_path)
        log.use_experiment("shelf", new, None, tmp_path)

    def test_without_file(self, log: Log, tmp_path: Path) -> None:
        """An experiment without a file keeps the file it had."""
        log.use_experiment("shelf", tmp_path / "a.yaml", None, tmp_path / "studio")
        log.use_experiment("shelf", None, None, tmp_path)
        assert log.value("SELECT spec_path FROM experiments") == str(tmp_path / "a.yaml")
