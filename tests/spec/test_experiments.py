"""What good experiment files become."""

# ruff: noqa: E501 (SPEC.md's examples to the letter)

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from promptlab.errors import InputError
from promptlab.model import Amount, Design, Experiment, Place

PAGE_ONE = """\
# experiments/shelf_photos.yaml
# yaml-language-server: $schema=../.promptlab/experiment.schema.json
prompts:                                # or `prompt:` one inline text, `template:` one file of templates/, `templates:` a map of files
  calm: "{{ item.name }} on linen, {{ look.light }}, {{ style }}"
  bold: "{{ item.name }} in hard {{ look.light }}, {{ style }}"
negative_prompt: [blurry, watermark, low quality]  # the base negative prompt: parts, or one text
params: {model: gpt-image-2, aspect_ratio: 1:1, output_format: webp}
vars: {brand: Harbour & Co}                       # constants; a list here stays a list
axes:
  item: {from: data/items.csv, id: sku}           # one row per value: item.name, item.price (.csv, .jsonl; .txt is one value per line)
  style: {photo: studio photo, film: "35mm film, subtle grain"}      # id: text
  look:                                           # id: fields
    warm: {light: golden hour}
    neon: {light: neon light, negative_prompt: [digital noise], params: {output_format: png}}
skip: [{style: film, look: neon}]
baseline: {prompt: calm, style: photo, look: warm}   # what comparisons are made against
seeds: 4                                          # four seeds, the same four for every variant; or a list; without: no seed is sent
limits: {images: 500, cost: 600 USD}              # the estimate passes one: exit 2, nothing sent
"""

SMALLEST = """\
template: product_hero.j2
axes: {product: [ceramic teapot, oak stool]}
seeds: [11, 22, 33]
"""

PAGE_TWO = """\
extends: _base.yaml                 # maps merge, lists replace; a cycle is an error
templates: {last_week: hero.j2@v1.2, now: hero.j2}      # `@` a git tag, branch or commit, with that revision's includes
axes:
  style: {photo: studio photo, film: 35mm film}
  grain: {values: {fine: fine grain, heavy: heavy grain}, when: {style: film}}   # elsewhere undefined, and does not multiply
  item: {from: data/items.jsonl, id: sku, where: "price | float > 10 and stock == 'yes'"}   # a Jinja expression over the row, in the same sandbox
override:
  - {match: {style: film, item: [A1, A7]}, params: {aspect_ratio: 3:4}, negative_prompt: [photorealistic]}
baseline: {template: now, style: photo}
design: one_factor                  # the baseline and each single change from it; axes it omits are crossed in full; an error without a baseline.
                                    # or {sample: 200, seed: 0}: without replacement, keyed by that seed and the variant id; default all
files: "{item}/{template}_{style}_{grain}_{seed}_{draw}_{position}.{ext}"    # names under results/: slugged value ids, `none` where unset; two of one run
                                    # that collide are an error before anything is sent; a later run takes a name over
provider: kairval                   # default simulator; a key's address comes from the environment or promptlab.yaml, never from an experiment
mode: async                         # sync | async | auto
strict: true                        # a parameter the provider would drop or emulate is an error
alerts: {cost: 100 USD}
"""

Load = Callable[..., Experiment]


def values(experiment: Experiment, axis: str) -> list[tuple[str, str]]:
    found = next(one for one in experiment.axes if one.name == axis)
    return [(value.id, value.text) for value in found.values]


def test_page_one(load: Load) -> None:
    """SPEC.md's first example loads whole, with the prompts as the first axis."""
    experiment = load(PAGE_ONE, "shelf_photos.yaml")
    assert experiment.name == "shelf_photos"
    assert experiment.source is None
    assert [(axis.name, axis.kind) for axis in experiment.axes] == [
        ("prompt", "prompt"), ("item", "value"), ("style", "value"), ("look", "value"),
    ]  # fmt: skip
    assert values(experiment, "style") == [("photo", "studio photo"), ("film", "35mm film, subtle grain")]
    assert experiment.negative_prompt == ("blurry", "watermark", "low quality")
    assert experiment.params == {"model": "gpt-image-2", "aspect_ratio": "1:1", "output_format": "webp"}
    assert experiment.vars == {"brand": "Harbour & Co"}
    neon = experiment.axes[3].values[1]
    assert (neon.fields, neon.negative_prompt, neon.params) == (
        {"light": "neon light"}, ("digital noise",), {"output_format": "png"},
    )  # fmt: skip
    assert experiment.skip == ({"style": frozenset({"film"}), "look": frozenset({"neon"})},)
    assert experiment.baseline == {"prompt": "calm", "style": "photo", "look": "warm"}
    assert experiment.seeds == 4
    assert (experiment.limits.images, experiment.limits.cost) == (500, Amount(usd=600.0))


