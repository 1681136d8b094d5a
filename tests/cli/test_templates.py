"""`promptlab templates`: list, render, and in git: log, diff, blame; a repository with three commits, run at each."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CLI = Callable[..., Any]
HERO = """---
description: hero
vars:
  product: {type: string, description: what is sold}
---
{% import "_tool.j2" as tool %}
a {{ product }} on a table,
{{ tool.light(look.word) }}
"""
TOOL = "{% macro light(x) %}{{ x }} light{% endmacro %}\n"
EXPERIMENT = "template: hero.j2\naxes: {product: [cup], look: {soft: {word: soft}}}\nseeds: [1]\n"


def rows(studio: Path, sql: str, *values: object) -> list[Any]:
    with sqlite3.connect(studio / "promptlab.db") as connection:
        found = connection.execute(sql, values).fetchall()
    connection.close()
    return found


@pytest.fixture
def history(studio: Path, cli: CLI, git: CLI, experiment: CLI) -> list[str]:
    """Three commits of a template and its macro, tagged v1 to v3, run at each: the three prompts."""
    hero, tool = studio / "templates" / "hero.j2", studio / "templates" / "_tool.j2"
    hero.write_text(HERO)
    tool.write_text(TOOL)
    path = experiment(EXPERIMENT)

    def commit(number: int, message: str) -> None:
        git("add", "-A")
        git("commit", "-qm", message)
        git("tag", f"v{number}")
        assert cli("run", path, "--no-thumbnails").code == 0

    commit(1, "first")
    hero.write_text(HERO.replace("a table", "a wooden table"))
    commit(2, "wood")
    tool.write_text(TOOL.replace(" light{%", " light, film grain{%"))
    commit(3, "grain")
    return [prompt for (prompt,) in rows(studio, "SELECT prompt FROM generations ORDER BY rowid")]


def render(cli: CLI, template: str) -> str:
    return str(cli("templates", "render", template, "--var", "product=cup", "--var", "look.word=soft").out).rstrip("\n")


def test_history(studio: Path, cli: CLI, history: list[str], git: CLI) -> None:
    """log shows three versions with their runs; @rev renders what each commit rendered; the edit is seen as dirty and
    kept in full in the log; diff and blame say what changed and who wrote it.
    """
    assert history == [
        "a cup on a table, soft light", "a cup on a wooden table, soft light",
        "a cup on a wooden table, soft light, film grain",
    ]  # fmt: skip
    assert [render(cli, f"hero.j2@v{number}") for number in (1, 2, 3)] == history
    assert cli("mark", "last", "--keep", "*cup*", "--by", "ada").code == 0

    table = cli("templates", "log", "hero.j2").out.splitlines()
    assert table[0].split() == ["commit", "date", "author", "message", "runs", "images", "credits", "marks", "template",
                                "id"]  # fmt: skip
    versions = [line.split() for line in table[2:]]
    assert [(line[2], line[3], *line[4:8]) for line in versions] == [
        ("Ada", "grain", "1", "1", "50", "+1"), ("Ada", "wood", "1", "1", "50", "+0"),
        ("Ada", "first", "1", "1", "50", "+0"),
    ]  # fmt: skip
    assert [line[0] for line in versions] == [git("rev-parse", f"v{number}")[:12] for number in (3, 2, 1)]

    said = cli("templates", "log", "hero.j2").err
    newest, before = versions[0][0], versions[1][0]
    page = f"pair?by=template&a=hero.j2@{before}&b=hero.j2@{newest}"
    assert said == f"side by side: promptlab browse --page '{page}'\n"
    said = cli("templates", "diff", "hero.j2", "v1", "v3").err
    assert said == "side by side: promptlab browse --page 'pair?by=template&a=hero.j2@v1&b=hero.j2@v3'\n"

    edited = HERO.replace("a table", "a wooden table") + "at dusk\n"
    (studio / "templates" / "hero.j2").write_text(edited)
    cli("run", "experiments/exp.yaml", "--no-thumbnails")
    run_id, template_id, dirty = rows(
        studio, "SELECT run_id, template_id, git_dirty FROM run_templates ORDER BY rowid DESC LIMIT 1"
    )[0]
    assert dirty == 1
    assert "with uncommitted edits" in cli("show", run_id).out
    (studio / "templates" / "hero.j2").unlink()
    kept = dict(rows(studio, "SELECT path, source FROM template_files WHERE template_id = ?", template_id))
    assert kept == {"hero.j2": edited, "_tool.j2": TOOL.replace(" light{%", " light, film grain{%")}
    (studio / "templates" / "hero.j2").write_text(edited)
    assert cli("templates", "log", "hero.j2").out.splitlines()[2].startswith("uncommitted")

    shown = cli("templates", "diff", "hero.j2", "v1", "v3", "--experiment", "experiments/exp.yaml").out
    assert "hero.j2\n    7  a {{ product }} on a {+wooden+} table," in shown
    assert "_tool.j2\n    1  " in shown
    assert "a cup on a {+wooden+} table, soft light{+, film grain+}" in shown.replace(" {+, film", "{+, film")
    hashes = [sha for (sha,) in rows(studio, "SELECT sha256 FROM images ORDER BY rowid")]
    assert f"seed 1: images/{hashes[0][:2]}/{hashes[0]}.png | images/{hashes[2][:2]}/{hashes[2]}.png" in shown

    image, generation = rows(studio, "SELECT id, generation_id FROM images ORDER BY rowid LIMIT 1 OFFSET 2")[0]
    first, second, third = (git("rev-parse", f"v{number}")[:12] for number in (1, 2, 3))
    for name in (image, generation):
        table = cli("templates", "blame", name).out
        parts = [line.split("  ") for line in table.splitlines()[2:]]
        found = [[cell.strip() for cell in part if cell.strip()] for part in parts]
        assert found == [
            ["a", "hero.j2:7", second, "Ada"],
            ["cup", "hero.j2:7", second, "Ada", "product of product=cup"],
            ["on a wooden table,", "hero.j2:7", second, "Ada"],
            ["soft", "_tool.j2:1", third, "Ada", "look.word of look=soft"],
            ["light, film grain", "_tool.j2:1", third, "Ada"],
        ]
    assert cli("templates", "blame", hashes[0]).out.count(first) == 5
    latest = cli("templates", "blame", "results/exp/cup_soft_s1_0.png").out
    assert "at dusk" in latest
    assert latest.count("uncommitted") == 1


def log_of(cli: CLI, name: str) -> list[list[str]]:
    """commit, author, message and the rest of each row of `templates log`."""
    return [line.split() for line in cli("templates", "log", name).out.splitlines()[2:]]


def test_the_log_follows_renames(studio: Path, cli: CLI, history: list[str], git: CLI, experiment: CLI) -> None:
    """A renamed template keeps its past, with what was made under its old name, also where it was edited on the way."""
    git("mv", "templates/hero.j2", "templates/main.j2")
    git("commit", "-qm", "rename")
    assert [row[3] for row in log_of(cli, "main.j2")] == ["grain", "wood", "first"]
    assert [row[4:6] for row in log_of(cli, "main.j2")] == [["1", "1"]] * 3
    path = experiment(EXPERIMENT.replace("hero.j2", "main.j2"), "renamed")
    cli("run", path, "--no-thumbnails")
    assert [row[4:6] for row in log_of(cli, "main.j2")] == [["2", "1"], ["1", "1"], ["1", "1"]]
    git("mv", "templates/main.j2", "templates/last.j2")
    last = studio / "templates" / "last.j2"
    last.write_text(last.read_text() + "at dusk\n")
    git("add", "-A")
    git("commit", "-qm", "dusk")
    assert [row[3] for row in log_of(cli, "last.j2")] == ["dusk", "grain", "wood", "first"]


def test_a_clean_merge_is_committed(studio: Path, cli: CLI, history: list[str], git: CLI) -> None:
    """A text that only the merge has is the merge's version, not an uncommitted one; the run is not dirty."""
    hero, tool = studio / "templates" / "hero.j2", studio / "templates" / "_tool.j2"
    git("checkout", "-qb", "side")
    tool.write_text(TOOL.replace(" light{%", " glow{%"))
    git("commit", "-qam", "glow")
    git("checkout", "-q", "-")
    hero.write_text(hero.read_text().replace("wooden", "marble"))
    git("commit", "-qam", "marble")
    git("merge", "-q", "side", "-m", "both")
    messages = [row[3] for row in log_of(cli, "hero.j2")]
    assert (messages[0], sorted(messages[1:3]), messages[3:]) == (
        "both",
        ["glow", "marble"],
        ["grain", "wood", "first"],
    )
    cli("run", "experiments/exp.yaml", "--no-thumbnails")
    assert rows(studio, "SELECT git_dirty FROM runs ORDER BY rowid DESC LIMIT 1") == [(0,)]
    assert rows(studio, "SELECT git_dirty FROM run_templates ORDER BY rowid DESC LIMIT 1") == [(0,)]
    assert log_of(cli, "hero.j2")[0][3:6] == ["both", "1", "1"]


