"""A template ready to use: what it is, what is wrong with it, and the prompts it makes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol

from jinja2 import nodes

from promptlab.errors import InputError, Problem
from promptlab.model import Place, TemplateFile
from promptlab.prompts.frontmatter import Declaration, convert
from promptlab.prompts.parsing import (
    Closure,
    Findings,
    ParsedFile,
    Use,
    base_chain,
    declarations,
    direct,
    ignored_front_matter,
)
from promptlab.prompts.rendering import FAILURES, run
from promptlab.prompts.sandbox.compiler import Compiled, Sandbox
from promptlab.prompts.sandbox.functions import TEXT
from promptlab.prompts.sandbox.guard import GLOBALS
from promptlab.prompts.sandbox.limits import MAX_EXPLAINED, MAX_STEPS, MAX_TEXT
from promptlab.prompts.sandbox.values import as_text, form, hint
from promptlab.prompts.template_files import SourceFile
from promptlab.prompts.template_folder import State
from promptlab.spec.names import nearest

if TYPE_CHECKING:
    from promptlab.prompts.tracing import Segment


class TemplateFiles(Protocol):
    """The files that a template is one of: `library.Tree`."""

    sandbox: Sandbox

    def found(self, name: str) -> ParsedFile | None:
        """One of them, parsed."""
        ...

    def traced(self, main: SourceFile, variables: dict[str, Any]) -> list[Segment]:
        """A render of one of them, in parts."""
        ...


class Template:
    """A template with all it includes, at one version. Made by Library; immutable.

    `id` is the identity of the text (see parsing.Closure.identity); `path` is relative to the templates folder, for
    an inline prompt the experiment's path; `ref` is the revision as written after `@`, None for the working copy.
    """

    def __init__(
        self,
        files: TemplateFiles,
        closure: Closure,
        compiled: Callable[[], Compiled],
        ref: str | None,
        state: Callable[[list[SourceFile]], State],
    ) -> None:
        """`compiled` compiles when it is first called, `state` asks git; neither is needed for every template."""
        self._files = files
        self._closure = closure
        self._compiled = compiled
        self._state = state
        main = closure.main.source
        self.id: str = closure.identity()
        self.path: str = main.path
        self.ref = ref
        sources = [unit.source for unit in closure.units]
        self.files: tuple[TemplateFile, ...] = tuple(TemplateFile(s.path, s.text, s.blob) for s in sources)
        self._chain = base_chain(closure.main, files.found)
        fronts = [unit.front for unit in reversed(self._chain)]  # the base first
        self.description: str | None = closure.main.front.description
        self.negative_prompt: tuple[str, ...] = tuple(part for front in fronts for part in front.negative_prompt)
        self.params: Mapping[str, str] = {key: text for front in fronts for key, text in front.params.items()}
        self.param_places: Mapping[str, Place] = {key: at for front in fronts for key, at in front.places.items()}
        self.declared: Mapping[str, Declaration] = declarations(closure, self._chain)
        chosen = [front.whitespace for front in fronts if front.whitespace]
        self.whitespace: Literal["collapse", "keep"] = chosen[-1] if chosen else "collapse"
        defaults = {name: each.default for name, each in self.declared.items() if each.has_default}
        self._base: dict[str, Any] = {**GLOBALS, **defaults}
        self._keep = self.whitespace == "keep"
        self._forms = {name: read for unit in closure.units for name, read in unit.forms.items()}

    def __repr__(self) -> str:
        return f"<Template {self.path}{'@' + self.ref if self.ref else ''} {self.id[:12]}>"

    # --- git ------------------------------------------------------------------------------------------------------

    @cached_property
    def _git(self) -> State:
        return self._state([unit.source for unit in self._closure.units])

    @property
    def commit(self) -> str | None:
        """The commit this text is of (for the working copy, what is checked out); None outside git."""
        return self._git.commit

    @property
    def dirty(self) -> bool | None:
        """True when a file differs from that commit, None outside git."""
        return self._git.dirty

    @property
    def trouble(self) -> str | None:
        """Why git could not read commit or dirty, as a sentence."""
        return self._git.trouble

    # --- before money ---------------------------------------------------------------------------------------------

    @cached_property
    def _findings(self) -> Findings:
        main = self._closure.main
        if (parts := places(main.tree)) is not None:
            uses = [direct(part, main) for part in parts if not isinstance(part, nodes.TemplateData)]
            found = [use for use in uses if use is not None and use.name not in (*GLOBALS, "self")]
            if len(found) == len(uses):
                return Findings(found, {(use.name, use.field) for use in found if use.guarded}, [])
        from promptlab.prompts.used_names import find_names

        return find_names(main, self._files.found)

    @cached_property
    def names(self) -> frozenset[str]:
        """The variables that the template uses and does not define, also where a default would do.

        A name that is read in another Unicode form is there in both.
        """
        found = {use.name for use in self._findings.uses if not use.blind}
        return frozenset(found | {name for name, read in self._forms.items() if read in found})

    @cached_property
    def fields(self) -> Mapping[str, frozenset[str]]:
        """The fields that are used of them, where the text shows it: `look.light`, `look['light']`."""
        found: dict[str, set[str]] = {}
        for use in self._findings.uses:
            if use.field is not None and not use.blind:
                found.setdefault(use.name, set()).add(use.field)
        return {name: frozenset(fields) for name, fields in found.items()}

    def problems(self, known: Mapping[str, frozenset[str] | None]) -> list[Problem]:
        """Undefined variables and fields, given the names that will be defined and their fields (None: not known).

        Over all branches, and in included files, base templates and macros that are used; with warnings.
        """
        if self._forms:
            known = {form(name): fields for name, fields in known.items()}
        found = [problem for problem in self._closure.problems.found if problem.severity == "warning"]
        found += self._findings.problems
        found += ignored_front_matter(self._closure.units, self._chain)
        told: set[tuple[str, str, str | None, str]] = set()
        for use in self._findings.uses:
            problem = self._problem(use, known, hint if len(told) < MAX_EXPLAINED else _unexplained)
            key = (use.name, problem.code if problem else "", use.field, use.unit.source.path)
            if problem is not None and key not in told:
                told.add(key)
                found.append(problem)
        return found

    def _problem(
        self, use: Use, known: Mapping[str, frozenset[str] | None], nearby: Callable[[str, Iterable[str]], str]
    ) -> Problem | None:
        guarded = self._findings.guarded
        if use.blind:
            if (use.name, None) in guarded or (use.name, use.field) in guarded:
                return None
            message = f"undefined variable {use.name!r}: a file imported without context sees no variables; "
            return self._at(use, "undefined-variable", message + "pass it to the macro, or import it `with context`")
        if use.name in known:
            fields = known[use.name]
            if fields is None or use.field is None or use.field in fields or use.field in TEXT:
                return None
            if (use.name, use.field) in guarded:
                return None
            message = f"undefined field {use.field!r} of {use.name!r}{nearby(use.field, fields)}"
            return self._at(use, "undefined-field", message)
        declared = self.declared.get(use.name)
        if declared is not None and declared.has_default:
            return None
        candidates = [*known, *self.declared]
        if (use.name, None) in guarded:
            near = nearest(use.name, candidates)
            if near is None or near == use.name:
                return None
            message = f"nothing defines {use.name!r}, so its default is used; did you mean {near!r}?"
            return self._at(use, "defaulted-variable", message, "warning")
        if declared is not None:
            about = f" ({declared.description})" if declared.description else ""
            message = f"undefined variable {use.name!r}{about}: the template declares it; give it in vars or as an axis"
            return self._at(use, "undefined-variable", message)
        return self._at(use, "undefined-variable", f"undefined variable {use.name!r}{nearby(use.name, candidates)}")

    def _at(self, use: Use, code: str, message: str, severity: Literal["error", "warning"] = "error") -> Problem:
        column = use.field_column if code == "undefined-field" else None
        return use.unit.source.problem(code, message, use.line, column, severity)

    def coerce(self, name: str, value: object, place: Place | None) -> object:
        """The value as the type that the template declares for it; InputError at the place where it is not."""
        declaration = self.declared.get(form(name))
        if declaration is None or declaration.type is None:
            return value
        try:
            return convert(declaration.type, name, value)
        except ValueError as error:
            at = (place.path, place.line, place.column) if place else (None, None, None)
            raise InputError(Problem("variable-type", f"{error} ({self.path} declares it)", *at)) from None

    # --- prompts --------------------------------------------------------------------------------------------------

    def render(self, context: Mapping[str, object]) -> str:
        """The prompt: rendered within the limits, then cleaned (see `clean`); InputError with the template's line."""
        return clean(self.raw(context), keep=self._keep)

    def at_beginning(self, problem: Problem) -> Problem:
        """A problem of the text as a whole, with the place where the text begins."""
        return self._closure.main.source.problem(problem.code, problem.message, 1, 1, problem.severity)

    def raw(self, context: Mapping[str, object]) -> str:
        """What the template wrote, before it is cleaned."""
        return "".join(run(self._compiled(), self._variables(context)))

    def bind(
        self, constants: Mapping[str, object], tables: Mapping[str, Sequence[object]]
    ) -> Callable[[Sequence[int]], str]:
        """`render` for the many prompts of a product: what it returns is called with the numbers of values.

        `constants` are the same in every prompt. `tables` have the values of each variable that differs; the function
        takes one index for each table, in their order, and -1 where a prompt has no value of it. Texts are made safe
        and clean once per value rather than once per prompt; the prompts and the errors are those of `render`.
        """
        fixed = self._variables(constants)
        named = [(form(name) if self._forms else name, table) for name, table in tables.items()]
        positions = {name: at for at, (name, _) in enumerate(named)}

        def whole(indices: Sequence[int]) -> str:
            variables = fixed.copy()
            for (name, table), index in zip(named, indices, strict=True):
                if index >= 0:
                    variables[name] = table[index]
            return clean("".join(run(self._compiled(), variables)), keep=self._keep)

        parts = None if self._keep else places(self._closure.main.tree)
        found = None if parts is None else _slots(self._files.sandbox, parts, fixed, positions)
        if found is None:
            return whole
        lead, slots = found
        pieces = [(at, _Pieces(slot, named[at][1])) for slot in slots for at in (positions[slot.name],)]

        def prompt(indices: Sequence[int]) -> str:
            try:
                return lead + "".join([table[indices[at]] for at, table in pieces])  # type: ignore[misc]
            except TypeError:  # one of them is None
                return whole(indices)

        return prompt

    def _variables(self, context: Mapping[str, object]) -> dict[str, Any]:
        if self._forms:
            context = {form(name): value for name, value in context.items()}
        return {**self._base, **context}

    def trace(self, context: Mapping[str, object]) -> list[Segment]:
        """`raw` in parts, each with the file and line that wrote it and the variable that filled it.

        Slower than a render. A text that a filter changed is one part, at the place of the filter.
        """
        return self._files.traced(self._closure.main.source, self._variables(context))


