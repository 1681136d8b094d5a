"""Names under results/ that are readable and that no two images share."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.errors import InputError
from promptlab.plan.identity import Pattern, Slugs, slug
from promptlab.spec.load import load_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [("studio photo", "studio-photo"), ("16:9", "16-9"), ("A_b/c", "A-b-c"), ("..", "x"), ("été", "été"), ("", "x")],
)
def test_a_slug_keeps_letters_and_digits(text, expected):
    """Everything else becomes a hyphen; underscores too, since they separate the parts of a name."""
    assert slug(text) == expected


@given(st.lists(st.text(), unique=True, max_size=8))
def test_slugs_of_one_axis_differ_even_where_case_is_ignored(ids):
    """Different ids have different names, on a case-insensitive file system as well."""
    made = [*map(Slugs(ids).of, ids)]
    assert len({name.casefold() for name in made}) == len(ids)
    assert all(re.fullmatch(r"[\w.-]+", name) and "_" not in name for name in made)


def test_the_default_name_leaves_unset_parts_out(plan, axis, match):
    """<values>_s<seed>_d<draw>, with position and extension open."""
    axes = (axis("style", ["photo", "35 mm"]), axis("grain", ["fine"], when=match(style="35 mm")))
    text = "{{ style }}{{ grain | default('') }}"
    assert [r.files for r in plan(text, *axes, seeds=None).requests()] == [
        "photo_{position}.{ext}",
        "35-mm_fine_{position}.{ext}",
    ]
    assert [r.files for r in plan("x", seeds=(7,), draws=2).requests()] == [
        "image_s7_{position}.{ext}",
        "image_s7_d1_{position}.{ext}",
    ]


def test_a_pattern_fills_values_seed_and_draw(plan, axis, match):
    """`none` where an axis, or the seed, is unset."""
    axes = (axis("style", ["photo", "film"]), axis("grain", ["fine"], when=match(style="film")))
    made = plan(
        "{{ style }}{{ grain | default('') }}",
        *axes,
        seeds=None,
        files="{style}/{grain}_{seed}_{draw}_{position}.{ext}",
    )
    assert [r.files for r in made.requests()] == [
        "photo/none_none_0_{position}.{ext}",
        "film/fine_none_0_{position}.{ext}",
    ]


def test_long_names_are_cut_and_stay_different(plan, axis):
    """Twelve axes of long ids fit a file system, with the variant's id in place of what was cut."""
    axes = [axis(f"a{i}", [f"{'long ' * 12}{j}" for j in range(2)]) for i in range(6)]
    made = plan(" ".join(f"{{{{ a{i} }}}}" for i in range(6)), *axes)
    names = [request.files for request in made.requests()]
    assert len(set(names)) == 64
    assert max(len(name.encode()) for name in names) < 250
    assert all(name.endswith("_{position}.{ext}") for name in names)


@pytest.mark.parametrize("text", ["/a", "a/../b", "~/a", "C:x", "a\\b", "a//b", "./a", "a{b", "a}b", "a{{b}}", "a\tb"])
def test_a_pattern_that_leaves_results_is_refused(text, tmp_path):
    """Absolute paths, dots, backslashes and loose braces, when the experiment is read."""
    with pytest.raises(InputError, match="bad-files"):
        load_text(f"prompt: a\nfiles: {json.dumps(text)}\n", tmp_path / "e.yaml", studio=tmp_path, parameters={})


@pytest.mark.parametrize(
    ("text", "separated"),
    [
        ("{a}_{b}", True),
        ("{a}{b}", False),
        ("{a}-{b}", False),
        ("x{a}/{b}.{ext}", True),
        ("{a}.{b}", False),
        ("{a}", True),
    ],
)
def test_what_keeps_parts_apart(text, separated):
    """Only characters that no slug holds; a dot before the extension is harmless at the end."""
    assert Pattern(text).separated() is separated
