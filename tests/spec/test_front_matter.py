"""The one YAML reader with the caps of a front matter: smaller, without aliases, with places in the template's file."""

from __future__ import annotations

import pytest

from promptlab.spec.report import Report
from promptlab.spec.yaml_tree import FRONT_MATTER, Map, parse


def problems(text: str) -> list[tuple[str, int | None, int | None]]:
    report = Report()
    parse(text, "hero.j2", report, FRONT_MATTER)
    return [(problem.code, problem.line, problem.column) for problem in report.problems.found]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\nvars: *a", ("front-matter", 2, 7)),
        ("\nvars: &a b", ("front-matter", 2, 7)),
        ("\nparams: {a: " + "[" * 60, ("front-matter", 2, 20)),
        ("\nnegative_prompt: [" + "a," * 3000 + "]", ("front-matter", 2, 4013)),
        ("\na: b\n...\n", ("front-matter", 3, 1)),
        ("\na: b\na: c", ("duplicate-key", 3, 1)),
    ],
)
def test_what_is_refused(text: str, found: tuple[str, int, int]) -> None:
    """Aliases, more than 2,000 values, more than 8 levels and the end of a document, each at its place in the file."""
    assert problems(text) == [found]


def test_an_experiment_may_have_all_of_that() -> None:
    """The same text without these caps is read."""
    report = Report()
    tree = parse("a: &x [1]\nb: *x\n...\n", "e.yaml", report)
    assert isinstance(tree, Map)
    assert (tree, report.count) == ({"a": ["1"], "b": ["1"]}, 0)
