"""The templates of a studio: the working copy, its past revisions, and the inline prompts of experiments."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import nodes

from promptlab.errors import InputError, Problem, Problems
from promptlab.git import Repository
from promptlab.model import Place, Source
from promptlab.prompts import frontmatter
from promptlab.prompts.parsing import Closure, ParsedFile, Reference, parse_unit
from promptlab.prompts.rendering import compiled, run
from promptlab.prompts.sandbox.compiler import NODES_A_STEP, Compiled, Sandbox, ensure_sound, weigh
from promptlab.prompts.sandbox.guard import GLOBALS
from promptlab.prompts.sandbox.limits import (
    MAX_EXPLAINED,
    MAX_FILE,
    MAX_FILES,
    MAX_TEXT_IN_ALL,
    MAX_WORDS_IN_ALL,
)
from promptlab.prompts.sandbox.values import hint
from promptlab.prompts.template import Template, places
from promptlab.prompts.template_files import SourceFile, decoded
from promptlab.prompts.template_folder import (
    Folder,
    NotATemplate,
    RevisionFolder,
    State,
    Working,
    WorkingFolder,
    check_name,
    commit_of,
)

if TYPE_CHECKING:
    from promptlab.prompts.outline import Outline
    from promptlab.prompts.tracing import Segment

_MAX_CHAIN = 16  # files that include each other in a row


class Library:
    """A templates folder. Each template is read and compiled once in a Library's life; make a new one to see edits.

    `repository` is the one the folder lies in, None where it is not versioned, or a function that finds it when it is
    needed, since a plan of inline prompts has nothing to ask git; `shown` is the folder that paths in
    messages are relative to (the studio).
    """

    def __init__(
        self,
        folder: Path,
        *,
        repository: Repository | Callable[[], Repository | None] | None = None,
        shown: Path | None = None,
    ) -> None:
        self.folder = folder
        self._versioned = repository
        self.shown = shown if shown is not None else folder.parent
        self._tree = Tree(WorkingFolder(folder), self._name_shown(""), self._blob)
        self._revisions: dict[str, Tree] = {}
        self._templates: dict[str, Template] = {}

    def names(self) -> list[str]:
        """The template files of the working copy, sorted; those that begin with `_` are meant to be included."""
        return self._tree.folder.names() if self.folder.is_dir() else []

    def get(self, ref: str, place: Place | None = None) -> Template:
        """A template by `name` or `name@revision`, compiled with all it includes; InputError with every problem.

        `place` is where the reference is written, for the error when there is no such template.
        """
        if ref not in self._templates:
            self._templates[ref] = self._load(ref, place)
        return self._templates[ref]

    def outline(self, name: str) -> Outline:
        """What a list shows of a template of the working copy; InputError as `get`. Nothing is compiled or kept."""
        from promptlab.prompts.outline import outline_of, outlined, text_of

        try:
            check_name(name)
            data = self._tree.folder.read(name)
        except NotATemplate as error:
            raise _nowhere(error.code, str(error), None) from None
        if data is None:
            raise _nowhere("template-missing", f"there is no template {name!r} in {self.folder.name}/", None)
        text = text_of(data)
        if text is not None and (found := outlined(text, name, self._tree.shown(name))) is not None:
            return found
        closure = close(self._tree, self._tree.parse(name, data), name)
        closure.problems.raise_errors()
        return outline_of(closure, self._tree.found)

    def inline(self, source: Source, name: str) -> Template:
        """A prompt written in an experiment; it can include and import from the working copy.

        Problems point into the experiment where `source.place` says where the text is; else they name `name`.
        """
        place = source.place
        path = place.path if place else name
        text = source.text.replace("\r\n", "\n").replace("\r", "\n")
        file = SourceFile(path, path, text, text, None, place, self.shown)
        return self._made(
            self._tree,
            parse_unit(self._tree.sandbox, file, None),
            None,
            None,
            lambda files: _state(self._around, files),
        )

    @cached_property
    def repository(self) -> Repository | None:
        """The repository that the folder lies in."""
        return self._versioned() if callable(self._versioned) else self._versioned

    def _blob(self, data: bytes) -> str | None:
        return None if self.repository is None else self.repository.blob(data)

    @cached_property
    def _working(self) -> Working | None:
        return None if self.repository is None else Working(self.repository, self.folder)

    @cached_property
    def _around(self) -> Working | None:
        """What is checked out where inline prompts are written: the templates can be another repository's."""
        inside = self.repository is not None and self.repository.relative(self.shown) is not None
        elsewhere = self.folder.is_symlink() or (self.folder / ".git").exists() or not inside
        here = Repository.find(self.shown) if elsewhere and self.shown.is_dir() else self.repository
        if here == self.repository:
            return self._working
        return None if here is None else Working(here, self.folder)

    @property
    def trouble(self) -> str | None:
        """Why git could not answer, as a sentence; None where all is well, or there is no git."""
        if self.repository is None:
            return Repository.refusal(self.folder)
        return next((each.trouble for each in (self._working, self._around) if each and each.trouble), None)

    def _load(self, ref: str, place: Place | None) -> Template:
        name, at, revision = ref.partition("@")
        tree, past = self._tree, None
        if at:
            repository, commit = commit_of(self.repository, ref, revision, lambda: Repository.refusal(self.folder))
            tree, past = self._revision(repository, commit, revision), State(commit, dirty=False)
        try:
            unit = tree.unit(name)
        except NotATemplate as error:
            raise _nowhere(error.code, str(error), place) from None
        if unit is None:
            where = f"in {self.folder.name}/" + (f" at {revision}" if at else "")
            known = tree.all_names if at or self.folder.is_dir() else []
            message = f"there is no template {name!r} {where}{hint(name, known)}"
            raise _nowhere("template-missing", message, place)
        state = lambda files: past or _state(self._working, files)  # noqa: E731
        return self._made(tree, unit, name, revision if at else None, state)

    def _revision(self, repository: Repository, commit: str, revision: str) -> Tree:
        if commit not in self._revisions:
            folder = RevisionFolder(repository, commit, repository.relative(self.folder) or "")
            self._revisions[commit] = Tree(folder, self._name_shown(f"@{revision}"), repository.blob)
        return self._revisions[commit]

    def _name_shown(self, suffix: str) -> Callable[[str], str]:
        inside = self.folder.is_relative_to(self.shown)
        prefix = self.folder.relative_to(self.shown).as_posix() if inside else self.folder.as_posix()
        return lambda name: (name if prefix in ("", ".") else f"{prefix}/{name}") + suffix

    def _made(
        self,
        tree: Tree,
        unit: ParsedFile,
        name: str | None,
        ref: str | None,
        state: Callable[[list[SourceFile]], State],
    ) -> Template:
        ensure_sound()  # a template of plain places is not compiled; it is refused all the same where nothing is sound
        closure = close(tree, unit, name)
        closure.problems.raise_errors()

        @cache
        def main() -> Compiled:
            return tree.compile(unit) if name is None else tree.compiled_unit(unit)

        faults = Problems()
        for each in closure.units:
            try:
                if each is not unit:
                    tree.compiled_by_name(each.source.path)
                elif places(each.tree) is None:  # else there is nothing that only the compiler could refuse
                    main()
            except InputError as error:
                for problem in error.problems:
                    faults.add(problem)
        faults.raise_errors()
        return Template(tree, closure, main, ref, state)


