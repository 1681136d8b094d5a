"""The folder, its limits, the identity of a template, and its revisions in git."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from promptlab.errors import InputError
from promptlab.git import Repository
from promptlab.model import Place, Source
from promptlab.prompts import Library

ROUTES = [
    "../secret.j2",
    "/etc/passwd",
    "a/../../secret.j2",
    "./t.j2",
    "a//b.j2",
    "",
    "..",
    "C:\\x",
    "a\\..\\b",
    "a\x00b",
]


@pytest.mark.parametrize("name", ROUTES)
def test_no_name_leads_out_of_the_folder(studio: Any, name: str) -> None:
    """`..`, the root of the disk, backslashes, control characters and empty parts are refused, at the place given."""
    (studio.root / "secret.j2").write_text("secret")
    with pytest.raises(InputError) as caught:
        studio.library().get(name, Place("exp.yaml", 3, 4))
    assert caught.value.problems[0].code == "template-path"
    assert caught.value.problems[0].place == "exp.yaml:3:4"


@pytest.mark.parametrize("target", ["../secret.j2", "/etc/hostname", "../../studio", "loop.j2", "/dev/zero"])
def test_no_link_leads_out_of_the_folder(studio: Any, target: str) -> None:
    """A link to a file outside is refused, as a template and as an include; one that stays inside is a file."""
    (studio.root / "secret.j2").write_text("secret")
    studio.write(inside="in", t="{% include 'loop.j2' %}")
    os.symlink(target, studio.root / "templates" / "loop.j2")
    os.symlink("inside.j2", studio.root / "templates" / "fine.j2")
    for name in ("loop.j2", "t.j2"):
        with pytest.raises(InputError) as caught:
            studio.library().get(name)
        assert {problem.code for problem in caught.value.problems} <= {"template-path", "template-unreadable"}
    assert studio.library().get("fine.j2").render({}) == "in"


def test_what_is_no_text_file_is_refused(studio: Any) -> None:
    """Not UTF-8, too large, a folder, a pipe: each is reported, none is waited for."""
    folder = studio.root / "templates"
    (folder / "latin.j2").write_bytes("\né".encode("latin-1"))
    (folder / "large.j2").write_bytes(b"a" * 200_000)
    (folder / "folder.j2").mkdir()
    os.mkfifo(folder / "pipe.j2")
    for name, words in {
        "latin.j2": "templates/latin.j2:2: this is not UTF-8",
        "large.j2": "templates/large.j2:1: a template of more than 128 kB",
        "folder.j2": "there is no template 'folder.j2'",
        "pipe.j2": "there is no template 'pipe.j2'",
    }.items():
        with pytest.raises(InputError, match=words):
            studio.library().get(name)


def test_a_missing_template_names_the_nearest(studio: Any) -> None:
    """The message says where it was looked for."""
    studio.write(hero="", parts__light="")
    with pytest.raises(InputError, match=r"there is no template 'hreo\.j2' in templates/; did you mean 'hero\.j2'\?"):
        studio.library().get("hreo.j2")
    assert studio.library().names() == ["hero.j2", "parts/light.j2"]
    with pytest.raises(InputError, match="there is no template"):
        Library(studio.root / "nowhere").get("hero.j2")


def test_a_template_of_too_many_files_is_refused(studio: Any) -> None:
    """A hundred files in a row, and a tree of includes that doubles, stop with a line."""
    for number in range(100):
        studio.write(**{f"c{number}": "{% include 'c" + str(number + 1) + ".j2' %}", f"c{number + 1}": ""})
    with pytest.raises(
        InputError, match=r"templates/c\d+\.j2:1:\d+: .*more than 64 files, or of more than 16 in a row"
    ):
        studio.library().get("c0.j2")
    for number in range(14):
        twice = "{% include 'd" + str(number + 1) + ".j2' %}"
        studio.write(**{f"d{number}": twice + twice, f"d{number + 1}": ""})
    with pytest.raises(InputError, match=r"templates/d\d+\.j2:1:\d+: the template does more than"):
        studio.library().get("d0.j2").render({})


def test_the_identity_is_the_text_and_all_it_includes(studio: Any) -> None:
    """An edited macro is a new version; a new name, line breaks of Windows or another folder are not."""
    files = {"t": "{% import 'lib.j2' as lib %}{{ lib.m() }}", "lib": "{% macro m() %}a{% endmacro %}", "other": "x"}
    first = studio.template(**files)
    assert studio.write(other="y").library().get("t.j2").id == first.id
    (studio.root / "templates" / "t.j2").rename(studio.root / "templates" / "renamed.j2")
    assert studio.library().get("renamed.j2").id == first.id
    assert studio.library().inline(Source("prompt", files["t"]), "p").id == first.id
    studio.write(crlf="a\r\nb", lf="a\nb")
    assert studio.library().get("crlf.j2").id == studio.library().get("lf.j2").id
    edited = studio.write(t=files["t"], lib="{% macro m() %}b{% endmacro %}").library().get("t.j2")
    assert edited.id != first.id
    assert studio.template(t=files["t"] + " ", lib=files["lib"]).id not in (first.id, edited.id)
    assert len(first.id) == 64


def test_a_template_is_loaded_once(studio: Any) -> None:
    """A library gives the same object for the same reference."""
    library = studio.write(t="a").library()
    assert library.get("t.j2") is library.get("t.j2")


@pytest.fixture
def versions(studio: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    studio.git("init", "--quiet", "--initial-branch=main")
    text = "{% import 'lib.j2' as lib %}{{ lib.m(x) }} one"
    studio.first = studio.commit("one", hero=text, lib="{% macro m(a) %}<{{ a }}>{% endmacro %}")
    studio.git("tag", "v1")
    studio.second = studio.commit("two", hero=text.replace("one", "two"), lib="{% macro m(a) %}({{ a }}){% endmacro %}")
    studio.repository = Repository.find(studio.root)
    studio.versioned = lambda: Library(studio.root / "templates", repository=studio.repository, shown=studio.root)
    return studio


def test_a_revision_is_read_with_its_own_includes(versions: Any) -> None:
    """`hero.j2@v1` renders what that commit rendered, byte for byte, and leaves the working copy alone."""
    before = sorted((path, path.read_bytes()) for path in (versions.root / "templates").iterdir())
    library = versions.versioned()
    past, now = library.get("hero.j2@v1"), library.get("hero.j2")
    assert (past.render({"x": "a"}), now.render({"x": "a"})) == ("<a> one", "(a) two")
    assert (past.ref, past.commit, past.dirty, past.path) == ("v1", versions.first, False, "hero.j2")
    assert (now.ref, now.commit, now.dirty) == (None, versions.second, False)
    assert past.id != now.id
    assert library.get("hero.j2@main").id == library.get(f"hero.j2@{versions.second}").id == now.id
    assert past.files[1].git_blob == versions.git("rev-parse", "v1:templates/lib.j2")
    assert before == sorted((path, path.read_bytes()) for path in (versions.root / "templates").iterdir())


def test_an_edit_makes_it_dirty_with_all_it_includes(versions: Any) -> None:
    """An uncommitted edit of an included file, and a file that is in no commit, are dirty; others are not."""
    versions.write(lib="{% macro m(a) %}edited{% endmacro %}", new="x", alone="y")
    versions.commit("three", alone="y")
    versions.write(lib="{% macro m(a) %}again{% endmacro %}", newer="{{ x }}")
    library = versions.versioned()
    assert {name: library.get(name).dirty for name in library.names()} == {
        "alone.j2": False,
        "hero.j2": True,
        "lib.j2": True,
        "new.j2": False,
        "newer.j2": True,
    }
    assert "again" in library.get("hero.j2").files[1].source


def test_an_inline_prompt_is_as_dirty_as_its_experiment(versions: Any) -> None:
    """The experiment file that holds the text counts, with what the text includes."""
    experiment = versions.root / "exp.yaml"
    experiment.write_text("prompt: a\n")
    source = Source("prompt", "a", Place("exp.yaml", 1, 9))
    assert versions.versioned().inline(source, "p").dirty is True
    versions.commit("exp")
    inline = versions.versioned().inline(source, "p")
    assert (inline.dirty, inline.commit) == (False, versions.git("rev-parse", "HEAD"))


def test_a_problem_of_a_revision_names_it(versions: Any) -> None:
    """Places in a past version say which."""
    (problem,) = versions.versioned().get("hero.j2@v1").problems({"y": None})
    assert problem.place == "templates/hero.j2@v1:1:38"


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ("hero.j2@v2", "hero.j2@v2: revision 'v2' is not in this repository; did you mean 'v1'"),
        ("hero.j2@--all", "cannot be a revision"),
        ("hero.j2@", "cannot be a revision"),
        ("hero.j2@v1:../x", "cannot be a revision"),
        ("hreo.j2@v1", "there is no template 'hreo.j2' in templates/ at v1; did you mean 'hero.j2'"),
        ("../hero.j2@v1", "leads out of the templates folder"),
    ],
)
def test_a_revision_that_is_not_there_is_told(versions: Any, ref: str, words: str) -> None:
    """An unknown tag, an option, a path as revision, an unknown file of a revision."""
    with pytest.raises(InputError) as caught:
        versions.versioned().get(ref)
    assert words in str(caught.value)


def test_a_link_of_a_revision_is_not_followed(versions: Any) -> None:
    """git stores a link's target as its text, which is not a template."""
    os.symlink("/etc/passwd", versions.root / "templates" / "link.j2")
    versions.commit("link")
    with pytest.raises(InputError, match="is a link at this revision"):
        versions.versioned().get("link.j2@main")


