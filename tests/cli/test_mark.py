"""`mark`: what `--where` picks, what is reported about it, and taking it back."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import promptlab
from promptlab.cli.main import main

CLI = Callable[..., Any]


@pytest.fixture(scope="module")
def shop(laid_out: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The README's shop after a run: three products in two lights, two seeds each."""
    folder = tmp_path_factory.mktemp("shop") / "studio"
    shutil.copytree(laid_out, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with pytest.raises(SystemExit) as ended:
            main(["run", "experiments/shelf_photos.yaml", "--no-thumbnails"])
    assert not ended.value.code
    return folder


@pytest.fixture
def ran(shop: Path, clean: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, and the current folder."""
    folder = tmp_path / "studio"
    shutil.copytree(shop, folder)
    monkeypatch.chdir(folder)
    return folder


def marks(studio: Path) -> dict[str, str]:
    with sqlite3.connect(studio / "promptlab.db") as log:
        sql = "SELECT i.path, m.mark FROM marks m JOIN images i ON i.id = m.image_id"
        return {path.rpartition("/")[2].rpartition("_s")[0]: mark for path, mark in log.execute(sql)}


def test_the_readmes_own_example_rejects_what_it_says(ran: Path, cli: CLI) -> None:
    """Keep T-100, reject S-204 in neon: two images are rejected, and nothing that was kept."""
    assert cli("mark", "last", "--keep", "T-100_*").out == "4 images: keep by ada\n"
    result = cli("mark", "last", "--reject", "--where", "look=neon,item=S-204")
    assert (result.code, result.out) == (0, "2 images: reject by ada\n")
    assert marks(ran) == {"T-100_morning": "keep", "T-100_neon": "keep", "S-204_neon": "reject"}


WHERE = {
    ("look=neon", "item=S-204,T-100"): {"S-204_neon", "T-100_neon"},
    ("item=S-*,T-1??",): {"S-204_morning", "S-204_neon", "T-100_morning", "T-100_neon"},
    ("item=S-204,T-100", "item=T-100"): {"T-100_morning", "T-100_neon"},
    ("item.surface=linen,marb*", "look=neon"): {"T-100_neon", "V-310_neon"},
    ("look.light=soft morning light", "item=T-*"): {"T-100_morning"},
}


@pytest.mark.parametrize("where", WHERE)
def test_where_is_one_grammar(where: tuple[str, ...], ran: Path, cli: CLI) -> None:
    """Ids are alternatives, conditions all hold, globs and the fields of rows work from the log alone."""
    flags = [flag for text in where for flag in ("--where", text)]
    (ran / "experiments" / "shelf_photos.yaml").unlink()
    assert cli("mark", "last", "--keep", *flags).code == 0
    assert set(marks(ran)) == WHERE[where]


def test_a_run_takes_the_same_grammar(studio: Path, cli: CLI) -> None:
    """`plan` and `run` pick by the same texts, also by a glob and a field."""
    path = "experiments/shelf_photos.yaml"
    assert "1 variant × 2" in cli("plan", path, "--where", "look=neon,item=S-204").out
    assert "2 variants × 2" in cli("plan", path, "--where", "item=S-*").out
    assert "1 variant × 2" in cli("plan", path, "--where", "item=S-*", "--where", "look.light=soft*").out
    for where, words in (("look=nein", "did you mean 'neon'?"), ("item.colr=x", "no field 'colr'")):
        result = cli("run", path, "--where", where)
        assert (result.code, words in result.err) == (2, True)
    assert not (studio / "promptlab.db").exists()
    assert "item=S-204,look=neon: in" in cli("plan", path, "--explain", "--variant", "look=neon,item=S-204").out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--where", "lok=neon"], "no axis 'lok'; did you mean 'look'?"),
        (["--where", "look=nen"], "'look' has no value 'nen'; did you mean 'neon'?"),
        (["--where", "look=neon,itm=S-204"], "did you mean 'item'?"),
        (["--where", "item=X-*"], "'item' has no value 'X-*'"),
        (["T-100_*", "--where", "item=S-204"], "--where matches none of the images named"),
        ([], "name the images"),
    ],
)
def test_a_mark_that_picks_nothing_is_refused(flags: list[str], words: str, ran: Path, cli: CLI) -> None:
    """Exit 2, a sentence with the nearest name, and no mark changed."""
    result = cli("mark", "last", "--reject", *flags)
    assert (result.code, words in result.err) == (2, True), result.err
    assert marks(ran) == {}


def test_names_are_narrowed_by_where(ran: Path, cli: CLI) -> None:
    """Images that are named, of those the ones that --where picks."""
    assert cli("mark", "last", "--keep", "T-100_*", "--where", "look=neon").out.startswith("2 images")
    assert set(marks(ran)) == {"T-100_neon"}


def test_what_changed_is_said_and_taken_back(ran: Path, cli: CLI) -> None:
    """How many had another mark; --undo takes back a whole command, again the one before, and says so."""
    cli("mark", "last", "--keep", "T-100_neon_*")
    assert cli("mark", "last", "--reject", "--where", "look=neon").out == (
        "6 images: reject by ada (2 of them were keep)\n"
    )
    assert cli("mark", "last", "--reject", "S-204_neon_*").out == "2 images: reject by ada (2 were so already)\n"
    # The second reject changed nothing, so there is nothing of it to take back.
    assert cli("mark", "last", "--undo").out == (
        "took back the last mark by ada: 6 images (6 reject); now 2 keep, 4 without a mark\n"
    )
    assert marks(ran) == {"T-100_neon": "keep"}
    assert "no mark by bob to take back" in cli("mark", "--undo", "--by", "bob").err
    assert cli("mark", "--undo", "--where", "look=neon").code == 2
    assert marks(ran) == {"T-100_neon": "keep"}


def test_python_takes_the_same_texts(studio: Path) -> None:
    """`prepare(where=…)`: a text, several texts, a matcher, or a mixture, all of which must match."""
    path = studio / "experiments" / "shelf_photos.yaml"
    texts: tuple[Any, ...] = (
        "look=neon,item=S-*",
        ["look=neon", "item.surface=a concrete floor"],
        {"look": frozenset(["neon"]), "item": frozenset(["S-204"])},
        [promptlab.parse_matcher("look=neon"), "item=S-204"],
        promptlab.parse_matcher("look=neon,item=S-204"),
    )
    for where in texts:
        variants = list(promptlab.prepare(path, where=where).plan.variants())
        assert [variant.name for variant in variants] == ["item=S-204,look=neon"], where
