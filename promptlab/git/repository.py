"""A git repository, read only."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from promptlab.errors import GitError, nearest
from promptlab.git.process import call, check_commit, check_path, check_revision, complaint, git_program, output

if TYPE_CHECKING:
    from promptlab.git.objects import Objects

MAX_FILE_BYTES = 16 * 1024 * 1024


class Head(NamedTuple):
    """What is checked out. `dirty` is about tracked files, as `git describe --dirty` means it."""

    commit: str
    branch: str | None  # None when detached
    dirty: bool


class TreeEntry(NamedTuple):
    """A file of a commit: mode as git writes it (100644, 100755; links are 120000), blob id and size in bytes."""

    mode: str
    blob: str
    size: int

    @property
    def is_file(self) -> bool:
        """True for a plain file, false for a link or a submodule."""
        return self.mode.startswith("100")


class Commit(NamedTuple):
    """A commit; `date` is the author's, ISO 8601."""

    commit: str
    date: str
    author: str
    subject: str
    parents: tuple[str, ...] = ()
    tree: str = ""


class BlameLine(NamedTuple):
    """Who wrote a line last; `commit` is None for a line not committed yet."""

    line: int  # 1-based, in the blamed version
    commit: str | None
    author: str
    date: int  # epoch seconds, the author's
    subject: str
    path: str
    text: str


