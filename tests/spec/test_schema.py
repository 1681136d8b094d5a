"""The JSON schema and the loader agree."""

# ruff: noqa: E501 (a table reads best with a case a line)

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from promptlab.errors import InputError
from promptlab.model import Experiment, Parameter
from promptlab.spec.load import load_text
from promptlab.spec.schema import experiment_schema

from .wrong import everything

jsonschema = pytest.importorskip("jsonschema")

GOOD = [
    "template: product_hero.j2\naxes: {product: [ceramic teapot, oak stool]}\nseeds: [11, 22, 33]\n",
    "prompt: a\naxes: {r: [16:9, NO, on, 1.10, 00123, 2024-01-01, 0x10, 1e3, ~, null, true]}\n",
    "prompt: 3\nseeds: 4\nseed_base: '7'\ndraws: 2\nstrict: True\ndescription: 12\n",
    "prompts: {calm: a, 2: b}\nbaseline: {prompt: calm}\nskip: [{prompt: 2}, {prompt: [2, calm]}]\n",
    "templates: {last: hero.j2@v1.2, now: hero.j2}\ndesign: {sample: 200, seed: 0}\n",
    "prompt: a\naxes: {g: {values: {fine: f, heavy: {light: 3, params: {n: 2}}}, when: {s: a}}, s: {values: [a]}}\n",
    "prompt: a\naxes: {item: {from: data/items.csv, id: sku}, params.aspect_ratio: [1:1, 4:3]}\n",
    "prompt: a\nparams: {n: 3, strength: 0.5, model: 1.10, aspect_ratio: 16:9, transparent: false, seed: 5}\n",
    "prompt: a\nvars: {a: [1, [x, {y: 2}]], b: {c: ~}, d: ''}\n",
    "prompt: a\nnegative_prompt: 12\nlimits: {images: 5, cost: $20}\nalerts: {cost: 400 credits}\n",
    "prompt: a\nimage: {from: other, pick: kept, where: {style: film}}\nmode: sync\n",
    'prompt: a\nimage: "photos/{{ item.sku }}.jpg"\nfiles: "{seed}_{position}.{ext}"\nprovider: kairval\n',
    "prompt: a\naxes: {s: [film]}\noverride: [{match: {s: film}, negative_prompt: b, params: {n: 1}}]\nbaseline: {s: film}\n"
    "design: one_factor\n",
]  # fmt: skip

BAD = [
    "seeds: 4\n",
    "prompt: a\ntemplate: b\n",
    "prompt: a\naxs: {}\n",
    "prompt:\n",
    "prompt: ''\n",
    "prompt: [a]\n",
    "prompts: {}\n",
    "prompts: {a: [b]}\n",
    "prompt: a\nseeds: four\n",
    "prompt: a\nseeds: 0\n",
    "prompt: a\nseeds: []\n",
    "prompt: a\nseeds: {a: 1}\n",
    "prompt: a\nstrict: maybe\n",
    "prompt: a\nmode: asynk\n",
    "prompt: a\nlimits: {imges: 3}\n",
    "prompt: a\nlimits: {cost: 600}\n",
    "prompt: a\nlimits: [a]\n",
    "prompt: a\nparams: {n: 9}\n",
    "prompt: a\nparams: {aspect_ratio: 5:4}\n",
    "prompt: a\nparams: {aspct: 5:4}\n",
    "prompt: a\nparams: {n: [1]}\n",
    "prompt: a\nvars: [a]\n",
    "prompt: a\nvars: {1a: b}\n",
    'prompt: a\nvars: {a: ["{{ b }}"]}\n',
    'prompt: a\nnegative_prompt: "{% b %}"\n',
    "prompt: a\nnegative_prompt: {a: b}\n",
    "prompt: a\naxes: {seed: [a]}\n",
    "prompt: a\naxes: {a: []}\n",
    "prompt: a\naxes: {a: b}\n",
    "prompt: a\naxes: {a: [[b]]}\n",
    "prompt: a\naxes: {a: {values: [b], wen: {c: d}}}\n",
    "prompt: a\naxes: {a: {from: b.csv, ids: c}}\n",
    "prompt: a\naxes: {a: {b: [c]}}\n",
    'prompt: a\naxes: {a: {"{{ b }}": c}}\n',
    "prompt: a\naxes: {a: {b: {params: {nn: 2}}}}\n",
    "prompt: a\nskip: {a: b}\n",
    "prompt: a\nskip: [{}]\n",
    "prompt: a\noverride: [{params: {n: 1}}]\n",
    "prompt: a\noverride: [{match: {a: b}, parms: {}}]\n",
    "prompt: a\nbaseline: {a: [b]}\n",
    "prompt: a\ndesign: pairwise\n",
    "prompt: a\ndesign: {seed: 0}\n",
    "prompt: a\nimage: {pick: kept}\n",
    "prompt: a\nalerts: {cots: 3 USD}\n",
    "prompt: a\nbase_url: b\n",
]


