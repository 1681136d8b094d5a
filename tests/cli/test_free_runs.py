"""Runs that cost nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize("flags", [("--budget", "1usd"), ("--budget", "60cr"), ()])
def test_no_ceiling_holds_a_simulated_run(studio: Path, cli: Any, flags: tuple[str, ...]) -> None:
    """A budget or a studio's cap, in dollars or credits, neither refuses nor stops what is simulated."""
    with (studio / "promptlab.yaml").open("a") as settings:
        settings.write("\ncaps: {day: 1 USD, month: 60cr}\n")
    result = cli("run", "experiments/product_hero.yaml", "--limit", "3", *flags)
    assert result.code == 0, result.err
    assert "3 of 3 done" in result.out