def test_page_one_rows(load: Load) -> None:
    """A row's cells are the value's fields, as written, with the place in the rows file."""
    item = load(PAGE_ONE).axes[1]
    assert item.values[1].fields == {"sku": "A7", "name": "oak stool", "price": "00123"}
    assert item.values[1].id == item.values[1].text == "A7"
    assert item.values[1].place == Place("experiments/data/items.csv", 3, 1)


def test_smallest(load: Load) -> None:
    """SPEC.md's smallest useful example: a template, a list of texts that are their own ids, a list of seeds."""
    experiment = load(SMALLEST)
    assert experiment.source is not None
    assert (experiment.source.kind, experiment.source.text) == ("template", "product_hero.j2")
    assert experiment.source.place == Place("experiments/exp.yaml", 1, 11)
    assert values(experiment, "product") == [("ceramic teapot", "ceramic teapot"), ("oak stool", "oak stool")]
    assert experiment.seeds == (11, 22, 33)
    assert (experiment.draws, experiment.mode, experiment.strict, experiment.design) == (1, "auto", False, Design())


def test_page_two(load_file: Load) -> None:
    """SPEC.md's second example loads whole, over a base."""
    base = "negative_prompt: [blurry]\nparams: {n: 2}\n"
    experiment = load_file({"experiments/two.yaml": PAGE_TWO, "experiments/_base.yaml": base})
    assert [(axis.name, axis.kind) for axis in experiment.axes] == [
        ("template", "template"), ("style", "value"), ("grain", "value"), ("item", "value"),
    ]  # fmt: skip
    assert values(experiment, "template") == [("last_week", "hero.j2@v1.2"), ("now", "hero.j2")]
    assert experiment.axes[2].when == {"style": frozenset({"film"})}
    assert [id_ for id_, _ in values(experiment, "item")] == ["A1", "A7"]
    (override,) = experiment.override
    assert override.match == {"style": frozenset({"film"}), "item": frozenset({"A1", "A7"})}
    assert (override.params, override.negative_prompt) == ({"aspect_ratio": "3:4"}, ("photorealistic",))
    assert experiment.design.kind == "one_factor"
    assert (experiment.provider, experiment.mode, experiment.strict) == ("kairval", "async", True)
    assert experiment.alert_cost == Amount(usd=100.0)
    assert experiment.params == {"n": 2}
    assert experiment.files is not None
    assert experiment.files.startswith("{item}/{template}_")
    assert [(file.path, file.role) for file in experiment.inputs] == [
        ("experiments/two.yaml", "spec"),
        ("experiments/_base.yaml", "base"),
        ("experiments/data/items.jsonl", "rows"),
    ]
    assert experiment.inputs[1].content == base


@pytest.mark.parametrize(
    "written",
    ["16:9", "9:16", "4:3", "1:1", "NO", "on", "1.10", "00123", "2024-01-01", "0x10", "1e3", "~", "null", "1_000"],
)
@pytest.mark.parametrize("style", ["{}", "[{}]", "{{a: {}}}"])
def test_scalars_stay_as_written(load: Load, written: str, style: str) -> None:
    """Ratios, NO, dates, versions and leading zeros reach variables and axes as written, in every form."""
    variable = load(f"prompt: a\nvars: {{v: {style.format(written)}}}\n").vars["v"]
    assert variable in (written, [written], {"a": written})
    if style != "{}":
        value = load(f"prompt: a\naxes: {{x: {style.format(written)}}}\n").axes[0].values[0]
        assert value.text == written
        assert value.id == ("a" if "a" in style else written)


def test_parameters_are_typed(load: Load) -> None:
    """n, seed and strength become numbers, a flag a bool, a ratio stays text."""
    experiment = load("prompt: a\nparams: {n: 3, seed: 007, strength: .5, transparent: true, aspect_ratio: 16:9}\n")
    assert experiment.params == {"n": 3, "seed": 7, "strength": 0.5, "transparent": True, "aspect_ratio": "16:9"}


def test_parameter_axes(load: Load) -> None:
    """`params.X` is an axis of kind param: the parameter as written, and typed."""
    axes = load("prompt: a\naxes: {params.aspect_ratio: [1:1, 4:3], params.strength: {low: 0.30}}\n").axes
    assert [(axis.name, axis.kind) for axis in axes] == [("params.aspect_ratio", "param"), ("params.strength", "param")]
    assert [value.text for value in axes[0].values] == ["1:1", "4:3"]
    assert (axes[1].values[0].id, axes[1].values[0].text) == ("low", "0.30")
    assert axes[1].values[0].params == {"strength": 0.3}


def test_text_field(load: Load) -> None:
    """A value of fields renders its `text` field, else its id."""
    axis = load("prompt: a\naxes: {look: {warm: {text: golden, light: low}, neon: {light: hard}}}\n").axes[0]
    assert [value.text for value in axis.values] == ["golden", "neon"]
    assert axis.values[0].fields == {"text": "golden", "light": "low"}


