"""Objects by their ids, all from one process: thousands of commits, trees and files in a second."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple

from promptlab.git.process import TIMEOUT_S, check_commit, start

_KEPT_TREES = 20_000
_LINK, _SUBMODULE, _FOLDER = "120000", "160000", "40000"


class Item(NamedTuple):
    """A name in a folder of a commit: mode as git writes it, and the object's id."""

    mode: str
    id: str

    @property
    def is_folder(self) -> bool:
        """A folder that can be read further."""
        return self.mode == _FOLDER

    @property
    def is_link(self) -> bool:
        """A link: its object is the path that it leads to."""
        return self.mode == _LINK

    @property
    def is_submodule(self) -> bool:
        """The commit of another repository."""
        return self.mode == _SUBMODULE


class Objects:
    """`git cat-file --batch` of a repository, as a context; `read` is None for what is not in this clone.

    Where git gives up (a damaged object, one that a partial clone left out), the reason is in `trouble`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.trouble: str | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._deaths = 0
        self._trees: dict[str, Mapping[str, Item]] = {}

    def __enter__(self) -> Objects:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._close()

    def read(self, id_: str) -> tuple[str, bytes] | None:
        """An object's kind and bytes."""
        check_commit(id_)
        if self._deaths > 3:  # each of them may have waited; what is left is not worth it
            return None
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        watch = threading.Timer(TIMEOUT_S, process.kill)
        watch.daemon = True
        watch.start()
        try:
            process.stdin.write(id_.encode() + b"\n")
            process.stdin.flush()
            return _answer(process.stdout)
        except (OSError, EOFError):
            self._died()
            return None
        finally:
            watch.cancel()

    def folder(self, tree: str) -> Mapping[str, Item]:
        """The names in a tree; empty for what is not a tree or not here."""
        if tree not in self._trees:
            if len(self._trees) > _KEPT_TREES:
                self._trees.clear()
            found = self.read(tree)
            self._trees[tree] = _items(found[1], len(tree)) if found is not None and found[0] == "tree" else {}
        return self._trees[tree]

    def root_of(self, commit: str) -> Item | None:
        """The top folder of a commit."""
        found = self.read(commit)
        if found is None or found[0] != "commit":
            return None
        return Item(_FOLDER, found[1].split(b"\n", 1)[0].removeprefix(b"tree ").decode("ascii"))

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = start(self.root, ["cat-file", "--batch"])
        return self._process

    def _died(self) -> None:
        assert self._process is not None
        self._process.kill()
        _, said = self._process.communicate()
        lines = said.decode("utf-8", "replace").strip().splitlines()
        self.trouble = lines[-1].removeprefix("fatal: ") if lines else "git did not answer"
        self._process = None
        self._deaths += 1

    def _close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _answer(stream: IO[bytes]) -> tuple[str, bytes] | None:
    """`<id> <kind> <size>`, the bytes and a line break; or `<id> missing`."""
    header = stream.readline().split()
    if not header:
        raise EOFError
    if len(header) != 3:
        return None
    size = int(header[2])
    data = stream.read(size + 1)
    if len(data) != size + 1:
        raise EOFError
    return header[1].decode("ascii"), data[:-1]


def _items(data: bytes, digits: int) -> Mapping[str, Item]:
    """`<mode> <name>\\0<id>`, again and again; the id in binary."""
    found = {}
    at, width = 0, digits // 2
    while at < len(data):
        blank, end = data.index(b" ", at), data.index(b"\0", at)
        name = data[blank + 1 : end].decode("utf-8", "surrogateescape")
        found[name] = Item(data[at:blank].decode("ascii"), data[end + 1 : end + 1 + width].hex())
        at = end + 1 + width
    return found


class Snapshot:
    """The files of a commit, found by their paths; links are followed as long as they stay in the repository."""

    def __init__(self, objects: Objects, commit: str, tree: str = "") -> None:
        """`tree` is the commit's, where it is known already."""
        self._objects = objects
        self._top = Item(_FOLDER, tree) if tree else objects.root_of(commit)

    def find(self, path: str) -> Item | None:
        """What is at a path, links followed; None where nothing is."""
        todo, links = [part for part in path.split("/") if part not in ("", ".")][::-1], 20
        above = [self._top]
        while todo:
            name = todo.pop()
            if name == "..":
                above.pop()
                if not above:
                    return None  # a link that leads out of the repository
                continue
            here = above[-1]
            item = self._objects.folder(here.id).get(name) if here is not None and here.is_folder else None
            if item is None:
                return None
            if not item.is_link:
                above.append(item)
                continue
            links -= 1
            target = self._objects.read(item.id)
            if target is None or links < 0 or target[1].startswith(b"/"):
                return None
            parts = target[1].decode("utf-8", "surrogateescape").split("/")
            todo += [part for part in parts if part not in ("", ".")][::-1]
        return above[-1]

    def read(self, path: str) -> bytes | None:
        """The bytes of a file; None where none is, or it is not in this clone."""
        item = self.find(path)
        if item is None or item.is_folder or item.is_submodule:
            return None
        found = self._objects.read(item.id)
        return None if found is None else found[1]
