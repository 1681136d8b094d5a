"""Variants that differ only in what the provider drops: their requests have different hashes, but are the same call.

Each would be sent and paid, and the images differ by luck alone. That is what `draws` is for, so an axis, or a value of
one, that changes nothing else is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Protocol

from promptlab.model import Axis, Place, Value

from .images import Picture
from .merging import EDIT_ONLY, Shape
from .parameters import Report
from .product import Cell, Space
from .seen import Seen

__all__ = ["SameCalls"]


class Say(Protocol):
    """Tells a problem."""

    def __call__(self, code: str, message: str, place: Place | None, *, warning: bool = False) -> None: ...


class SameCalls:
    """Watches the variants go by; one is a repeat where an earlier one makes the very same calls."""

    def __init__(self, space: Space, provider: str, report: Report, expected: int) -> None:
        self._space = space
        self._provider = provider
        self._report = report
        self._calls = Seen(expected)
        self._several = [at for at, choices in enumerate(space.choices) if len(choices) > 1]
        #: (position, value index) → variants, those that repeat a call, and those of them that would be sent.
        self._told: dict[tuple[int, int], list[int]] = {}
        self._dropped: set[str] = set()
        self._paid = 0

    def see(self, cell: Cell, shape: Shape, prompt: str, picture: Picture | None, fresh: int) -> None:
        """Take a variant into account; `fresh` is how many of its requests are equal to no earlier one."""
        source = "" if picture is None else picture.identity
        text = f"{shape.wire}\0{source}\0{prompt}".encode("utf-8", "surrogatepass")
        repeated = not self._calls.add(int.from_bytes(blake2b(text, digest_size=8).digest(), "big"))
        paid = fresh if repeated else 0
        self._paid += paid
        if paid:
            self._dropped.update(shape.dropped)
        for at in self._several:
            found = self._told.setdefault((at, cell[at].index), [0, 0, 0])
            found[0] += 1
            found[1] += repeated
            found[2] += paid

    def say(self, say: Say) -> None:
        """Tell of each axis with values that only repeat calls; of what is left, if there is no such axis."""
        if not self._paid:
            return
        found = False
        for at in self._several:
            values = self._space.axes[at].values
            only = [i for i in range(len(values)) if self._only_repeats(self._told.get((at, i)))]
            if only:
                found = True
                self._say_axis(say, self._space.axes[at], [values[index] for index in only])
        if not found:
            message = (
                f"{self._paid:,} calls are the same as another one, since {self._why()}; each is made and paid for"
            )
            say("same-call", message, None, warning=True)

    @staticmethod
    def _only_repeats(counts: Sequence[int] | None) -> bool:
        return counts is not None and counts[0] == counts[1] and counts[2] > 0

    def _say_axis(self, say: Say, axis: Axis, values: Sequence[Value]) -> None:
        others = len(axis.values) - len(values)
        place = axis.place if others == 1 else values[0].place
        names = _listed(f"'{value.id}'" for value in values)
        message = (
            f"the axis '{axis.name}' makes the same calls again for {names}, since {self._why()}: each would be paid; "
            f"take {'them' if len(values) > 1 else 'it'} out; to ask again on purpose, write `draws: {len(values) + 1}`"
        )
        say("same-call", message, place or self._report.place("axes", axis.name))

    def _why(self) -> str:
        names = sorted(self._dropped)
        if self._report.experiment.image is None and EDIT_ONLY.issuperset(names):
            return f"{_listed(names)} belongs to edits, and there is no `image`"
        return f"{self._provider} does not take {_listed(names)}"


def _listed(names: Iterable[str], most: int = 4) -> str:
    known = list(names)
    more = f" and {len(known) - most:,} more" if len(known) > most else ""
    return ", ".join(known[:most]) + more
