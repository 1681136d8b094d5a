"""From the text of one file to its parsed tree and everything that is wrong with it, before anything runs."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NamedTuple

from jinja2 import TemplateSyntaxError, nodes
from jinja2.parser import Parser

from promptlab.errors import Problem, Problems
from promptlab.prompts.frontmatter import Declaration, FrontMatter, read
from promptlab.prompts.sandbox.compiler import Sandbox, condense
from promptlab.prompts.sandbox.limits import (
    MAX_ARGUMENTS,
    MAX_BITS,
    MAX_BRACKETS,
    MAX_DEPTH,
    MAX_EXPLAINED,
    MAX_FILES,
    MAX_LITERALS,
    MAX_LOOPS,
    MAX_REMARKS,
    MAX_TEXT,
    MAX_WORDS,
)
from promptlab.prompts.sandbox.values import form, hint
from promptlab.prompts.template_files import SourceFile, column_of

_REFERENCES = (nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)
_REMARKS = frozenset({"raw_begin", "raw_end", "comment_begin", "comment", "comment_end"})
_SILENT = _REMARKS | {"data", "whitespace"}
_KEYWORDS = frozenset(["in", "is", "and", "or", "not", "if", "else", "elif"])  # a bracket after one is not a call
_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")


class Reference(NamedTuple):
    """An include, import or extends: the names it may mean, in order of preference."""

    kind: str  # extends, include, import
    names: tuple[str, ...]
    line: int
    optional: bool  # `ignore missing`


@dataclass(eq=False)
class ParsedFile:
    """A parsed file. `tree` is None where it cannot be read; `problems` say why."""

    source: SourceFile
    front: FrontMatter = field(default_factory=FrontMatter)
    tree: nodes.Template | None = None
    references: tuple[Reference, ...] = ()
    problems: tuple[Problem, ...] = ()
    forms: Mapping[str, str] = field(default_factory=dict)  # names that are read in another Unicode form → that


def parse_unit(sandbox: Sandbox, source: SourceFile, head: str | None) -> ParsedFile:
    """Parse one file with its front matter; never raises."""
    front, problems = (FrontMatter(), []) if head is None and source.place else read(source, head)
    tree = parse(sandbox, source, problems)
    if tree is not None and head is not None:
        _drop_lines(tree, head.count("\n") + 2)  # with the two lines of ---
    if tree is None:
        return ParsedFile(source, front, None, (), tuple(problems))
    inspector = Inspector(sandbox, source, problems)
    inspector.inspect(tree)
    if inspector.too_deep:
        return ParsedFile(source, front, None, (), tuple(problems))
    condense(tree)  # only now, since the inspector says where in a long list a wrong constant stands
    return ParsedFile(source, front, tree, tuple(_references(tree)), tuple(problems), inspector.forms)


def _drop_lines(tree: nodes.Template, count: int) -> None:
    """The blank lines that stand for the front matter are for counting, not for the prompt."""
    first = tree.body[0] if tree.body else None
    if isinstance(first, nodes.Output) and isinstance(first.nodes[0], nodes.TemplateData):
        text = first.nodes[0]
        text.data, text.lineno = text.data[count:], text.lineno + count


def parse(sandbox: Sandbox, source: SourceFile, problems: list[Problem], *, state: str | None = None) -> Any:
    """The parsed body (with state "variable": one expression), or None and a problem."""
    try:
        if _too_deep(sandbox, source, problems, state):
            return None
        parser = Parser(sandbox, source.body, source.path, source.path, state=state)
        if state is None:
            return parser.parse()
        expression = parser.parse_expression()
        if not parser.stream.eos:
            parser.fail(f"nothing can follow the expression here: {parser.stream.current.value!r}")
        expression.set_environment(sandbox)
    except TemplateSyntaxError as error:
        problems.append(source.problem("template-syntax", _sentence(error), error.lineno))
    except (RecursionError, MemoryError) as error:
        line = _line_of_parser(error.__traceback__)
        problems.append(source.problem("template-limit", "tags or brackets nested too deep", line))
    except (ValueError, OverflowError) as error:  # a number of more digits than Python reads
        problems.append(source.problem("template-limit", f"a literal that is too large: {str(error)[:80]}", 1))
    else:
        return expression
    return None


def _too_deep(sandbox: Sandbox, source: SourceFile, problems: list[Problem], state: str | None) -> bool:
    """Count words and brackets before the parser recurses into them."""
    count = _Count()
    for line, kind, value in sandbox.lexer.tokeniter(source.body, source.path, source.path, state):
        if message := count.token(kind, value):
            problems.append(source.problem("template-limit", message, line))
            return True
    return False


class _Count:
    """What the tokens of one file add up to."""

    # Counted on tokens, since Jinja's parser recurses into every bracket and operator: by the time there is a tree that
    # one could measure, a file of ten thousand brackets has used up the stack.

    def __init__(self) -> None:
        self.words = self.literals = self.remarks = self.run = 0
        self.brackets: list[int] = []  # of each open one, how many commas a call has in it; of a list, none are counted
        self.called = False  # whether a bracket here would be that of a call

    def token(self, kind: str, value: str) -> str:
        """Take one more; says what there is too much of, or nothing."""
        if kind in _SILENT:
            self.remarks += kind in _REMARKS
            return f"more than {MAX_REMARKS // 3:,} comments in one template" if self.remarks > MAX_REMARKS else ""
        is_literal = kind in ("string", "integer", "float") or value == ","
        self.literals += is_literal
        self.words += not is_literal
        if kind == "operator":
            self.bracket(value)
        self.called = value in (")", "]") or (kind == "name" and value not in _KEYWORDS)
        self.run = self.run + 1 if value in ("-", "+", "not", "if", "else", "elif") else 0
        if self.words > MAX_WORDS:
            return f"more than {MAX_WORDS:,} names, tags and operators in one template"
        if self.literals > MAX_LITERALS:
            return f"more than {MAX_LITERALS:,} texts and numbers in one template; long lists belong in a file of rows"
        if len(self.brackets) > MAX_BRACKETS or self.run > MAX_BRACKETS:
            return f"brackets or operators nested more than {MAX_BRACKETS} deep"
        if self.brackets and self.brackets[-1] >= MAX_ARGUMENTS:
            return f"more than {MAX_ARGUMENTS} arguments; pass one list"
        if kind in ("integer", "float") and len(value) > 60:
            return f"a number written with {len(value):,} characters"
        return ""

    def bracket(self, sign: str) -> None:
        if sign in _OPEN:
            self.brackets.append(0 if sign == "(" and self.called else -MAX_LITERALS)
        elif sign in _CLOSE and self.brackets:
            self.brackets.pop()
        elif sign == "," and self.brackets:
            self.brackets[-1] += 1


def _line_of_parser(trace: TracebackType | None) -> int:
    line = 1
    while trace is not None:
        owner = trace.tb_frame.f_locals.get("self")
        if isinstance(owner, Parser):
            line = owner.stream.current.lineno
            break
        trace = trace.tb_next
    return line


def _sentence(error: TemplateSyntaxError) -> str:
    message = (error.message or "this is not Jinja").strip().rstrip(".")
    return message[:1].lower() + message[1:] if message[1:2].islower() else message


def _references(tree: nodes.Template) -> Iterator[Reference]:
    found: Any
    for found in tree.find_all(_REFERENCES):
        names = reference_names(found)
        if names is not None:
            kind = "extends" if isinstance(found, nodes.Extends) else type(found).__name__.lower()
            kind = "import" if kind == "fromimport" else kind
            yield Reference(kind, names, found.lineno, bool(getattr(found, "ignore_missing", False)))


def reference_names(node: Any) -> tuple[str, ...] | None:
    """The names an include, import or extends may mean; None when they are computed."""
    name = node.template
    values = [item.value if isinstance(item, nodes.Const) else None for item in getattr(name, "items", [name])]
    if isinstance(name, nodes.Const) and isinstance(name.value, (tuple, list)):
        values = list(name.value)
    found = tuple(value for value in values if isinstance(value, str))
    return found if found and len(found) == len(values) else None


_NAMED: dict[type[nodes.Node], tuple[str, ...]] = {
    nodes.Name: ("name",),
    nodes.NSRef: ("name",),
    nodes.Macro: ("name",),
    nodes.Import: ("target",),
    nodes.Keyword: ("key",),
}


class Inspector:
    """What Jinja allows and prompts do not, found on the parsed tree without running it."""

    def __init__(self, sandbox: Sandbox, source: SourceFile, problems: list[Problem], *, names: bool = True) -> None:
        """`names` is off where they are columns of a file, which are as written there."""
        self.names = names
        self.sandbox = sandbox
        self.source = source
        self.problems = problems
        self.too_deep = False
        self.forms: dict[str, str] = {}

    def fault(self, code: str, message: str, node: nodes.Node, column: int | None = None) -> None:
        self.problems.append(self.source.problem(code, message, node.lineno, column))

    def inspect(self, tree: nodes.Node) -> None:
        """Walk the tree with an explicit stack: depth is one of the things checked."""
        todo: list[tuple[nodes.Node, int, int]] = [(tree, 0, 0)]
        while todo:
            node, depth, loops = todo.pop()
            loops += isinstance(node, nodes.For)
            if depth > MAX_DEPTH or loops > MAX_LOOPS:
                what = (
                    f"loops nested more than {MAX_LOOPS}" if loops > MAX_LOOPS else f"tags nested more than {MAX_DEPTH}"
                )
                self.fault("template-limit", f"{what} deep", node)
                self.too_deep = True
                return
            self.check(node)
            todo.extend([(child, depth + 1, loops) for child in node.iter_child_nodes()][::-1])

    def check(self, node: nodes.Node) -> None:
        if self.names:
            self.name_forms(node)
        if isinstance(node, (nodes.Call, nodes.Filter, nodes.Test)):
            self.once(node, [str(keyword.key) for keyword in node.kwargs], "is given twice")
        elif isinstance(node, (nodes.Macro, nodes.CallBlock)):
            self.once(node, [argument.name for argument in node.args], "is an argument twice")
        if isinstance(node, nodes.Const):
            self.constant(node)
        elif isinstance(node, nodes.Filter):
            if node.name not in self.sandbox.filters:
                self.unknown("filter", node)
        elif isinstance(node, nodes.Test):
            if node.name not in self.sandbox.tests:
                self.unknown("test", node)
        elif isinstance(node, _REFERENCES):
            if len(reference_names(node) or ()) > MAX_FILES:
                self.fault("template-limit", f"more than {MAX_FILES} names to choose from", node)
            elif reference_names(node) is None:
                message = "the name of a template has to be written out here, in quotes: a computed one has no version"
                self.fault("computed-include", message, node)
        elif isinstance(node, nodes.Compare) and len(node.ops) > MAX_ARGUMENTS:
            self.fault("template-limit", f"more than {MAX_ARGUMENTS} comparisons in a row", node)
        elif isinstance(node, nodes.For) and node.recursive:
            self.fault("template-feature", "a recursive loop; write a macro, or loops within loops", node)
        elif isinstance(node, nodes.EvalContextModifier):
            self.fault("template-feature", "autoescape: a prompt is not HTML, and nothing in it is escaped", node)
        elif isinstance(node, (nodes.Getattr, nodes.NSRef)) and node.attr.startswith("__"):
            self.fault(
                "template-sandbox",
                f"{node.attr!r} is private, so templates can't use it",
                node,
                column_of(node.lineno, offset=1),
            )

    def constant(self, node: nodes.Const) -> None:
        value = node.value
        if isinstance(value, int) and value.bit_length() > MAX_BITS:
            self.fault("template-limit", f"a number of more than {MAX_BITS * 3 // 10} digits", node)
        elif isinstance(value, float) and not math.isfinite(value):
            self.fault("template-limit", "a number that is too large", node)
        elif isinstance(value, str) and len(value) > MAX_TEXT:
            self.fault("template-limit", f"a text of {len(value):,} characters; a prompt can have {MAX_TEXT:,}", node)

    def name_forms(self, node: nodes.Node) -> None:
        """Names in NFKC, as Python has them: two that differ only in that are one variable, with a warning."""
        for attribute in _NAMED.get(type(node), ()):
            name = getattr(node, attribute)
            if (read := form(name)) == name:
                continue
            setattr(node, attribute, read)
            if name not in self.forms:
                self.forms[name] = read
                message = f"the name {name!r} is read as {read!r}: they differ in their Unicode form only; write that"
                self.problems.append(self.source.problem("unicode-name", message, node.lineno, None, "warning"))

    def once(self, node: nodes.Node, names: list[str], message: str) -> None:
        if len(set(names)) < len(names):
            name = next(name for name in names if names.count(name) > 1)
            self.fault("template-syntax", f"{name!r} {message}", node)

    def unknown(self, what: str, node: Any) -> None:
        known = self.sandbox.filters if what == "filter" else self.sandbox.tests
        names = [name for name in known if name.isidentifier()] if len(self.problems) < MAX_EXPLAINED else []
        message = f"unknown {what} {node.name!r}{hint(node.name, names)}"
        column = column_of(node.lineno)
        if what == "test" and column is not None:  # the node is at its `is`
            line = self.source.lines[node.lineno - 1]
            column = max(line.find(node.name, column), column - 1) + 1
        self.fault(f"unknown-{what}", message, node, column)


# --- what it uses -------------------------------------------------------------------------------------------------

_GUARDS = {nodes.Filter: frozenset({"default", "d"}), nodes.Test: frozenset({"defined", "undefined"})}


class Use(NamedTuple):
    """One place where a name is used, or a field of it."""

    name: str
    field: str | None
    unit: ParsedFile
    line: int  # of the name; mostly a LineNumber, which has the column
    field_column: int | None = None
    guarded: bool = False  # with a default, or tested to be defined
    blind: bool = False  # in a file imported without context, which sees no variable


class Findings(NamedTuple):
    """The names that a template uses and does not define, those of them that may be undefined, and what is wrong."""

    uses: list[Use]
    guarded: set[tuple[str, str | None]]
    problems: list[Problem]


def direct(node: Any, unit: ParsedFile) -> Use | None:
    """The use that `x`, `x.y` or `x['y']` is, or one of them with a default; None for any other expression."""
    names = _GUARDS.get(type(node))
    if names is not None:
        inner = direct(node.node, unit) if node.name in names else None
        return None if inner is None or inner.guarded else inner._replace(guarded=True)
    if isinstance(node, nodes.Name) and node.ctx == "load":
        return Use(node.name, None, unit, node.lineno)
    if isinstance(node, (nodes.Getattr, nodes.Getitem)) and isinstance(node.node, nodes.Name):
        name, line = node.node.name, node.node.lineno
        if isinstance(node, nodes.Getattr):
            return Use(name, node.attr, unit, line, column_of(node.lineno, offset=1))  # after the dot
        if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            return Use(name, node.arg.value, unit, line, column_of(node.arg.lineno, offset=1))  # after the quote
    return None


def base_chain(unit: ParsedFile, lookup: Callable[[str], ParsedFile | None]) -> list[ParsedFile]:
    """The template, its base, the base's base."""
    found = [unit]
    while True:
        names = [reference.names[0] for reference in found[-1].references if reference.kind == "extends"]
        base = lookup(names[0]) if names else None
        if base is None or base in found:
            return found
        found.append(base)


# --- all it is made of --------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Closure:
    """The main file first, then all it includes, imports and extends, in order of their paths."""

    main: ParsedFile
    others: dict[str, ParsedFile] = field(default_factory=dict)
    problems: Problems = field(default_factory=Problems)

    @property
    def units(self) -> list[ParsedFile]:
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


def ignored_front_matter(units: Iterable[ParsedFile], chain: list[ParsedFile]) -> Iterable[Problem]:
    """Warnings for negatives and parameters of files that are included or imported, where they have no effect."""
    for unit in units:
        for key in ("negative_prompt", "params", "whitespace"):
            if unit not in chain and key in unit.front.lines:
                message = f"{key} of an included file has no effect; put it in a base template, and extend that"
                line = unit.front.lines[key]
                yield unit.source.problem("ignored-front-matter", message, line, None, "warning")


def declarations(closure: Closure, chain: list[ParsedFile]) -> dict[str, Declaration]:
    """The variables that the files of a template declare; the template over its base, both over what they include."""
    others = [unit for unit in closure.units if unit not in chain]
    return {
        name: declaration for unit in [*others, *reversed(chain)] for name, declaration in unit.front.variables.items()
    }