VALUES = [
    "x", "", 3, -1, 0, 1.5, True, None, [], {}, ["x"], [["x"]], {"x": "y"}, {"x": ["y"]}, {"x": {"y": "z"}},
    [{"x": "y"}], "{{ a }}", {"from": "a.csv"}, {"values": ["a"]}, {"values": {}},
]  # fmt: skip
#: What an editor can see without other files, and without comparing two places of this one.
OF_SHAPE = {
    "wrong-type", "no-value", "bad-value", "missing-key", "empty-axis", "unknown-key", "unknown-parameter", "bad-files",
    "reserved-name", "bad-name", "prompt-source", "bad-id", "template-in-data", "not-in-experiment", "bad-parameter",
}  # fmt: skip


@pytest.fixture(scope="module")
def validator(parameters: Mapping[str, Parameter]) -> Any:
    schema = experiment_schema(parameters)
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


@pytest.mark.parametrize("text", GOOD)
def test_good_files_pass_both(
    load: Callable[..., Experiment], validator: Any, as_editor: Callable[[str], Any], text: str
) -> None:
    """What loads is valid to an editor too, with the types that YAML 1.2 gives its scalars."""
    load(text)
    assert [error.message for error in validator.iter_errors(as_editor(text))] == []


@pytest.mark.parametrize("text", BAD)
def test_bad_files_fail_both(
    load: Callable[..., Experiment], validator: Any, as_editor: Callable[[str], Any], text: str
) -> None:
    """What is wrong in shape is refused by the loader and by the schema."""
    with pytest.raises(InputError):
        load(text)
    assert not validator.is_valid(as_editor(text))


def _mutants(text: str) -> Iterator[str]:
    """The file with each of its parts, one at a time, replaced by each kind of value."""
    tree = yaml.load(text, Loader=yaml.BaseLoader)
    for path in _paths(tree):
        for value in VALUES:
            mutant = copy.deepcopy(tree)
            inner = mutant
            for step in path[:-1]:
                inner = inner[step]
            inner[path[-1]] = value
            yield yaml.dump(mutant, sort_keys=False, allow_unicode=True)


def _paths(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for step, child in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield (*path, step)
        yield from _paths(child, (*path, step))


@pytest.mark.parametrize("text", GOOD)
def test_mutants_are_refused_by_both_or_by_none(
    studio: Path, parameters: Mapping[str, Parameter], validator: Any, as_editor: Callable[[str], Any], text: str
) -> None:
    """Any part of a good file replaced by any kind of value: wrong in shape for the loader is wrong for an editor."""
    path = studio / "experiments" / "e.yaml"
    for mutant in dict.fromkeys(_mutants(text)):
        codes: set[str] = set()
        try:
            load_text(mutant, path, studio=studio, parameters=parameters, row_filter=lambda *_: lambda row: True)
        except InputError as error:
            codes = {problem.code for problem in error.problems}
        is_valid = validator.is_valid(as_editor(mutant))
        assert not (is_valid and codes & OF_SHAPE), (codes, mutant)
        assert is_valid or codes, mutant


def test_wrong_experiments_are_refused_by_the_schema(as_editor: Callable[[str], Any]) -> None:
    """What the table of wrong experiments has of wrong shape; but for what the types of YAML 1.2 do not tell apart."""
    from promptlab.providers import parameters as installed

    whole = jsonschema.Draft7Validator(experiment_schema(installed()))
    passed = []
    for wrong in everything():
        if wrong.code in OF_SHAPE - {"bad-parameter"} and not wrong.files:
            tree = as_editor(wrong.text.replace("@@", ""))
            # 1e3 is an integer to an editor, an empty value is the text `~`, and a filter is not run.
            if whole.is_valid(tree) and not any(
                sign in wrong.text for sign in ("1e3", "@@a: }", "@@a, b", "where:", "from: @@r")
            ):
                passed.append(wrong.text)
    assert passed == []


def _objects(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        if "properties" in node and isinstance(node["properties"], dict):
            yield path, node
        for key, value in node.items():
            yield from _objects(value, f"{path}/{key}")
    elif isinstance(node, list):
        for position, value in enumerate(node):
            yield from _objects(value, f"{path}/{position}")


def test_closed_and_described(parameters: Mapping[str, Parameter]) -> None:
    """Every object is closed (a value of fields takes data only), every key has a description, all of it draft-07."""
    schema = experiment_schema(parameters)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    for path, found in _objects(schema):
        closed = found["additionalProperties"]
        assert closed is False or closed == {"$ref": "#/definitions/Data"} or "propertyNames" in found, path
        for name, body in found["properties"].items():
            assert body.get("description"), f"{path}/{name}"
    text = str(schema)
    assert "$defs" not in text
    assert "prefixItems" not in text
    assert "x-parameters" not in text


def test_choices(validator: Any, as_editor: Callable[[str], Any]) -> None:
    """The schema offers a parameter's choices, as the provider declares them."""
    shape = validator.schema["definitions"]["Parameters"]["properties"]["aspect_ratio"]
    assert shape["enum"] == ["1:1", "16:9", "9:16", "4:3", "3:4"]
    assert shape["default"] == "1:1"


def test_examples_of_the_repository(
    validator: Any, as_editor: Callable[[str], Any], parameters: Mapping[str, Parameter]
) -> None:
    """Every experiment that the repository shows passes the schema."""
    folder = Path(__file__).parents[2] / "experiments"
    for path in sorted(folder.glob("[!_]*.yaml")):
        errors = [error.message for error in validator.iter_errors(as_editor(path.read_text()))]
        assert errors == [], path.name
