"""A git repository, read only."""

from __future__ import annotations

import difflib
import hashlib
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from promptlab.errors import GitError
from promptlab.git.objects import Objects
from promptlab.git.process import call, complaint, git_program, output
from promptlab.git.revision_names import check_commit, check_path, check_revision

MAX_FILE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Head:
    """What is checked out. `dirty` is about tracked files, as `git describe --dirty` means it."""

    commit: str
    branch: str | None  # None when detached
    dirty: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a commit: mode as git writes it (100644, 100755; links are 120000), blob id and size in bytes."""

    mode: str
    blob: str
    size: int

    @property
    def is_file(self) -> bool:
        """True for a plain file, false for a link or a submodule."""
        return self.mode.startswith("100")


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit; `date` is the author's, ISO 8601."""

    commit: str
    date: str
    author: str
    subject: str
    parents: tuple[str, ...] = ()
    tree: str = ""


@dataclass(frozen=True, slots=True)
class BlameLine:
    """Who wrote a line last; `commit` is None for a line not committed yet."""

    line: int  # 1-based, in the blamed version
    commit: str | None
    author: str
    date: int  # epoch seconds, the author's
    subject: str
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Repository:
    """A working copy and its history. Paths are relative to `root`, with `/`, in every method."""

    root: Path
    object_format: str = "sha1"

    @classmethod
    def find(cls, path: Path) -> Repository | None:
        """The repository that holds `path` (a file or folder, which need not exist); None outside git or without git.

        One that git refuses to read (another user's, say) counts as none; `refusal` says why.
        """
        answer = cls._asked(path)
        if answer is None or answer.returncode != 0:
            return None
        kind, _, root = answer.stdout.decode("utf-8", "surrogateescape").partition("\n")
        return cls(Path(root.removesuffix("\n")), kind) if root else None

    @classmethod
    def refusal(cls, path: Path) -> str | None:
        """Why git does not read the repository that holds `path`; None where it does, or where there is none."""
        answer = cls._asked(path)
        if answer is None or answer.returncode == 0:
            return None
        said = complaint(answer)
        return None if "not a git repository" in said or "in a work tree" in said else f"git does not read it: {said}"

    @staticmethod
    def _asked(path: Path) -> subprocess.CompletedProcess[bytes] | None:
        folder = path.absolute()
        while not folder.is_dir() and folder != folder.parent:
            folder = folder.parent
        if git_program() is None:
            return None
        return call(folder, ["rev-parse", "--show-object-format", "--show-toplevel"])

    def relative(self, path: Path) -> str | None:
        """The path below `root`, links followed; None when it lies outside."""
        resolved = path.resolve()
        root = self.root.resolve()
        return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else None

    def head(self) -> Head | None:
        """Commit, branch and whether tracked files changed; None before the first commit."""
        text = output(self.root, ["status", "--porcelain=v2", "--branch", "-z", "--untracked-files=no"])
        fields = [field for field in text.decode("utf-8", "surrogateescape").split("\0") if field]
        about = dict(field[2:].split(" ", 1) for field in fields if field.startswith("# ") and " " in field[2:])
        commit, branch = about.get("branch.oid", "(initial)"), about.get("branch.head", "(detached)")
        if commit == "(initial)":
            return None
        dirty = any(not field.startswith("# ") for field in fields)
        return Head(commit, None if branch == "(detached)" else branch, dirty)

    def commit(self) -> str | None:
        """The commit that is checked out, whatever the index is like; None before the first one."""
        answer = call(self.root, ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])
        found = answer.stdout.decode("ascii", "replace").strip()
        return check_commit(found) if answer.returncode == 0 and found else None

    def objects(self) -> Objects:
        """A process that reads many objects."""
        return Objects(self.root)

    def resolve(self, revision: str) -> str:
        """The full id of the commit that a tag, branch or commit names; GitError with the nearest name otherwise."""
        name = check_revision(revision)
        wanted = ["rev-parse", "--verify", "--quiet", "--end-of-options", name + "^{commit}"]
        answer = call(self.root, wanted)
        commit = answer.stdout.decode("ascii", "replace").strip()
        if answer.returncode == 0 and commit:
            return check_commit(commit)
        known = self.names()
        near = difflib.get_close_matches(revision, known, n=1, cutoff=0.5)
        if near:
            advice = f"did you mean {near[0]!r}?"
        else:
            advice = "there is " + ", ".join(known[:6]) if known else "there is no tag or branch"
        raise GitError(f"revision {revision!r} is not in this repository; {advice}")

    def names(self) -> list[str]:
        """Tags, newest first, then branches."""
        form = ["for-each-ref", "--format=%(refname:short)", "--sort=-creatordate"]
        tags, heads = (output(self.root, [*form, kind]).decode("utf-8", "replace") for kind in _REFERENCES)
        return [*tags.split("\n")[:-1], *heads.split("\n")[:-1]]

    def tree(self, commit: str, folder: str = "") -> Mapping[str, Entry]:
        """The files of a commit below a folder: path relative to `root` → Entry. Empty where the folder is not."""
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

    def changes(self, folder: str) -> set[str]:
        """The paths below a folder that are not as HEAD has them: edited, untracked, ignored (folders end with `/`).

        An edit that git was told to overlook (assume-unchanged, skip-worktree) counts.
        """
        inside = [] if folder in ("", ".") else [check_path(folder)]
        asked = ["status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--ignored=matching", "--"]
        fields = output(self.root, [*asked, *inside]).decode("utf-8", "surrogateescape").split("\0")
        return {field[3:] for field in fields if field} | set(self._overlooked(inside))

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


_REFERENCES = ("refs/tags", "refs/heads")


def _entries(listing: bytes) -> list[tuple[str, Entry]]:
    """`<mode> <type> <id> <size>\\t<path>`, NUL after each (git-ls-tree)."""
    found = []
    for record in listing.decode("utf-8", "surrogateescape").split("\0"):
        about, _, path = record.partition("\t")
        if path:
            mode, _, blob, size = about.split()
            found.append((path, Entry(mode, blob, int(size) if size.isdigit() else 0)))
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
