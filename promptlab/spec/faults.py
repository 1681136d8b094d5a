"""What is wrong with the values of a file: every fault as a sentence at its line and column."""

from __future__ import annotations

import re
from typing import Any, NoReturn

from promptlab.model import Place

from .names import pair, quoted
from .report import Report
from .row_files import FORMATS
from .yaml_errors import GLUED
from .yaml_tree import Map, Seq

__all__ = ["EMPTY", "MISSING", "SHAPE", "Fault", "Steps", "Wrong", "kind_of", "refuse", "tell", "without"]

#: Where a value is in the tree of a file.
Steps = tuple[str | int, ...]

# Faults that every kind of container has; `tell` makes the sentences, which need the path.
SHAPE, EMPTY, MISSING = "shape", "empty", "missing"


class Wrong(Exception):
    """A value that can't be read: a code and a predicate, as in "has no value"."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class Fault:
    """Something wrong at a path of the tree; with `is_key` the last key itself is at fault, not its value."""

    def __init__(self, wrong: Wrong, path: Steps, value: object, is_key: bool) -> None:
        self.code, self.message = wrong.code, wrong.message
        self.path, self.value, self.is_key = path, value, is_key


def refuse(code: str, message: str) -> NoReturn:
    """Raise a problem at the value that is being read."""
    raise Wrong(code, message)


def kind_of(value: object) -> str:
    """What a value is, for "is a list; it has to be …"."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a map"
    return "a list" if isinstance(value, list) else f"the text {quoted(str(value))}"


#: How a key of an experiment looks.
_EXAMPLES = {
    "prompts": "{calm: a teapot on linen, bold: a teapot in hard light}",
    "templates": "{now: hero.j2, last_week: hero.j2@v1.2}",
    "negative_prompt": "[blurry, watermark]",
    "params": "{aspect_ratio: 16:9}",
    "vars": "{brand: Harbour & Co}",
    "axes": "{style: [photo, film]}",
    "skip": "[{style: film, look: neon}]",
    "override": "[{match: {style: film}, params: {n: 2}}]",
    "baseline": "{style: photo}",
    "seeds": "[11, 22, 33]",
    "design": "{sample: 200, seed: 0}",
    "limits": "{images: 500, cost: 600 USD}",
    "image": "photos/a.jpg",
    "alerts": "{cost: 100 USD}",
}


def tell(fault: Fault, root: Map, report: Report) -> None:
    """Report a fault."""
    path, value = fault.path, fault.value
    place, subject = _place(fault, root), _subject(path)
    if fault.code == MISSING:
        report.add("missing-key", f"{subject} needs the key {fault.message!r}", place)
    elif fault.code == SHAPE and value is None:
        report.add("no-value", f"{subject} has no value; in a map of one line, quote a text that holds a comma", place)
    elif fault.code == SHAPE:
        needed = "a list of texts, or a map of id: text" if _is_axis(path) else fault.message
        message = (
            f"{subject} is {kind_of(value)}; it has to be {needed}{_advice(value, needed) or _example(path, value)}"
        )
        report.add("wrong-type", message, place)
    elif fault.code == EMPTY:
        is_axis = path[:1] in (("axes",), ("prompts",), ("templates",))
        report.add("empty-axis" if is_axis else "no-value", f"{subject} is empty; it needs at least one entry", place)
    else:
        message = fault.message
        if fault.code == "no-value" and (keys := _bare_keys(path, root)):
            message = f"has no value; for a list write [{', '.join(keys)}]"
        if fault.code == "wrong-type":
            in_list = isinstance(value, Map) and path and isinstance(path[-1], int)
            message += _advice(Seq([value]) if in_list else value, "a map") or _example(path)
        report.add(fault.code, f"{quoted(str(path[-1])) if fault.is_key and path else subject} {message}", place)


def _advice(value: object, needed: str) -> str:
    """What to do about a list of one-key maps where a map is meant, and about a key whose colon has no space."""
    if isinstance(value, Seq) and value and all(isinstance(item, Map) and len(item) == 1 for item in value):
        key, given = next(iter(value[0].items()))
        return f"; for a map leave the dash out: `{pair(key, given if isinstance(given, str) else '…', 40)}`"
    if isinstance(value, str) and "map" in needed and (glued := re.fullmatch(GLUED, value)):
        return f"; a key needs a space after its colon: write `{pair(glued[1], glued[2])}`"
    return ""


