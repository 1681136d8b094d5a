"""A template and all it is made of: the files, their order, what is wrong, and the identity of it all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from promptlab.errors import Problem, Problems
from promptlab.prompts.parsing import Reference, Unit
from promptlab.prompts.sandbox.codegen import NODES_A_STEP, weigh
from promptlab.prompts.sandbox.limits import MAX_EXPLAINED, MAX_FILES, MAX_TEXT_IN_ALL, MAX_WORDS_IN_ALL
from promptlab.prompts.sandbox.values import did_you_mean
from promptlab.prompts.template_folder import Tree, Unreadable

_MAX_CHAIN = 16  # files that include each other in a row


@dataclass
class Closure:
    """The main file first, then all it includes, imports and extends, in order of their paths."""

    main: Unit
    others: dict[str, Unit] = field(default_factory=dict)
    problems: Problems = field(default_factory=Problems)

    @property
    def units(self) -> list[Unit]:
        """The files, the main one first."""
        return [self.main, *(self.others[name] for name in sorted(self.others))]

    def identity(self) -> str:
        """sha256 of the main text and of each other file's path and text.

        The main file's own path is left out: renaming a template, or moving an inline prompt into a file, keeps its
        id. The paths of the others count, since the main text names them.
        """
        return identity(self.main.source.text, {unit.source.path: unit.source.text for unit in self.units[1:]})


def identity(main: str, others: Mapping[str, str]) -> str:
    """The id of a text with the files it includes, by their paths."""
    files = [[path, _digest(others[path])] for path in sorted(others)]
    return _digest(json.dumps([_digest(main), files], ensure_ascii=True, separators=(",", ":")))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def close(tree: Tree, main: Unit, name: str | None) -> Closure:
    """Follow every reference; all problems of all files are collected. `name` is None for an inline text."""
    closure = Closure(main)
    _Follower(tree, closure).follow(main, (name,) if name is not None else ())
    return closure


class _Follower:
    def __init__(self, tree: Tree, closure: Closure) -> None:
        self.tree = tree
        self.closure = closure
        self.done: set[int] = set()
        self.words = self.text = self.missed = 0

    def follow(self, unit: Unit, path: tuple[str, ...]) -> None:
        """Read what a file refers to; `path` is how one gets here from the main file."""
        if id(unit) in self.done:
            return
        self.done.add(id(unit))
        self.words += weigh(unit.tree.body) * NODES_A_STEP if unit.tree is not None else 0
        self.text += len(unit.source.text)
        for problem in unit.problems:
            self.closure.problems.add(problem)
        for reference in unit.references:
            present = [name for name in reference.names if self.look(unit, reference, name, path)]
            if not present and not reference.optional:
                self.missing(unit, reference)

    def look(self, unit: Unit, reference: Reference, name: str, path: tuple[str, ...]) -> bool:
        """Whether the file is there; follows it, and reports a cycle."""
        if message := self.too_much():
            self.fault(unit, reference, "template-limit", message, name)
            return True
        try:
            other = self.tree.unit(name)
        except Unreadable as error:
            self.fault(unit, reference, error.code, str(error), name)
            return True
        if other is None:
            return False
        if name in path:
            way = " → ".join([*path[path.index(name) :], name])
            self.fault(unit, reference, "template-cycle", f"{name!r} {reference.kind}s itself: {way}", name)
        elif len(path) >= _MAX_CHAIN or len(self.closure.others) >= MAX_FILES:
            message = f"a template made of more than {MAX_FILES} files, or of more than {_MAX_CHAIN} in a row"
            self.fault(unit, reference, "template-limit", message, name)
        else:
            self.closure.others[name] = other
            self.follow(other, (*path, name))
        return True

    def too_much(self) -> str:
        if self.words > MAX_WORDS_IN_ALL:
            return f"more than {MAX_WORDS_IN_ALL:,} names, tags and operators in all the files of a template"
        if self.text > MAX_TEXT_IN_ALL:
            return f"more than {MAX_TEXT_IN_ALL:,} characters in all the files of a template"
        return ""

    def missing(self, unit: Unit, reference: Reference) -> None:
        self.missed += 1
        wanted = " or ".join(repr(name) for name in reference.names)
        near = did_you_mean(reference.names[0], self.tree.all_names) if self.missed <= MAX_EXPLAINED else ""
        message = f"there is no template {wanted}{near}"
        self.fault(unit, reference, "template-missing", message, reference.names[0])

    def fault(self, unit: Unit, reference: Reference, code: str, message: str, word: str) -> None:
        line = unit.source.lines[reference.line - 1] if reference.line <= len(unit.source.lines) else ""
        column = line.find(word) + 1 if word in line else None
        self.closure.problems.add(unit.source.problem(code, message, reference.line, column))


def ignored_front_matter(units: Iterable[Unit], chain: list[Unit]) -> Iterable[Problem]:
    """Warnings for negatives and parameters of files that are included or imported, where they have no effect."""
    for unit in units:
        for key in ("negative_prompt", "params", "whitespace"):
            if unit not in chain and key in unit.front.lines:
                message = f"{key} of an included file has no effect; put it in a base template, and extend that"
                line = unit.front.lines[key]
                yield unit.source.problem("ignored-front-matter", message, line, None, "warning")