def _state(working: Working | None, files: list[SourceFile]) -> State:
    return State() if working is None else working.state(files)


def _nowhere(code: str, message: str, place: Place | None) -> InputError:
    at = (place.path, place.line, place.column) if place else (None, None, None)
    return InputError(Problem(code, message, *at))


# --- the files of one folder or commit ----------------------------------------------------------------------------


class Tree:
    """The files of one folder or revision, each read, parsed and compiled once."""

    def __init__(
        self,
        folder: Folder,
        shown: Callable[[str], str],
        blob: Callable[[bytes], str | None],
        sandbox: Callable[[Callable[[str], Compiled | None]], Sandbox] = Sandbox,
    ) -> None:
        self.folder = folder
        self.shown = shown
        self.blob = blob
        self.units: dict[str, ParsedFile | None] = {}
        self.made: dict[str, Compiled] = {}
        self.stateless: dict[str, bool] = {}
        self.sandbox = sandbox(self.compiled_by_name)

    def with_sandbox(self, sandbox: Callable[[Callable[[str], Compiled | None]], Sandbox]) -> Tree:
        """The same files for another sandbox, read and parsed again as they are asked for."""
        return Tree(_Remembered(self), self.shown, self.blob, sandbox)

    @cached_property
    def all_names(self) -> list[str]:
        """What there is, for "did you mean"; listed once, however many are missing."""
        return self.folder.names()

    def unit(self, name: str) -> ParsedFile | None:
        """A parsed file; None when it is not there. Raises NotATemplate."""
        if name not in self.units:
            check_name(name)
            data = self.folder.read(name)
            self.units[name] = None if data is None else self.parse(name, data)
        return self.units[name]

    def found(self, name: str) -> ParsedFile | None:
        """As `unit`; a name that is not a template counts as not there."""
        try:
            return self.unit(name)
        except NotATemplate:
            return None

    def parse(self, name: str, data: bytes) -> ParsedFile:
        """Decode and parse; what is wrong is in the unit's problems."""
        shown = self.shown(name)
        problem = None
        text = ""
        if len(data) > MAX_FILE:
            problem = Problem("template-unreadable", f"a template of more than {MAX_FILE // 1024} kB", shown, 1)
        else:
            try:
                text = decoded(data)
            except UnicodeDecodeError as error:
                line = data[: error.start].count(b"\n") + 1
                problem = Problem("template-unreadable", "this is not UTF-8 text; save the file as UTF-8", shown, line)
        blob = self.blob(data)
        if problem is not None:
            return ParsedFile(SourceFile(name, shown, "", blob=blob), problems=(problem,))
        head, body = frontmatter.split(text)
        return parse_unit(self.sandbox, SourceFile(name, shown, text, body, blob), head)

    def compiled_by_name(self, name: str) -> Compiled | None:
        """What an include finds at work."""
        unit = self.found(name)
        return None if unit is None or unit.tree is None else self.compiled_unit(unit)

    def compiled_unit(self, unit: ParsedFile) -> Compiled:
        """A file of the folder, compiled once."""
        if unit.source.path not in self.made:
            self.made[unit.source.path] = self.compile(unit)
        return self.made[unit.source.path]

    def compile(self, unit: ParsedFile) -> Compiled:
        """Compile a parsed file."""
        assert unit.tree is not None
        weight = weigh(unit.tree.body)
        stateless = self.is_stateless(unit)
        made = compiled(self.sandbox, unit.tree, unit.source)
        made.weight, made.stateless = weight, stateless
        return made

    def traced(self, main: SourceFile, variables: dict[str, Any]) -> list[Segment]:
        """A render in parts, each with its origin."""
        from promptlab.prompts.tracing import TracingSandbox, segments, traced

        second = self.with_sandbox(TracingSandbox)
        unit = parse_unit(second.sandbox, main, frontmatter.split(main.text)[0])
        given = {name: value if name in GLOBALS else traced(value, name) for name, value in variables.items()}
        return segments(run(second.compile(unit), given))

    # An imported file is run for each render that imports it, which for a library of macros is most of a render's time.
    # One that only defines macros gives the same module each time, so that it is run once.
    def is_stateless(self, unit: ParsedFile) -> bool:
        """True when running the file's top level only defines macros and constants, so that once is enough."""
        path = unit.source.path
        if self.units.get(path) is not unit:  # an inline text
            return self._only_defines(unit)
        if path not in self.stateless:
            self.stateless[path] = self._only_defines(unit)
        return self.stateless[path]

    def _only_defines(self, unit: ParsedFile) -> bool:
        for node in unit.tree.body if unit.tree else ():
            text = isinstance(node, nodes.Output) and all(isinstance(part, nodes.TemplateData) for part in node.nodes)
            constant = isinstance(node, nodes.Assign) and isinstance(node.node, nodes.Const)
            if not (text or constant or isinstance(node, (nodes.Macro, nodes.Import, nodes.FromImport))):
                return False
            if isinstance(node, (nodes.Import, nodes.FromImport)) and node.with_context:
                return False
        used = [self.found(name) for reference in unit.references for name in reference.names[:1]]
        return all(other is None or self.is_stateless(other) for other in used)