def _example(path: Steps, value: object = None) -> str:
    """How a key is written, for one that is not."""
    if path in (("prompt",), ("template",)):
        return f"; several stand under `{path[0]}s:`"
    if _is_axis(path) and isinstance(value, str) and value.lower().endswith(FORMATS):
        return f"; the rows of a file are {{from: {value}}}"
    key = path[0] if len(path) == 1 or (len(path) == 2 and isinstance(path[1], int)) else None
    return f", as in `{key}: {_EXAMPLES[key]}`" if isinstance(key, str) and key in _EXAMPLES else ""


def _bare_keys(path: Steps, root: Map) -> list[str]:
    """The keys of the map around a fault if none of them has a value: `{a, b}` is such a map to YAML."""
    node: Any = root
    around: Map | None = None
    for step in path:
        if isinstance(node, Map) and isinstance(step, str) and step in node:
            around, node = node, node[step]
    if around is None or around is root or len(around) < 2 or any(value is not None for value in around.values()):
        return []
    return list(around)[:8]


def _subject(path: Steps) -> str:
    """How a place in the file is called: `seeds`, `item 2 of skip`."""
    if not path:
        return "the file"
    if _is_axis(path):
        return f"the axis {quoted(str(path[1]))}"
    last = path[-1]
    if isinstance(last, int):
        owner = next((_shown(step) for step in reversed(path) if isinstance(step, str)), "the list")
        return f"item {last + 1} of {owner}"
    return _shown(last)


def _is_axis(path: Steps) -> bool:
    return len(path) == 2 and path[0] == "axes"


def _shown(name: str) -> str:
    return name if name.isprintable() and 0 < len(name) < 60 else quoted(name)


def _place(fault: Fault, root: Map) -> Place:
    """Where a fault is: at the value, or at its key where that is at fault or has no value."""
    # A key without a value is told at the key: YAML says that the value begins where the next line does.
    node: Any = root
    place = root.place
    for step in fault.path:
        around: Any = node
        node = around[step]
        if isinstance(around, Map):
            place = around.key_place(str(step)) if fault.is_key or node is None else around.value_place(str(step))
        else:
            place = Place(*around.marks[step][:3])
    return place


def without(root: Map, faults: list[Steps], report: Report) -> Map:
    """The tree without the parts that hold a fault; smaller by at least one key."""
    # Axes and entries of lists stand alone; of everything else the whole key goes, since half a `limits` or `design`
    # would be another one than was meant.
    bad: dict[str, set[str | int]] = {}
    for path in faults:
        parts = bad.setdefault(str(path[0]), set())
        if path[0] in ("axes", "skip", "override") and len(path) > 1:
            parts.add(path[1])
    kept = _copy_map(root, set())
    for top, parts in bad.items():
        value = kept.get(top)
        report.failed_axes |= _axes_lost(top, parts)
        if parts and isinstance(value, Map) and parts & value.keys():
            kept[top] = _copy_map(value, parts)
        elif parts and isinstance(value, Seq):
            kept[top] = _copy_seq(value, parts)
        else:
            del kept[top]
    return kept


def _axes_lost(top: str, parts: set[str | int]) -> set[str]:
    """Which axes are unknown now; `*` where that is not known."""
    if top == "axes":
        return {str(part) for part in parts} or {"*"}
    return {{"prompts": "prompt", "templates": "template"}[top]} if top in ("prompts", "templates") else set()


def _copy_map(source: Map, left_out: set[str | int]) -> Map:
    copy = Map((key, value) for key, value in source.items() if key not in left_out)
    copy.mark, copy.marks, copy.pending = source.mark, source.marks, None
    copy.weight, copy.height = source.weight, source.height
    return copy


def _copy_seq(source: Seq, left_out: set[str | int]) -> Seq:
    kept = [position for position in range(len(source)) if position not in left_out]
    copy = Seq(source[position] for position in kept)
    copy.mark, copy.marks = source.mark, [source.marks[position] for position in kept]
    copy.weight, copy.height = source.weight, source.height
    return copy
