"""Numbers that are the same in every process, on every machine and Python version: seeded ones, sine and cosine."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Sequence
from typing import TypeVar

__all__ = ["Dice", "cosine", "digest", "sine"]


T = TypeVar("T")


def digest(*parts: object) -> bytes:
    """Sha256 over the parts' texts, unambiguous about where one ends; never `hash()`, which is salted."""
    text = "\x1f".join(str(part) for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class Dice:
    """A stream of numbers named by its parts; two names never share a stream.

    Only `random()` and `randbytes()` of the Mersenne twister are used: their sequences are what Python promises to
    keep between versions.
    """

    __slots__ = ("_random",)

    def __init__(self, *parts: object) -> None:
        self._random = random.Random(int.from_bytes(digest(*parts), "big"))  # noqa: S311 - pictures, not secrets

    def unit(self) -> float:
        """A number in [0, 1)."""
        return self._random.random()

    def between(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * self._random.random()

    def pick(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[int(self._random.random() * len(items))]

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self._random.random() < probability

    def bytes(self, count: int) -> bytes:
        """Uniform noise."""
        return self._random.randbytes(count)


def sine(turn: float) -> float:
    """The sine to nine digits."""
    return round(math.sin(turn), 9)


def cosine(turn: float) -> float:
    """The cosine to nine digits."""
    return round(math.cos(turn), 9)
