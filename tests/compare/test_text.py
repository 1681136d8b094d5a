"""What a model rewrote, word by word."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.compare import similarity, word_diff

CASES = [
    ("", "", []),
    ("a red kite", "a red kite", [("same", "a red kite")]),
    ("", "a kite", [("added", "a kite")]),
    ("a kite", "", [("removed", "a kite")]),
    ("a red kite", "a blue kite", [("same", "a "), ("removed", "red "), ("added", "blue "), ("same", "kite")]),
    ("a kite", "a kite, high", [("same", "a kite"), ("added", ", high")]),
    ("a  kite\n here", "a kite here", [("same", "a kite here")]),
    (
        "dog's well-worn toy",
        "cat's well-worn toy",
        [("removed", "dog's "), ("added", "cat's "), ("same", "well-worn toy")],
    ),
    ("赤い凧", "青い凧", [("removed", "赤"), ("added", "青"), ("same", "い凧")]),
]


@pytest.mark.parametrize(("before", "after", "expected"), CASES)
def test_segments(before: str, after: str, expected: list[tuple[str, str]]) -> None:
    """Changes are whole words, in reading order, and spacing alone is not a change."""
    assert word_diff(before, after) == expected


def test_islands_are_joined() -> None:
    """A comma or an article alone between two changes belongs to the change."""
    found = word_diff("one two the three four", "one 2 the 3 four")
    assert found == [("same", "one "), ("removed", "two the three "), ("added", "2 the 3 "), ("same", "four")]


TEXTS = st.text(alphabet="ab ,.é凧\n'-", max_size=60)


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_nothing_is_lost(before: str, after: str) -> None:
    """Joined without whitespace, same and removed give the first text, same and added the second."""

    def joined(*ops: str) -> str:
        return re.sub(r"\s", "", "".join(text for op, text in word_diff(before, after) if op in ops))

    assert joined("same", "removed") == re.sub(r"\s", "", before)
    assert joined("same", "added") == re.sub(r"\s", "", after)
    assert 0.0 <= similarity(before, after) <= 1.0


def test_similarity() -> None:
    """Similarity is the share of words kept, in their order."""
    assert similarity("", "") == 1.0
    assert similarity("a b c d", "a b c d") == 1.0
    assert similarity("a b", "c d") == 0.0
    assert similarity("a b c d", "a b x d") == pytest.approx(0.75)


@pytest.mark.parametrize("word", ["a ", "a b ", "the cat, "])
def test_repetition_is_guarded(word: str) -> None:
    """Texts that repeat themselves thousands of times are answered at once, coarsely and in full."""
    before, after = "x " + word * 4000 + "y", "z " + word * 3999 + "w"
    started = time.process_time()
    found = word_diff(before, after)
    assert time.process_time() - started < 2
    assert [op for op, _ in found] == ["removed", "added"]
