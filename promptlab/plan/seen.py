"""Which hashes came before, for a million of them in about 11 MB."""

from __future__ import annotations

from array import array

__all__ = ["Seen"]

_PARTS = 256
_START = 24
_GROWTH = 1.5
_MOST_EXPECTED = 1 << 20  # 12 MB at once; a larger number may be wrong, so it has to be grown into


class Seen:
    """A set of 64-bit numbers: 256 small open-addressing tables of plain integers (8 bytes a slot).

    Each grows by itself, so that growing never doubles the whole. The numbers have to be uniform, as hashes are. Two
    different requests in a million share 64 bits once in 37 million experiments; they would be reported as equal.
    """

    def __init__(self, expected: int = 0) -> None:
        """`expected` numbers go in without any table growing, which halves the cost; more may come."""
        length = max(_START, int(min(expected, _MOST_EXPECTED) / _PARTS / 0.7) + 1)
        self._tables = [array("Q", bytes(8 * length)) for _ in range(_PARTS)]
        self._sizes = [0] * _PARTS
        self._zero = False

    def add(self, number: int) -> bool:
        """Put a number in; whether it was new."""
        part = number & 255
        table = self._tables[part]
        length = len(table)
        slot = (number >> 8) % length
        while held := table[slot]:
            if held == number:
                return False
            slot += 1
            if slot == length:
                slot = 0
        if not number:  # an empty slot holds 0
            new, self._zero = not self._zero, True
            return new
        table[slot] = number
        self._sizes[part] += 1
        if self._sizes[part] * 4 > length * 3:
            self._tables[part] = _grown(table)
        return True

    def __len__(self) -> int:
        return sum(self._sizes) + self._zero


def _grown(table: array[int]) -> array[int]:
    length = int(len(table) * _GROWTH) + 1
    larger = array("Q", bytes(8 * length))
    for number in table:
        if number:
            slot = (number >> 8) % length
            while larger[slot]:
                slot += 1
                if slot == length:
                    slot = 0
            larger[slot] = number
    return larger