class Repository(NamedTuple):
    """A working copy and its history. Paths are relative to `root`, with `/`, in every method."""

    root: Path
    object_format: str = "sha1"

    @classmethod
    def find(cls, path: Path) -> Repository | None:
        """The repository that holds `path` (a file or folder, which need not exist); None outside git or without git.

        One that git refuses to read (another user's, say) counts as none; `refusal` says why.
        """
        found = cls.look(path)
        return found if isinstance(found, Repository) else None

    @classmethod
    def refusal(cls, path: Path) -> str | None:
        """Why git does not read the repository that holds `path`; None where it does, or where there is none."""
        found = cls.look(path)
        return found if isinstance(found, str) else None

    @classmethod
    def look(cls, path: Path) -> Repository | str | None:
        """The repository, or why git does not read it, or None where there is none."""
        folder = path.absolute()
        while not folder.is_dir() and folder != folder.parent:
            folder = folder.parent
        if root_of(folder.resolve()) is None or git_program() is None:
            return None
        answer = call(folder, ["rev-parse", "--show-object-format", "--show-toplevel"])
        if answer.returncode == 0:
            kind, _, root = answer.stdout.decode("utf-8", "surrogateescape").partition("\n")
            return cls(Path(root.removesuffix("\n")), kind) if root else None
        said = complaint(answer)
        return None if "not a git repository" in said or "in a work tree" in said else f"git does not read it: {said}"

    def relative(self, path: Path) -> str | None:
        """The path below `root`, links followed; None when it lies outside."""
        resolved = path.resolve()
        root = self.root.resolve()
        return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else None

    def head(self) -> Head | None:
        """Commit, branch and whether tracked files changed; None before the first commit."""
        about, changed = self._status("--untracked-files=no")
        commit, branch = about["branch.oid"], about["branch.head"]
        return None if commit is None else Head(commit, branch, bool(changed))

    def _status(self, *asked: str) -> tuple[dict[str, str | None], set[str]]:
        """What git-status says of HEAD, and the paths that are not as HEAD has them (folders end with `/`)."""
        listed = output(self.root, ["status", "--porcelain=v2", "--branch", "-z", "--no-renames", *asked])
        about: dict[str, str | None] = {}
        paths = set()
        for field in listed.decode("utf-8", "surrogateescape").split("\0"):
            kind, _, rest = field.partition(" ")
            if kind == "#":
                name, _, value = rest.partition(" ")
                about[name] = None if value in ("(initial)", "(detached)") else value
            elif kind:
                paths.add(rest.split(" ", _BEFORE_PATH.get(kind, 0))[-1])
        return about, paths

    def commit(self) -> str | None:
        """The commit that is checked out, whatever the index is like; None before the first one."""
        answer = call(self.root, ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])
        found = answer.stdout.decode("ascii", "replace").strip()
        return check_commit(found) if answer.returncode == 0 and found else None

    def objects(self) -> Objects:
        """A process that reads many objects."""
        from promptlab.git.objects import Objects

        return Objects(self.root)

    def resolve(self, revision: str) -> str:
        """The full id of the commit that a tag, branch or commit names; GitError with the nearest name otherwise."""
        name = check_revision(revision)
        wanted = ["rev-parse", "--verify", "--quiet", "--end-of-options", name + "^{commit}"]
        answer = call(self.root, wanted)
        commit = answer.stdout.decode("ascii", "replace").strip()
        if answer.returncode == 0 and commit:
            return check_commit(commit)
        form = ["for-each-ref", "--format=%(refname:short)", "--sort=-creatordate"]
        known = [line for kind in ("refs/tags", "refs/heads") for line in self._lines(*form, kind)]
        if (near := nearest(revision, known, 0.5)) is not None:
            advice = f"did you mean {near!r}?"
        else:
            advice = "there is " + ", ".join(known[:6]) if known else "there is no tag or branch"
        raise GitError(f"revision {revision!r} is not in this repository; {advice}")

    def _lines(self, *arguments: str) -> list[str]:
        return output(self.root, arguments).decode("utf-8", "replace").split("\n")[:-1]

    def tree(self, commit: str, folder: str = "") -> Mapping[str, TreeEntry]:
        """The files of a commit below a folder: path relative to `root` → TreeEntry. Empty where the folder is not."""
        arguments = ["ls-tree", "-r", "-l", "-z", "--full-tree", check_commit(commit)]
        if folder not in ("", "."):
            arguments += ["--", check_path(folder).rstrip("/") + "/"]
        return dict(_entries(output(self.root, arguments)))

    def read(self, commit: str, path: str) -> bytes | None:
        """A file's bytes in a commit; None when it is missing, is not a plain file (a link, say) or is over 16 MiB."""
        listing = output(
            self.root, ["ls-tree", "-l", "-z", "--full-tree", check_commit(commit), "--", check_path(path)]
        )
        entry = dict(_entries(listing)).get(path)
        if entry is None or not entry.is_file or entry.size > MAX_FILE_BYTES:
            return None
        return self.read_blob(entry.blob)

    def read_blob(self, blob: str) -> bytes:
        """The bytes of a blob by its id."""
        return output(self.root, ["cat-file", "blob", check_commit(blob)])

    def blob(self, text: bytes) -> str:
        """git's id for these bytes, computed here without a process (`blob <size>\\0<bytes>`)."""
        digest = hashlib.new(self.object_format, usedforsecurity=False)
        digest.update(b"blob %d\0" % len(text))
        digest.update(text)
        return digest.hexdigest()

    def changes(self, *paths: str) -> set[str]:
        """The paths at or below some that are not as HEAD has them: edited, untracked, ignored (folders end with `/`).

        An edit that git was told to overlook (assume-unchanged, skip-worktree) counts.
        """
        return self.since_head(*paths)[1]

    def since_head(self, *paths: str) -> tuple[str | None, set[str]]:
        """The commit that is checked out, None before the first one, and the `changes` to it."""
        inside = [] if "" in paths or "." in paths else [check_path(path) for path in paths]
        about, changed = self._status("--untracked-files=all", "--ignored=matching", "--", *inside)
        return about["branch.oid"], changed | set(self._overlooked(inside))

    def _overlooked(self, inside: list[str]) -> Iterator[str]:
        listed = output(self.root, ["ls-files", "-v", "-z", "--", *inside]).decode("utf-8", "surrogateescape")
        marked = [line[2:] for line in listed.split("\0") if line[:1] == "S" or line[:1].islower()]
        for path in marked:
            if (self.root / path).is_file() and not self._is_as_staged(path):
                yield path

    def _is_as_staged(self, path: str) -> bool:
        stage = output(self.root, ["ls-files", "-s", "-z", "--", check_path(path)]).decode("utf-8", "surrogateescape")
        data = (self.root / path).read_bytes()
        return stage.split(" ")[1] in (self.blob(data), self.blob(data.replace(b"\r\n", b"\n")))

    def log(self, folder: str = "") -> list[Commit]:
        """The commits that touched a folder, and all merges, each before its parents; empty before the first commit.

        The parents of each are those among these commits.
        """
        if self.commit() is None:
            return []
        inside = [] if folder in ("", ".") else [check_path(folder)]
        form = "--format=%H%x00%T%x00%P%x00%aI%x00%an%x00%s"
        asked = ["log", "-z", "--topo-order", "--full-history", "--parents", "--encoding=UTF-8", form, "HEAD", "--"]
        fields = output(self.root, [*asked, *inside]).decode("utf-8", "surrogateescape").split("\0")
        rows = zip(*[iter(fields)] * 6, strict=False)
        return [
            Commit(commit, date, author, subject, tuple(parents.split()), tree)
            for commit, tree, parents, date, author, subject in rows
        ]

    def renamed_from(self, parent: str, commit: str, path: str) -> str | None:
        """The name that a file of a commit had in its parent, as git finds renames; None when it is new."""
        asked = ["diff-tree", "-r", "-M", "-z", "--name-status", "--diff-filter=R", check_commit(parent)]
        fields = output(self.root, [*asked, check_commit(commit)]).decode("utf-8", "surrogateescape").split("\0")
        pairs = zip(*[iter(fields)] * 3, strict=False)
        return next((old for _, old, new in pairs if new == path), None)

    def is_shallow(self) -> bool:
        """Whether older commits were left out of this clone."""
        return call(self.root, ["rev-parse", "--is-shallow-repository"]).stdout.strip() == b"true"

    def blame(self, path: str, commit: str | None = None) -> list[BlameLine]:
        """Who wrote each line of a file in a commit, or of the working copy; GitError when it is not tracked."""
        revision = [check_commit(commit)] if commit else []
        asked = ["blame", "--line-porcelain", "--no-textconv", "--encoding=UTF-8", *revision, "--", check_path(path)]
        return list(_blamed(output(self.root, asked).decode("utf-8", "replace")))


