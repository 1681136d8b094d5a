"""What variants, requests, seeds and files are called: hashes and names that no edit moves without need.

The two hashes of a plan say which variant a cell is (`variant_id`) and which call a request is (`Stream.prefix`, from
prepared parts). Both are sha256 over canonical JSON: keys sorted, no spaces, ASCII, whole floats as integers. Indices,
file names, prices and the order of axes stay outside, so that editing an experiment moves no hash that it need not.

Names under results/ are slugs of the value ids, so that people find an image without the database. The default name is
`<value>_<value>_s<seed>_d<draw>_<position>.<ext>` with unset parts left out; `files` is a pattern of your own.
`{position}` and `{ext}` stay open for the runner, which knows them.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import count, pairwise
from json.encoder import encode_basestring_ascii
from typing import Any

from promptlab.model import Experiment
from promptlab.spec.names import all_differ

__all__ = [
    "Pattern",
    "Slugs",
    "canonical",
    "derive_seeds",
    "first_seeds",
    "fitted",
    "fragment",
    "normal",
    "seeds_of",
    "slug",
    "variant_id",
]

ID_LENGTH = 16  # 64 bits: among a million variants two ids agree once in 37 million experiments


def canonical(value: object) -> str:
    """The one JSON text of a value: sorted keys, no spaces, ASCII."""
    return json.dumps(normal(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def normal(value: Any) -> Any:
    """Numbers that are equal become one number (1.0 is 1, -0.0 is 0), at any depth."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {str(key): normal(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [normal(item) for item in value]
    return value


def fragment(axis: str, value_id: str) -> str:
    """The part of a variant's canonical JSON that one value contributes."""
    return f"{encode_basestring_ascii(axis)}:{encode_basestring_ascii(value_id)}"


def variant_id(axes: Mapping[str, str]) -> str:
    """16 hex digits from the sorted {axis: value id}; the order of `axes` does not matter."""
    return hashlib.sha256(canonical(dict(axes)).encode()).hexdigest()[:ID_LENGTH]


# --- seeds --------------------------------------------------------------------------------------------------------


def derive_seeds(seed_base: int, number: int) -> tuple[int, ...]:
    """The first `number` seeds of a base, 31-bit (every API takes those) and distinct; more only appends."""
    seeds: dict[int, None] = {}
    for repeat in count():
        if len(seeds) >= number:
            break
        digest = hashlib.sha256(f"promptlab seed {seed_base} {repeat}".encode()).digest()
        seeds.setdefault(int.from_bytes(digest[:4], "big") >> 1)
    return tuple(seeds)


def first_seeds(experiment: Experiment, number: int) -> tuple[int, ...]:
    """The first `number` seeds of an experiment: a list it gives is continued by derived seeds that are not in it."""
    listed = experiment.seeds if isinstance(experiment.seeds, tuple) else ()
    derived = derive_seeds(experiment.seed_base, number)  # at most `listed` of them are taken already
    more = [seed for seed in derived if seed not in listed]
    return (*listed, *more)[:number]


def seeds_of(experiment: Experiment) -> tuple[int | None, ...]:
    """The seeds of every variant, in order; (None,) where the experiment sends none."""
    if experiment.seeds is None:
        return (None,)
    if isinstance(experiment.seeds, int):
        return derive_seeds(experiment.seed_base, experiment.seeds)
    return experiment.seeds


# --- names under results/ -----------------------------------------------------------------------------------------

OPEN = ("position", "ext")
LONGEST_SLUG = 48
LONGEST_NAME = 200  # bytes of one path component; file systems take 255, and the runner adds position and extension
UNSET = "none"
_FIELD = re.compile(r"\{([^{}]*)\}")


def slug(text: str) -> str:
    """Letters, digits, dots and hyphens of a text; never `_` or `/`, which separate the parts of a name."""
    cut = re.sub(r"(?:[^\w.-]|_)+", "-", unicodedata.normalize("NFC", text))[:LONGEST_SLUG].strip("-.")
    return cut or "x"


class Slugs:
    """One slug per id, all different even where case is ignored: those that would agree get a piece of their hash."""

    def __init__(self, ids: Iterable[str]) -> None:
        texts = [UNSET, *ids]
        counts: Counter[str] = Counter()
        if not all_differ(hash(slug(text).casefold()) for text in texts):
            counts.update(slug(text).casefold() for text in texts)
        self._shared = frozenset(name for name, count in counts.items() if count > 1)

    def of(self, text: str) -> str:
        """The slug of one id."""
        name = slug(text)
        if name.casefold() not in self._shared:
            return name
        return f"{name}-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:6]}"


class Pattern:
    """A parsed `files` pattern: `parts` are literals and, as one-tuples, placeholders. `spec` has checked its text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.parts: list[str | tuple[str]] = []
        end = 0
        for match in _FIELD.finditer(text):
            self.parts += [text[end : match.start()], (match[1].strip(),)]
            end = match.end()
        self.parts = [part for part in [*self.parts, text[end:]] if part]
        self.fields = [part[0] for part in self.parts if isinstance(part, tuple)]

    def separated(self) -> bool:
        """Whether the parts can be told apart in a name: between two placeholders is something no slug holds."""
        parts = self.parts[:-2] if self.parts[-2:] == [".", ("ext",)] else self.parts  # no extension holds a dot
        placed = [None if isinstance(part, tuple) else part for part in parts]
        adjacent = any(a is None and b is None for a, b in pairwise(placed))
        inner = [
            part for before, part, after in zip(placed, placed[1:], placed[2:], strict=False) if before is after is None
        ]
        return not adjacent and all(part is None or re.search(r"[^\w.-]|_", part) for part in inner)


def fitted(component: str, variant_id: str) -> str:
    """A path component that a file system takes: a long one is cut and ends in the variant's id."""
    if len(component.encode()) <= LONGEST_NAME:
        return component
    open_part = re.search(r"[^{}]{0,8}\{(?:position|ext)\}.*$", component)
    tail = open_part[0] if open_part else ""
    room = LONGEST_NAME - len(variant_id) - len(tail.encode()) - 1
    return component.encode()[:room].decode(errors="ignore") + "-" + variant_id + tail
