"""Whatever the text: an experiment, or InputError with places; and the schema agrees."""

# ruff: noqa: E501 (lists of words)

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from promptlab.errors import InputError
from promptlab.model import Experiment, Parameter
from promptlab.spec.load import load_text
from promptlab.spec.schema import experiment_schema

jsonschema = pytest.importorskip("jsonschema")

STUDIO = Path("/nowhere/studio")
KEYS = [
    "extends",
    "description",
    "prompt",
    "prompts",
    "template",
    "templates",
    "negative_prompt",
    "params",
    "vars",
    "axes",
    "skip",
    "override",
    "baseline",
    "design",
    "seeds",
    "seed_base",
    "draws",
    "limits",
    "image",
    "files",
    "provider",
    "mode",
    "strict",
    "alerts",
    "from",
    "values",
    "when",
    "where",
    "id",
    "match",
    "sample",
    "seed",
    "images",
    "requests",
    "cost",
    "pick",
    "n",
    "strength",
    "aspect_ratio",
    "model",
    "style",
    "look",
    "film",
    "params.n",
    "text",
    "api_key",
    "base_url",
    "<<",
    "null",
    "1",
]
WORDS = [
    "a", "film", "16:9", "NO", "on", "1.10", "00123", "~", "null", "true", "2", "0", "-1", "1e3", "0x10", "4", "", " ",
    "one_factor", "all", "sync", "kept", "20 USD", "400cr", "{{ x }}", "{seed}.{ext}", "no.csv", "a b", "1:1", "é", "\u2028",
]  # fmt: skip

scalars = st.sampled_from(WORDS) | st.text(max_size=8)
keys = st.sampled_from(KEYS) | st.text(max_size=5)
trees: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
matcher = st.dictionaries(
    st.sampled_from(["style", "look"]), st.sampled_from(["film", "a"]) | st.just(["film"]), min_size=1
)
values = st.lists(scalars, max_size=3) | st.dictionaries(
    scalars, scalars | st.dictionaries(keys, trees, max_size=2), max_size=3
)
axis = values | st.fixed_dictionaries({"values": values}, optional={"when": matcher}) | trees
likely = st.fixed_dictionaries(
    {"prompt": st.sampled_from(["a cat", "{{ style }}"])},
    optional={
        "axes": st.dictionaries(
            st.sampled_from(["style", "look", "x", "params.n", "params.aspect_ratio"]), axis, max_size=3
        ),
        "vars": st.dictionaries(keys, trees, max_size=3),
        "params": st.dictionaries(st.sampled_from(["n", "strength", "model", "aspect_ratio", "transparent"]), scalars),
        "negative_prompt": scalars | st.lists(scalars, max_size=3),
        "skip": st.lists(matcher, max_size=2),
        "baseline": matcher,
        "seeds": scalars | st.lists(scalars, max_size=3),
        "draws": scalars,
        "limits": st.dictionaries(st.sampled_from(["images", "requests", "cost"]), scalars),
        "design": st.sampled_from(["all", "one_factor"]) | st.fixed_dictionaries({"sample": scalars}),
        "strict": scalars,
        "mode": scalars,
        "files": scalars,
    },
)

whole = st.sampled_from(["1", "2", " 3", "04", "+5", "12"])
data = st.recursive(
    st.sampled_from([word for word in WORDS if "{{" not in word and word.strip()]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("abc 1~", min_size=1), inner, max_size=2),
    max_leaves=5,
)
ids = st.sampled_from(["16:9", "NO", "1.10", "~", "null", "film", "a b", "0x10", "true", "é"])
sound_params = st.fixed_dictionaries(
    {},
    optional={
        "n": st.sampled_from(["1", "04", " 2 ", "+3"]),
        "strength": st.sampled_from(["0", "1", ".5", "1.", "1e-3", "0.50"]),
        "transparent": st.sampled_from(["true", "False", "TRUE", "fAlSe"]),
        "model": st.sampled_from(["1.10", "gpt", "~", "NO"]),
        "aspect_ratio": st.sampled_from(["1:1", "16:9"]),
    },
)
fields = st.fixed_dictionaries(
    {"light": data}, optional={"negative_prompt": ids | st.lists(ids), "params": sound_params, "text": ids}
)
sound_values = st.lists(ids, min_size=1, max_size=3, unique=True) | st.dictionaries(
    ids, ids | fields, min_size=1, max_size=3
)
sound = st.fixed_dictionaries(
    {"prompt": st.sampled_from(["a cat", "{{ style }}", "true", "12"])},
    optional={
        "axes": st.fixed_dictionaries(
            {"style": sound_values, "look": st.just(["film"])},
            optional={
                "x": st.fixed_dictionaries({"values": sound_values}, optional={"when": st.just({"look": "film"})})
            },
        ),
        "vars": st.dictionaries(st.sampled_from(["a", "größe", "_b2"]), data),
        "params": sound_params,
        "negative_prompt": ids | st.lists(ids),
        "seeds": whole | st.lists(whole, min_size=1, unique=True),
        "seed_base": st.sampled_from(["0", "-7"]),
        "draws": whole,
        "limits": st.fixed_dictionaries(
            {}, optional={"images": whole, "cost": st.sampled_from(["20usd", "$ 1,000.50", ".5 cr"])}
        ),
        "design": st.sampled_from(["all"]) | st.fixed_dictionaries({"sample": whole}, optional={"seed": whole}),
        "strict": st.sampled_from(["true", "False"]),
        "mode": st.sampled_from(["sync", "async", "auto"]),
        "image": st.sampled_from(["a.jpg", "{{ x }}"]) | st.just({"from": "other", "where": {"a": ["b", "~"]}}),
        "alerts": st.just({"cost": "5 dollars"}),
        "description": ids.filter(lambda text: text not in ("~", "null")),
    },
)


