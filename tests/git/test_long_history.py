"""A template with thousands of commits: few processes, and each text once."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from promptlab.git import Repository
from promptlab.history.lineage import lineage
from promptlab.prompts import Library

COMMITS = 3_000


def write_history(root: Path) -> None:
    """A commit for each version of a template, and in every seventh one of what it imports, by one process."""
    with subprocess.Popen(["git", "fast-import", "--quiet"], cwd=root, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for number in range(COMMITS):
            files = {"hero.j2": f"{{% import '_tool.j2' as tool %}}a {{{{ x }}}} {number}"}
            if number % 7 == 0:
                files["_tool.j2"] = f"{{% macro m() %}}{number}{{% endmacro %}}"
            lines = [f"commit refs/heads/main\ncommitter A <a@b.c> {1_700_000_000 + number} +0000\ndata 3\none"]
            lines += [f"M 100644 inline {name}\ndata {len(text)}\n{text}" for name, text in files.items()]
            process.stdin.write(("\n".join(lines) + "\n").encode())
    assert process.returncode == 0


def test_three_thousand_commits_are_read_by_few_processes(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every commit is a version, its id is what a checkout of it has, and git is started a handful of times."""
    write_history(work.root)
    work.git("reset", "--quiet", "--hard", "main")
    repository = Repository.find(work.root)
    library = Library(work.root, repository=repository, shown=work.root)
    started: list[Any] = []
    real = subprocess.Popen.__init__

    def count(self: Any, arguments: Any, *rest: Any, **named: Any) -> None:
        started.append(arguments)
        real(self, arguments, *rest, **named)

    monkeypatch.setattr(subprocess.Popen, "__init__", count)
    began = time.process_time()
    found = lineage(library, "hero.j2")
    took = time.process_time() - began
    assert (len(found.versions), found.names, found.notes) == (COMMITS, ("hero.j2",), ())
    assert len(started) < 8
    assert took < 8, f"{took:.1f} s"  # under a second on a quiet machine
    for commit, id_ in (found.versions[0], found.versions[5], found.versions[-1]):
        assert library.get(f"hero.j2@{commit.commit}").id == id_
