"""Repositories as they are found: damaged, untrusted, shallow, bare, detached, linked; no run stops for any."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptlab.git import Repository, checked_out
from promptlab.model import Source
from promptlab.prompts import Library


def dubious(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setattr("promptlab.git.process._KEPT", ("GIT_CONFIG", "GIT_TEST", "GIT_CEILING"))


def damaged_index(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (work.root / ".git" / "index").write_bytes(b"DIRC nonsense")


def damaged_object(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = work.git("rev-parse", "HEAD^{tree}")
    path = work.root / ".git" / "objects" / tree[:2] / tree[2:]
    path.chmod(0o644)
    path.write_bytes(b"")


def missing_object(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = work.git("rev-parse", "HEAD^{tree}")
    (work.root / ".git" / "objects" / tree[:2] / tree[2:]).unlink()


def broken_configuration(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with (work.root / ".git" / "config").open("a") as file:
        file.write("[broken\n")


DAMAGES: dict[str, tuple[Callable[..., None], str]] = {
    "dubious": (dubious, "safe.directory"),
    "index": (damaged_index, "the index is damaged; git makes a new one"),
    "object": (damaged_object, "git fsck"),
    "missing": (missing_object, "git fsck"),
    "configuration": (broken_configuration, "bad config"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_git_refuses_is_a_sentence_and_no_error(work: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Neither a run's row nor a template's state raises; what is not known is None, and the reason is reported."""
    work.commit("one", templates__hero="a {{ x }}")
    damage, said = DAMAGES[name]
    damage(work, monkeypatch)
    folder = work.root / "templates"
    state = checked_out(work.root, [folder / "hero.j2"])
    assert state.dirty is None
    assert state.trouble is not None
    assert said in state.trouble
    library = Library(folder, repository=Repository.find(folder), shown=work.root)
    template = library.get("hero.j2")
    assert template.dirty is None
    assert template.render({"x": "cup"}) == "a cup"
    assert said in (library.trouble or "")


