"""`init`, `try`, `doctor`, `schema`: the first minutes."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptlab.spec.settings import load_settings

CLI = Callable[..., Any]


def test_init_is_ready_and_leaves_what_is_there(tmp_path: Path, cli: CLI, clean: None) -> None:
    """init lays out examples, settings, .gitignore and the schema with its modeline; a second one changes nothing."""
    folder = tmp_path / "new" / "studio"
    result = cli("init", folder)
    assert result.code == 0
    assert "Next: " in result.out
    for name in ("promptlab.yaml", ".gitignore", ".promptlab/experiment.schema.json", "templates/shelf.j2"):
        assert (folder / name).is_file()
    for path in (folder / "experiments").glob("*.yaml"):
        modeline = re.search(r"(?m)^# yaml-language-server: \$schema=(\S+)$", path.read_text())
        assert modeline is None or (path.parent / modeline[1]).resolve().is_file()
    assert "yaml-language-server" in (folder / "experiments" / "shelf_photos.yaml").read_text()
    ignored = (folder / ".gitignore").read_text().split()
    assert {"promptlab.db*", "/images/", "/results/"} <= set(ignored)
    (folder / "promptlab.yaml").write_text("user: ada\n")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    again = cli("init", folder)
    assert (again.code, again.out.startswith("0 files made")) == (0, True)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_init_copies_nothing_of_the_users_own(tmp_path: Path, cli: CLI, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the examples of a clone may be the user's own work: it stays there."""
    from promptlab.cli import init_command

    clone = tmp_path / "clone"
    for name in init_command.EXAMPLES:
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(init_command.examples_folder() / name, clone / name)
    (clone / "experiments" / "secret_client.yaml").write_text("prompt: mine\n")
    (clone / "templates" / "mine.j2").write_text("mine\n")
    monkeypatch.setattr(init_command, "examples_folder", lambda: clone)
    assert cli("init", tmp_path / "new").code == 0
    made = {path.relative_to(tmp_path / "new").as_posix() for path in (tmp_path / "new").rglob("*") if path.is_file()}
    assert made - {"promptlab.yaml", ".gitignore", ".promptlab/experiment.schema.json"} == set(init_command.EXAMPLES)


def test_init_settings_hold_when_uncommented(studio: Path) -> None:
    """Every line of the promptlab.yaml that init writes is a setting once its # is taken away."""
    text = (studio / "promptlab.yaml").read_text()
    shown = re.sub(r"(?m)^# (\w+:)", r"\1", text)
    assert shown.count("\n#") < text.count("\n#")
    (studio / "promptlab.yaml").write_text(shown)
    settings = load_settings(studio, {})
    assert (settings.plan, settings.confirm_above_usd) == ("starter", 5.0)


def test_every_example_plans(studio: Path, cli: CLI) -> None:
    """All experiments that init makes can be planned as they are."""
    result = cli("plan", *sorted((studio / "experiments").glob("*.yaml")))
    assert result.code == 0, result.err


PROMPTS = [
    'a "quoted" {{ brace }} teapot: #1', "line\ntwo ünïcode 茶", "{% raw %}x{% endraw %} {{{ a }}} {", "it's {# c #}",
    "- [a, b]: {c}", "back\\slash \\n", "%TAG & *x !y | > 'z'",
]  # fmt: skip


def test_try_sends_what_was_typed(studio: Path, cli: CLI) -> None:
    """Quotes, braces, template signs, newlines and any script arrive as they were typed (white space folded)."""
    assert cli("try", "--no-thumbnails", "--", *PROMPTS).code == 0
    with sqlite3.connect(studio / "promptlab.db") as connection:
        found = [prompt for (prompt,) in connection.execute("SELECT prompt FROM generations ORDER BY sequence")]
    connection.close()
    assert found == [" ".join(prompt.split()) for prompt in PROMPTS]
    again = cli("try", "--no-thumbnails", "--", *PROMPTS)
    assert (again.code, "7 from the log: cost nothing" in again.out) == (0, True)
    assert len(list((studio / "experiments").glob("try_*.yaml"))) == 1


