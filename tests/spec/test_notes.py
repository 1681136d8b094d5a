"""What loads and is probably not meant: warnings with a place, and none where nothing is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from promptlab.model import Experiment

Load = Callable[..., Experiment]
S = "prompt: a {{ s }}\n"
NOTES = [
    ("prompt: a colour #ff0000\n", [("cut-by-comment", 1, 18)]),
    (S + "axes:\n  s:\n    - red #f00\n    - b # a comment\n    - c\n", [("cut-by-comment", 3 + 1, 11)]),
    ("prompt: a cup\n  on linen #1\n", [("cut-by-comment", 2, 12)]),
    ("prompt: “a cup”\n", [("smart-quotes", 1, 9)]),
    (S + "axes: {s: [„a“, «b», ‘c’]}\n", [("smart-quotes", 2, 12), ("smart-quotes", 2, 17), ("smart-quotes", 2, 22)]),
    (S + "axes: {s: [Film, film]}\n", [("similar-ids", 2, 18)]),
    (S + "axes: {s: {a b: x, 'a  b': y}}\n", [("similar-ids", 2, 20)]),
    (S + "axes: {s: [x], S: [y]}\n", [("similar-ids", 2, 16)]),
    ("prompt: a\nseeds: 17\n", [("many-repeats", 2, 8)]),
    ("prompt: a\ndraws: 17\n", [("many-repeats", 2, 8)]),
]
QUIET = [
    "prompt: a colour '#ff0000'\nseeds: 4 #four\n",
    'prompt: "a #b"  # why\n',
    "prompt: a#b\nstrict: true #always\n",
    "prompt: |\n  a #b\n",
    "prompt: a “quoted” word\n",
    'prompt: "“a”"\n',
    S + "axes: {s: [film, Film noir, 'a-b', 'a b']}\nseeds: 16\ndraws: 16\n",
    "prompt: a\nseeds: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]\n",
]


@pytest.mark.parametrize(("text", "expected"), NOTES)
def test_what_is_probably_not_meant_is_noted(load: Load, text: str, expected: list[tuple[str, int, int]]) -> None:
    """Each note has its code and its place."""
    assert [(note.code, note.place.line, note.place.column) for note in load(text).notes] == expected


@pytest.mark.parametrize("text", QUIET)
def test_nothing_is_noted_of_a_good_file(load: Load, text: str) -> None:
    """Quoted texts, real comments, numbers, lists of seeds."""
    assert load(text).notes == ()


def test_a_plan_tells_the_notes_as_warnings(studio: Path) -> None:
    """With the source line; they stop nothing."""
    from promptlab.studio.prepare import prepare

    path = studio / "experiments" / "e.yaml"
    path.write_text("prompt: a\nseeds: 42\n")
    plan = prepare(path, environ={"PROMPTLAB_STATE": str(studio)}).plan.check()
    (told,) = [problem for problem in plan.problems if problem.code == "many-repeats"]
    assert (told.severity, told.source) == ("warning", "seeds: 42")
    assert "write `seeds: [42]`" in told.message
