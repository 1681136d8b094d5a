"""One pass over the requests: totals, cost, equal requests, and what only values can get wrong."""

from __future__ import annotations

import base64
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from promptlab.errors import InputError
from promptlab.model import Design, ImageSource, Override, Place, Source
from promptlab.plan import ChainImage, Target
from promptlab.plan.images import LARGEST
from promptlab.providers import Price


def codes(survey):
    return [(problem.code, problem.severity) for problem in survey.problems]


def test_totals_and_cost_count_each_different_request_once(plan, axis):
    """Two variants of one request: four requests, two sent, and their price."""
    made = plan("{{ item }}", axis("item", {"a": "teapot", "b": "teapot"}), seeds=2, params={"n": "2"})
    survey = made.survey()
    assert (survey.variants, survey.requests, survey.images) == (2, 4, 8)
    assert (survey.distinct, survey.distinct_images, survey.repeats) == (2, 4, 2)
    assert (survey.credits, survey.usd) == (200.0, None)
    assert [(line.price.credits, line.requests, line.images) for line in survey.prices] == [(100.0, 2, 4)]
    assert codes(survey) == [("equal-requests", "warning")]
    assert "2 requests" in survey.problems[0].message
    assert [d.variants for d in survey.duplicates] == [("item=a", "item=b")] * 2
    assert survey.duplicates[0].request_hash == next(iter(made.requests())).request_hash


def test_an_unknown_price_is_unknown_never_zero(plan, target):
    """One request without a price makes the sum unknown."""
    to = target()
    unpriced = Target(to.provider, to.base_url, to.capabilities, lambda request: Price())
    survey = plan(to=unpriced).survey()
    assert (survey.credits, survey.usd) == (None, None)


def test_prices_differ_by_parameters(plan, axis):
    """A price is asked for once per combination of parameters, not per request."""
    asked = []
    made = plan("{{ item }}", axis("item", {"a": "a", "b": {"params": {"n": "4"}}}), seeds=50)
    price = made.target.price
    counting = replace(made.target, price=lambda request: asked.append(request) or price(request))
    survey = plan(made.experiment, to=counting).survey()
    assert len(asked) == 2
    assert survey.credits == 50 * (50.0 + 200.0)
    assert survey.images == 50 * 5


def test_a_template_that_fails_on_a_value_is_told_with_the_variant(plan, axis):
    """Every failing variant is found, few are spelled out, the others go on."""
    made = plan("{{ 10 // (size | int) }} cups", axis("size", ["5", *[f"0{'0' * i}" for i in range(15)]]))
    survey = made.survey()
    assert survey.variants == 1
    assert {code for code, _ in codes(survey)} == {"template-error"}
    assert "size=0" in survey.problems[0].message
    assert survey.problems[0].line == 1
    assert survey.problems[-1].message == "and 5 more like this"
    with pytest.raises(InputError):
        survey.check()


def test_a_prompt_that_is_empty_is_an_error(plan, axis):
    """A provider would refuse it, after the request was counted."""
    assert codes(plan("{{ item }}", axis("item", {"a": "x", "b": " "})).survey()) == [("empty-prompt", "error")]


def test_a_prompt_that_is_too_long_is_an_error(plan, axis, target):
    """With an appended negative prompt its length counts too."""
    axes = axis("item", {"a": "x" * 195, "b": "x" * 201})
    survey = plan("{{ item }}", axes).survey()
    assert codes(survey) == [("prompt-too-long", "error")]
    assert "201 characters; simulator takes 200 (in item=b)" in survey.problems[0].message
    assert survey.problems[0].path == "experiments/e.yaml"
    appended = plan("{{ item }}", axes, negative_prompt=("dull",), to=target(negative_prompt="appended")).survey()
    assert len([1 for code, _ in codes(appended) if code == "prompt-too-long"]) == 2


def test_a_term_in_both_prompts_is_a_warning(plan, axis):
    """Whole words in any case, each term once; `art` in `party` is not a clash."""
    made = plan("A Blurry {{ item }} party", axis("item", ["x", "y"]), negative_prompt=("blurry, art", "dull"))
    survey = made.survey()
    assert codes(survey) == [("prompt-and-negative", "warning")]
    assert "'blurry' is both" in survey.problems[0].message
    survey.check()


