"""What SPEC.md leaves to its section "Decided", and what loading adds for daily use."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from promptlab.errors import InputError
from promptlab.model import Experiment
from promptlab.studio.prepare import PreparedRun, prepare

Load = Callable[..., Experiment]


def png() -> bytes:
    """A small image that can be edited."""
    from PIL import Image

    kept = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(kept, "png")
    return kept.getvalue()


@pytest.fixture
def prepared(studio: Path) -> Callable[..., PreparedRun]:
    """Write files below the studio and prepare the first of them."""

    def make(files: dict[str, str | bytes]) -> PreparedRun:
        for name, content in files.items():
            path = studio / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return prepare(studio / next(iter(files)), environ={"PROMPTLAB_STATE": str(studio / "state")})

    return make


def test_a_path_belongs_to_the_file_in_which_it_is_written(prepared: Callable[..., PreparedRun]) -> None:
    """The rows and the image of a base in another folder are beside the base."""
    base = "prompt: '{{ item.name }}'\nimage: 'photos/{{ item }}.png'\naxes: {item: {from: rows.csv}}\n"
    job = prepared(
        {
            "experiments/e.yaml": "extends: house/base.yaml\n",
            "experiments/house/base.yaml": base,
            "experiments/house/rows.csv": "sku,name\nA,cup\n",
            "experiments/house/photos/A.png": png(),
        }
    )
    (request,) = job.plan.requests()
    assert request.image is not None
    assert request.image.endswith("experiments/house/photos/A.png")


def test_null_takes_an_axis_or_a_value_out(load_file: Load) -> None:
    """A base's map axes are added to, and lose what null names; lists of the base are replaced."""
    experiment = load_file(
        {
            "experiments/e.yaml": "extends: b.yaml\naxes: {style: {film: null, ink: c}, look: ~,"
            " grain: {values: {fine: }}}\nprompts: {calm: null}\n",
            "experiments/b.yaml": "prompts: {calm: a, bold: b}\naxes: {style: {film: a, photo: b}, look: [x],"
            " grain: {values: {fine: f, heavy: h}}}\n",
        }
    )
    axes = {axis.name: [value.id for value in axis.values] for axis in experiment.axes}
    assert axes == {"prompt": ["bold"], "style": ["photo", "ink"], "grain": ["heavy"]}


def test_without_a_base_null_is_text(load: Load) -> None:
    """All scalars are text, this one too."""
    assert [value.text for value in load("prompt: a\naxes: {s: {a: null, b: ~}}\n").axes[0].values] == ["null", "~"]


def test_ids_of_listed_prompts_are_their_first_words(load: Load) -> None:
    """Readable, different, and the same when another prompt is added at the end."""
    prompts = ["a cup on linen, warm", "{{ item.name | upper }} in the sun", "a cup on linen, cold", "☕", "Ein Krug"]
    ids = [
        [
            value.id
            for value in load(f"prompts: {json.dumps(prompts[:number])}\nvars: {{item: {{name: x}}}}\n").axes[0].values
        ]
        for number in range(1, 6)
    ]
    assert ids[-1] == ["a-cup-on-linen", "item-name-in-the", "a-cup-on-linen-2", "prompt", "ein-krug"]
    assert all(longer[: len(shorter)] == shorter for shorter, longer in pairwise(ids))


def test_a_listed_prompt_is_an_axis_like_another(load: Load) -> None:
    """It can be skipped, overridden and the baseline, by its id; listed templates have their names as ids."""
    experiment = load("prompts: [a cup, a pot]\nskip: [{prompt: a-cup}]\nbaseline: {prompt: a-pot}\n")
    assert experiment.axes[0].kind == "prompt"
    assert [value.text for value in experiment.axes[0].values] == ["a cup", "a pot"]
    assert [value.id for value in load("templates: [a.j2, a.j2@v1]\n").axes[0].values] == ["a.j2", "a.j2@v1"]


