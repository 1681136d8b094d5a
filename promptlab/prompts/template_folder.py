"""A folder of templates, as it is or as it was at a commit: names → parsed files → compiled files."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Protocol

from jinja2 import TemplateSyntaxError, nodes

from promptlab.errors import GitError, InputError, Problem
from promptlab.git import Entry, Repository
from promptlab.prompts import frontmatter
from promptlab.prompts.parsing import Unit, parse_unit
from promptlab.prompts.sandbox.codegen import prepare, weigh
from promptlab.prompts.sandbox.environment import Compiled, Sandbox
from promptlab.prompts.sandbox.limits import MAX_FILE
from promptlab.prompts.sandbox.selftest import ensure_sound
from promptlab.prompts.template_files import SourceFile, decoded

SUFFIXES = (".j2", ".jinja", ".jinja2", ".txt")


class Unreadable(Exception):
    """A name that is not a template: why, with the problem's code."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


def check_name(name: str) -> None:
    """Refuse a name that could lead out of the folder, before the disk or git is asked."""
    parts = name.split("/")
    if not name.isprintable():
        raise Unreadable(f"{name[:80]!a} has a line break or control character in it; rename the file", "template-path")
    odd = not name or len(name) > 500 or "\\" in name or name[1:2] == ":"  # c:x, on Windows
    if odd or any(part in ("", ".", "..") for part in parts):
        message = f"{name[:80]!a} leads out of the templates folder; write a name in it, such as 'parts/light.j2'"
        raise Unreadable(message, "template-path")


class Folder(Protocol):
    """Where a tree's bytes come from."""

    def read(self, name: str) -> bytes | None:
        """The bytes of a file, None when it is not there; raises Unreadable."""
        ...

    def names(self) -> list[str]:
        """All files that look like templates."""
        ...


