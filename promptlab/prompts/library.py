"""The templates of a studio: the working copy, its past revisions, and the inline prompts of experiments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from promptlab.errors import InputError, Problem, Problems
from promptlab.git import Repository
from promptlab.model import Place, Source
from promptlab.prompts import frontmatter
from promptlab.prompts.closure import close, identity
from promptlab.prompts.outline import Outline, plain_names, text_of
from promptlab.prompts.parsing import Unit, parse_unit
from promptlab.prompts.sandbox.values import did_you_mean
from promptlab.prompts.scopes import base_chain, find_names
from promptlab.prompts.template import Template, declarations
from promptlab.prompts.template_files import SourceFile
from promptlab.prompts.template_folder import RevisionFolder, Tree, Unreadable, WorkingFolder, check_name, commit_of
from promptlab.prompts.versions import AtRevision, Version, Working


class Library:
    """A templates folder. Each template is read and compiled once in a Library's life; make a new one to see edits.

    `repository` is the one the folder lies in, None where it is not versioned; `shown` is the folder that paths in
    messages are relative to (the studio).
    """

    def __init__(self, folder: Path, *, repository: Repository | None = None, shown: Path | None = None) -> None:
        self.folder = folder
        self.repository = repository
        self.shown = shown if shown is not None else folder.parent
        self._working = Working(repository, folder)
        self._around: Working | None = None  # of the experiments, where the templates are another repository's
        self._tree = Tree(WorkingFolder(folder), self._name_shown(""), repository=repository)
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
        try:
            check_name(name)
            data = self._tree.folder.read(name)
        except Unreadable as error:
            raise _nowhere(error.code, str(error), None) from None
        if data is None:
            raise _nowhere("template-missing", f"there is no template {name!r} in {self.folder.name}/", None)
        text = text_of(data)
        head, body = frontmatter.split(text or "")
        names = plain_names(body) if text is not None else None
        if text is not None and names is not None:
            front, problems = frontmatter.read(SourceFile(name, self._tree.shown(name), text, body), head)
            if not any(problem.severity == "error" for problem in problems):
                return Outline(identity(text, {}), front.description, front.variables, names)
        closure = close(self._tree, self._tree.parse(name, data), name)
        closure.problems.raise_errors()
        uses = find_names(closure.main, self._tree.found).uses
        found = frozenset(use.name for use in uses if not use.blind)
        declared = declarations(closure, base_chain(closure.main, self._tree.found))
        return Outline(closure.identity(), closure.main.front.description, declared, found)

    def inline(self, source: Source, name: str) -> Template:
        """A prompt written in an experiment; it can include and import from the working copy.

        Problems point into the experiment where `source.place` says where the text is; else they name `name`.
        """
        place = source.place
        path = place.path if place else name
        text = source.text.replace("\r\n", "\n").replace("\r", "\n")
        file = SourceFile(path, path, text, text, None, place, self.shown)
        return self._made(self._tree, parse_unit(self._tree.sandbox, file, None), None, self._working_of_experiments())

    def _working_of_experiments(self) -> Working:
        """What is checked out where inline prompts are written."""
        if self._around is None:
            inside = self.repository is not None and self.repository.relative(self.shown) is not None
            elsewhere = self.folder.is_symlink() or (self.folder / ".git").exists() or not inside
            here = Repository.find(self.shown) if elsewhere and self.shown.is_dir() else self.repository
            self._around = self._working if here == self.repository else Working(here, self.folder)
        return self._around

    @property
    def trouble(self) -> str | None:
        """Why git could not answer, as a sentence; None where all is well, or there is no git."""
        if self.repository is None:
            return Repository.refusal(self.folder)
        return self._working.trouble or (self._around.trouble if self._around is not None else None)

    def _load(self, ref: str, place: Place | None) -> Template:
        name, at, revision = ref.partition("@")
        tree = self._tree
        version: Version = self._working
        if at:
            repository, commit = commit_of(self.repository, ref, revision, lambda: Repository.refusal(self.folder))
            tree, version = self._revision(repository, commit, revision), AtRevision(revision, commit)
        try:
            unit = tree.unit(name)
        except Unreadable as error:
            raise _nowhere(error.code, str(error), place) from None
        if unit is None:
            where = f"in {self.folder.name}/" + (f" at {revision}" if at else "")
            known = tree.all_names if at or self.folder.is_dir() else []
            message = f"there is no template {name!r} {where}{did_you_mean(name, known)}"
            raise _nowhere("template-missing", message, place)
        return self._made(tree, unit, name, version)

    def _revision(self, repository: Repository, commit: str, revision: str) -> Tree:
        if commit not in self._revisions:
            folder = RevisionFolder(repository, commit, repository.relative(self.folder) or "")
            self._revisions[commit] = Tree(folder, self._name_shown(f"@{revision}"), repository=repository)
        return self._revisions[commit]

    def _name_shown(self, suffix: str) -> Callable[[str], str]:
        inside = self.folder.is_relative_to(self.shown)
        prefix = self.folder.relative_to(self.shown).as_posix() if inside else self.folder.as_posix()
        return lambda name: (name if prefix in ("", ".") else f"{prefix}/{name}") + suffix

    def _made(self, tree: Tree, unit: Unit, name: str | None, version: Version) -> Template:
        closure = close(tree, unit, name)
        closure.problems.raise_errors()
        faults = Problems()
        compiled = None
        for each in closure.units:
            try:
                made = tree.compile(each) if each is unit and name is None else tree.compiled_by_name(each.source.path)
                compiled = made if each is unit else compiled
            except InputError as error:
                for problem in error.problems:
                    faults.add(problem)
        faults.raise_errors()
        assert compiled is not None
        return Template(tree, closure, compiled, version)


def _nowhere(code: str, message: str, place: Place | None) -> InputError:
    at = (place.path, place.line, place.column) if place else (None, None, None)
    return InputError(Problem(code, message, *at))
