"""The language's own first example, from YAML to requests, with the real packages below."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptlab.errors import InputError
from promptlab.plan import Target, make_plan
from promptlab.prompts import Library, expression
from promptlab.providers import connect, parameters
from promptlab.spec.load import load_experiment

TEXT = """\
prompts:
  calm: "{{ item.name }} on linen, {{ look.light }}, {{ style }}"
  bold: "{{ item.name }} in hard {{ look.light }}, {{ style }}"
negative_prompt: [blurry, watermark, low quality]
params: {model: gpt-image-2, aspect_ratio: 1:1, output_format: webp}
vars: {brand: Harbour & Co}
axes:
  item: {from: items.csv, id: sku}
  style: {photo: studio photo, film: "35mm film, subtle grain"}
  look:
    warm: {light: golden hour}
    neon: {light: neon light, negative_prompt: [digital noise], params: {output_format: png}}
skip: [{style: film, look: neon}]
baseline: {prompt: calm, style: photo, look: warm}
seeds: 4
"""


class NoSettings:
    plan = None
    plans: dict = {}  # noqa: RUF012 - read only
    providers: dict = {}  # noqa: RUF012


@pytest.fixture
def plan_text(tmp_path):
    (tmp_path / "items.csv").write_text("sku,name\nA1,ceramic teapot\nA2,oak stool\n")

    def make(text: str, **options):
        path = Path(tmp_path / "shelf.yaml")
        path.write_text(text)
        experiment = load_experiment(path, parameters=parameters(), row_filter=expression)
        endpoint = connect("simulator", NoSettings(), {}, key_needed=False)
        provider = endpoint.provider
        target = Target(provider.name, endpoint.base_url, provider.capabilities, endpoint.price)
        return make_plan(experiment, Library(tmp_path / "templates", shown=tmp_path), target, **options)

    return make


def test_the_first_example_of_the_language_plans(plan_text):
    """2 prompts × 2 items × (2 × 2 − 1) × 4 seeds, with merged negatives and overridden parameters."""
    plan = plan_text(TEXT)
    survey = plan.survey().check()
    assert (survey.requests, survey.distinct, survey.problems, plan.problems) == (48, 48, (), [])
    requests = {request.variant.name: request for request in plan.requests()}
    neon = requests["prompt=bold,item=A2,style=photo,look=neon"]
    assert neon.prompt == "oak stool in hard neon light, studio photo"
    assert neon.negative_prompt == "blurry, watermark, low quality, digital noise"
    assert neon.params == {"aspect_ratio": "1:1", "output_format": "png"}
    assert neon.axis_values["item"] == {"sku": "A2", "name": "oak stool"}


@pytest.mark.parametrize(
    ("change", "line", "code"),
    [
        (("item.name }} on", "item.nmae }} on"), 2, "undefined-field"),
        (("seeds: 4", "files: '{item}.{exd}'"), 15, "unknown-axis"),
        (("look: neon}]", "look: noen}]"), 13, "unknown-id"),
    ],
)
def test_a_fault_in_it_is_refused_at_its_line(plan_text, change, line, code):
    """Whichever package finds it."""
    with pytest.raises(InputError) as caught:
        plan_text(TEXT.replace(*change))
    assert [(p.line, p.code) for p in caught.value.problems] == [(line, code)]
