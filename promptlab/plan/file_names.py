"""Names under results/: slugs of the value ids, so that people find an image without the database.

The default name is `<value>_<value>_s<seed>_d<draw>_<position>.<ext>` with unset parts left out; `files` is a pattern
of your own. `{position}` and `{ext}` stay open for the runner, which knows them.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256
from itertools import pairwise

from promptlab.spec.names import all_differ

from .product import LARGE, Cell, Choice, Space

__all__ = ["Namer", "Pattern", "slug"]

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
        return f"{name}-{sha256(text.encode('utf-8', 'replace')).hexdigest()[:6]}"


class Pattern:
    """A parsed `files` pattern: `parts` are literals and, as one-tuples, placeholders."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.parts: list[str | tuple[str]] = []
        end = 0
        for match in _FIELD.finditer(text):
            self.parts += [text[end : match.start()], (match[1].strip(),)]
            end = match.end()
        self.parts = [part for part in [*self.parts, text[end:]] if part]
        self.literals = [part for part in self.parts if isinstance(part, str)]
        self.fields = [part[0] for part in self.parts if isinstance(part, tuple)]

    def faults(self) -> list[str]:
        """What is wrong with the text itself, as sentences without their subject."""
        found = []
        if any("{" in text or "}" in text for text in self.literals):
            found.append("has a brace without its partner")
        if "\\" in self.text or any(ord(character) < 32 for character in self.text):
            found.append("has a backslash or a control character")
        components = self.text.split("/")
        if self.text.startswith(("/", "~")) or re.match(r"[A-Za-z]:", self.text) or {"..", "."} & set(components):
            found.append("leaves results/; write a relative path without '..'")
        elif "" in components:
            found.append("has an empty part between slashes")
        return found

    def separated(self) -> bool:
        """Whether the parts can be told apart in a name: between two placeholders is something no slug holds."""
        parts = self.parts[:-2] if self.parts[-2:] == [".", ("ext",)] else self.parts  # no extension holds a dot
        placed = [None if isinstance(part, tuple) else part for part in parts]
        adjacent = any(a is None and b is None for a, b in pairwise(placed))
        inner = [
            part for before, part, after in zip(placed, placed[1:], placed[2:], strict=False) if before is after is None
        ]
        return not adjacent and all(part is None or re.search(r"[^\w.-]|_", part) for part in inner)


class Namer:
    """Makes the names of one experiment's images; `certain` when no two requests can share one."""

    def __init__(self, space: Space, pattern: Pattern | None, repeats: Mapping[str, int]) -> None:
        """`repeats` is how many seeds and draws a variant has, and whether seeds come from a parameter (then 2)."""
        made = [Slugs(value.id for value in axis.values) for axis in space.axes]
        #: Position → the slugs of a large axis, made when asked for; those of all others are in `_slugs`.
        self._large = {at: slugs for at, slugs in enumerate(made) if len(space.choices[at]) >= LARGE}
        self._slugs: dict[Choice, str] = dict.fromkeys(space.absent, "")
        for at, slugs in enumerate(made):
            if at not in self._large:
                self._slugs.update((choice, slugs.of(choice.id)) for choice in space.choices[at])
        self._space = space
        self._parts = None if pattern is None else [self._part(part) for part in pattern.parts]
        needed = {axis.name for axis in space.axes if len(axis.values) > 1 or axis.when is not None}
        needed |= {name for name, times in repeats.items() if times > 1}
        self.certain = pattern is None or (needed <= set(pattern.fields) and pattern.separated())
        self.has_position = pattern is None or "position" in pattern.fields

    def _part(self, part: str | tuple[str]) -> str | tuple[int] | tuple[str]:
        if isinstance(part, str):
            return part
        return (self._space.position[part[0]],) if part[0] in self._space.position else part

    def of_variant(self, cell: Cell, variant_id: str) -> str:
        """The part of the default name that all requests of a variant share."""
        # In the product's order, where an axis follows those its `when` names, no two variants read the same.
        read = map(self._slugs.__getitem__, cell) if not self._large else map(self._slug, range(len(cell)), cell)
        name = "_".join(read if self._space.unconditional else filter(None, read))
        if len(name) * 4 > LONGEST_NAME:
            name = _fit(name, variant_id)
        return name or "image"

    def _slug(self, at: int, choice: Choice) -> str:
        slugs = self._large.get(at)
        return self._slugs[choice] if slugs is None or choice.index < 0 else slugs.of(choice.id)

    def name(self, variant: str, cell: Cell, variant_id: str, seed: int | None, draw: int) -> str:
        """The name of one request's images; `variant` is what `of_variant` gave."""
        if self._parts is None:
            seed_part = "" if seed is None else f"_s{seed}"
            draw_part = f"_d{draw}" if draw else ""
            return f"{variant}{seed_part}{draw_part}_{{position}}.{{ext}}"
        text = "".join(
            [part if isinstance(part, str) else self._fill(part[0], cell, seed, draw) for part in self._parts]
        )
        return text if len(text) < 60 else "/".join(_fit(component, variant_id) for component in text.split("/"))

    def _fill(self, part: int | str, cell: Cell, seed: int | None, draw: int) -> str:
        if isinstance(part, int):
            return self._slug(part, cell[part]) or UNSET
        if part in OPEN:
            return f"{{{part}}}"
        value = seed if part == "seed" else draw
        return UNSET if value is None else str(value)


def _fit(component: str, variant_id: str) -> str:
    """A path component that a file system takes: a long one is cut and ends in the variant's id."""
    if len(component.encode()) <= LONGEST_NAME:
        return component
    open_part = re.search(r"[^{}]{0,8}\{(?:position|ext)\}.*$", component)
    tail = open_part[0] if open_part else ""
    room = LONGEST_NAME - len(variant_id) - len(tail.encode()) - 1
    return component.encode()[:room].decode(errors="ignore") + "-" + variant_id + tail