class _Remembered:
    """The files of a tree as they were read, so that a second look sees the same."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    def read(self, name: str) -> bytes | None:
        unit = self.tree.found(name)
        return None if unit is None else unit.source.text.encode("utf-8", "surrogatepass")

    def names(self) -> list[str]:
        return self.tree.folder.names()


def close(tree: Tree, main: ParsedFile, name: str | None) -> Closure:
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

    def follow(self, unit: ParsedFile, path: tuple[str, ...]) -> None:
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

    def look(self, unit: ParsedFile, reference: Reference, name: str, path: tuple[str, ...]) -> bool:
        """Whether the file is there; follows it, and reports a cycle."""
        if message := self.too_much():
            self.fault(unit, reference, "template-limit", message, name)
            return True
        try:
            other = self.tree.unit(name)
        except NotATemplate as error:
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

    def missing(self, unit: ParsedFile, reference: Reference) -> None:
        self.missed += 1
        wanted = " or ".join(repr(name) for name in reference.names)
        near = hint(reference.names[0], self.tree.all_names) if self.missed <= MAX_EXPLAINED else ""
        message = f"there is no template {wanted}{near}"
        self.fault(unit, reference, "template-missing", message, reference.names[0])

    def fault(self, unit: ParsedFile, reference: Reference, code: str, message: str, word: str) -> None:
        line = unit.source.lines[reference.line - 1] if reference.line <= len(unit.source.lines) else ""
        column = line.find(word) + 1 if word in line else None
        self.closure.problems.add(unit.source.problem(code, message, reference.line, column))