def test_an_override_that_a_design_leaves_nothing_for_is_a_warning(plan, match):
    """It could match, but the skips took its variants."""
    made = plan(skip=(match(item="teapot"),), override=(Override(match(item="teapot"), {"n": "2"}),))
    assert codes(made.survey()) == [("matches-nothing", "warning")]
    assert codes(plan(override=(Override(match(item="teapot"), {"n": "2"}),)).survey()) == []


def test_a_design_without_matched_pairs_says_so(plan, axis, match):
    """A diagonal compares nothing: no two variants differ in one axis alone."""
    axes = (axis("a", ["1", "2"]), axis("b", ["1", "2"]))
    diagonal = plan("{{ a }}{{ b }}", *axes, skip=(match(a="1", b="2"), match(a="2", b="1"))).survey()
    assert codes(diagonal) == [("no-matched-pairs", "warning")]
    assert "'a', 'b' alone" in diagonal.problems[0].message
    wide = [axis(f"a{i}", [str(j) for j in range(10)]) for i in range(6)]
    text = " ".join(f"{{{{ a{i} }}}}" for i in range(6))
    assert ("no-matched-pairs", "warning") in codes(plan(text, *wide, design=Design("sample", 8)).survey())
    assert codes(plan("{{ a }}{{ b }}", *axes).survey()) == []


@pytest.mark.parametrize(
    ("files", "more", "collides"),
    [
        (None, {"seeds": 2, "draws": 2}, False),
        ("{item}/{style}_{seed}_{position}.{ext}", {"seeds": 2}, False),
        ("{item}_{position}.{ext}", {}, True),
        ("{item}_{style}_{position}.{ext}", {"seeds": 2}, True),
        ("{item}_{style}_{seed}_{position}.{ext}", {"draws": 2}, True),
        ("{item}{style}_{position}.{ext}", {}, False),
        ("{item}_{style}.{ext}", {}, False),
        ("{item}_{style}.{ext}", {"params": {"n": "2"}}, True),
    ],
)
def test_names_that_collide_are_an_error_before_anything_is_sent(plan, files, more, collides):
    """A pattern has to tell the variants, seeds, draws and positions apart."""
    made = plan(files=files, **more)
    names = [request.files for request in made.requests()]
    survey = made.survey()
    assert ("colliding-names" in {code for code, _ in codes(survey)}) == collides
    if not collides:
        assert len(set(names)) == len(names)


def test_a_survey_stops_where_it_is_told_and_says_so(plan):
    """A plan of 10¹² is looked at in part."""
    survey = plan(seeds=10).survey(at_most=7)
    assert (survey.requests, survey.variants, survey.complete) == (7, 1, False)


def test_edits_render_their_source_and_hash_its_bytes(plan, axis, tmp_path, png):
    """Relative to the experiment's file; a copy under another name is the same request."""
    (tmp_path / "photos").mkdir()
    for name, data in (("a", png(1)), ("b", png(1)), ("c", png(2))):
        (tmp_path / "photos" / f"{name}.png").write_bytes(data)
    what = replace(
        plan("{{ style }}", axis("style", ["warm"])).experiment,
        axes=(axis("style", ["warm"]), axis("item", {"A": {"sku": "a"}, "B": {"sku": "b"}, "C": {"sku": "c"}})),
        image=ImageSource("photos/{{ item.sku }}.png"),
        path=tmp_path / "e.yaml",
    )
    made = plan(what)
    requests = list(made.requests())
    assert [Path(r.image).name for r in requests] == ["a.png", "b.png", "c.png"]
    assert {r.operation for r in requests} == {"edit"}
    assert requests[0].defaults["strength"] == 0.8
    assert requests[0].request_hash == requests[1].request_hash != requests[2].request_hash
    assert made.survey().distinct == 2