def _unexplained(name: str, known: Iterable[str]) -> str:
    """Instead of "did you mean", which takes time, where there are many problems."""
    return ""


# --- the prompts of a product -------------------------------------------------------------------------------------

# A template that is text with places of one variable each, as most are, is not run for each prompt: what a place shows
# for a value is made and cleaned once, and a prompt is those pieces in a row. Where that could make a difference (a
# value with spaces at its ends, a long one, one that fails), the template is run as a whole.

#: Latin letters, punctuation, Chinese and Japanese characters: none changes with what stands before it, as a combining
#: accent or a Hangul vowel does (Unicode TR 15). Others could be added; a prompt is right without them, only slower.
_ALONE = (("\0", "\u02ff"), ("\u2010", "\u206f"), ("\u3041", "\u3096"), ("\u30a0", "\u30ff"), ("\u3400", "\u9fff"))


def places(tree: nodes.Template | None) -> list[nodes.Expr] | None:
    """The texts and places of a file that has nothing else; None where it has."""
    found: list[nodes.Expr] = []
    for node in tree.body if tree is not None else ():
        if not isinstance(node, nodes.Output):
            return None
        found += node.nodes
    return found if all(isinstance(part, nodes.TemplateData) or _variable(part) for part in found) else None


def _variable(node: nodes.Node | None) -> str | None:
    """The variable that an expression is a function of: itself, a field of it, either through filters; else None."""
    while not isinstance(node, nodes.Name):
        if isinstance(node, nodes.Getitem):
            if not isinstance(node.arg, nodes.Const):
                return None
        elif isinstance(node, nodes.Filter):
            values = [*node.args, *(keyword.value for keyword in node.kwargs)]
            if node.dyn_args or node.dyn_kwargs or not all(isinstance(value, nodes.Const) for value in values):
                return None
        elif not isinstance(node, nodes.Getattr):
            return None
        node = node.node
    return node.name


