"""`--seeds N`: more of the same, and what the log has already costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import promptlab
from promptlab.history.from_log import from_log
from promptlab.plan import derive_seeds
from promptlab.studio.prepare import with_seeds
from promptlab.studio.studio import Studio
from tests.cli.quick import undrawn

CLI = Callable[..., Any]
SPEC = "prompt: a {{ a }}\naxes: {a: [cup, jug]}\n"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn does not matter here."""
    undrawn(monkeypatch)


def seeds_of(run: int = 0) -> list[int | None]:
    """The seeds of the newest run (0), in its plan's order, each once."""
    with promptlab.open_log() as log:
        return list(dict.fromkeys(row.seed for row in log.generations(log.runs()[run].id)))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("seeds: 2", list(derive_seeds(0, 4))),
        ("seeds: 8", list(derive_seeds(0, 4))),
        ("seeds: 1\nseed_base: 3", list(derive_seeds(3, 4))),
        ("seeds: [7, 9]", [7, 9, *derive_seeds(0, 2)]),
        (f"seeds: [{derive_seeds(0, 1)[0]}]", list(derive_seeds(0, 4))),
        ("seeds: [1, 2, 3, 4, 5]", [1, 2, 3, 4]),
        ("", list(derive_seeds(0, 4))),
    ],
    ids=["more", "fewer", "another base", "a list", "a list of the first", "a longer list", "no seeds"],
)
def test_the_count_is_the_flags(line: str, expected: list[int], experiment: Any, cli: CLI) -> None:
    """The file's own seeds come first, and a list is continued by the derived ones that are not in it."""
    path = experiment(SPEC + line)
    assert cli("run", path, "--seeds", "4", "--no-thumbnails").code == 0
    assert seeds_of() == expected


def test_the_first_ones_come_from_the_log(experiment: Any, cli: CLI, studio: Path, tmp_path: Path) -> None:
    """After a run of two seeds, four cost two, also with --where; the run is rebuilt with all four."""
    path = experiment(SPEC + "seeds: 2\n")
    cli("run", path, "--no-thumbnails")
    assert "4 requests already in the log" in cli("plan", path, "--seeds", "4").out
    result = cli("run", path, "--seeds", "4", "--where", "a=cup", "--no-thumbnails")
    assert "2 from the log" in result.out
    opened = Studio.open(studio)
    with opened.log(create=False) as log:
        run = log.find_run("exp")
        hashes = [row.request_hash for row in log.generations(run.id)]
        job = from_log(opened, log, run, tmp_path / "then")
        assert [request.request_hash for request in job.plan.requests()] == hashes
        assert len(hashes) == 4


def test_python_says_it_too(experiment: Any, studio: Path, tmp_path: Path) -> None:
    """`prepare` and `experiment` take `seeds`, and the run keeps what narrowed it."""
    job = promptlab.prepare(experiment(SPEC + "seeds: 1\n"), seeds=3, where={"a": frozenset(["jug"])}, limit=2)
    summary = promptlab.run_experiment(job, promptlab.Options(thumbnails=False))
    opened = Studio.open(studio)
    with opened.log(create=False) as log:
        again = from_log(opened, log, log.find_run(summary.run_id), tmp_path / "then")
    assert [r.request_hash for r in again.plan.requests()] == [r.request_hash for r in job.plan.requests()]
    assert promptlab.experiment({"prompt": "a"}, seeds=5).plan.count().requests == 5


@pytest.mark.parametrize("number", [0, -1, True, "4", 100_001])
def test_a_wrong_number_is_a_sentence(number: Any, experiment: Any) -> None:
    """Before anything is read."""
    with pytest.raises(promptlab.InputError, match=r"seeds: .* is not a whole number from 1 to 100,000"):
        promptlab.prepare(experiment(SPEC), seeds=number)


def test_a_seed_that_is_a_parameter_is_not_counted(experiment: Any) -> None:
    """Where a parameter sets the seed, --seeds says so instead of asking for one picture several times."""
    path = experiment(SPEC + "seeds: 1\n")
    loaded = promptlab.load(path)
    with pytest.raises(promptlab.InputError, match="--seeds 4: the seed is set"):
        with_seeds(replace(loaded, seeds=None, params={"seed": 5}), 4)


def test_against_a_revision_the_count_is_the_same(experiment: Any, cli: CLI, git: Any) -> None:
    """`plan --against` holds the same number of seeds against each other."""
    path = experiment(SPEC + "seeds: 2\n")
    git("add", "-A")
    git("commit", "-qm", "first")
    assert "2 the same" in cli("plan", path, "--seeds", "5", "--against", "HEAD").out
