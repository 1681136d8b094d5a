"""`plan` and `run` name the words that the simulator has no drawing for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def write(studio: Path, prompt: str) -> str:
    path = studio / "experiments" / "words.yaml"
    path.write_text(f"prompt: {prompt}\nseeds: 1\n", encoding="utf-8")
    return str(path)


def test_plan_names_undrawn_words(studio: Path, cli: Any) -> None:
    """One line, eight words at most, and the rest as a number."""
    words = " ".join(f"zib{letter}le" for letter in "bcdfghjkl")
    told = cli("plan", write(studio, f"a teapot, {words}"))
    lines = [line for line in told.err.splitlines() if "not-drawn" in line]
    assert (told.code, len(lines)) == (0, 1)
    assert "zibble" in lines[0]
    assert "zibkle and 1 more" in lines[0]


def test_drawn_words_are_not_named(studio: Path, cli: Any) -> None:
    """Nothing is reported about a prompt that is drawn whole."""
    assert "not-drawn" not in cli("plan", write(studio, "three red mugs on a table, low angle, watercolor")).err


def test_real_providers_are_not_concerned(studio: Path, cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the simulator can draw is nothing to other providers."""
    monkeypatch.setenv("KAIRVAL_API_KEY", "kv_test")
    assert "not-drawn" not in cli("plan", write(studio, "a zibbling teapot"), "--provider", "kairval").err