def test_image_forms(load: Load) -> None:
    """`image` is a template text, or the images of another experiment."""
    image = load('prompt: a\nimage: "photos/{{ item.sku }}.jpg"\nparams: {strength: 0.6}\n').image
    assert image is not None
    assert (image.text, image.chain, image.place) == (
        "photos/{{ item.sku }}.jpg", None, Place("experiments/exp.yaml", 2, 8),
    )  # fmt: skip
    chain = load("prompt: a\nimage: {from: shelf_photos, pick: kept, where: {style: [film, photo]}}\n").image
    assert chain is not None
    assert (chain.text, chain.chain, chain.pick) == (None, "shelf_photos", "kept")
    assert chain.where == {"style": frozenset({"film", "photo"})}


def test_one_text_negative_prompt(load: Load) -> None:
    """One text of a negative prompt stays one part, as written."""
    assert load("prompt: a\nnegative_prompt: blurry, watermark\n").negative_prompt == ("blurry, watermark",)


def test_sample_design(load: Load) -> None:
    """`design: {sample: 200}` is a stable sample with seed 0."""
    design = load("prompt: a\ndesign: {sample: 200}\n").design
    assert (design.kind, design.sample, design.seed) == ("sample", 200, 0)


def test_anchors(load: Load) -> None:
    """Anchors and aliases work within one file."""
    experiment = load("prompt: a\naxes:\n  a: &two [x, y]\n  b: *two\nvars: {c: *two, d: &t soft, e: *t}\n")
    assert values(experiment, "a") == values(experiment, "b") == [("x", "x"), ("y", "y")]
    assert experiment.vars == {"c": ["x", "y"], "d": "soft", "e": "soft"}


def test_places(load: Load) -> None:
    """`places` knows every key path: where the key stands, and its value."""
    experiment = load("prompt: a\naxes:\n  style:\n    film: grainy\n  item: [a, b]\n")
    places = experiment.places
    assert places["axes", "style", "film"] == Place("experiments/exp.yaml", 4, 5)
    assert places["axes", "item", 1] == Place("experiments/exp.yaml", 5, 13)
    assert places.value(("axes", "style", "film")) == Place("experiments/exp.yaml", 4, 11)  # type: ignore[attr-defined]
    assert set(places) == {
        ("prompt",), ("axes",), ("axes", "style"), ("axes", "style", "film"),
        ("axes", "item"), ("axes", "item", 0), ("axes", "item", 1),
    }  # fmt: skip
    assert len(places) == 7
    assert ("axes", "nothing") not in places
    assert ("prompt", 3, "x") not in places


@pytest.mark.parametrize("text", ["\ufeffprompt: a\n", "prompt: a\r\nseeds: 2\r\n", "--- \nprompt: a\n...\n"])
def test_byte_order_mark_and_line_ends(load: Load, text: str) -> None:
    """A byte order mark, Windows line ends and document marks do no harm."""
    experiment = load(text)
    assert experiment.source is not None
    assert experiment.source.text == "a"


@pytest.mark.parametrize("text", [PAGE_ONE, SMALLEST])
def test_without_libyaml(load: Load, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Where PyYAML has no libyaml, the pure loader gives the same experiment."""
    fast = load(text)
    monkeypatch.delattr("yaml.CBaseLoader", raising=False)
    slow = load(text)
    assert (slow.axes, slow.skip, slow.params, slow.seeds) == (fast.axes, fast.skip, fast.params, fast.seeds)
    assert dict(slow.places) == dict(fast.places)


def test_bombs_without_libyaml(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pure loader is as safe from deep nests."""
    monkeypatch.delattr("yaml.CBaseLoader", raising=False)
    with pytest.raises(InputError, match="nested more than 50 deep"):
        load("prompt: " + "[" * 20_000)
    with pytest.raises(InputError, match="half a character"):
        load('prompt: "\\ud800"')


def test_file_and_text_agree(load: Load, load_file: Load) -> None:
    """Loading a file and loading its text give the same experiment, and the same inputs."""
    from_file, from_text = load_file({"experiments/exp.yaml": PAGE_ONE}), load(PAGE_ONE)
    assert from_file.axes == from_text.axes
    assert from_file.inputs == from_text.inputs
    assert from_file.studio == from_text.studio


def test_other_reader(studio: Path, load: Load, parameters: object) -> None:
    """A custom reader (the log, a git revision) gives the rows instead of the disk."""
    from promptlab.spec.load import load_text

    path = studio / "experiments" / "exp.yaml"
    experiment = load_text(
        "prompt: a\naxes: {x: {from: gone.txt}}\n",
        path,
        studio=studio,
        parameters={},
        read=lambda asked: {"gone.txt": b"one\ntwo\n"}[asked.name],
    )
    assert values(experiment, "x") == [("one", "one"), ("two", "two")]
