"""The YAML at the head of a template file: what the template says about itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from promptlab.errors import Problem
from promptlab.model import Place
from promptlab.prompts.declared import TYPES, Kind, convert
from promptlab.prompts.sandbox.values import did_you_mean, form
from promptlab.prompts.template_files import SourceFile
from promptlab.prompts.yamltree import Branch, YamlFault, read_tree

_KEYS = ("description", "negative_prompt", "params", "vars", "whitespace")
_VARIABLE_KEYS = ("type", "description", "default")


@dataclass(frozen=True, slots=True)
class Declaration:
    """A variable that a template declares. Without a `type` its values stay as they are."""

    name: str
    type: Kind | None = None
    description: str | None = None
    default: Any = None
    has_default: bool = False
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """What the head of one file says; `params` as written, each with its place."""

    description: str | None = None
    negative_prompt: tuple[str, ...] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)
    variables: Mapping[str, Declaration] = field(default_factory=dict)
    whitespace: Literal["collapse", "keep"] | None = None
    lines: Mapping[str, int] = field(default_factory=dict)  # key → line, for warnings


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
    try:
        tree = read_tree(head)
    except YamlFault as fault:
        return FrontMatter(), [source.problem(fault.code, str(fault), fault.line, fault.column)]
    reader = _Reader(source)
    return reader.read(tree), reader.problems


def _begun_late(source: SourceFile) -> list[Problem]:
    """A warning where front matter comes after blank lines: there it is text of the prompt."""
    if source.place is not None or not _LATE.match(source.text):
        return []
    line = source.text[: source.text.index("---")].count("\n") + 1
    message = "front matter has to begin on the first line; here it is text of the prompt. Take out what is before it"
    return [source.problem("late-front-matter", message, line, 1, "warning")]


_LATE = re.compile(r"\s*\n---[ \t]*\n(?:.*\n)*?---[ \t]*(?:\n|\Z)")


class _Reader:
    def __init__(self, source: SourceFile) -> None:
        self.source = source
        self.problems: list[Problem] = []

    def fault(self, node: Branch, message: str, code: str = "bad-value") -> None:
        self.problems.append(self.source.problem(code, message, node.line, node.column))

    def place(self, node: Branch) -> Place:
        return Place(self.source.shown, node.line, node.column)

    def read(self, tree: Branch) -> FrontMatter:
        if tree.value == "":
            return FrontMatter()
        keys = self.map(tree, "the front matter", _KEYS)
        whitespace = self.text(keys["whitespace"]) if "whitespace" in keys else None
        if whitespace is not None and whitespace not in ("collapse", "keep"):
            self.fault(keys["whitespace"], f"whitespace is {whitespace!r}; it can be collapse or keep")
        params = self.map(keys["params"], "params") if "params" in keys else {}
        declared = self.map(keys["vars"], "vars") if "vars" in keys else {}
        return FrontMatter(
            description=self.text(keys["description"]).strip() if "description" in keys else None,
            negative_prompt=self.parts(keys["negative_prompt"]) if "negative_prompt" in keys else (),
            params={name: self.text(node) for name, node in params.items()},
            places={name: self.place(node) for name, node in params.items()},
            variables={form(name): self.variable(form(name), node) for name, node in declared.items()},
            whitespace="keep" if whitespace == "keep" else "collapse" if whitespace == "collapse" else None,
            lines={name: node.line for name, node in keys.items()},
        )

    def map(self, node: Branch, what: str, known: tuple[str, ...] = ()) -> dict[str, Branch]:
        if not isinstance(node.value, dict):
            if node.value != "":
                self.fault(node, f"{what} must be a map of names, as in `key: value`", "wrong-type")
            return {}
        for key, child in node.value.items():
            if known and key not in known:
                at = Branch(key, *child.key)
                self.fault(at, f"unknown key {key!r} in {what}{did_you_mean(key, known)}", "unknown-key")
        return node.value

    def text(self, node: Branch, *, data: bool = True) -> str:
        if not isinstance(node.value, str):
            self.fault(node, "this has to be one text or number", "wrong-type")
            return ""
        if data and re.search(r"\{\{|\{%|\{#", node.value):
            message = "front matter is data: {{ }} in it is never filled in; write it in the template's body"
            self.fault(node, message, "template-in-data")
        return node.value

    def parts(self, node: Branch) -> tuple[str, ...]:
        nodes = node.value if isinstance(node.value, list) else [node]
        return tuple(text for part in nodes if (text := self.text(part).strip()))

    def variable(self, name: str, node: Branch) -> Declaration:
        if not re.fullmatch(r"[^\W\d]\w*", name):
            self.fault(Branch(name, *node.key), f"{name!r} cannot be the name of a variable")
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
        return Declaration(name, typed, about, default, "default" in keys, self.place(Branch(name, *node.key)))

    def plain(self, node: Branch) -> Any:
        """The default as plain data, checked for template text."""
        if isinstance(node.value, dict):
            return {key: self.plain(child) for key, child in node.value.items()}
        if isinstance(node.value, list):
            return [self.plain(child) for child in node.value]
        return self.text(node)
