"""`checks:` of an experiment: the forms, what is not one, places, and the editors' schema."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from promptlab.errors import InputError
from promptlab.providers import parameters
from promptlab.spec.load import load_text
from promptlab.spec.schema import experiment_schema
from promptlab.spec.score_checks import parse_check

jsonschema = pytest.importorskip("jsonschema")


@pytest.mark.parametrize(
    ("text", "passing", "failing"),
    [
        ("> 20", [20.001, 1e9], [20, 19, "20"]),
        (">= 20", [20, 21], [19.99, "many"]),
        ("< 0.3", [0, -1], [0.3, 1]),
        ("<=0.3", [0.3], [0.31]),
        ("between 5 and 20", [5, 12.5, 20], [4.9, 20.1, "between 5 and 20"]),
        ("between -1 and -.5e0", [-1, -0.5], [0]),
        ("exact", ["exact"], ["differs", 1.0]),
        ("0", [0, 0.0, "0"], [1, "zero"]),
        ("!= none", ["c2pa", 3.0], ["none"]),
        ("c2pa iptc", ["c2pa iptc"], ["c2pa"]),
    ],
)
def test_what_a_check_passes(text: str, passing: list[float | str], failing: list[float | str]) -> None:
    """Bounds, text equality, and anything but a text."""
    check = parse_check("score", f" {text} ")
    assert [check.passes(value) for value in passing] == [True] * len(passing)
    assert [check.passes(value) for value in failing] == [False] * len(failing)


WRONG = ["> twenty", "=> 20", ">20px", "between 5", "between 20 and 5", "> ", "!=", "at least 3", "≥ 20", "< 1 and > 0"]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_check_is_told_at_its_place(text: str) -> None:
    """path:line:column, and the forms that there are."""
    with pytest.raises(InputError, match=r"e\.yaml:2:21: sharpness is .*\[bad-check\]"):
        load(f'prompt: a teapot\nchecks: {{sharpness: "{text}"}}\n')


@pytest.mark.parametrize(
    ("written", "code"),
    [("{sharpness: [1, 2]}", "wrong-type"), ("{sharpness: }", "no-value"), ("{'a b': 1}", "bad-name"),
     ("{}", "no-value"), ("[sharpness]", "wrong-type"), ('{sharpness: "> 1e999"}', "bad-value")],
)  # fmt: skip
def test_other_shapes_are_refused(written: str, code: str) -> None:
    """A list, nothing, a name with a space, a number without end."""
    with pytest.raises(InputError, match=rf"\[{code}\]"):
        load(f"prompt: a teapot\nchecks: {written}\n")


def test_a_check_knows_its_place() -> None:
    """What `score --check` points at is the check in the file."""
    found = load('prompt: a teapot\nchecks:\n  text: exact\n  sharpness: "> 20"\n')
    assert [(each.name, each.written) for each in found.checks] == [("text", "exact"), ("sharpness", "> 20")]
    place = found.checks[1].place
    assert place is not None
    assert (place.line, place.column) == (4, 14)


def test_a_misspelt_built_in_score_is_a_warning_before_anything_is_paid() -> None:
    """Other names may be of other packages, or come from outside: nothing is said of them."""
    notes = load('prompt: a teapot\nchecks: {sharpnes: "> 20", sales: "> 0.1"}\n').notes
    assert [(note.code, note.place.column) for note in notes] == [("unknown-score", 10)]
    assert "did you mean 'sharpness'?" in notes[0].message


def test_checks_of_a_base_are_merged(tmp_path: Path) -> None:
    """`extends` adds to them, as to other maps."""
    (tmp_path / "_base.yaml").write_text('checks: {sharpness: "> 20", text: exact}\n')
    found = load('extends: _base.yaml\nprompt: a teapot\nchecks: {sharpness: "> 5"}\n', tmp_path)
    assert {each.name: each.written for each in found.checks} == {"sharpness": "> 5", "text": "exact"}


@pytest.mark.parametrize(
    "checks", ['{sharpness: "> 20", text: exact, drift: "between 0 and 0.5", stars: 5, label: "!= none"}']
)
def test_the_schema_accepts_what_loads(checks: str) -> None:
    """What an editor sees is what the loader takes."""
    text = f"prompt: a teapot\nchecks: {checks}\n"
    load(text)
    jsonschema.validate(yaml.safe_load(text), experiment_schema(parameters()))


@pytest.mark.parametrize("text", WRONG[:7])
def test_the_schema_refuses_what_does_not_load(text: str) -> None:
    """All but the order of two numbers, which no pattern can see."""
    if text == "between 20 and 5":
        return
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"prompt": "a", "checks": {"sharpness": text}}, experiment_schema(parameters()))


def load(text: str, folder: Path = Path("/studio")):  # type: ignore[no-untyped-def]
    return load_text(text, folder / "e.yaml", studio=folder, parameters=parameters())