def load(text: str, parameters: Mapping[str, Parameter]) -> Experiment | InputError:
    try:
        return load_text(text, STUDIO / "experiments" / "e.yaml", studio=STUDIO, parameters=parameters)
    except InputError as error:
        for problem in error.problems:
            assert problem.code
            assert problem.line is not None or problem.code == "more", problem
            assert "\n" not in problem.headline()
        return error


def plain(tree: Any, *, quoted: bool) -> str:
    """The tree as YAML, scalars plain where YAML can (so that an editor types them), or all quoted."""

    class Dumper(yaml.SafeDumper):
        pass

    def scalar(dumper: Any, text: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if quoted else None)

    Dumper.yaml_implicit_resolvers = {}  # nothing looks like a number to the dumper, so nothing is quoted for that
    Dumper.add_representer(str, scalar)
    return yaml.dump(tree, Dumper=Dumper, allow_unicode=True, width=10_000, sort_keys=False)


@given(st.text(alphabet=st.characters(), max_size=80))
@example("prompt: \ud800")
@example("\x00")
@example("[" * 2000)
@example("a: &a [*a]")
@example('prompt: "\\ud800"')
@example("&a a: *a")
@example("*a : b")
@example("!<!> a")
@example("%YAML 9.9\n---\na")
@example("? |\n a\n: b")
@example("prompt: a\naxes: {a: &x [b], *x : c}")
def test_any_text(parameters: Mapping[str, Parameter], text: str) -> None:
    """Arbitrary text never raises anything but InputError."""
    load(text, parameters)


@given(st.text(alphabet="{}[]:,-?&*!|>'\"%#@` \n\tab01~<", max_size=60))
def test_yaml_punctuation(parameters: Mapping[str, Parameter], text: str) -> None:
    """Nor does text made of YAML's own signs."""
    load(text, parameters)


@given(trees | likely | sound, st.booleans())
@settings(max_examples=300)
def test_loader_and_schema_agree(
    parameters: Mapping[str, Parameter], as_editor: Callable[[str], Any], tree: Any, quoted: bool
) -> None:
    """Every file that the loader accepts satisfies the schema, however its scalars are written."""
    text = plain(tree, quoted=quoted)
    if not isinstance(load(text, parameters), Experiment):
        return
    validator = jsonschema.Draft7Validator(experiment_schema(parameters))
    assert [error.message for error in validator.iter_errors(as_editor(text))] == [], text


@given(sound)
def test_sound_files_load(parameters: Mapping[str, Parameter], tree: Any) -> None:
    """What is written by the rules loads: a file of them is refused only for seeds or parts that repeat."""
    loaded = load(plain(tree, quoted=True), parameters)
    if not isinstance(loaded, Experiment):
        assert {problem.code for problem in loaded.problems} <= {"bad-value"}, loaded


@given(st.lists(st.text(min_size=1, max_size=10).filter(str.strip), min_size=1, max_size=4, unique=True))
def test_texts_survive(parameters: Mapping[str, Parameter], texts: list[str]) -> None:
    """Any texts of an axis arrive as they were written, in order, as their own ids."""
    loaded = load(plain({"prompt": "a", "axes": {"x": texts}}, quoted=True), parameters)
    if isinstance(loaded, Experiment):
        assert [value.text for value in loaded.axes[0].values] == texts
    else:
        assert all("{" in text for text in texts if any(sign in text for sign in ("{{", "{%", "{#")))
        assert {problem.code for problem in loaded.problems} == {"template-in-data"}


@given(likely)
def test_order_of_keys_does_not_matter(parameters: Mapping[str, Parameter], tree: dict[str, Any]) -> None:
    """The same keys in another order are the same experiment, or the same faults."""
    first = load(plain(tree, quoted=True), parameters)
    second = load(plain(dict(reversed(tree.items())), quoted=True), parameters)
    assert isinstance(first, Experiment) is isinstance(second, Experiment)
    if isinstance(first, Experiment) and isinstance(second, Experiment):
        assert [[(v.id, v.text) for v in axis.values] for axis in first.axes] == [
            [(v.id, v.text) for v in axis.values] for axis in second.axes
        ]