def test_a_run_of_untracked_files_is_dirty(studio: Path, cli: CLI, git: CLI, experiment: CLI) -> None:
    """An experiment, and a template, that are in no commit make the run dirty, as an edit does."""
    git("add", "-A")
    git("commit", "-qm", "one")
    committed = experiment("prompt: cup\nseeds: [1]\n")
    cli("run", committed, "--no-thumbnails")
    git("add", "-A")
    git("commit", "-qm", "two")
    cli("run", committed, "--no-thumbnails")
    (studio / "templates" / "new.j2").write_text("a cup")
    experiment("template: new.j2\nseeds: [1]\n", "other")
    git("add", "experiments")
    git("commit", "-qm", "three")
    cli("run", "experiments/other.yaml", "--no-thumbnails")
    assert rows(studio, "SELECT git_dirty FROM runs ORDER BY rowid") == [(1,), (0,), (1,)]


def test_a_damaged_repository_stops_no_run(studio: Path, cli: CLI, history: list[str]) -> None:
    """The run is made, says what git could not tell, and is logged with the commit that is known."""
    (studio / ".git" / "index").write_bytes(b"nonsense")
    result = cli("run", "experiments/exp.yaml", "--no-thumbnails")
    assert result.code == 0
    assert "git: git status refused: " in result.err
    assert "the index is damaged" in result.err
    assert rows(studio, "SELECT git_commit IS NULL, git_dirty FROM runs ORDER BY rowid DESC LIMIT 1") == [(0, None)]
    log = cli("templates", "log", "hero.j2")
    assert (log.code, "grain" in log.out) == (0, True)


