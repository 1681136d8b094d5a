"""Reading a repository: head, revisions, files, history, blame."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from promptlab.errors import GitError
from promptlab.git import Repository, checked_out, is_among
from promptlab.git.objects import Snapshot
from promptlab.git.process import start as real


def found(path: Path) -> Repository:
    repository = Repository.find(path)
    assert repository is not None
    return repository


def test_outside_git_there_is_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder outside git is simply not versioned."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "plain").mkdir()
    assert Repository.find(tmp_path / "plain") is None


def test_without_git_installed_there_is_no_repository(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the program, a repository is as good as none; asking one that was found says what to install."""
    repository = found(work.root)
    monkeypatch.setenv("PATH", str(work.root))
    assert Repository.find(work.root) is None
    with pytest.raises(GitError, match="git is not installed"):
        repository.resolve("main")


def test_find_takes_files_and_paths_that_are_not_there(work: Any) -> None:
    """The repository of a file, of a folder below, or of a path yet to be written is the same."""
    work.commit("one", templates__hero="a")
    for path in ("", "templates", "templates/hero.j2", "no/such/file"):
        assert found(work.root / path).root == work.root


def test_a_variable_of_a_hook_does_not_lead_to_another_repository(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """GIT_DIR and GIT_INDEX_FILE, which hooks set, are ignored: the path decides."""
    commit = work.commit("one", hero="a")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    assert found(work.root).resolve("main") == commit


def test_head_says_commit_branch_and_dirty(work: Any) -> None:
    """Head is None before the first commit; then it follows commits, edits and detaching."""
    assert found(work.root).head() is None
    commit = work.commit("one", hero="a")
    head = found(work.root).head()
    assert head is not None
    assert (head.commit, head.branch, head.dirty) == (commit, "main", False)
    work.write("hero.j2", "b")
    head = found(work.root).head()
    assert head is not None
    assert head.dirty
    work.git("checkout", "--quiet", "--force", "--detach")
    head = found(work.root).head()
    assert head is not None
    assert (head.branch, head.dirty) == (None, False)


def test_an_untracked_or_ignored_file_is_dirty(work: Any) -> None:
    """Changes are about the folder asked for: edited, untracked and ignored files are in no commit."""
    work.commit("one", hero="a", other="b")
    repository = found(work.root)
    work.write("other.j2", "changed")
    work.write("new.j2", "x")
    work.write("ignored.j2", "x")
    work.write(".gitignore", "ignored.j2\n")
    assert repository.changes("") == {"other.j2", "new.j2", "ignored.j2", ".gitignore"}
    assert repository.changes("other.j2") == {"other.j2"}
    assert repository.changes("hero.j2") == set()


@pytest.mark.parametrize("mark", ["--assume-unchanged", "--skip-worktree"])
def test_an_edit_that_git_overlooks_is_dirty(work: Any, mark: str) -> None:
    """A file that git was told not to look at is compared all the same; as committed, it is clean."""
    work.commit("one", hero="a\n", other="b\n")
    work.git("update-index", mark, "hero.j2", "other.j2")
    repository = found(work.root)
    assert repository.changes("") == set()
    work.write("hero.j2", "edited\n")
    work.write("other.j2", "b\r\n")  # as a checkout with Windows line breaks has it
    assert repository.changes("") == {"hero.j2"}


def test_a_folder_that_is_ignored_as_a_whole_is_dirty(work: Any) -> None:
    """git names the folder only; the files in it count."""
    work.write(".gitignore", "drafts/\n")
    work.commit("one", hero="a")
    work.write("drafts/new.j2", "x")
    changed = found(work.root).changes("")
    assert changed == {"drafts/"}
    assert is_among("drafts/new.j2", changed)
    assert not is_among("hero.j2", changed)


@pytest.mark.parametrize("revision", ["main", "HEAD", "v1.2", "HEAD~0", "@", "main^{commit}"])
def test_a_tag_branch_or_commit_resolves(work: Any, revision: str) -> None:
    """Every way to name a commit gives its full id, an annotated tag too."""
    commit = work.commit("one", hero="a")
    work.git("tag", "-a", "-m", "first", "v1.2")
    assert found(work.root).resolve(revision) == commit
    assert found(work.root).resolve(commit[:10]) == commit


def test_an_unknown_revision_names_the_nearest(work: Any) -> None:
    """The error for a mistyped tag says which was meant."""
    work.commit("one", hero="a")
    work.git("tag", "v1.2")
    with pytest.raises(GitError, match=r"'v1\.3' is not in this repository; did you mean 'v1\.2'\?"):
        found(work.root).resolve("v1.3")


@pytest.mark.parametrize(
    "revision",
    [
        "",
        "--all",
        "-h",
        "main..v1",
        "main...v1",
        "main:hero.j2",
        ":/one",
        "HEAD^{/one}",
        "a b",
        "a\x00b",
        "a\nb",
        "x*",
        "HEAD^@",
        "HEAD^!",
        "a\\b",
        "a[b",
        "a?",
        "\u202emain",
        "--output=/tmp/x",
        "x" * 300,
    ],
)
def test_a_revision_is_never_an_option_a_range_or_a_path(work: Any, revision: str) -> None:
    """Text that is not a plain revision is refused before git sees it."""
    work.commit("one", hero="a")
    with pytest.raises(GitError, match="cannot be a revision"):
        found(work.root).resolve(revision)


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../../x", "a\\b", "a\x00b", ".git/config"])
def test_a_path_never_leaves_the_repository(work: Any, path: str) -> None:
    """A path with `..`, from the root of the disk, or into .git is refused."""
    commit = work.commit("one", hero="a")
    with pytest.raises(GitError, match="not a path inside"):
        found(work.root).read(commit, path)


def test_a_commit_is_a_full_id(work: Any) -> None:
    """Methods that take a commit take nothing that git would have to interpret."""
    work.commit("one", hero="a")
    with pytest.raises(GitError, match="not a full commit id"):
        found(work.root).read("HEAD", "hero.j2")


def test_read_gives_the_bytes_of_that_commit(work: Any) -> None:
    """A file is read at a revision, byte for byte, whatever the working copy says; what is not there is None."""
    first = work.commit("one", templates__hero="ä\r\nb", odd="x")
    second = work.commit("two", templates__hero="other")
    work.write("templates/hero.j2", "edited")
    repository = found(work.root)
    assert repository.read(first, "templates/hero.j2") == "ä\r\nb".encode()
    assert repository.read(second, "templates/hero.j2") == b"other"
    assert repository.read(first, "templates/none.j2") is None
    assert repository.read(first, "templates") is None
    assert set(repository.tree(first, "templates")) == {"templates/hero.j2"}
    assert set(repository.tree(first)) == {"templates/hero.j2", "odd.j2"}
    assert repository.tree(first, "nothing") == {}


def test_links_are_not_read(work: Any) -> None:
    """A link in a commit could point anywhere, so it is not there."""
    os.symlink("/etc/passwd", work.root / "link.j2")
    commit = work.commit("one", hero="a")
    assert found(work.root).read(commit, "link.j2") is None


@pytest.mark.parametrize(
    "name", ["ünï cödé.j2", "-option.j2", ":(top)x.j2", "a*b.j2", "tab\there.j2", "line\nbreak.j2", 'it\'s "so".j2']
)
def test_odd_names_are_names(work: Any, name: str) -> None:
    """Spaces, dashes, pathspec magic and tabs in a file's name are read literally."""
    work.write(name, "odd")
    commit = work.commit("one", axb="plain")
    repository = found(work.root)
    assert repository.read(commit, name) == b"odd"
    assert [entry.commit for entry in repository.log(name)] == [commit]
    assert repository.changes(name) == set()
    with repository.objects() as objects:
        assert Snapshot(objects, commit).read(name) == b"odd"
    assert repository.blame(name)[0].commit == commit


def test_the_blob_id_is_gits_own(work: Any) -> None:
    """The id computed here equals the one in the commit."""
    commit = work.commit("one", hero="text\n")
    repository = found(work.root)
    assert repository.blob(b"text\n") == repository.tree(commit)["hero.j2"].blob == work.git("hash-object", "hero.j2")


def test_the_log_has_each_commit_of_a_folder_before_its_parents(work: Any) -> None:
    """Commits come with date, author, subject and the parents among them; what touched other folders is left out."""
    first = work.commit("write it | with: marks", templates__old="a\n" * 20)
    work.commit("elsewhere", other="x")
    work.git("mv", "templates/old.j2", "templates/new.j2")
    moved = work.commit("move it")
    repository = found(work.root)
    log = repository.log("templates")
    assert [(item.commit, item.parents) for item in log] == [(moved, (first,)), (first, ())]
    assert (log[-1].subject, log[-1].author, log[-1].date[:11]) == ("write it | with: marks", "Ada", "2023-11-14T")
    assert repository.renamed_from(first, moved, "templates/new.j2") == "templates/old.j2"
    assert repository.renamed_from(first, moved, "templates/never.j2") is None
    assert [item.parents for item in repository.log()] == [(log[0].parents and work.git("rev-parse", "HEAD~1"),),
                                                           (first,), ()]  # fmt: skip
    assert repository.log("never") == []


def test_the_log_is_empty_before_the_first_commit(work: Any) -> None:
    """A fresh repository has no history, which is not an error."""
    assert found(work.root).log("templates") == []
    assert found(work.root).commit() is None


def test_a_snapshot_follows_links_inside_the_repository(work: Any) -> None:
    """Links of files and folders lead on; one that leaves the repository, is absolute or goes round leads nowhere."""
    work.write("a/real.j2", "text")
    for name, target in {
        "a/link.j2": "real.j2", "b": "a", "c.j2": "b/link.j2", "out.j2": "../../etc/passwd", "abs.j2": "/etc/passwd",
        "round.j2": "round.j2",
    }.items():  # fmt: skip
        os.symlink(target, work.root / name)
    commit = work.commit("one")
    with found(work.root).objects() as objects:
        snapshot = Snapshot(objects, commit)
        for path in ("a/real.j2", "a/link.j2", "b/real.j2", "c.j2"):
            assert snapshot.read(path) == b"text"
        for path in ("out.j2", "abs.j2", "round.j2", "a", "never.j2", "a/real.j2/x"):
            assert snapshot.read(path) is None


def test_ten_thousand_objects_are_one_process(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read by its id costs no new process; what is not here is None, and no trouble."""
    from promptlab.git import objects as module

    started = []
    commit = work.commit("one", hero="a")
    monkeypatch.setattr(module, "start", lambda *given: started.append(given) or real(*given))
    with found(work.root).objects() as objects:
        for _ in range(200):
            assert (objects.read(commit) or ("nothing",))[0] == "commit"
        assert objects.read("0" * 40) is None
        assert objects.trouble is None
    assert len(started) == 1


def test_blame_names_the_commit_of_each_line(work: Any) -> None:
    """A line of the working copy that is not committed has no commit; a past commit is blamed as it was."""
    first = work.commit("one", hero="a\nb\n")
    second = work.commit("two", hero="a\nB\n")
    work.write("hero.j2", "a\nB\nc\n")
    repository = found(work.root)
    assert [(line.line, line.commit, line.text) for line in repository.blame("hero.j2")] == [
        (1, first, "a"),
        (2, second, "B"),
        (3, None, "c"),
    ]
    assert [line.commit for line in repository.blame("hero.j2", first)] == [first, first]
    assert repository.blame("hero.j2", first)[0].subject == "one"
    with pytest.raises(GitError, match="git blame refused"):
        repository.blame("none.j2")


def test_programs_named_in_the_configuration_do_not_run(work: Any) -> None:
    """A repository's fsmonitor, textconv and hooks are programs: reading never starts them."""
    work.commit("one", hero="a")
    trap = work.root.parent / "trap"
    work.git("config", "core.fsmonitor", f"touch {trap}; false")
    work.git("config", "diff.x.textconv", f"touch {trap}; cat")
    work.write(".gitattributes", "*.j2 diff=x\n")
    repository = found(work.root)
    repository.head()
    repository.changes("hero.j2")
    repository.blame("hero.j2")
    repository.log("hero.j2")
    checked_out(work.root, [work.root / "hero.j2"])
    assert not trap.exists()


def test_relative_is_none_outside(work: Any, tmp_path: Path) -> None:
    """A path outside of the repository has no name in it."""
    repository = found(work.root)
    assert repository.relative(work.root / "templates" / "x.j2") == "templates/x.j2"
    assert repository.relative(tmp_path / "elsewhere") is None