def test_all_missing_images_are_reported_together(plan, axis, tmp_path, png):
    """Each once, at the place of `image:`."""
    what = replace(
        plan("x").experiment,
        source=Source("prompt", "{{ style }}"),
        axes=(axis("item", [*"abc", *(f"no{i}" for i in range(20))]), axis("style", ["x", "y"])),
        image=ImageSource("{{ item }}.png", place=Place("e.yaml", 4, 8)),
        path=tmp_path / "e.yaml",
        studio=tmp_path,
        seeds=3,
    )
    (tmp_path / "b.png").write_bytes(png(1))
    survey = plan(what).survey()
    assert [(p.code, p.line) for p in survey.errors] == [("missing-image", 4)] * 22
    assert "'a.png' is missing" in survey.errors[0].message


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("ftp://example.org/x.png", "bad-image"),
        ("data:image/png;base64,%%%", "bad-image"),
        ("data:image/png;base64", "bad-image"),
        ("empty.png", "bad-image"),
        ("large.png", "bad-image"),
        ("folder", "missing-image"),
        ("page.png", "bad-image"),
        ("half.png", "bad-image"),
        ("old.gif", "bad-image"),
        ("data:text/html,<p>no</p>", "bad-image"),
    ],
)
def test_a_source_that_cannot_be_used_is_an_error(plan, experiment, tmp_path, text, code, png):
    """Found in the plan, not by the run or at the provider."""
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "page.png").write_bytes(b"<html>not found</html>")
    (tmp_path / "half.png").write_bytes(png(1)[:-20])
    (tmp_path / "old.gif").write_bytes(b"GIF89a\x01\x00\x01\x00\x00\x00\x00;")
    (tmp_path / "folder").mkdir()
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(LARGEST + 1)
    what = replace(experiment("x"), image=ImageSource(text), path=tmp_path / "e.yaml")
    assert codes(plan(what).survey()) == [(code, "error")]


def test_all_bad_images_are_reported_together_at_their_place(plan, axis, tmp_path):
    """Files that are there and can't be used: each once, where `image:` stands."""
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(b"not a picture %d" % number)
    what = replace(
        plan("x").experiment,
        source=Source("prompt", "{{ style }}"),
        axes=(axis("item", ["0", "1", "2", "3"]), axis("style", ["x", "y"])),
        image=ImageSource("{{ item }}.png", place=Place("e.yaml", 4, 8)),
        path=tmp_path / "e.yaml",
        studio=tmp_path,
    )
    found = [(problem.code, problem.line, problem.column) for problem in plan(what).survey().errors]
    assert sorted(found) == [("bad-image", 4, 8)] * 3 + [("missing-image", 4, 8)]


def test_urls_hash_as_text_and_data_uris_as_their_bytes(plan, experiment, tmp_path, png):
    """A data: URI and a file of the same bytes are one request; a URL is its text."""
    (tmp_path / "a.png").write_bytes(png(7))

    def one(text):
        return next(plan(replace(experiment("x"), image=ImageSource(text), path=tmp_path / "e.yaml")).requests())

    file, data = one("a.png"), one(f"data:image/png;base64,{base64.b64encode(png(7)).decode()}")
    assert file.request_hash == data.request_hash
    assert file.image_sha256 == data.image_sha256
    url = one("https://example.org/a.png")
    assert (url.image, url.image_sha256) == ("https://example.org/a.png", None)


def test_a_chain_makes_earlier_images_an_axis(plan, experiment, tmp_path):
    """Each earlier image is a value of `source`, with its own values as fields."""
    images = [ChainImage(f"img{i}", tmp_path / f"{i}.png", str(i) * 64, {"style": f"s{i}"}) for i in range(2)]
    what = replace(experiment("again, {{ source.style }}"), image=ImageSource(chain="first"))
    requests = list(plan(what, chain=lambda source: images).requests())
    assert [r.prompt for r in requests] == ["again, s0", "again, s1"]
    assert [r.image_sha256 for r in requests] == ["0" * 64, "1" * 64]
    assert [r.variant.name for r in requests] == ["source=img0", "source=img1"]
    with pytest.raises(InputError, match="no-chain"):
        plan(what, chain=lambda source: [])


def test_memory_does_not_grow_with_the_plan(plan, axis, monkeypatch):
    """Eight times the variants take the same memory, but for 8 to 16 bytes of hash each; what is kept is bounded."""
    for module in ("stream", "plan"):
        monkeypatch.setattr(f"promptlab.plan.{module}.KEPT", 20_000)

    def peak(size):
        axes = (axis("a", [f"a{i}" for i in range(size)]), axis("b", [f"b{i}" for i in range(100)]))
        made = plan("{{ a }} {{ b }}", *axes)
        made.count()
        tracemalloc.start()
        made.survey()
        sum(1 for _ in made.requests())
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)
    assert peak(80) - peak(10) < 16 * 7000 + 200_000


def test_a_where_that_leaves_nothing_is_an_error(plan, match):
    """Each condition names what is there, and no variant meets all of them: an error, rather than an empty run."""
    for more in ({"where": ["style=film", "style=photo"]},
                 {"where": "style=film,item=stool", "skip": (match(style="film", item="stool"),)}):  # fmt: skip
        assert codes(plan(**more).survey()) == [("matches-nothing", "error")]
    assert plan(where="style=film", limit=0).survey().errors == []