def test_a_shallow_clone_says_that_its_history_is_cut(
    studio: Path, cli: CLI, history: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there is shown; a sentence says that there is more, and how to get it."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--depth", "2", f"file://{studio}", str(clone)], check=True)
    monkeypatch.chdir(clone)
    assert [row[3] for row in log_of(cli, "hero.j2")] == ["grain", "wood"]
    assert "git fetch --unshallow" in cli("templates", "log", "hero.j2").err


def test_a_plan_against_a_revision_of_templates_elsewhere(
    studio: Path, cli: CLI, git: CLI, experiment: CLI, tmp_path: Path
) -> None:
    """Where templates/ is a submodule, `--against` compares with the commit of it that the revision names."""
    shared = tmp_path / "shared"
    shutil.move(studio / "templates", shared)
    (shared / "new.j2").write_text("a cup")
    experiment("template: new.j2\nseeds: [1]\n")
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "protocol.file.allow=always"]

    def inside(folder: Path, *arguments: str) -> None:
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)

    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "one"]):
        inside(shared, *arguments)
    inside(studio, "submodule", "add", str(shared), "templates")
    git("add", "-A")
    git("commit", "-qm", "with templates")
    git("tag", "v1")
    (studio / "templates" / "new.j2").write_text("a mug")
    result = cli("plan", "experiments/exp.yaml", "--against", "v1")
    assert (result.code, "1 changed" in result.out) == (0, True), result


def test_revisions_as_an_axis(studio: Path, cli: CLI, history: list[str], experiment: CLI) -> None:
    """A map of revisions is an axis, each with its own includes; what is known costs nothing; the copy is untouched."""
    before = {path: path.read_bytes() for path in (studio / "templates").rglob("*.j2")}
    path = experiment(
        "templates: {last_week: hero.j2@v1, now: hero.j2}\naxes: {product: [cup], look: {soft: {word: soft}}}\n"
        "seeds: [1]\nbaseline: {template: last_week}\n",
        "revisions",
    )
    result = cli("run", path, "--no-thumbnails")
    assert "2 from the log: cost nothing" in result.out
    found = rows(studio, "SELECT prompt FROM generations WHERE experiment = 'revisions' ORDER BY sequence")
    assert [prompt for (prompt,) in found] == [history[0], history[2]]
    assert rows(studio, "SELECT value, ref FROM run_templates WHERE value IS NOT NULL ORDER BY 1") == [
        ("last_week", "v1"), ("now", None),
    ]  # fmt: skip
    assert {path: path.read_bytes() for path in (studio / "templates").rglob("*.j2")} == before