@pytest.mark.parametrize(
    ("name", "text", "cells"),
    [
        ("r.csv", "id;v\na;b, c\n", {"id": "a", "v": "b, c"}),
        ("r.csv", "id\tv\na\tb, c; d\n", {"id": "a", "v": "b, c; d"}),
        ("r.tsv", "id\tv\na\tb\n", {"id": "a", "v": "b"}),
        ("r.csv", 'id,"v;w;x"\na,b\n', {"id": "a", "v;w;x": "b"}),
        ("r.csv", "id;v, short;w\na;b;c\n", {"id": "a", "v, short": "b", "w": "c"}),
        ("r.csv", "id,v;w\na,b;c\n", {"id": "a", "v;w": "b;c"}),
        ("r.csv", "\n\nid;v\na;b\x1fc\n", {"id": "a", "v": "b\x1fc"}),
        ("r.csv", "name\na;b\n", {"name": "a;b"}),
    ],
)
def test_the_header_says_what_separates_cells(load_file: Load, name: str, text: str, cells: dict[str, str]) -> None:
    """Comma, semicolon or tab, whichever the first line has most of outside of quotes; a comma where it is even."""
    experiment = load_file(
        {"experiments/e.yaml": f"prompt: a\naxes: {{i: {{from: {name}}}}}\n", f"experiments/{name}": text}
    )
    fields = experiment.axes[0].values[0].fields
    assert fields == cells
    assert dict(fields) == dict(fields.items()) == cells
    assert json.loads(json.dumps({"i": fields}, default=dict)) == {"i": cells}


def test_literal_takes_cells_as_they_are(prepared: Callable[..., PreparedRun]) -> None:
    """With `literal: true` braces in a cell are a part of the prompt, never filled in."""
    spec = "prompt: 'a {{ i.name }}'\naxes: {i: {from: r.csv, literal: true}}\n"
    job = prepared({"experiments/e.yaml": spec, "experiments/r.csv": "sku,name\nA,cup {{ x }} {# y #}\n"})
    assert [request.prompt for request in job.plan.requests()] == ["a cup {{ x }} {# y #}"]


def test_a_row_is_a_map_to_a_template(prepared: Callable[..., PreparedRun]) -> None:
    """A template may declare the variable that rows fill as a map."""
    files: dict[str, str | bytes] = {
        "experiments/e.yaml": "template: t.j2\naxes: {item: {from: r.csv}}\n",
        "experiments/r.csv": "sku,name\nA,cup\n",
        "templates/t.j2": "---\nvars: {item: {type: map}}\n---\na {{ item.name }}",
    }
    assert [request.prompt for request in prepared(files).plan.requests()] == ["a cup"]
    with pytest.raises(InputError, match="has to be a map"):
        prepared({**files, "experiments/e.yaml": "template: t.j2\naxes: {item: [cup]}\n"})


def test_many_rows_take_little_memory(load_file: Load) -> None:
    """A row costs some hundred bytes beside its own text: its id, its cells and its place."""
    number = 20_000
    text = "sku,name,price\n" + "".join(f"A{row},name {row},{row}\n" for row in range(number))
    load_file(
        {
            "experiments/e.yaml": "prompt: a\naxes: {i: {from: r.csv}}\n",
            "experiments/r.csv": text[:200].rsplit("\n", 1)[0],
        }
    )
    tracemalloc.start()
    try:
        experiment = load_file(
            {"experiments/e.yaml": "prompt: a\naxes: {i: {from: r.csv}}\n", "experiments/r.csv": text}
        )
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(experiment.axes[0].values) == number
    assert kept / number < 480


def test_the_providers_own_bounds_are_told(studio: Path) -> None:
    """What another provider would take is not reported for the one that is named."""
    path = studio / "experiments" / "e.yaml"
    for named, most in (("kairval", 4), ("openai", 10)):
        path.write_text(f"prompt: a\nprovider: {named}\nparams: {{n: 99}}\n")
        with pytest.raises(InputError, match=f"it can be from 1 to {most} "):
            prepare(path, environ={"PROMPTLAB_STATE": str(studio)}, key_needed=False)


def test_a_flag_may_name_another_provider_than_the_file(studio: Path) -> None:
    """An experiment for a provider that is not installed here can be planned with one that is."""
    path = studio / "experiments" / "e.yaml"
    path.write_text("prompt: a\nprovider: acme\n")
    job = prepare(path, provider="simulator", environ={"PROMPTLAB_STATE": str(studio)})
    assert job.plan.survey().requests == 1
