"""What a short command loads: starting is most of what it costs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

#: Loads a command as the installed program does, and says which of these modules it needed.
CODE = """
import sys
from promptlab.cli.main import main
try:
    main(sys.argv[2:])
except SystemExit as end:
    assert not end.code, end.code
print(*sorted(name for name in sys.argv[1].split() if name in sys.modules), file=sys.stderr)
"""


@pytest.fixture
def loaded(unmeasured: dict[str, str]) -> Callable[..., str]:
    """Which of the watched modules a command loads."""

    def names(studio: Path, watched: str, *command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", CODE, watched, *command], cwd=studio, capture_output=True, text=True, check=True,
            env={**unmeasured, "PYTHONWARNINGS": "ignore"},
        )  # fmt: skip
        return done.stderr.splitlines()[-1] if done.stderr.strip() else ""

    return names


def test_a_plan_loads_what_it_asks(studio: Path, loaded: Callable[..., str]) -> None:
    """A plan without a log loads no library for sending, pictures or databases, and none of their packages."""
    heavy = "PIL httpx h11 asyncio ssl sqlite3 sqlite_utils datasette rich promptlab.log promptlab.run"
    heavy += " promptlab.history promptlab.store promptlab.browse"
    assert loaded(studio, heavy, "plan", "product_hero") == ""


def test_a_plan_looks_for_no_other_provider(studio: Path, loaded: Callable[..., str]) -> None:
    """Entry points are not scanned while every parameter is one that the experiment's own provider declares."""
    assert loaded(studio, "importlib.metadata promptlab.providers.openai", "plan", "product_hero") == ""


def test_a_parameter_of_another_provider_is_found(studio: Path) -> None:
    """A name that only another provider declares is looked for among all of them, and said to be dropped."""
    path = studio / "experiments" / "product_hero.yaml"
    path.write_text(path.read_text() + "params: {background: opaque}\n")
    done = subprocess.run(
        [sys.executable, "-m", "promptlab", "plan", "product_hero"], cwd=studio, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert "background" in done.stderr
    assert "[dropped-parameter]" in done.stderr


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_loads_little_beside_click(tmp_path: Path, flag: str, loaded: Callable[..., str]) -> None:
    """Help loads neither paths nor dataclasses, and of promptlab only how things are shown."""
    watched = "pathlib dataclasses json promptlab.errors promptlab.model promptlab.cli.options promptlab.spec"
    assert loaded(tmp_path, watched, flag) == ""
