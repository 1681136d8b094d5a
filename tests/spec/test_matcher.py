"""The one matcher."""

from __future__ import annotations

import pytest

from promptlab.errors import InputError
from promptlab.spec import matches, nearest, parse_matcher


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("style=film", {"style": {"film"}}),
        ("style=film,photo", {"style": {"film", "photo"}}),
        (["style=film", "look=warm", "style=photo"], {"style": {"film", "photo"}, "look": {"warm"}}),
        ([("style", "film,photo")], {"style": {"film", "photo"}}),
        ('product="red, shiny teapot",oak stool', {"product": {"red, shiny teapot", "oak stool"}}),
        ("params.aspect_ratio=16:9, 1:1", {"params.aspect_ratio": {"16:9", "1:1"}}),
        ("look=a=b", {"look": {"a=b"}}),
    ],
)
def test_parse(given: object, expected: dict[str, set[str]]) -> None:
    """axis=id,id in one text, several, or as pairs; ids with commas in quotes."""
    assert parse_matcher(given) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("given", ["", "style", "=film", "style=", "style=,", 'style="film', [("", "a")]])
def test_parse_errors(given: object) -> None:
    """What picks nothing is an error that says how a matcher is written."""
    with pytest.raises(InputError) as caught:
        parse_matcher(given)  # type: ignore[arg-type]
    assert caught.value.problems[0].code == "bad-matcher"


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