def _shown(sandbox: Any, node: Any, value: Any) -> Any:
    """What an expression of one variable is for a value of it: the calls that the compiled template would make."""
    if isinstance(node, nodes.Name):
        return value
    inner = _shown(sandbox, node.node, value)
    if isinstance(node, nodes.Getattr):
        return sandbox.getattr(inner, node.attr)
    if isinstance(node, nodes.Getitem):
        return sandbox.getitem(inner, node.arg.as_const())
    arguments = [argument.as_const() for argument in node.args]
    return sandbox.call_filter(node.name, inner, arguments, {each.key: each.value.as_const() for each in node.kwargs})


class _Slot:
    """A place whose variable has a table, with the fixed text around it."""

    def __init__(self, sandbox: Sandbox, name: str, node: nodes.Expr, share: int) -> None:
        self.sandbox, self.name, self.node = sandbox, name, node
        # Characters that it may have and steps that it may take: together, all slots stay within the limits.
        self.room, self.steps = MAX_TEXT // share, MAX_STEPS // share
        self.after = ""

    def piece(self, value: object) -> str | None:
        """The cleaned text of the place for a value, or None where the prompt has to be rendered as a whole."""
        self.sandbox.meter.reset()
        try:
            text = as_text(_shown(self.sandbox, self.node, value))
        except FAILURES:
            return None  # the render says what is wrong, and where
        if len(text) > self.room or self.sandbox.meter.left < MAX_STEPS - self.steps or not _stands(text):
            return None
        return text + self.after


