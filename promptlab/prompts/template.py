"""A template ready to use: what it is, what is wrong with it, and the prompts it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Literal

from promptlab.errors import InputError, Problem
from promptlab.model import Place, TemplateFile
from promptlab.prompts.cleaning import clean
from promptlab.prompts.closure import Closure, ignored_front_matter
from promptlab.prompts.declared import convert
from promptlab.prompts.failures import FAILURES, explain
from promptlab.prompts.frontmatter import Declaration
from promptlab.prompts.parsing import Unit
from promptlab.prompts.sandbox.environment import GLOBALS, Compiled, RenderContext
from promptlab.prompts.sandbox.limits import MAX_EXPLAINED, MAX_TEXT, LimitReached
from promptlab.prompts.sandbox.methods import TEXT
from promptlab.prompts.sandbox.values import did_you_mean, form
from promptlab.prompts.scopes import Findings, Use, base_chain, find_names
from promptlab.prompts.template_folder import Tree
from promptlab.prompts.tracing import Segment, traced_values
from promptlab.prompts.versions import Version
from promptlab.spec.names import nearest


class Template:
    """A template with all it includes, at one version. Made by Library; immutable.

    `id` is the identity of the text (docs: closure.Closure.identity); `path` is relative to the templates folder, for
    an inline prompt the experiment's path; `ref` is the revision as written after `@`, None for the working copy.
    """

    def __init__(self, tree: Tree, closure: Closure, compiled: Compiled, version: Version) -> None:
        self._tree = tree
        self._closure = closure
        self._compiled = compiled
        self._version = version
        main = closure.main.source
        self.id: str = closure.identity()
        self.path: str = main.path
        self.ref: str | None = version.ref
        sources = [unit.source for unit in closure.units]
        self.files: tuple[TemplateFile, ...] = tuple(TemplateFile(s.path, s.text, s.blob) for s in sources)
        self._chain = base_chain(closure.main, tree.found)
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
    def commit(self) -> str | None:
        """The commit this text is of (for the working copy, what is checked out); None outside git."""
        return self._version.commit()

    @cached_property
    def dirty(self) -> bool | None:
        """True when a file differs from that commit, None outside git."""
        return self._version.dirty([unit.source for unit in self._closure.units])

    @property
    def trouble(self) -> str | None:
        """Why git could not read commit or dirty, as a sentence."""
        return self._version.trouble

    # --- before money ---------------------------------------------------------------------------------------------

    @cached_property
    def _findings(self) -> Findings:
        return find_names(self._closure.main, self._tree.found)

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
            problem = self._problem(use, known, did_you_mean if len(told) < MAX_EXPLAINED else _unexplained)
            key = (use.name, problem.code if problem else "", use.field, use.unit.source.path)
            if problem is not None and key not in told:
                told.add(key)
                found.append(problem)
        return found

    def _problem(
        self, use: Use, known: Mapping[str, frozenset[str] | None], hint: Callable[[str, Iterable[str]], str]
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
            message = f"undefined field {use.field!r} of {use.name!r}{hint(use.field, fields)}"
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
        return self._at(use, "undefined-variable", f"undefined variable {use.name!r}{hint(use.name, candidates)}")

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
        return "".join(_run(self._compiled, self._variables(context)))

    def _variables(self, context: Mapping[str, object]) -> dict[str, Any]:
        if self._forms:
            context = {form(name): value for name, value in context.items()}
        return {**self._base, **context}

    def trace(self, context: Mapping[str, object]) -> list[Segment]:
        """`raw` in parts, each with the file and line that wrote it and the variable that filled it.

        Slower than a render. A text that a filter changed is one part, at the place of the filter.
        """
        return traced_values(self._tree, self._closure.main.source, self._variables(context), _run)


def _unexplained(name: str, known: Iterable[str]) -> str:
    """Instead of "did you mean", which takes time, where there are many problems."""
    return ""


def declarations(closure: Closure, chain: list[Unit]) -> dict[str, Declaration]:
    """The variables that the files of a template declare; the template over its base, both over what they include."""
    others = [unit for unit in closure.units if unit not in chain]
    return {
        name: declaration for unit in [*others, *reversed(chain)] for name, declaration in unit.front.variables.items()
    }


def _run(compiled: Compiled, variables: dict[str, Any]) -> list[str]:
    """The chunks a template yields, within the budget of one render."""
    sandbox: Any = compiled.environment
    sandbox.meter.reset()
    context = RenderContext.quick(compiled, variables)
    try:
        chunks = list(compiled.root_render_func(context))
        if sum(map(len, chunks)) > MAX_TEXT:
            sandbox.meter.reset()
            _find_overflow(compiled.root_render_func(context))
    except FAILURES as error:
        raise explain(error, compiled.source, variables.keys() - GLOBALS.keys()) from None
    return chunks


def _find_overflow(stream: Iterator[str]) -> None:
    """Run again, and fail at the line whose output is one too many."""
    length = 0
    running: Any = stream
    for chunk in running:
        length += len(chunk)
        if length > MAX_TEXT:
            running.throw(LimitReached(f"a prompt of more than {MAX_TEXT:,} characters"))