def test_outside_git_everything_works(studio: Any) -> None:
    """Without a repository there is no commit and nothing is dirty; a revision says why it cannot be read."""
    template = studio.template(t="a")
    assert (template.commit, template.dirty, template.files[0].git_blob) == (None, None, None)
    with pytest.raises(InputError, match=r"'t\.j2@v1' names a revision, but .* no git repository"):
        studio.library().get("t.j2@v1")


def test_before_the_first_commit_nothing_is_known(studio: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository without commits has templates without a commit."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    studio.git("init", "--quiet")
    studio.write(t="a")
    library = Library(studio.root / "templates", repository=Repository.find(studio.root))
    assert (library.get("t.j2").commit, library.get("t.j2").dirty) == (None, None)


def test_messages_name_the_folder_as_it_is_shown(tmp_path: Path) -> None:
    """Paths are relative to the studio where the folder is in it, else as given."""
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "t.j2").write_text("{{ x }}")
    (inside,) = Library(folder, shown=tmp_path).get("t.j2").problems({})
    (outside,) = Library(folder, shown=tmp_path / "studio").get("t.j2").problems({})
    (itself,) = Library(folder, shown=folder).get("t.j2").problems({})
    assert [inside.path, outside.path, itself.path] == ["shared/t.j2", f"{folder.as_posix()}/t.j2", "t.j2"]


