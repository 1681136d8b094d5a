"""Near duplicates: images of a run whose perceptual hashes differ in a few of their 64 bits.

Two hashes within `NEAR` bits agree on at least one of `NEAR + 1` parts of the hash (pigeonhole; Manku, Jain and Das
Sarma, "Detecting near-duplicates for web crawling", WWW 2007). So only images that share a part are compared: those of
a run of 4,000 in well under a second, where all pairs would be eight million.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import ClassVar, Final

from promptlab.scoring.scorer import ImageFile, ImageRow, Scorer
from promptlab.spec.score_checks import BUILT_IN_SCORES
from promptlab.store.decode import decode_file
from promptlab.store.formats import BadImage

__all__ = ["NEAR", "Duplicates", "near_duplicates"]

#: Bits that two hashes may differ in; a re-encoded or slightly recoloured copy stays below.
NEAR: Final = 6
_BITS: Final = 64
#: Of a part that so many images share (a run of flat images) each is compared with this many neighbours.
_MOST: Final = 200


def near_duplicates(hashes: Mapping[str, str], near: int = NEAR) -> dict[str, list[str]]:
    """Image → the other images whose hash differs in at most `near` bits, in the order given; those without any are
    left out. Hashes are 16 hexadecimal digits; equal ones are found however many there are."""
    same: dict[int, list[str]] = defaultdict(list)
    for id_, text in hashes.items():
        same[int(text, 16)].append(id_)
    close: dict[int, set[int]] = {value: {value} for value in same}
    for one, other in _candidates(list(same), near):
        if (one ^ other).bit_count() <= near:
            close[one].add(other)
            close[other].add(one)
    order = {id_: place for place, id_ in enumerate(hashes)}
    found = {}
    for id_, text in hashes.items():
        others = [other for value in close[int(text, 16)] for other in same[value] if other != id_]
        if others:
            found[id_] = sorted(others, key=order.__getitem__)
    return found


def _candidates(values: Sequence[int], near: int) -> Iterator[tuple[int, int]]:
    """Pairs of different hashes that agree on one part."""
    parts = near + 1
    bounds = [_BITS * part // parts for part in range(parts + 1)]
    for start, end in pairwise(bounds):
        mask = (1 << end) - (1 << start)
        sharing: dict[int, list[int]] = defaultdict(list)
        for value in values:
            sharing[value & mask].append(value)
        for group in sharing.values():
            group.sort()
            for place, one in enumerate(group):
                for other in group[place + 1 : place + 1 + _MOST]:
                    yield one, other


class Duplicates(Scorer):
    """How many other images of the run look nearly the same. It is worked out for the run as a whole."""

    name: ClassVar[str] = "duplicates"
    version = "1"
    scores: ClassVar[Mapping[str, str]] = {
        each: BUILT_IN_SCORES[each] for each in ("perceptual_hash", "near_duplicates", "duplicate_of")
    }

    def score(self, image: ImageFile, row: ImageRow) -> Mapping[str, str]:
        """The perceptual hash; what is near to it the engine adds, which knows the other images."""
        if row.perceptual_hash:
            return {"perceptual_hash": row.perceptual_hash}
        found = decode_file(image.path, None)
        if isinstance(found, BadImage):
            raise found
        return {"perceptual_hash": found.perceptual_hash}
