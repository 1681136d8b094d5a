"""The one matcher."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.errors import InputError
from promptlab.spec.matcher import matches, parse_matcher, resolve
from promptlab.spec.names import nearest


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("style=film", {"style": {"film"}}),
        ("style=film,photo", {"style": {"film", "photo"}}),
        (["style=film", "look=warm"], {"style": {"film"}, "look": {"warm"}}),
        ("look=neon,item=S-204", {"look": {"neon"}, "item": {"S-204"}}),
        ([("style", "film,photo")], {"style": {"film", "photo"}}),
        ('product="red, shiny teapot",oak stool', {"product": {"red, shiny teapot", "oak stool"}}),
        ("params.aspect_ratio=16:9, 1:1", {"params.aspect_ratio": {"16:9", "1:1"}}),
        ("look=a=b", {"look": {"a=b"}}),
    ],
)
def test_parse(given: object, expected: dict[str, set[str]]) -> None:
    """axis=id,id in one text, several, or as pairs; ids with commas in quotes."""
    assert parse_matcher(given) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "given",
    ["", "style", "=film", "style=", "style=,", 'style="film', 'style="a" b', [("", "a")], ["s=a", "s=b"]],
)
def test_parse_errors(given: object) -> None:
    """What picks nothing is an error that says how a matcher is written."""
    with pytest.raises(InputError) as caught:
        parse_matcher(given)  # type: ignore[arg-type]
    assert caught.value.problems[0].code == "bad-matcher"


VALUES: dict[str, Any] = {
    "item": {
        "S-204": {"name": "lamp", "colour": "red", "size": {"width": "10"}, "tags": ["new", "sale"]},
        "S-205": {"name": "stool", "colour": "green", "size": {"width": "12"}, "tags": ["sale"]},
        "T-1": {"name": "mug", "colour": "red", "size": {"width": "9"}, "tags": []},
    },
    "look": {"warm": {"light": "golden hour"}, "neon": {"light": "neon light"}, "a=b": "odd", "[x]": "x", "x, y": "z"},
    "params.aspect_ratio": {"1:1": "1:1", "16:9": "16:9"},
}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("look=neon,item=S-204", [{"look": {"neon"}}, {"item": {"S-204"}}]),
        ("look=neon,warm,item=S-204,T-1", [{"look": {"neon", "warm"}}, {"item": {"S-204", "T-1"}}]),
        (["look=neon,warm", "look=warm"], [{"look": {"neon", "warm"}}, {"look": {"warm"}}]),
        ("item=S-*", [{"item": {"S-204", "S-205"}}]),
        ("item=?-[0-9]", [{"item": {"T-1"}}]),
        ("look=[x]", [{"look": {"[x]"}}]),
        ("item.colour=red", [{"item": {"S-204", "T-1"}}]),
        ("item.colour=r*,green", [{"item": {"S-204", "S-205", "T-1"}}]),
        ("item.colour=red,item=S-*", [{"item": {"S-204", "T-1"}}, {"item": {"S-204", "S-205"}}]),
        ("item.size.width=12", [{"item": {"S-205"}}]),
        ("item.tags=sale", [{"item": {"S-204", "S-205"}}]),
        ("params.aspect_ratio=16:9", [{"params.aspect_ratio": {"16:9"}}]),
        ('look="a=b","x, y"', [{"look": {"a=b", "x, y"}}]),
        ("look=neon,a=b", [{"look": {"neon", "a=b"}}]),
        (" look = neon , item = S-204 ", [{"look": {"neon"}}, {"item": {"S-204"}}]),
        ({"item": frozenset({"T-1"}), "look": frozenset({"n*"})}, [{"item": {"T-1"}}, {"look": {"neon"}}]),
        ([{"item": frozenset({"T-1"})}, "look=warm"], [{"item": {"T-1"}}, {"look": {"warm"}}]),
        ((), []),
    ],
)
def test_where(where: object, expected: list[dict[str, set[str]]]) -> None:
    """Ids of one axis are alternatives, conditions must all hold; globs, fields and quotes do what they say."""
    assert list(resolve(where, VALUES)) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("where", "code", "words"),
    [
        ("lok=neon", "unknown-axis", "no axis 'lok'; did you mean 'look'?"),
        ("colour=red", "unknown-axis", "no axis 'colour'; there are item, look"),
        ("look=nein", "unknown-id", "'look' has no value 'nein'; did you mean 'neon'?"),
        ("look=NEON", "unknown-id", "did you mean 'neon'?"),
        ("item=X-*", "unknown-id", "'item' has no value 'X-*'"),
        ('item="S-*"', "unknown-id", "'item' has no value 'S-*'"),
        ("look=neon,itm=S-204", "unknown-id", "no axis is called 'itm'; did you mean 'item'?"),
        ("item.color=red", "unknown-axis", "have no field 'color'; did you mean 'colour'?"),
        ("item.colour=rde", "unknown-id", "no value of 'item' has the colour 'rde'; did you mean 'red'?"),
        ("params.aspect_ratio.x=1", "unknown-axis", "have no field 'x', only texts"),
        ("params.quality=low", "unknown-axis", "no axis 'params.quality'"),
        ("film", "bad-matcher", "picks nothing; write axis=id"),
        ([7], "bad-matcher", "7 is not a condition"),
    ],
)
def test_where_names_what_is_not_there(where: object, code: str, words: str) -> None:
    """An axis, id or field that nothing has is an error with the nearest one, never an empty choice."""
    with pytest.raises(InputError) as caught:
        resolve(where, VALUES)  # type: ignore[arg-type]
    (problem,) = caught.value.problems
    assert (problem.code, words in problem.message) == (code, True), problem.message


def test_where_tells_all_at_once() -> None:
    """Two things that are not there are two problems."""
    with pytest.raises(InputError) as caught:
        resolve(["lok=neon", "item=X"], VALUES)
    assert [problem.code for problem in caught.value.problems] == ["unknown-axis", "unknown-id"]


@given(
    st.lists(st.sampled_from(["item", "look"]), min_size=1, max_size=3),
    st.data(),
)
def test_where_agrees_with_a_plain_reading(names: list[str], data: st.DataObject) -> None:
    """A cell is picked where, for each condition, it has one of the ids: whatever stands in quotes."""
    picked = [(name, data.draw(st.sets(st.sampled_from(sorted(VALUES[name])), min_size=1))) for name in names]
    text = ",".join(name + "=" + ",".join(f'"{id_}"' for id_ in sorted(ids)) for name, ids in picked)
    matchers = resolve(text, VALUES)
    for item in VALUES["item"]:
        for look in VALUES["look"]:
            cell = {"item": item, "look": look}
            expected = all(cell[name] in ids for name, ids in picked)
            assert all(matches(matcher, cell) for matcher in matchers) is expected


@pytest.mark.parametrize(
    ("matcher", "axes", "expected"),
    [
        ({}, {"style": "film"}, True),
        ({"style": frozenset({"film"})}, {"style": "film", "look": "warm"}, True),
        ({"style": frozenset({"film", "photo"})}, {"style": "photo"}, True),
        ({"style": frozenset({"film"}), "look": frozenset({"neon"})}, {"style": "film", "look": "warm"}, False),
        ({"grain": frozenset({"fine"})}, {"style": "photo"}, False),
    ],
)
def test_matches(matcher: dict[str, frozenset[str]], axes: dict[str, str], expected: bool) -> None:
    """All axes have to fit; an unset one fits nothing."""
    assert matches(matcher, axes) is expected


@pytest.mark.parametrize(
    ("name", "names", "expected"),
    [
        ("subjct", ["object", "subject"], "subject"),
        ("aspectRatio", ["aspect_ratio"], "aspect_ratio"),
        ("negative-prompt", ["negative_prompt", "prompt"], "negative_prompt"),
        ("SEEDS", ["seeds"], "seeds"),
        ("zebra", ["seeds", "draws"], None),
        ("a", [], None),
    ],
)
def test_nearest(name: str, names: list[str], expected: str | None) -> None:
    """The closest name, whatever its case and dashes; None where none is close."""
    assert nearest(name, names) == expected
