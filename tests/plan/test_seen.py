"""The set of hashes that a million requests fit into."""

from __future__ import annotations

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from promptlab.plan.survey import Seen


@given(st.lists(st.integers(0, (1 << 64) - 1) | st.integers(0, 600)))
def test_it_answers_as_a_set_does(numbers):
    """New once, known ever after; zero and crowded tables included."""
    seen, known = Seen(), set()
    for number in numbers:
        assert seen.add(number) == (number not in known)
        known.add(number)
    assert len(seen) == len(known)


def test_it_grows_and_holds_about_twelve_bytes_a_number():
    """Fifty thousand numbers, none lost, at most 16 bytes each without a hint and 12 with one."""
    numbers = [int.from_bytes(sha256(str(i).encode()).digest()[:8], "big") for i in range(50_000)]
    for expected, most in ((0, 16), (50_000, 12.5)):
        seen = Seen(expected)
        assert all(seen.add(number) for number in numbers)
        assert not any(seen.add(number) for number in numbers)
        assert sum(len(table) for table in seen._tables) * 8 <= most * len(numbers)