def test_blame_of_inline_prompts(studio: Path, cli: CLI, git: CLI, experiment: CLI) -> None:
    """An inline prompt is blamed on its lines of the experiment file."""
    experiment(
        'prompts:\n  one: "a {{ thing }} flat"\n  two: |\n    a {{ thing }}\n    on oak\naxes: {thing: [cup]}\n'
        "seeds: [1]\n"
    )
    git("add", "-A")
    git("commit", "-qm", "inline")
    cli("run", "experiments/exp.yaml", "--no-thumbnails")
    commit = git("rev-parse", "HEAD")[:12]
    one, two = (cli("templates", "blame", f"results/exp/{name}_cup_s1_0.png").out for name in ("one", "two"))
    assert one.count(f"experiments/exp.yaml:2  {commit}") == 3
    assert one.count("thing of thing=cup") == 1
    assert [f"experiments/exp.yaml:{line}  {commit}" in two for line in (4, 5)] == [True, True]


@pytest.mark.parametrize("without", ["repository", "git"])
def test_without_git(without: str, studio: Path, cli: CLI, experiment: CLI, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside git, and without git installed, everything works and says 'not versioned'."""
    if without == "git":
        subprocess.run(["git", "init", "-q"], cwd=studio, check=True)
        monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
        assert shutil.which("git") is None
    (studio / "templates" / "hero.j2").write_text(HERO)
    (studio / "templates" / "_tool.j2").write_text(TOOL)
    path = experiment(EXPERIMENT)
    assert cli("run", path, "--no-thumbnails").code == 0
    assert "templates: not versioned" in cli("show", "last").out
    assert cli("templates", "log", "hero.j2").out.splitlines()[2].startswith("not versioned")
    assert cli("templates", "blame", "results/exp/cup_soft_s1_0.png").out.count("not versioned") == 5
    refused = cli("plan", experiment("template: hero.j2@v1\nseeds: 1\n", "rev"))
    assert (refused.code, "[template-revision]" in refused.err) == (2, True)
    assert cli("plan", path, "--against", "HEAD").code == 2
    assert ("! no git" in cli("doctor").out) == (without == "git")


@pytest.mark.parametrize("revision", ["--output=evil", "-v1", "v1:../../etc/passwd", "a..b", "HEAD^{/x}", "v1\nx", ""])
def test_malicious_revisions(revision: str, studio: Path, cli: CLI, history: list[str]) -> None:
    """A revision is never an option, a range or a path: refused with exit 2, nothing written."""
    before = sorted(studio.rglob("*"))
    result = cli("templates", "render", f"hero.j2@{revision}", "--var", "product=x", "--var", "look.word=y")
    assert (result.code, result.out) == (2, "")
    assert cli("templates", "diff", "hero.j2", "--", revision).code == 2
    assert sorted(studio.rglob("*")) == before


def test_list_shows_description_variables_and_uses(studio: Path, cli: CLI) -> None:
    """list has each template with its description, declared variables and the experiments that use it."""
    out = cli("templates", "list").out
    assert "product_hero.j2" in out
    assert "in: experiments/shelf_photos.yaml" in out
    broken = studio / "templates" / "broken.j2"
    broken.write_text("{{ open")
    result = cli("templates", "list")
    assert (result.code, "✗" in result.out) == (0, True)


def test_render_says_what_is_missing(studio: Path, cli: CLI) -> None:
    """render checks variables like a plan does."""
    result = cli("templates", "render", "shelf.j2", "--var", "item.name=mug")
    assert (result.code, "[undefined-variable]" in result.err) == (2, True)
    assert cli("templates", "render", "shelf.j2", "--var", "nonsense").code == 2
    assert cli("templates", "render", "shelf.j3").code == 2


def test_watch_renders_on_every_save(studio: Path) -> None:
    """--watch prints at once and after a save, and ends cleanly with Ctrl-C."""
    import signal

    template = studio / "templates" / "w.j2"
    template.write_text("one {{ x }}")
    command = [sys.executable, "-u", "-m", "promptlab", "templates", "render", "w.j2", "--var", "x=cup", "--watch"]
    with subprocess.Popen(command, cwd=studio, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().endswith("one cup\n")
        template.write_text("{{ y }}")
        assert "undefined variable 'y'" in process.stdout.readline()
        template.write_text("two {{ x }}")
        while not (line := process.stdout.readline()).endswith("two cup\n"):
            assert line
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert "Traceback" not in err
