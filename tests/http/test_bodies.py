"""JSON bodies in pieces are the JSON bodies that they stand for."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.http.messages import Base64Text, json_pieces

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
IMAGES = st.binary(max_size=500).map(lambda data: Base64Text(base64.b64encode(data), "ascii"))


@given(st.dictionaries(st.text(), VALUES | IMAGES, max_size=6))
def test_pieces_are_the_body(body: dict[str, Any]) -> None:
    """Together they are what json.dumps writes, and exactly as long as they say."""
    length, pieces = json_pieces(body)
    found = b"".join(pieces)
    assert found == json.dumps(body, separators=(",", ":")).encode()
    assert length == len(found)


def test_a_large_image_comes_in_small_pieces() -> None:
    """No piece is a copy of the whole."""
    image = Base64Text(base64.b64encode(bytes(3_000_000)), "ascii")
    length, pieces = json_pieces({"prompt": "a", "image": image, "n": 1})
    sizes = [len(piece) for piece in pieces]
    assert max(sizes) <= 256 * 1024
    assert sum(sizes) == length > 4_000_000


def test_what_is_no_json_is_refused() -> None:
    """As before: a number that JSON does not have is an error, never sent."""
    with pytest.raises(ValueError, match="JSON compliant"):
        json_pieces({"strength": float("nan"), "image": Base64Text("")})
