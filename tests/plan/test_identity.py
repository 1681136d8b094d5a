"""Variant ids and request hashes: what moves them, and what never does."""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.model import ImageSource, Place
from promptlab.plan import variant_id
from promptlab.plan.identity import canonical


def test_a_variant_id_is_the_start_of_the_hash_of_its_sorted_axes():
    """Anyone can compute a variant id: sha256 of canonical JSON, 16 hex digits."""
    text = '{"look":"warm","style":"film"}'
    assert variant_id({"style": "film", "look": "warm"}) == hashlib.sha256(text.encode()).hexdigest()[:16]


@given(st.dictionaries(st.text(min_size=1), st.text()), st.randoms())
def test_the_order_of_axes_never_enters_a_variant_id(axes, random):
    """Shuffled axes have the same id, whatever characters they hold."""
    shuffled = list(axes.items())
    random.shuffle(shuffled)
    assert variant_id(dict(shuffled)) == variant_id(axes)


@given(
    st.permutations(["a", "b", "c"]),
    st.sampled_from([("a", "b"), ("b", "c"), ("c", "a"), ("", "")]),
    st.integers(0, 7),
)
@settings(deadline=None)
def test_an_id_does_not_depend_on_the_variants_around_it(plan, axis, match, order, condition, ahead):
    """Whatever order the axes have, whichever is conditional, and while another pass is somewhere else."""
    axes = [
        axis(name, {"x": "1", "y": "2"}, when=match(**{condition[1]: "x"}) if name == condition[0] else None)
        for name in order
    ]
    made = plan("{{ a | default('') }} {{ b | default('') }} {{ c | default('') }}", *axes)
    other = itertools.cycle(made.requests())
    for request in itertools.chain(itertools.islice(other, ahead), made.requests()):
        for each in (request, next(other)):
            axes_of = each.variant.axes
            assert each.variant.id == variant_id(axes_of)
            assert dict(each.axis_values) == {name: "1" if id_ == "x" else "2" for name, id_ in axes_of.items()}
            assert list(axes_of) == [name for name in order if name in axes_of]


@pytest.mark.parametrize(
    ("one", "other"), [(0.60, 0.6), (1.0, 1), (-0.0, 0), ({"b": 1.0, "a": 2}, {"a": 2.0, "b": 1}), ([1.0], (1,))]
)
def test_equal_numbers_have_one_canonical_text(one, other):
    """0.60 is 0.6 and 1.0 is 1, at any depth, so that writing a number differently costs nothing."""
    assert canonical(one) == canonical(other)


def test_different_numbers_stay_different():
    """0.6 and 0.61, and 1 and "1", are different requests."""
    assert len({canonical(value) for value in (0.6, 0.61, 1, "1", True, None)}) == 6


def hash_of(**fields) -> str:
    """The hash of a request to the simulator, as DESIGN.md and the log's documentation define it."""
    everything = {"provider": "simulator", "base_url": "simulator:", **fields}
    return hashlib.sha256(json.dumps(everything, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def test_the_hash_of_an_edit_holds_its_image(plan, png, tmp_path, experiment):
    """The sha256 of a file's bytes, or the address of an image elsewhere."""
    (tmp_path / "a.png").write_bytes(png(7))
    for text, identity in [("a.png", hashlib.sha256(png(7)).hexdigest()), ("https://a.example/b.png",) * 2]:
        what = replace(
            experiment("x", seeds=(3,)), studio=tmp_path, image=ImageSource(text, place=Place("e.yaml", 1, 1))
        )
        (request,) = plan(what).requests()
        params = {"aspect_ratio": "1:1", "n": 1, "output_format": "png", "strength": 0.8}
        assert request.request_hash == hash_of(
            operation="edit",
            model="gpt-image-2",
            prompt="x",
            negative_prompt=None,
            params=params,
            seed=3,
            image=identity,
        )


def test_the_streamed_hash_is_the_hash_of_the_documented_payload(plan, axis, experiment):
    """The fast path of a plan computes exactly sha256 over the canonical payload, draws included."""
    what = experiment(
        'a {{ item }} — “é” \\ "q"',
        axis("item", {"a": "tea\tpot", "b": {"text": "日本", "negative_prompt": ["x"], "params": {"n": "2"}}}),
        seeds=(1, 2),
        draws=2,
        negative_prompt=("blurry", "low quality"),
        params={"aspect_ratio": "16:9"},
    )
    made = plan(what)
    requests = list(made.requests())
    assert len(requests) == 8
    for request in requests:
        assert request.request_hash == hash_of(
            operation="generate",
            model="gpt-image-2",
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            params={"aspect_ratio": "16:9", "n": request.n, "output_format": "png"},
            seed=request.seed,
            **({"draw": request.draw} if request.draw else {}),
        )
    assert len({request.request_hash for request in requests}) == 8


def test_a_default_written_out_changes_no_hash(plan):
    """`output_format: png` is what is meant without it."""
    plain = [r.request_hash for r in plan().requests()]
    written = [
        r.request_hash for r in plan(params={"output_format": "png", "n": "1", "model": "gpt-image-2"}).requests()
    ]
    assert plain == written


def test_ids_and_hashes_are_these_for_ever(plan):
    """They are the cache of every log there is: a change here would make people pay again for everything."""
    request = next(iter(plan(negative_prompt=("blurry",), params={"aspect_ratio": "16:9"}).requests()))
    assert request.variant.id == "6ecb8b272f490ca7"
    assert request.request_hash == "1649c39bc0394cbe0b5ff28c45843d6fe624a9e1391dd1aee864310ff144ac57"


@pytest.mark.parametrize(
    "change",
    [
        {"params": {"aspect_ratio": "16:9"}},
        {"negative_prompt": ("blurry",)},
        {"seeds": (12,)},
        {"seeds": None},
        {"params": {"model": "other"}},
    ],
)
def test_whatever_reaches_the_wire_enters_the_hash(plan, change):
    """A parameter, the negative prompt, the seed or the model makes another request."""
    assert not {r.request_hash for r in plan().requests()} & {r.request_hash for r in plan(**change).requests()}


def test_the_address_enters_the_hash(plan, target):
    """The same request to another address is another request."""
    one = next(plan(to=target()).requests())
    other = next(plan(to=target(base_url="https://api.example")).requests())
    assert one.request_hash != other.request_hash
    assert replace(one, request_hash="") == replace(other, request_hash="")


def test_the_first_draw_hashes_as_if_draws_were_unheard_of(plan):
    """`draws: 3` keeps what one draw has already paid for."""
    one = [r.request_hash for r in plan().requests()]
    three = list(plan(draws=3).requests())
    assert [r.request_hash for r in three if r.draw == 0] == one
    assert len({r.request_hash for r in three}) == 3 * len(one)