class _Pieces(dict[int, "str | None"]):
    """The pieces of a slot by the number of the value, each made when it is first asked for."""

    def __init__(self, slot: _Slot, table: Sequence[object]) -> None:
        super().__init__({-1: None})  # a variable that is not given
        self.slot, self.table = slot, table
        self.kept = isinstance(table, (list, tuple))  # of a file of a million rows, neither they nor these are held

    def __missing__(self, index: int) -> str | None:
        piece = self.slot.piece(self.table[index])
        if self.kept:
            self[index] = piece
        return piece


def _is_alone(text: str) -> bool:
    return any(first <= text[0] <= last for first, last in _ALONE)


def _stands(text: str) -> bool:
    """Whether a text stays what it is between any two others when the whole is cleaned."""
    return text != "" and _is_alone(text) and clean(text) == text and text.strip() == text


def _slots(
    sandbox: Any, parts: list[nodes.Expr], fixed: Mapping[str, Any], tables: Container[str]
) -> tuple[str, list[_Slot]] | None:
    """The text before, and the places that differ from prompt to prompt; all others are part of the text around them.

    None where the template has to be run as a whole.
    """
    names = [_variable(part) or "" for part in parts]
    share = len(parts) + sum(name in tables for name in names)
    slots: list[_Slot] = []
    texts = [""]  # before the first slot, between each two, after the last
    sandbox.meter.reset()
    for part, name in zip(parts, names, strict=True):
        if isinstance(part, nodes.TemplateData):
            texts[-1] += part.data
        elif name in tables:
            slots.append(_Slot(sandbox, name, part, share))
            texts.append("")
        elif name not in fixed:
            return None
        else:
            try:
                texts[-1] += as_text(_shown(sandbox, part, fixed[name]))
            except FAILURES:
                return None
    spent = MAX_STEPS - sandbox.meter.left
    if sum(map(len, texts)) > MAX_TEXT // 2 or spent > MAX_STEPS // 2:
        return None
    for at, text in enumerate(texts):
        # The signs at the ends keep the spaces that stand between two pieces; at the ends of a prompt there are none.
        left, right = "." * (at > 0), "." * (at < len(slots))
        kept = clean(left + text + right)
        texts[at] = kept = kept[len(left) : len(kept) - len(right)]
        if at and kept and not _is_alone(kept):
            return None
    for slot, text in zip(slots, texts[1:], strict=True):
        slot.after = text
    return texts[0], slots


# --- from what a template wrote to what is sent -------------------------------------------------------------------

# Patterns here are compiled when they are first used: most prompts are plain ASCII and need none.
# Removed: C0 and C1 controls (but tab and line breaks), the bidirectional embeddings, overrides and isolates that make
# a text read differently from what is sent (Unicode TR 36), the byte order mark, and halves of surrogate pairs, which
# no encoding can carry. Kept: the joiners that emoji and Indic scripts need, and the left-to-right and right-to-left
# marks of ordinary Arabic and Hebrew.
_REMOVED = "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
# Kept as written: spaces at which no line may break are meant (`5 kg`, French punctuation). The others are white space.
_NO_BREAK = "\u00a0\u2007\u202f"
_WHITE = (
    " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2008\u2009\u200a"
    "\u2028\u2029\u205f\u3000"
)
_SPACE = f"[{_WHITE}]+"
_BREAKS = "\r\n|[\r\x0b\x0c\x85\u2028\u2029]"


def clean(text: str, *, keep: bool = False) -> str:
    """The text as it is sent: no control characters, Unicode NFC, each run of white space one space, none at the ends.

    No-break spaces do not count as white space here: they stay.
    `keep` is the front matter's `whitespace: keep`: spaces, tabs and line breaks stay (each break as `\\n`), less the
    white space at both ends. Cleaning twice changes nothing.
    """
    if text.isascii() and text.isprintable():  # as most are: what is white there is a space, and breaks are none
        return text.strip() if keep or "  " not in text else " ".join(text.split())
    text = unicodedata.normalize("NFC", re.sub(_REMOVED, "", text))
    if keep:
        text = re.sub(_BREAKS, "\n", text)
    if text.isascii() or not any(space in text for space in _NO_BREAK):
        return text.strip() if keep else " ".join(text.split())
    text = (text if keep else re.sub(_SPACE, " ", text)).strip(_WHITE)
    return text if text.strip() else ""