class WorkingFolder:
    """A folder on this disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def resolved(self) -> str:
        """The folder itself, behind links."""
        return str(self.root.resolve())

    def read(self, name: str) -> bytes | None:
        """A plain file inside the folder, links followed; anything else is refused or not there."""
        root = self.resolved
        try:
            path = os.path.realpath(f"{root}/{name}", strict=True)
            if not path.startswith(f"{root.rstrip('/')}/"):
                raise Unreadable(f"{name!r} is a link that leads out of the templates folder", "template-path")
            if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116  # a pipe would never end
                return None
            with open(path, "rb") as file:  # noqa: PTH123  # paths as text: thousands of files are read so
                return file.read(MAX_FILE + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
            why = getattr(error, "strerror", None) or str(error)
            raise Unreadable(f"{name!r} cannot be read: {why}", "template-unreadable") from None

    def names(self) -> list[str]:
        """Template files below the folder; hidden ones left out, and folders behind links."""
        found, todo = list[str](), [""] if self.root.is_dir() else []
        while todo:
            inside = todo.pop()
            with os.scandir(self.root / inside) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(f"{inside}{entry.name}/")
                    elif entry.name.endswith(SUFFIXES) and entry.is_file():
                        found.append(inside + entry.name)
        return sorted(found)


class RevisionFolder:
    """A folder as a commit holds it; the working copy is never touched."""

    def __init__(self, repository: Repository, commit: str, prefix: str) -> None:
        self.repository = repository
        self.commit = commit
        self.prefix = "" if prefix in ("", ".") else prefix + "/"

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """The files of the folder: name → entry."""
        found = self.repository.tree(self.commit, self.prefix.removesuffix("/"))
        return {path.removeprefix(self.prefix): entry for path, entry in found.items()}

    def read(self, name: str) -> bytes | None:
        """A plain file of the commit, links followed inside the folder; anything else is refused or not there."""
        entry = self.entries.get(self._behind_links(name))
        if entry is None or not entry.is_file:
            return None
        if entry.size > MAX_FILE:
            return b" " * (MAX_FILE + 1)  # refused by its size, as in the working copy, without reading it
        return self._blob(entry)

    def _blob(self, entry: Entry) -> bytes:
        try:
            return self.repository.read_blob(entry.blob)
        except GitError as error:
            raise Unreadable(str(error), "template-unreadable") from None

    def _behind_links(self, name: str) -> str:
        todo, done, links = name.split("/")[::-1], list[str](), 20
        while todo:
            part = todo.pop()
            entry = self.entries.get("/".join([*done, part]))
            if part == "..":
                target = ["", *done][-1] and done.pop()
            elif entry is None or entry.is_file:
                done.append(part)
                continue
            elif entry.mode == "160000":
                raise Unreadable(
                    f"{name!r} is in a submodule, whose past this repository does not hold", "template-path"
                )
            else:
                links -= 1
                target = self._blob(entry).decode("utf-8", "replace")
                todo += [each for each in target.split("/") if each not in ("", ".")][::-1]
            if not target or target.startswith("/") or links < 0:
                message = f"{name!r} is a link at this revision that leads out of the templates folder"
                raise Unreadable(message, "template-path")
        return "/".join(done)

    def names(self) -> list[str]:
        """Template files of the folder at that commit."""
        return sorted(name for name in self.entries if name.endswith(SUFFIXES))


class Tree:
    """The files of one folder or revision, each read, parsed and compiled once."""

    def __init__(
        self,
        folder: Folder,
        shown: Callable[[str], str],
        *,
        repository: Repository | None = None,
        sandbox: Callable[[Callable[[str], Compiled | None]], Sandbox] = Sandbox,
    ) -> None:
        self.folder = folder
        self.shown = shown
        self.repository = repository
        self.units: dict[str, Unit | None] = {}
        self.made: dict[str, Compiled | None] = {}
        self.stateless: dict[str, bool] = {}
        self.sandbox = sandbox(self.compiled_by_name)

    def with_sandbox(self, sandbox: Callable[[Callable[[str], Compiled | None]], Sandbox]) -> Tree:
        """The same files for another sandbox, read and parsed again as they are asked for."""
        return Tree(_Remembered(self), self.shown, repository=self.repository, sandbox=sandbox)

    @cached_property
    def all_names(self) -> list[str]:
        """What there is, for "did you mean"; listed once, however many are missing."""
        return self.folder.names()

    def unit(self, name: str) -> Unit | None:
        """A parsed file; None when it is not there. Raises Unreadable."""
        if name not in self.units:
            check_name(name)
            data = self.folder.read(name)
            self.units[name] = None if data is None else self.parse(name, data)
        return self.units[name]

    def found(self, name: str) -> Unit | None:
        """As `unit`; a name that is not a template counts as not there."""
        try:
            return self.unit(name)
        except Unreadable:
            return None

    def parse(self, name: str, data: bytes) -> Unit:
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
        blob = self.repository.blob(data) if self.repository is not None else None
        if problem is not None:
            return Unit(SourceFile(name, shown, "", blob=blob), problems=(problem,))
        head, body = frontmatter.split(text)
        return parse_unit(self.sandbox, SourceFile(name, shown, text, body, blob), head)

    def compiled_by_name(self, name: str) -> Compiled | None:
        """What an include finds at work."""
        if name not in self.made:
            unit = self.found(name)
            self.made[name] = None if unit is None or unit.tree is None else self.compile(unit)
        return self.made[name]

    def compile(self, unit: Unit) -> Compiled:
        """Compile a parsed file; InputError where only the compiler finds what is wrong."""
        assert unit.tree is not None
        ensure_sound()
        weight = weigh(unit.tree.body)
        stateless = self.is_stateless(unit)
        prepare(unit.tree)
        try:
            made = self.sandbox.compiled(unit.tree, unit.source.path)
        except TemplateSyntaxError as error:
            message = (error.message or "this is not Jinja").rstrip(".")
            raise InputError(unit.source.problem("template-syntax", message, error.lineno)) from None
        except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
            message = f"tags nested too deep or too many of them: {error}"
            raise InputError(unit.source.problem("template-limit", message, 1)) from None
        made.source, made.weight, made.stateless = unit.source, weight, stateless
        return made

    def is_stateless(self, unit: Unit) -> bool:
        """True when running the file's top level only defines macros and constants, so that once is enough."""
        path = unit.source.path
        if self.units.get(path) is not unit:  # an inline text
            return self._only_defines(unit)
        if path not in self.stateless:
            self.stateless[path] = self._only_defines(unit)
        return self.stateless[path]

    def _only_defines(self, unit: Unit) -> bool:
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


def commit_of(
    repository: Repository | None, ref: str, revision: str, why: Callable[[], str | None]
) -> tuple[Repository, str]:
    """The commit a `@revision` names; InputError when there is none, or no git, or git refuses (`why`)."""
    if repository is None:
        reason = why() or "the templates are in no git repository, or git is not installed"
        message = f"{ref!r} names a revision, but {reason}"
        raise InputError(message, code="template-revision")
    try:
        return repository, repository.resolve(revision)
    except GitError as error:
        raise InputError(f"{ref}: {error}", code="template-revision") from None