def test_try_repeats_and_parameters(studio: Path, cli: CLI) -> None:
    """--repeats are seeds, --param and --negative go into the experiment."""
    result = cli("try", "a cup", "--repeats", "2", "--param", "aspect_ratio=16:9", "--negative", "blurry", "--json",
                 "--no-thumbnails")  # fmt: skip
    assert json.loads(result.out)["completed"] == 2
    with sqlite3.connect(studio / "promptlab.db") as connection:
        found = connection.execute("SELECT DISTINCT aspect_ratio, negative_prompt FROM generations").fetchall()
    connection.close()
    assert found == [("16:9", "blurry")]


@pytest.mark.parametrize(
    "arguments",
    [
        [""],
        ["a", "--param", "n=9"],
        ["a", "--param", "n"],
        ["a", "--name", "../evil"],
        ["a", "--name", "shelf_photos"],
        [],
    ],
)
def test_try_refuses_without_a_trace(arguments: list[str], studio: Path, cli: CLI) -> None:
    """A wrong question is exit 2, leaves no file, and no experiment is overwritten."""
    before = {path: path.read_bytes() for path in studio.parent.rglob("*") if path.is_file()}
    assert cli("try", *arguments).code == 2
    assert {path: path.read_bytes() for path in studio.parent.rglob("*") if path.is_file()} == before


def test_schema_is_what_init_wrote(studio: Path, cli: CLI) -> None:
    """schema prints the draft-07 schema that init puts in place, and writes it where asked."""
    text = cli("schema").out
    assert text == (studio / ".promptlab" / "experiment.schema.json").read_text(encoding="utf-8")
    schema = json.loads(text)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    cli("schema", "-o", "deep/er/s.json")
    assert (studio / "deep" / "er" / "s.json").read_text(encoding="utf-8") == text


def test_doctor_shows_no_key(studio: Path, cli: CLI, monkeypatch: pytest.MonkeyPatch) -> None:
    """doctor says that a key is set and never what it is."""
    monkeypatch.setenv("KAIRVAL_API_KEY", "kv_0123456789abcdef")
    result = cli("doctor")
    assert (result.code, "✓ provider kairval: KAIRVAL_API_KEY is set" in result.out) == (0, True)
    assert "0123456789" not in result.out + result.err
    assert "OPENAI_API_KEY is not set" in result.out


def test_doctor_finds_the_other_promptlab(
    studio: Path, cli: CLI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A distribution called promptlab, which installs the same module, is a clash with its remedy; exit 1."""
    info = tmp_path / "site" / "promptlab-2.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: promptlab\nVersion: 2.0\n")
    monkeypatch.syspath_prepend(str(info.parent))
    result = cli("doctor")
    assert result.code == 1
    assert "✗ the distribution 'promptlab' is another project" in result.out
    assert "pip uninstall promptlab" in result.out


def test_doctor_tells_of_wrong_settings(studio: Path, cli: CLI) -> None:
    """A promptlab.yaml that cannot be read is a finding, with its line, not a crash."""
    (studio / "promptlab.yaml").write_text("plam: pro\n")
    result = cli("doctor")
    assert (result.code, "promptlab.yaml:1:1: unknown key 'plam'; did you mean 'plan'?" in result.out) == (1, True)


@pytest.mark.parametrize(
    ("flags", "sent"),
    [
        ([], "blurry, watermark, low quality, text artefacts, deformed"),
        (["--negative", "people", "--negative", "rain"], "people, rain"),
        (["--negative", ""], None),
    ],
)
def test_try_sends_default_negatives(flags: list[str], sent: str | None, studio: Path, cli: CLI) -> None:
    """Where no negative prompt is given the usual one is sent; --negative replaces it, and '' leaves it out."""
    assert cli("try", "a cup", "--no-thumbnails", *flags).code == 0
    with sqlite3.connect(studio / "promptlab.db") as connection:
        found = connection.execute("SELECT DISTINCT negative_prompt FROM generations").fetchall()
    connection.close()
    assert found == [(sent,)]
