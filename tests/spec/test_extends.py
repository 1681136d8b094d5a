"""`extends`: maps merge, lists replace, positions stay."""

# ruff: noqa: E501 (a table reads best with a case a line)

from __future__ import annotations

from collections.abc import Callable

import pytest

from promptlab.errors import InputError
from promptlab.model import Experiment

Load = Callable[..., Experiment]


def over(load_file: Load, own: str, base: str, **more: str) -> Experiment:
    files = {"experiments/exp.yaml": f"extends: base.yaml\n{own}", "experiments/base.yaml": base}
    return load_file(files | {f"experiments/{name}.yaml": text for name, text in more.items()})


def test_maps_merge_lists_replace(load_file: Load) -> None:
    """Maps merge key by key, lists and texts replace."""
    experiment = over(
        load_file,
        "params: {n: 2}\nnegative_prompt: [b]\naxes: {style: {film: f2, ink: i}, light: [low]}\n",
        "prompt: a\nparams: {n: 1, strength: 0.5}\nnegative_prompt: [a, c]\n"
        "axes: {style: {photo: p, film: f}, light: [x, y]}\nseeds: 4\n",
    )
    assert experiment.params == {"n": 2, "strength": 0.5}
    assert experiment.negative_prompt == ("b",)
    style, light = experiment.axes
    assert [(value.id, value.text) for value in style.values] == [("photo", "p"), ("film", "f2"), ("ink", "i")]
    assert [value.id for value in light.values] == ["low"]
    assert experiment.seeds == 4


def test_a_chain(load_file: Load) -> None:
    """A base may extend another; the nearest wins."""
    experiment = over(load_file, "", "extends: deep.yaml\ndraws: 2\n", deep="prompt: a\ndraws: 5\nseeds: 3\n")
    assert (experiment.draws, experiment.seeds) == (2, 3)
    assert [file.path for file in experiment.inputs] == [
        "experiments/exp.yaml", "experiments/base.yaml", "experiments/deep.yaml",
    ]  # fmt: skip


def test_own_source_replaces(load_file: Load) -> None:
    """An own way to give the prompt replaces the base's, whichever that is."""
    experiment = over(load_file, "template: own.j2\n", "prompts: {a: b}\n")
    assert experiment.source is not None
    assert experiment.source.text == "own.j2"
    assert experiment.axes == ()


def test_another_form_replaces(load_file: Load) -> None:
    """An axis in another form replaces the base's; in the same form it merges."""
    experiment = over(load_file, "axes: {x: {values: [c]}}\n", "prompt: a\naxes: {x: {a: b}}\n")
    assert [value.id for value in experiment.axes[0].values] == ["c"]
    same = over(load_file, "axes: {x: {id: name}}\n", "prompt: a\naxes: {x: {from: data/items.csv, id: sku}}\n")
    assert [value.id for value in same.axes[0].values] == ["teapot", "oak stool"]


@pytest.mark.parametrize(
    ("own", "base", "expected"),
    [
        ("", "prompt: a\nseeds: x\n", ["experiments/base.yaml:2:8: seeds is 'x'; it has to be a whole number, or a list as in [11, 22, 33] [bad-value]"]),
        ("seeds: y\n", "prompt: a\nseeds: x\n", ["experiments/exp.yaml:2:8: seeds is 'y'; it has to be a whole number, or a list as in [11, 22, 33] [bad-value]"]),
        ("params: {n: 9}\n", "prompt: a\nparams: {strength: 9}\n", [
            "experiments/base.yaml:2:20: strength is 9.0; it can be from 0 to 1 [bad-parameter]",
            "experiments/exp.yaml:2:13: n is 9; it can be from 1 to 4 [bad-parameter]",
        ]),
        ("skip: [{x: q}]\n", "prompt: a\naxes: {x: [b]}\n", ["experiments/exp.yaml:2:12: the axis x has no value 'q'; there are b [unknown-id]"]),
        ("prompt: a\n", "- a\n", ["experiments/exp.yaml:1:10: the base experiments/base.yaml is not an experiment: it has to be a map [wrong-type]"]),
        ("prompt: a\n", "", ["experiments/exp.yaml:1:10: the base experiments/base.yaml is not an experiment: it has to be a map [wrong-type]"]),
        ("prompt: a\n", "a: {{ b }}\n", ['experiments/base.yaml:1:4: a text that begins with { is a map in YAML: quote it, as in "{{ subject }}" [unquoted-template]']),
        ("prompt: a\n", "extends: exp.yaml\n", ["experiments/base.yaml:1:10: an experiment can't extend itself: experiments/exp.yaml → experiments/base.yaml → experiments/exp.yaml [extends-cycle]"]),
    ],
)  # fmt: skip
def test_positions_keep_their_file(load_file: Load, own: str, base: str, expected: list[str]) -> None:
    """A problem is reported in the file that it is in."""
    with pytest.raises(InputError) as caught:
        over(load_file, own, base)
    assert [problem.headline() for problem in caught.value.problems] == expected


def test_place_of_a_merged_key(load_file: Load) -> None:
    """`places` and values know which file a key came from."""
    experiment = over(load_file, "axes: {x: {c: d}}\n", "prompt: a\naxes: {x: {a: b}}\n")
    assert experiment.places["axes", "x", "a"].path == "experiments/base.yaml"
    assert experiment.places["axes", "x", "c"].path == "experiments/exp.yaml"
    assert [value.place.path for value in experiment.axes[0].values if value.place] == [
        "experiments/base.yaml", "experiments/exp.yaml",
    ]  # fmt: skip
