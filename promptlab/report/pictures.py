"""Pictures for one file of a certain size: each re-encoded, the important ones larger.

Groups of pictures are packed in the order of their importance. A group may use its share of what is left, and leaves
what it does not need to those after it; all pictures of one group get the same size, so that none looks better than
its neighbour.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from promptlab.errors import StoreError
from promptlab.export.labels import labelled
from promptlab.report.contents import Shot
from promptlab.store import BadImage, Resized, Store, resized

__all__ = ["SMALLEST", "Group", "Packed", "data_uri", "most_pictures", "pack", "small_copy"]

#: (longest side in pixels, JPEG quality), from the best to the smallest that can still be judged.
STEPS: Final = (
    (1600, 88), (1400, 86), (1200, 85), (1024, 84), (896, 84), (768, 83), (640, 82), (512, 80), (448, 78), (384, 76),
    (320, 74), (256, 70), (224, 66), (192, 62), (160, 56),
)  # fmt: skip
SMALLEST: Final = STEPS[-1]
#: Bytes of a picture at the smallest step, as text in a page; a busy one has more.
_SMALLEST_BYTES: Final = 8_000
_SAMPLE: Final = 6


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures that are shown at one size: at most `side` pixels, with `share` of the bytes that are left."""

    name: str
    pictures: Sequence[Shot]
    side: int
    share: float


@dataclass(frozen=True, slots=True)
class Packed:
    """The pictures of all groups: (group, sha256) → its copy, or the sentence that says why there is none.

    `sides` is the longest side of each group's pictures, `bytes` what all take in the page.
    """

    copies: Mapping[tuple[str, str], Resized | str]
    sides: Mapping[str, int]
    bytes: int

    def get(self, group: str, sha256: str | None) -> Resized | str:
        """The copy; a sentence where there is none."""
        return self.copies.get((group, sha256 or ""), "its file is not in the store")


def most_pictures(budget: int, share: float) -> int:
    """How many pictures fit into a share of a budget (bytes of the page) at the smallest step."""
    return max(0, int(budget * share / _SMALLEST_BYTES))


def pack(store: Store, groups: Sequence[Group], budget: int, *, simulated: bool = False) -> Packed:
    """Copies of the pictures whose data URIs take at most `budget` bytes together, if the smallest step does.

    Each says in XMP that it was generated, and from a prompt with which hash (a copy is no longer signed): `simulated`
    ones say that too. The same store and budget give the same bytes.
    """
    copies: dict[tuple[str, str], Resized | str] = {}
    sides: dict[str, int] = {}
    left = budget
    for group in groups:
        found, side = _pack_group(store, group, int(left * group.share), simulated)
        sides[group.name] = side
        copies |= {(group.name, sha256): copy for sha256, copy in found.items()}
        left -= _size(group.pictures, found)
    return Packed(copies, sides, budget - left)


def _pack_group(store: Store, group: Group, budget: int, simulated: bool) -> tuple[dict[str, Resized | str], int]:
    """The group's copies at the best step that fits, and that step's side."""
    different = list({each.sha256: each for each in group.pictures}.values())
    sample = different[:: max(1, len(different) // _SAMPLE)]
    steps = [each for each in STEPS if each[0] <= group.side]
    for side, quality in steps:
        is_last = (side, quality) == steps[-1]
        found = {each.sha256: small_copy(store, each, side, quality, simulated=simulated) for each in sample}
        estimate = _size(sample, found) / max(1, len(sample)) * len(group.pictures)
        if estimate > budget and not is_last:
            continue
        rest = [each for each in different if each.sha256 not in found]
        found |= {each.sha256: small_copy(store, each, side, quality, simulated=simulated) for each in rest}
        if is_last or _size(group.pictures, found) <= budget:
            return found, side
    return {}, SMALLEST[0]


def small_copy(store: Store, shot: Shot, side: int, quality: int, *, simulated: bool) -> Resized | str:
    """A labelled copy of at most `side` pixels; the sentence that says why there is none."""
    try:
        data = store.get(shot.sha256)
    except StoreError:
        return "its file is not in the store"
    made = resized(data, side, quality)
    if isinstance(made, BadImage):
        return made.message
    label = labelled(made.data, made.format, prompt_sha256=shot.prompt_sha256, simulated=simulated)
    return replace(made, data=label)


def _size(shown: Sequence[Shot], copies: Mapping[str, Resized | str]) -> int:
    found = (copies[each.sha256] for each in shown)
    return sum(-(-len(copy.data) // 3) * 4 for copy in found if isinstance(copy, Resized))


def data_uri(copy: Resized) -> str:
    """The picture inside the page."""
    kind = "jpeg" if copy.format == "jpg" else copy.format
    return f"data:image/{kind};base64,{base64.b64encode(copy.data).decode()}"
