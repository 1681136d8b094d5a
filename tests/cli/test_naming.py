"""`try` names experiments and variants by the prompts' own words, and takes prompts from a file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.cli.try_command import ids_of, title_of

CLI = Callable[..., Any]


@pytest.mark.parametrize(
    ("prompts", "ids", "title"),
    [
        (["a ceramic teapot on linen, soft light", "a ceramic teapot, hard flash"],
         ["linen-soft", "hard-flash"], "ceramic_teapot"),
        (["a cup", "a jug"], ["cup", "jug"], "cup"),
        (["a cup", "a cup at dusk"], ["p1", "dusk"], "cup"),
        (["a cup", "a cup"], ["p1", "p2"], "cup"),
        (["an oak stool by the window"], ["oak-stool"], "oak_stool"),
        (["values", "from", "none"], ["p1", "p2", "p3"], "values"),
        (["", "!!"], ["p1", "p2"], "prompts"),
        (["茶碗", "急須"], ["茶碗", "急須"], "茶碗"),
    ],
)  # fmt: skip
def test_names_from_words(prompts: list[str], ids: list[str], title: str) -> None:
    """What tells the prompts apart names the variants; what they share names the experiment."""
    assert (ids_of(prompts), title_of(prompts)) == (ids, title)


@given(st.lists(st.text(max_size=60), min_size=1, max_size=8))
def test_names_are_always_usable(prompts: list[str]) -> None:
    """Ids are unique, stable, and neither they nor the title hold anything but letters, digits, - and _."""
    ids = ids_of(prompts)
    assert ids == ids_of(prompts)
    assert len(set(ids)) == len(prompts)
    for name in [*ids, title_of(prompts)]:
        assert name.replace("-", "a").replace("_", "a").isalnum()


def test_another_question_gets_a_name_of_its_own(studio: Path, cli: CLI) -> None:
    """The same question finds its file again; another one with the same words gets the next name."""
    for arguments in (["a teapot"], ["a teapot"], ["a teapot!"], ["a teapot", "--repeats", "2"]):
        assert cli("try", *arguments, "--no-thumbnails").code == 0
    found = sorted(path.stem for path in (studio / "experiments").glob("try_*"))
    assert found == ["try_teapot", "try_teapot_2", "try_teapot_3"]


def test_prompts_from_a_file(studio: Path, cli: CLI) -> None:
    """--from takes a prompt from each line, after those that were typed; empty lines are none."""
    (studio / "prompts.txt").write_text("a blue cup\n\n  a red cup  \n", encoding="utf-8")
    result = cli("try", "a cup of gold", "--from", "prompts.txt", "--no-thumbnails", "--json")
    assert json.loads(result.out)["completed"] == 3
    with sqlite3.connect(studio / "promptlab.db") as connection:
        found = connection.execute("SELECT prompt, variant_id FROM generations ORDER BY sequence").fetchall()
    connection.close()
    assert [prompt for prompt, _ in found] == ["a cup of gold", "a blue cup", "a red cup"]
    assert cli("try").code == 2


def test_try_sends_the_default_negatives(studio: Path, cli: CLI) -> None:
    """Without --negative the usual ones are sent; given ones take their place; an empty one is none."""
    for arguments in ([], ["--negative", "people"], ["--negative", ""]):
        cli("try", "a cup", *arguments, "--no-thumbnails")
    with sqlite3.connect(studio / "promptlab.db") as connection:
        found = [row for (row,) in connection.execute("SELECT negative_prompt FROM generations ORDER BY rowid")]
    connection.close()
    assert found == ["blurry, watermark, low quality, text artefacts, deformed", "people", None]
