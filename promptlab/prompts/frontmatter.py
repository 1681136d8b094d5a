"""The YAML at the head of a template file: what the template says about itself, and the types of its variables."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

from promptlab.errors import Problem
from promptlab.model import Place
from promptlab.prompts.sandbox.values import Fields, form, hint
from promptlab.prompts.template_files import SourceFile
from promptlab.spec.report import Report
from promptlab.spec.yaml_tree import FRONT_MATTER, Map, Mark, Seq, Tree, parse

Kind = Literal["string", "integer", "number", "boolean", "list", "map"]

TYPES: Mapping[str, Kind] = {kind: kind for kind in get_args(Kind)}

_KEYS = ("description", "negative_prompt", "params", "vars", "whitespace")
_VARIABLE_KEYS = ("type", "description", "default")
_NONE: Mapping[str, Any] = MappingProxyType({})


class Declaration(NamedTuple):
    """A variable that a template declares. Without a `type` its values stay as they are."""

    name: str
    type: Kind | None = None
    description: str | None = None
    default: Any = None
    has_default: bool = False
    place: Place | None = None


class FrontMatter(NamedTuple):
    """What the head of one file says; `params` as written, each with its place."""

    description: str | None = None
    negative_prompt: tuple[str, ...] = ()
    params: Mapping[str, str] = _NONE
    places: Mapping[str, Place] = _NONE
    variables: Mapping[str, Declaration] = _NONE
    whitespace: Literal["collapse", "keep"] | None = None
    lines: Mapping[str, int] = _NONE  # key → line, for warnings


def split(text: str) -> tuple[str | None, str]:
    """(front matter or None, body with the front matter's lines blank). A head that never ends is all front matter."""
    lines = text.split("\n")
    if lines[0].rstrip() != "---":
        return None, text
    for number, line in enumerate(lines[1:], 1):
        if line.rstrip() == "---":
            return "\n".join(["", *lines[1:number]]), "\n" * (number + 1) + "\n".join(lines[number + 1 :])
    return text, ""


def read(source: SourceFile, head: str | None) -> tuple[FrontMatter, list[Problem]]:
    """The front matter of a file, and everything wrong with it."""
    if head is None:
        return FrontMatter(), _begun_late(source)
    if head == source.text:
        message = "the front matter has no end; write --- on a separate line after it"
        return FrontMatter(), [source.problem("front-matter", message, 1, 1)]
    report = Report()
    tree = parse(head, source.shown, report, FRONT_MATTER)
    warnings = [
        source.problem(note.code, note.message, note.place.line, note.place.column, "warning") for note in report.notes
    ]
    if report.count:
        return FrontMatter(), [*report.problems.found, *warnings]
    reader = _Reader(source)
    return reader.read(tree), reader.problems + warnings


def _begun_late(source: SourceFile) -> list[Problem]:
    """A warning where front matter comes after blank lines: there it is text of the prompt."""
    if source.place is not None or not re.match(_LATE, source.text):
        return []
    line = source.text[: source.text.index("---")].count("\n") + 1
    message = "front matter has to begin on the first line; here it is text of the prompt. Take out what is before it"
    return [source.problem("late-front-matter", message, line, 1, "warning")]


_LATE = r"\s*\n---[ \t]*\n(?:.*\n)*?---[ \t]*(?:\n|\Z)"


class _Node(NamedTuple):
    """A value, and where its key and it stand."""

    value: Tree
    mark: Mark


class _Reader:
    def __init__(self, source: SourceFile) -> None:
        self.source = source
        self.problems: list[Problem] = []

    def fault(self, node: _Node, message: str, code: str = "bad-value", *, at_key: bool = False) -> None:
        line, column = node.mark[1:3] if at_key else node.mark[3:]
        self.problems.append(self.source.problem(code, message, line, column))

    def read(self, tree: Tree) -> FrontMatter:
        if not tree:
            return FrontMatter()
        keys = self.map(_Node(tree, getattr(tree, "mark", ("", 1, 1, 2, 1))), "the front matter", _KEYS)
        whitespace = self.text(keys["whitespace"]) if "whitespace" in keys else None
        if whitespace is not None and whitespace not in ("collapse", "keep"):
            self.fault(keys["whitespace"], f"whitespace is {whitespace!r}; it can be collapse or keep")
        params = self.map(keys["params"], "params") if "params" in keys else {}
        declared = self.map(keys["vars"], "vars") if "vars" in keys else {}
        return FrontMatter(
            description=self.text(keys["description"]).strip() if "description" in keys else None,
            negative_prompt=self.parts(keys["negative_prompt"]) if "negative_prompt" in keys else (),
            params={name: self.text(node) for name, node in params.items()},
            places={name: Place(self.source.shown, *node.mark[3:]) for name, node in params.items()},
            variables={form(name): self.variable(form(name), node) for name, node in declared.items()},
            whitespace="keep" if whitespace == "keep" else "collapse" if whitespace == "collapse" else None,
            lines={name: node.mark[3] for name, node in keys.items()},
        )

    def map(self, node: _Node, what: str, known: tuple[str, ...] = ()) -> dict[str, _Node]:
        if not isinstance(node.value, Map):
            if node.value:
                self.fault(node, f"{what} must be a map of names, as in `key: value`", "wrong-type")
            return {}
        found = {key: _Node(value, node.value.marks[key]) for key, value in node.value.items()}
        for key, child in found.items():
            if known and key not in known:
                self.fault(child, f"unknown key {key!r} in {what}{hint(key, known)}", "unknown-key", at_key=True)
        return found

    def text(self, node: _Node) -> str:
        if isinstance(node.value, (Map, Seq)):
            self.fault(node, "this has to be one text or number", "wrong-type")
            return ""
        text = node.value or ""
        if re.search(r"\{\{|\{%|\{#", text):
            message = "front matter is data: {{ }} in it is never filled in; write it in the template's body"
            self.fault(node, message, "template-in-data")
        return text

    def items(self, found: Seq) -> list[_Node]:
        return [_Node(value, mark) for value, mark in zip(found, found.marks, strict=True)]

    def parts(self, node: _Node) -> tuple[str, ...]:
        nodes = self.items(node.value) if isinstance(node.value, Seq) else [node]
        return tuple(text for part in nodes if (text := self.text(part).strip()))

    def variable(self, name: str, node: _Node) -> Declaration:
        if not re.fullmatch(r"[^\W\d]\w*", name):
            self.fault(node, f"{name!r} cannot be the name of a variable", at_key=True)
        keys = self.map(node, f"the variable {name!r}", _VARIABLE_KEYS)
        kind = self.text(keys["type"]) if "type" in keys else None
        if kind is not None and kind not in TYPES:
            self.fault(keys["type"], f"the type of {name!r} is {kind!r}; it can be {', '.join(TYPES)}")
            kind = None
        typed: Kind | None = TYPES[kind] if kind else None
        default = None
        if "default" in keys:
            default = self.plain(keys["default"])
            try:
                default = convert(typed, name, default)
            except ValueError as error:
                self.fault(keys["default"], f"the default of {error}", "variable-type")
        about = self.text(keys["description"]).strip() if "description" in keys else None
        place = Place(self.source.shown, *node.mark[1:3])
        return Declaration(name, typed, about, default, "default" in keys, place)

    def plain(self, node: _Node) -> Any:
        """The default as plain data, checked for template text."""
        if isinstance(node.value, Map):
            return {key: self.plain(_Node(value, node.value.marks[key])) for key, value in node.value.items()}
        if isinstance(node.value, Seq):
            return [self.plain(item) for item in self.items(node.value)]
        return self.text(node)


def convert(kind: Kind | None, name: str, value: Any) -> Any:
    """The value as the declared type; ValueError says what it is and what it has to be."""
    if kind is None:
        return value
    if kind in ("list", "map"):
        wanted = (list, tuple) if kind == "list" else (Mapping,)
        if isinstance(value, wanted) or (kind == "map" and isinstance(value, Fields) and value.fields):
            return value  # a row has its columns as fields
        shape = "[a, b]" if kind == "list" else "{a: b}"
        raise ValueError(f"{name!r} is {_shown(value)}; it has to be a {kind}, written {shape}")
    if isinstance(value, (list, tuple, Mapping)) or value is None:
        raise ValueError(f"{name!r} is {_shown(value)}; it has to be {_NAMES[kind]}")
    if kind == "string":
        return value if isinstance(value, (Fields, str)) else _text(value)
    return _scalar(kind, name, value)


def _scalar(kind: str, name: str, value: Any) -> Any:
    text = _text(value).strip()
    if kind == "boolean" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind == "integer" and re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII):
        return int(text)
    if kind == "number" and re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", text[:60], re.ASCII):
        number = float(text)
        if math.isfinite(number):
            return int(text) if re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII) else number
    raise ValueError(f"{name!r} is {_shown(text)}; it has to be {_NAMES[kind]}")


_NAMES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, Mapping):
        return "a map"
    return "nothing" if value is None else repr(str(value)[:60])