@pytest.mark.parametrize("way", ["import", "from", "include", "import with context"])
def test_files_that_name_the_next_three_times_are_read_once(studio: Any, way: str) -> None:
    """Fourteen in a row are three to the fourteenth ways: checks take the files, not the ways."""
    tags = {
        "import": "{{% import 'f{0}.j2' as l %}}",
        "from": "{{% from 'f{0}.j2' import m %}}",
        "include": "{{% include 'f{0}.j2' %}}",
        "import with context": "{{% import 'f{0}.j2' as l with context %}}",
    }
    files = {f"f{at}": tags[way].format(at + 1) * 3 + "{% macro m() %}{{ gone }}{% endmacro %}" for at in range(13)}
    began = time.process_time()
    template = studio.template(**files, f13="{% macro m() %}x{% endmacro %}")
    problems = template.problems({})
    assert len(problems) <= 13
    assert time.process_time() - began < 2  # 0.05 s on a quiet machine; the ways would take minutes


def test_files_of_a_template_are_bounded_together(studio: Any) -> None:
    """Sixty large files are refused when the first megabyte is read, with the line that names the next."""
    files = {f"f{at}": "x" * 120_000 for at in range(60)}
    with pytest.raises(InputError) as caught:
        studio.template(t="\n".join(f"{{% include 'f{at}.j2' %}}" for at in range(60)), **files)
    first = caught.value.problems[0]
    assert (first.code, first.line) == ("template-limit", 10)
