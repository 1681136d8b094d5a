"""Pairs: which generations of two sides stand against each other, and what is counted as missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.compare import Entry, asked_values, match
from promptlab.compare.text import line_diff

FILM, INK = (("look", "warm"),), (("look", "cold"),)


def entry(number: int, seed: int | None, status: str = "completed", axes: object = FILM, draw: int = 0) -> Entry:
    return (axes, seed, draw), number, status


def test_only_equal_cells_are_pairs() -> None:
    """The same other values, seed and draw; everything else is counted on its side."""
    found = match([entry(1, 7), entry(2, 8), entry(3, 7, axes=INK)], [entry(4, 8), entry(5, 7), entry(6, 7, draw=1)])
    assert [(pair.left[1], pair.right[1]) for pair in found.pairs] == [(1, 5), (2, 4)]
    assert (found.left_only, found.right_only, dict(found.missing)) == (1, 1, {})
    assert found.matched == 2


def test_missing_images_are_counted_by_why() -> None:
    """A cell that both sides have is missing data where one brought no image, under the status of the one without."""
    left = [entry(1, 1), entry(2, 2, "failed"), entry(3, 3), entry(4, 4, "unknown")]
    right = [entry(5, 1), entry(6, 2), entry(7, 3, "lost"), entry(8, 4, "failed")]
    found = match(left, right)
    assert [pair.left[1] for pair in found.pairs] == [1]
    assert found.missing == {"failed": 1, "lost": 1, "unknown": 1}
    assert found.left_only == found.right_only == 0


def test_an_unseeded_pair_is_not_matched() -> None:
    """Draws without a seed stand in their order, and are never called matched."""
    found = match([entry(1, None), entry(2, None, draw=1)], [entry(3, None), entry(4, None, draw=1)])
    assert [pair.matched for pair in found.pairs] == [False, False]
    assert found.matched == 0


def test_of_repeated_cells_the_first_image_counts() -> None:
    """A cell that was made twice stands once, by the first generation that has an image."""
    found = match([entry(1, 7, "failed"), entry(2, 7), entry(3, 7)], [entry(4, 7)])
    assert [(pair.left[1], pair.right[1]) for pair in found.pairs] == [(2, 4)]
    assert found.missing == {}


@given(
    st.lists(st.tuples(st.integers(0, 6), st.sampled_from(["completed", "failed", "lost"])), max_size=20),
    st.lists(st.tuples(st.integers(0, 6), st.sampled_from(["completed", "failed", "lost"])), max_size=20),
)
def test_every_cell_is_counted_once(left: list[tuple[int, str]], right: list[tuple[int, str]]) -> None:
    """Pairs, missing ones and those of one side are all cells of both, each once; sides swapped give the same."""
    lefts = [entry(number, seed, status) for number, (seed, status) in enumerate(left)]
    rights = [entry(100 + number, seed, status) for number, (seed, status) in enumerate(right)]
    one, other = match(lefts, rights), match(rights, lefts)
    cells = {each[0] for each in (*lefts, *rights)}
    assert len(one.pairs) + sum(one.missing.values()) + one.left_only + one.right_only == len(cells)
    assert (one.left_only, one.right_only) == (other.right_only, other.left_only)
    assert {pair.cell for pair in one.pairs} == {pair.cell for pair in other.pairs}


@pytest.mark.parametrize(
    ("text", "values", "found"),
    [
        ("film..ink", ["film", "ink"], ("film", "ink")),
        ("a..b..c", ["a..b", "c"], ("a..b", "c")),
        ("a..b..c", ["a", "b..c"], ("a", "b..c")),
        ("v1...v2", ["v1", ".v2"], ("v1", ".v2")),
        ("film..oil", ["film", "ink"], None),
        ("film", ["film"], None),
        ("..", ["", "x"], ("", "")),
    ],
)
def test_two_values_in_one_text(text: str, values: list[str], found: tuple[str, str] | None) -> None:
    """`film..ink` is two values of the axis, also where a value has dots itself."""
    assert asked_values(text, values) == found


def test_changed_lines_have_their_numbers_and_neighbours() -> None:
    """Each changed line stands alone, word by word, between lines that did not change; far ones are left out."""
    before = "one\ntwo red\nthree\nfour\nfive\nsix\nseven\neight"
    after = "one\ntwo blue\nthree\nfour\nfive\nsix\nseven\neight\nnine"
    found = list(line_diff(before, after, around=1))
    assert [(line.number, line.changed) for line in found] == [
        (1, False), (2, True), (3, False), (8, False), (9, True),
    ]  # fmt: skip
    assert found[1].segments == (("same", "two "), ("removed", "red"), ("added", "blue"))
    assert found[4].segments == (("added", "nine"),)
    assert [line.number for line in line_diff(before, after)] == [2, 9]


def test_a_paragraph_wrapped_anew_is_compared_as_words() -> None:
    """Where three lines become two, the words are compared, not the lines."""
    (only,) = line_diff("a quiet cup\non a table\nat dusk", "a quiet cup on\na table at dawn")
    assert [part for part in only.segments if part[0] != "same"] == [("removed", "dusk"), ("added", "dawn")]


def test_equal_texts_have_no_change() -> None:
    """Nothing is said where nothing changed, with neighbours asked for or without."""
    assert list(line_diff("a\nb", "a\nb", around=2)) == list(line_diff("", "")) == []
