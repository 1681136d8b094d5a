"""A run rebuilt from the log alone: what `rerun`, `verify` and the history of templates stand on."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from promptlab.cli.init_command import lay_out
from promptlab.errors import InputError
from promptlab.history.from_log import LoggedLibrary, from_log
from promptlab.run.runner import run
from promptlab.studio.options import Options
from promptlab.studio.prepare import prepare
from promptlab.studio.studio import Studio


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A studio as `promptlab init` makes it."""
    monkeypatch.setenv("PROMPTLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for name in ("KAIRVAL_API_KEY", "KAIRVAL_BASE_URL", "KAIRVAL_PLAN", "PROMPTLAB_DB"):
        monkeypatch.delenv(name, raising=False)
    lay_out(tmp_path / "studio")
    return tmp_path / "studio"


def ran(studio: Path, name: str, where: tuple[str, ...] = (), limit: int | None = 2) -> tuple[str, list[str]]:
    """Run an experiment on the simulator: the run's id and the request hashes of its plan, in order."""
    job = prepare(studio / "experiments" / name, provider="simulator", where=where, limit=limit)
    settings = {"where": list(where), "limit": limit}
    summary = run(job, Options(thumbnails=False, settings=settings))
    return summary.run_id, [request.request_hash for request in job.plan.requests()]


def again(studio: Path, run_id: str, folder: Path) -> list[str]:
    """The request hashes of the run as the log has it, once the studio's own files are gone."""
    for name in ("experiments", "templates"):
        shutil.rmtree(studio / name, ignore_errors=True)
    opened = Studio.open(studio)
    with opened.log(create=False) as log:
        found = log.run(run_id)
        assert found is not None
        return [request.request_hash for request in from_log(opened, log, found, folder).plan.requests()]


@pytest.mark.parametrize(
    "name", ["shelf_photos", "ad_variants", "portrait", "product_hero", "retouch", "guide_example"]
)
def test_the_requests_are_the_same_without_the_files(studio: Path, tmp_path: Path, name: str) -> None:
    """Rows, templates with their includes, inline prompts and source images: every example gives its own hashes."""
    run_id, hashes = ran(studio, f"{name}.yaml")
    assert len(hashes) == 2 or name == "guide_example"
    assert again(studio, run_id, tmp_path / "then") == hashes


def test_where_and_limit_hold_again(studio: Path, tmp_path: Path) -> None:
    """A run of a part of its experiment is rebuilt as that part."""
    path = studio / "experiments" / "part.yaml"
    path.write_text("prompt: a {{ a }} {{ b }}\naxes: {a: [x, y], b: [1, 2, 3]}\nseeds: [1]\n")
    run_id, hashes = ran(studio, "part.yaml", where=("a=y",), limit=2)
    assert len(hashes) == 2
    assert again(studio, run_id, tmp_path / "then") == hashes


def test_each_version_of_a_template_is_its_own(studio: Path, tmp_path: Path) -> None:
    """An axis of one template at a revision and as it is: both texts come from the log, without git."""

    def git(*arguments: str) -> None:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(studio), *arguments]
        subprocess.run(command, check=True, capture_output=True)

    template = studio / "templates" / "cup.j2"
    template.write_text("a cup")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "first")
    git("tag", "v1")
    template.write_text("a blue cup")
    path = studio / "experiments" / "versions.yaml"
    path.write_text('templates: {old: "cup.j2@v1", new: cup.j2}\nseeds: [1]\n')
    run_id, hashes = ran(studio, "versions.yaml")
    assert len(set(hashes)) == 2
    shutil.rmtree(studio / ".git")
    assert again(studio, run_id, tmp_path / "then") == hashes


def test_a_template_that_the_run_did_not_use_is_refused(studio: Path, tmp_path: Path) -> None:
    """The library of a run has that run's templates only."""
    run_id, _ = ran(studio, "portrait.yaml", limit=1)
    opened = Studio.open(studio)
    with opened.log(create=False) as log, pytest.raises(InputError, match=r"no template 'shelf\.j2' of this run"):
        LoggedLibrary(log, run_id, tmp_path / "then").get("shelf.j2")


def test_a_run_without_its_text_is_refused(studio: Path, tmp_path: Path) -> None:
    """Where the log does not have the experiment, a sentence says so."""
    run_id, _ = ran(studio, "portrait.yaml", limit=1)
    opened = Studio.open(studio)
    with opened.log(create=False) as log:
        log.execute("UPDATE runs SET spec_text = NULL")
        found = log.run(run_id)
        assert found is not None
        with pytest.raises(InputError, match="does not have the experiment"):
            from_log(opened, log, found, tmp_path / "then")


def test_a_template_that_reads_differently_is_refused(studio: Path, tmp_path: Path) -> None:
    """A logged text that no longer gives the template's id is not rendered."""
    run_id, _ = ran(studio, "portrait.yaml", limit=1)
    opened = Studio.open(studio)
    with opened.log(create=False) as log:
        log.execute("UPDATE template_files SET source = source || ' changed'")
        found = log.run(run_id)
        assert found is not None
        with pytest.raises(InputError, match="read differently"):
            from_log(opened, log, found, tmp_path / "then")