def test_the_commit_is_known_in_spite_of_a_damaged_index(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """HEAD does not need the index: only whether something changed is unknown."""
    commit = work.commit("one", hero="a")
    damaged_index(work, monkeypatch)
    state = checked_out(work.root, [])
    assert (state.commit, state.branch, state.dirty) == (commit, None, None)


def test_untracked_files_of_a_run_are_dirty(work: Any) -> None:
    """The files that are asked about count where they are in no commit; other untracked files do not."""
    work.commit("one", hero="a")
    new = work.write("new.yaml", "x")
    assert checked_out(work.root, [work.root / "hero.j2"]).dirty is False
    assert checked_out(work.root, [new]).dirty is True
    assert checked_out(work.root, [work.root.parent / "elsewhere.yaml"]).dirty is True


def test_no_git_no_commit_and_a_bare_repository_are_no_trouble(
    work: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first commit, in a bare repository, outside git and without git: nothing is known or reported."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    work.git("init", "--quiet", "--bare", str(tmp_path / "bare"))
    (tmp_path / "plain").mkdir()
    folders = [work.root, tmp_path / "bare", tmp_path / "plain"]
    nothing = (None, None, None, None)
    found = [checked_out(folder, []) for folder in folders]
    monkeypatch.setenv("PATH", str(tmp_path))
    found.append(checked_out(work.root, []))
    assert [(each.commit, each.branch, each.dirty, each.trouble) for each in found] == [nothing] * 4


def test_a_detached_head_and_a_second_worktree(work: Any, tmp_path: Path) -> None:
    """A worktree is a separate repository; a detached HEAD has a commit and no branch."""
    first = work.commit("one", hero="a")
    second = work.commit("two", hero="b")
    other = tmp_path / "other"
    work.git("worktree", "add", "--quiet", "--detach", str(other), first)
    assert (checked_out(work.root, []).commit, checked_out(work.root, []).branch) == (second, "main")
    state = checked_out(other, [other / "hero.j2"])
    assert (state.commit, state.branch, state.dirty) == (first, None, False)
    (other / "hero.j2").write_text("edited")
    library = Library(other, repository=Repository.find(other))
    assert (library.get("hero.j2").commit, library.get("hero.j2").dirty) == (first, True)


@pytest.mark.parametrize("variable", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"])
def test_variables_of_hooks_change_nothing(work: Any, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """The path decides, also where promptlab runs inside a hook."""
    commit = work.commit("one", hero="a")
    monkeypatch.setenv(variable, "/nowhere")
    state = checked_out(work.root, [work.root / "hero.j2"])
    assert (state.commit, state.dirty, state.trouble) == (commit, False, None)


def test_line_breaks_of_windows_are_not_an_edit(work: Any) -> None:
    """With core.autocrlf a checkout differs byte for byte and is clean; without, it is the same template, and dirty."""
    commit = work.commit("one", hero="a\nb\n")
    library = Library(work.root, repository=Repository.find(work.root))
    id_ = library.get("hero.j2").id
    work.git("config", "core.autocrlf", "true")
    (work.root / "hero.j2").unlink()
    work.git("checkout", "--quiet", "hero.j2")
    assert (work.root / "hero.j2").read_bytes() == b"a\r\nb\r\n"
    converted = Library(work.root, repository=Repository.find(work.root)).get("hero.j2")
    assert (converted.id, converted.commit, converted.dirty) == (id_, commit, False)
    work.git("config", "core.autocrlf", "false")
    (work.root / "hero.j2").unlink()
    work.git("checkout", "--quiet", "hero.j2")
    work.write("hero.j2", "a\r\nb\r\n")
    plain = Library(work.root, repository=Repository.find(work.root)).get("hero.j2")
    assert (plain.id, plain.dirty) == (id_, True)


def test_a_repository_with_long_ids(tmp_path: Path) -> None:
    """A repository of object format sha256 is read like any other."""
    root = tmp_path / "long"
    root.mkdir()
    identity = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for arguments in (["init", "-q", "--object-format=sha256"], ["add", "-A"], ["commit", "-qm", "one"]):
        (root / "hero.j2").write_text("a\n")
        subprocess.run(["git", *arguments], cwd=root, check=True, env={**os.environ, **identity})
    repository = Repository.find(root)
    assert repository is not None
    (commit,) = repository.log()
    assert len(commit.commit) == 64
    template = Library(root, repository=repository).get("hero.j2")
    assert (template.commit, template.dirty) == (commit.commit, False)
    with repository.objects() as objects:
        tree = objects.root_of(commit.commit)
        assert tree is not None
        assert objects.folder(tree.id)["hero.j2"].id == template.files[0].git_blob


@pytest.mark.parametrize("how", ["link", "submodule"])
def test_templates_of_another_repository(work: Any, tmp_path: Path, how: str) -> None:
    """templates/ as a link to another repository, or as a submodule: commit, dirty and revisions are that one's."""
    shared = type(work)(tmp_path / "shared")
    first = shared.commit("one", hero="one {{ x }}")
    shared.git("tag", "v1")
    second = shared.commit("two", hero="two {{ x }}")
    folder = work.root / "templates"
    if how == "link":
        folder.symlink_to(shared.root)
    else:
        work.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(shared.root), "templates")
    work.write("exp.yaml", "prompt: a")
    studio = work.commit("studio")
    library = Library(folder, repository=Repository.find(folder), shown=work.root)
    assert (library.get("hero.j2").commit, library.get("hero.j2").dirty) == (second, False)
    assert library.get("hero.j2@v1").commit == first
    assert library.get("hero.j2@v1").render({"x": "cup"}) == "one cup"
    assert inline(library).commit == studio
    assert inline(library).dirty is False
    (folder / "hero.j2").write_text("edited")
    again = Library(folder, repository=Repository.find(folder), shown=work.root)
    assert again.get("hero.j2").dirty is True
    assert inline(again, "{% include 'hero.j2' %}").dirty is True
    assert inline(again).dirty is False


def inline(library: Library, text: str = "a") -> Any:
    from promptlab.model import Place, Source

    return library.inline(Source("prompt", text, Place("exp.yaml", 1, 9)), "prompt")


def test_a_link_inside_the_folder_works_at_its_commit(work: Any) -> None:
    """A link to a file or folder of the templates is followed, in the working copy and at a revision; both can edit."""
    work.write("templates/parts/light.j2", "soft")
    work.write("templates/hero.j2", "{% include 'alias.j2' %} {% include 'more/light.j2' %}")
    os.symlink("parts/light.j2", work.root / "templates" / "alias.j2")
    os.symlink("parts", work.root / "templates" / "more")
    commit = work.commit("one")

    def library() -> Library:
        folder = work.root / "templates"
        return Library(folder, repository=Repository.find(folder), shown=work.root)

    now, then = library().get("hero.j2"), library().get(f"hero.j2@{commit}")
    assert (now.render({}), then.render({}), now.id) == ("soft soft", "soft soft", then.id)
    assert now.dirty is False
    work.write("templates/parts/light.j2", "hard")
    assert library().get("alias.j2").dirty is True
    work.git("checkout", "--quiet", ".")
    (work.root / "templates" / "alias.j2").unlink()
    os.symlink("hero.j2", work.root / "templates" / "alias.j2")
    assert library().get("more/light.j2").dirty is False
    work.write("templates/twin.j2", "soft")
    (work.root / "templates" / "alias.j2").unlink()
    os.symlink("twin.j2", work.root / "templates" / "alias.j2")
    assert library().get("alias.j2").dirty is True


def test_a_partial_clone_loads_nothing(work: Any, tmp_path: Path) -> None:
    """What a clone left out is not fetched silently: it is reported, and the rest is read."""
    work.commit("one", hero="one")
    second = work.commit("two", hero="two")
    work.git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "clone"
    work.git("clone", "--quiet", "--filter=blob:none", f"file://{work.root}", str(clone))
    shutil.move(work.root, tmp_path / "gone")
    repository = Repository.find(clone)
    assert repository is not None
    library = Library(clone, repository=repository)
    assert (library.get("hero.j2").commit, library.get("hero.j2").dirty) == (second, False)
    with pytest.raises(Exception, match="partial clone"):
        library.get("hero.j2@HEAD~1")


def test_outside_git_no_process_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no folder on the way up has a .git, git is not asked whether there is a repository."""
    monkeypatch.setattr("promptlab.git.repository.call", None)
    assert not any((above / ".git").exists() for above in tmp_path.parents)
    assert Repository.find(tmp_path / "templates") is None
    assert Repository.refusal(tmp_path) is None
    assert checked_out(tmp_path, [tmp_path / "x.yaml"]).trouble is None


def test_a_library_asks_git_when_something_needs_the_answer(work: Any) -> None:
    """Loading and rendering an inline prompt finds no repository; its commit does, once."""
    commit = work.commit("one", templates__hero="a")
    found = []

    def find() -> Repository | None:
        found.append(1)
        return Repository.find(work.root)

    template = Library(work.root / "templates", repository=find).inline(Source("prompt", "a {{ x }}"), "prompt")
    assert template.render({"x": "cup"}) == "a cup"
    assert found == []
    assert template.commit == commit
    assert found == [1]
