"""Which folder is the studio, and what importing costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from promptlab.spec.files import find_studio


@pytest.mark.parametrize(
    ("settings", "experiment", "expected"),
    [
        ("s/promptlab.yaml", "s/experiments/deep/a.yaml", "s"),
        ("s/experiments/promptlab.yaml", "s/experiments/a.yaml", "s/experiments"),
        (None, "s/experiments/a.yaml", "s"),
        (None, "s/experiments/deep/a.yaml", "s"),
        (None, "s/plans/a.yaml", "s/plans"),
        ("promptlab.yaml", "s/experiments/a.yaml", "."),
    ],
)
def test_find_studio(tmp_path: Path, settings: str | None, experiment: str, expected: str) -> None:
    """The nearest folder with promptlab.yaml; else the parent of `experiments`; else the own folder."""
    path = tmp_path / experiment
    path.parent.mkdir(parents=True)
    path.write_text("prompt: a\n")
    if settings:
        (tmp_path / settings).write_text("")
    assert find_studio(path) == tmp_path / expected
    assert find_studio(path.parent) == tmp_path / expected


def test_importing_is_cheap() -> None:
    """find_studio and matchers load no PyYAML."""
    code = (
        "import sys; from promptlab.spec.files import find_studio; from promptlab.spec.matcher import parse_matcher;"
        "print([name for name in ('yaml', 'httpx') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