def root_of(folder: Path) -> Path | None:
    """The folder on the way up that has a `.git`. Without one there is nothing that git could find: it is not asked."""
    return next((above for above in (folder, *folder.parents) if os.path.lexists(above / ".git")), None)


#: git-status, porcelain version 2: how many fields stand between the kind of a line and its path.
_BEFORE_PATH = {"1": 7, "u": 9}


def _entries(listing: bytes) -> list[tuple[str, TreeEntry]]:
    """`<mode> <type> <id> <size>\\t<path>`, NUL after each (git-ls-tree)."""
    found = []
    for record in listing.decode("utf-8", "surrogateescape").split("\0"):
        about, _, path = record.partition("\t")
        if path:
            mode, _, blob, size = about.split()
            found.append((path, TreeEntry(mode, blob, int(size) if size.isdigit() else 0)))
    return found


def _blamed(text: str) -> list[BlameLine]:
    """git-blame's porcelain: a header line, `key value` lines, then the text after a tab."""
    lines: list[BlameLine] = []
    about: dict[str, str] = {}
    for row in text.split("\n"):
        if row.startswith("\t"):
            commit = None if not about["id"].strip("0") else about["id"]
            when = int(about.get("author-time", "0"))
            who, what = about.get("author", ""), about.get("summary", "")
            lines.append(BlameLine(int(about["line"]), commit, who, when, what, about.get("filename", ""), row[1:]))
            about = {}
        elif not about and re.match(r"[0-9a-f]{40,64} \d+ \d+", row):
            about["id"], _, about["line"] = row.split()[:3]
        else:
            key, _, value = row.partition(" ")
            about[key] = value
    return lines


# --- what is checked out ------------------------------------------------------------------------------------------


class CheckedOut(NamedTuple):
    """Commit, branch and dirty; None where there is no git, no commit, or git cannot tell, which `trouble` explains."""

    commit: str | None = None
    branch: str | None = None
    dirty: bool | None = None
    trouble: str | None = None


def checked_out(folder: Path, files: Iterable[Path]) -> CheckedOut:
    """The state of the repository that holds `folder`; dirty also where one of the files is in no commit."""
    root = root_of(folder.resolve())
    if root is None or git_program() is None:
        return CheckedOut()
    repository, commit = Repository(root), None
    try:
        try:
            head = repository.head()
        except GitError:
            if not isinstance(found := Repository.look(folder), Repository):
                return CheckedOut(trouble=found)
            commit = repository.commit()  # HEAD names it, which a damaged index does not hide
            raise
        if head is None:
            return CheckedOut()
        commit = head.commit
        return CheckedOut(commit, head.branch, head.dirty or _differ(repository, [*map(repository.relative, files)]))
    except GitError as error:
        return CheckedOut(commit, trouble=str(error))


def _differ(repository: Repository, names: list[str | None]) -> bool:
    """Whether one of some files is not as HEAD has it, or lies elsewhere."""
    known = [name for name in names if name is not None]
    changed = repository.changes(*known) if known else ()
    return len(known) < len(names) or any(is_among(name, changed) for name in known)


def is_among(name: str, changed: Collection[str]) -> bool:
    """Whether a path is in a set of paths, and of folders that end with a slash, as `Repository.changes` gives it."""
    parts = name.split("/")
    return name in changed or any("/".join(parts[:end]) + "/" in changed for end in range(1, len(parts)))
