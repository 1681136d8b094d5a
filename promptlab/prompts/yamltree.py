"""The YAML of a front matter as text with positions: no implicit types, no aliases, no duplicate keys, capped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

MAX_NODES = 2_000
MAX_DEPTH = 8
_TOO_DEEP = f"a front matter nested more than {MAX_DEPTH} deep"

_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(frozen=True, slots=True)
class Branch:
    """A value and where it begins (1-based); `key` is where the key of a map's value begins."""

    value: str | list[Branch] | dict[str, Branch]
    line: int
    column: int
    key: tuple[int, int] = (1, 1)


class YamlFault(ValueError):
    """The YAML cannot be read: why, and where."""

    def __init__(self, message: str, line: int, column: int, code: str = "front-matter") -> None:
        super().__init__(message)
        self.code = code
        self.line = line
        self.column = column


def read_tree(text: str) -> Branch:
    """The tree of one YAML document; an empty document is an empty text. Raises YamlFault."""
    try:
        return _read(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        reason = getattr(error, "problem", None) or str(error)
        if "nesting" in reason:  # libyaml reads ahead, and has its own limit in some versions
            raise YamlFault(_TOO_DEEP, line, column) from None
        raise YamlFault(f"this is not YAML: {reason}", line, column, "yaml-syntax") from None


def _read(text: str) -> Branch:
    # Events come as a stream, so that a deep nest or a bomb of aliases is refused where it begins.
    try:
        return _Builder(yaml.parse(text, Loader=_LOADER)).document()
    except yaml.MarkedYAMLError as error:
        if "nesting depth" not in str(error.problem):
            raise
    # libyaml 0.2.6 looks ahead and gives up at its own depth; the pure loader comes to our limit first.
    return _Builder(yaml.parse(text, Loader=yaml.BaseLoader)).document()


class _Builder:
    def __init__(self, events: Iterator[Any]) -> None:
        self.events = events
        self.count = 0

    def document(self) -> Branch:
        found = Branch("", 1, 1)
        for event in self.events:
            if isinstance(event, yaml.NodeEvent):
                found = self.branch(event, 0)
            elif isinstance(event, yaml.DocumentEndEvent) and event.explicit:
                mark: Any = event.start_mark
                line, column = mark.line + 1, mark.column + 1
                raise YamlFault("a front matter ends with ---, not with ...", line, column)
        return found

    def branch(self, event: Any, depth: int, key: tuple[int, int] = (1, 1)) -> Branch:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        self.count += 1
        if self.count > MAX_NODES or depth > MAX_DEPTH:
            message = _TOO_DEEP if depth > MAX_DEPTH else f"a front matter of more than {MAX_NODES:,} values"
            raise YamlFault(message, line, column)
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise YamlFault(
                "a front matter has no anchors (&) and aliases (*); quote a text that begins so", line, column
            )
        if isinstance(event, yaml.ScalarEvent):
            return Branch(event.value, line, column, key)
        if isinstance(event, yaml.SequenceStartEvent):
            items = [self.branch(item, depth + 1) for item in self.children(yaml.SequenceEndEvent)]
            return Branch(items, line, column, key)
        return Branch(self.pairs(depth), line, column, key)

    def children(self, end: type[Any]) -> Iterator[Any]:
        for event in self.events:
            if isinstance(event, end):
                return
            yield event

    def pairs(self, depth: int) -> dict[str, Branch]:
        found: dict[str, Branch] = {}
        for event in self.children(yaml.MappingEndEvent):
            name = self.branch(event, depth + 1)
            if not isinstance(name.value, str):
                message = "a key is one text; quote a text that begins with { or ["
                raise YamlFault(message, name.line, name.column, "unquoted-template")
            if name.value in found:
                first = found[name.value].key[0]
                raise YamlFault(
                    f"the key {name.value!r} occurs here and on line {first}", name.line, name.column, "duplicate-key"
                )
            found[name.value] = self.branch(next(self.events), depth + 1, (name.line, name.column))
        return found
