"""`redo`: which requests are made again, with which seed and prompt, and that nothing is paid for twice."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import promptlab
from promptlab.cli.main import main
from promptlab.history.from_log import from_log
from promptlab.studio.studio import Studio
from tests.cli.quick import undrawn

CLI = Callable[..., Any]
SHOP = """
prompt: "a {{ item }} on {{ look }}"
axes: {item: [cup, jug, pot], look: [oak, linen]}
seeds: 2
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn does not matter here."""
    undrawn(monkeypatch)


def make(folder: Path, text: str, *flags: str) -> None:
    (folder / "experiments" / "shop.yaml").write_text(text)
    with pytest.raises(SystemExit) as ended:
        main(["run", "experiments/shop.yaml", "--no-thumbnails", *flags])
    assert not ended.value.code


@pytest.fixture(scope="module")
def shop(laid_out: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six variants of two seeds, made."""
    folder = tmp_path_factory.mktemp("shop") / "studio"
    shutil.copytree(laid_out, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        undrawn(patch)
        patch.setenv("PROMPTLAB_STATE", str(folder.parent / "state"))
        make(folder, SHOP)
    return folder


@pytest.fixture
def ran(shop: Path, clean: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, and the current folder."""
    folder = tmp_path / "studio"
    shutil.copytree(shop, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def rows(ran: Path) -> Iterator[Callable[..., list[Any]]]:
    """Ask the log."""
    log = sqlite3.connect(ran / "promptlab.db")
    yield lambda sql, *values: list(log.execute(sql, values))
    log.close()


REDONE = """
SELECT v.name, g.seed_index, g.draw, g.cached_from IS NOT NULL, g.prompt FROM generations g
JOIN variants v ON v.experiment = g.experiment AND v.id = g.variant_id
WHERE g.run_id = (SELECT max(id) FROM runs WHERE kind = 'redo') ORDER BY g.sequence
"""
CUP, JUG = "item=cup,look=oak", "item=jug,look=linen"


def test_only_the_rejected_are_made_again(ran: Path, cli: CLI, rows: Callable[..., list[Any]]) -> None:
    """One seed of one variant, both of another: three requests with seeds that these variants never had."""
    cli("mark", "shop", "--reject", "cup_oak_s*", "--where", "item=cup")
    cli("mark", "shop", "--clear", rows("SELECT path FROM images WHERE path LIKE '%cup_oak%' ORDER BY path")[0][0])
    cli("mark", "shop", "--reject", "--where", "item=jug,look=linen")
    result = cli("redo", "shop", "--no-thumbnails", "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["planned"] == 3
    assert sorted(row[:4] for row in rows(REDONE)) == [(CUP, 2, 0, 0), (JUG, 2, 0, 0), (JUG, 3, 0, 0)]
    seeds = dict(rows("SELECT seed_index, seed FROM generations"))
    assert tuple(seeds[at] for at in range(4)) == promptlab.plan.derive_seeds(0, 4)  # the experiment's own next ones
    first, second = rows("SELECT id, kind, parent_run, planned, completed FROM runs ORDER BY id")
    assert second[1:] == ("redo", first[0], 3, 3)


def test_asked_twice_nothing_is_sent_until_it_is_judged(ran: Path, cli: CLI, rows: Callable[..., list[Any]]) -> None:
    """The new image answers a second redo; once it is rejected too, the next seed is asked for."""
    cli("mark", "shop", "--reject", "--where", "item=cup,look=oak")
    for cached in (False, True, True):
        assert cli("redo", "shop", "--no-thumbnails").code == 0
        assert [row[:4] for row in rows(REDONE)] == [(CUP, 2, 0, cached), (CUP, 3, 0, cached)]
    (image,) = rows("""SELECT i.sha256 FROM images i JOIN generations g ON g.id = i.generation_id
                       WHERE g.seed_index = 3 AND g.cached_from IS NULL""")
    assert cli("mark", "last", "--reject", *image).code == 0
    assert cli("redo", "shop", "--no-thumbnails").code == 0
    assert [row[:4] for row in rows(REDONE)] == [(CUP, 2, 0, 1), (CUP, 4, 0, 0)]
    assert rows("SELECT count(*) FROM generations WHERE cached_from IS NULL")[0][0] == 12 + 3


def test_a_kept_image_ends_it(ran: Path, cli: CLI, rows: Callable[..., list[Any]]) -> None:
    """A variant with a pick, of whichever run, is left alone: exit 0, nothing sent, no run made."""
    cli("mark", "shop", "--reject", "--where", "item=cup,look=oak")
    cli("redo", "shop", "--no-thumbnails")
    cli("mark", "last", "--keep", "--where", "item=cup")
    result = cli("redo", "shop", "--no-thumbnails")
    assert (result.code, "nothing to redo" in result.out) == (0, True)
    document = json.loads(cli("redo", "shop", "--json").out)
    assert (document["run_id"], document["to_send"]) == (None, 0)
    assert rows("SELECT count(*) FROM runs") == [(2,)]


def test_a_mended_template_meets_the_same_seeds(ran: Path, cli: CLI, rows: Callable[..., list[Any]]) -> None:
    """With --template variants and seeds stay, prompts are the template's, and a second time costs nothing."""
    (ran / "templates" / "mended.j2").write_text("one {{ item }} on {{ look }}, nothing else")
    cli("mark", "shop", "--reject", "--where", "item=cup,look=oak")
    for cached in (False, True):
        assert cli("redo", "shop", "--template", "templates/mended.j2", "--no-thumbnails").code == 0
        prompt = "one cup on oak, nothing else"
        assert rows(REDONE) == [(CUP, 0, 0, cached, prompt), (CUP, 1, 0, cached, prompt)]
    assert rows("SELECT count(DISTINCT variant_id) FROM generations") == [(6,)]
    last = "SELECT path FROM run_templates WHERE run_id = (SELECT max(id) FROM runs)"
    assert rows(last) == [("mended.j2",)]
    assert cli("redo", "shop", "--template", "mended.j2", "--seeds", "new", "--no-thumbnails").code == 0
    assert [row[1:4] for row in rows(REDONE)] == [(2, 0, 0), (3, 0, 0)]


def test_every_value_of_an_axis_of_prompts_gets_the_template(studio: Path, cli: CLI) -> None:
    """Where the experiment compares prompts, the mended one stands for each: the variants keep their names."""
    make(studio, "prompts: {calm: 'a {{ item }}', bold: 'A {{ item }}!'}\naxes: {item: [cup, jug]}\nseeds: 1\n")
    (studio / "templates" / "mended.j2").write_text("the {{ item }}")
    result = cli("redo", "shop", "--where", "item=cup", "--template", "mended.j2", "--no-thumbnails", "--json")
    assert json.loads(result.out)["planned"] == 2
    with promptlab.open_log() as log:
        made = {(row["variant"], row["prompt"]) for row in log.rows("SELECT * FROM gallery WHERE run_id <> ?", (
            log.runs()[-1].id,))}  # fmt: skip
    assert made == {("prompt=calm,item=cup", "the cup"), ("prompt=bold,item=cup", "the cup")}


def test_the_same_again_is_refused(ran: Path, cli: CLI, rows: Callable[..., list[Any]]) -> None:
    """The same seed with the same prompt has its answer in the log: exit 2, and no run."""
    (ran / "templates" / "equal.j2").write_text("a {{ item }} on {{ look }}")
    for flags in (["--seeds", "same"], ["--template", "equal.j2"]):
        result = cli("redo", "shop", "--where", "item=cup", *flags)
        assert (result.code, "[nothing-changes]" in result.err) == (2, True)
    assert rows("SELECT count(*) FROM runs") == [(1,)]


def test_the_experiment_is_the_logs(ran: Path, cli: CLI, rows: Callable[..., list[Any]]) -> None:
    """The file changed, or is gone: what the run read is used, and that is said."""
    (ran / "experiments" / "shop.yaml").write_text("prompt: another {{ item }}\naxes: {item: [cup]}\n")
    result = cli("redo", "shop", "--where", "item=cup,look=oak", "--limit", "1", "--no-thumbnails")
    assert (result.code, "used as that run read them: experiments/shop.yaml" in result.err) == (0, True)
    assert rows(REDONE) == [(CUP, 2, 0, 0, "a cup on oak")]
    (ran / "experiments" / "shop.yaml").unlink()
    assert cli("redo", "shop", "--where", "item=jug", "--no-thumbnails").code == 0


def test_what_the_log_says_of_the_experiment_stays(ran: Path, cli: CLI, rows: Callable[..., list[Any]]) -> None:
    """A redo of an older run changes neither the description of the experiment nor the columns of its view."""
    (ran / "experiments" / "shop.yaml").write_text(
        SHOP.replace("axes: {", "description: with light\naxes: {light: [dusk], ").replace(
            "{{ look }}", "{{ look }}{{ light }}"
        )
    )
    (first,) = rows("SELECT id FROM runs")
    assert cli("run", "shop", "--where", "item=cup", "--no-thumbnails").code == 0
    before = rows("SELECT description, spec_path FROM experiments"), rows("SELECT * FROM axes_shop LIMIT 1")[0]
    assert cli("redo", first[0], "--where", "item=cup", "--limit", "1", "--no-thumbnails").code == 0
    after = rows("SELECT description, spec_path FROM experiments"), rows("SELECT * FROM axes_shop LIMIT 1")[0]
    assert before[0] == after[0] == [("with light", "experiments/shop.yaml")]
    assert len(before[1]) == len(after[1])


def test_a_changed_template_is_the_logs_unless_it_is_named(studio: Path, cli: CLI) -> None:
    """The template of then makes the new image, and the message names the flag that takes the file of now."""
    (studio / "templates" / "cup.j2").write_text("a cup of {{ a }}")
    make(studio, "template: cup.j2\naxes: {a: [tea, milk]}\nseeds: 1\n")
    (studio / "templates" / "cup.j2").write_text("a mug of {{ a }}")
    result = cli("redo", "shop", "--where", "a=tea", "--no-thumbnails")
    assert "--template cup.j2 takes it as it is now" in result.err
    result = cli("redo", "shop", "--where", "a=tea", "--template", "cup.j2", "--no-thumbnails")
    assert "has changed" not in result.err
    with promptlab.open_log() as log:
        prompts = [
            (row["prompt"], row["seed_index"])
            for row in log.rows("SELECT * FROM generations ORDER BY run_id, sequence")
        ]
    assert prompts == [("a cup of tea", 0), ("a cup of milk", 0), ("a cup of tea", 1), ("a mug of tea", 0)]


def test_a_redo_can_be_redone(ran: Path, cli: CLI, rows: Callable[..., list[Any]], tmp_path: Path) -> None:
    """By its id a redo is a run like any other: its own requests, with its own template, rebuilt from the log."""
    (ran / "templates" / "mended.j2").write_text("one {{ item }} on {{ look }}")
    cli("redo", "shop", "--where", "item=cup,look=oak", "--template", "mended.j2", "--limit", "1", "--no-thumbnails")
    shutil.rmtree(ran / "templates")
    (redo,) = rows("SELECT id FROM runs WHERE kind = 'redo'")
    cli("mark", redo[0], "--reject", "--where", "item=cup")
    assert cli("redo", redo[0], "--no-thumbnails").code == 0
    assert rows(REDONE) == [(CUP, 2, 0, 0, "one cup on oak")]
    assert rows("SELECT parent_run FROM runs ORDER BY id DESC LIMIT 1") == [redo]
    opened = Studio.open(ran)
    with opened.log(create=False) as log:
        for number, run in enumerate(log.runs()):
            hashes = [row.request_hash for row in log.generations(run.id)]
            job = from_log(opened, log, run, tmp_path / f"then{number}")
            assert [request.request_hash for request in job.plan.requests()] == hashes


def test_a_name_means_the_run_that_was_redone(ran: Path, cli: CLI, rows: Callable[..., list[Any]]) -> None:
    """After a redo, the experiment's name and `last` still mean the whole run."""
    cli("mark", "shop", "--reject", "--where", "item=cup,look=oak")
    cli("redo", "shop", "--no-thumbnails", "--limit", "1")
    for name in ("shop", "last"):
        assert "2 requests" in cli("redo", name, "--plan").out


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("prompt: a {{ a }}\naxes: {a: [cup]}\n", [(None, None, 1), (None, None, 2)]),
        ("prompt: a {{ a }}\naxes: {a: [cup]}\ndraws: 2\n", [(None, None, 2), (None, None, 3)]),
        ("prompt: a {{ a }}\naxes: {a: [cup]}\nseeds: [7, 9]\n", [(2, "next", 0), (3, "next", 0)]),
    ],
    ids=["no seed", "draws", "a list"],
)
def test_what_comes_next(spec: str, expected: list[Any], studio: Path, cli: CLI) -> None:
    """Without seeds it is the next draw; a list of seeds is continued by derived ones."""
    make(studio, spec)
    cli("redo", "shop", "--where", "a=cup", "--limit", "1", "--no-thumbnails")
    cli("mark", "last", "--reject", "--where", "a=cup")
    assert cli("redo", "shop", "--where", "a=cup", "--limit", "1", "--no-thumbnails").code == 0
    with promptlab.open_log() as log:
        sql = "SELECT g.* FROM generations g JOIN runs r ON r.id = g.run_id WHERE r.kind = 'redo' ORDER BY g.id"
        made = [(row["seed_index"], row["seed"], row["draw"]) for row in log.rows(sql)]
    derived = iter(promptlab.plan.derive_seeds(0, 2))
    assert made == [(index, next(derived) if seed == "next" else seed, draw) for index, seed, draw in expected]


def test_without_pick_counts_what_nobody_judged(ran: Path, cli: CLI) -> None:
    """--without-pick takes every request of variants that have no kept image; conditions all hold."""
    cli("mark", "shop", "--keep", "--where", "item=cup,jug")
    assert "2 variants × 2 = 4 requests" in cli("redo", "shop", "--without-pick", "--plan").out
    assert "1 variant × 2 = 2 requests" in cli("redo", "shop", "--without-pick", "--where", "look=oak", "--plan").out
    assert "nothing to redo" in cli("redo", "shop", "--plan").out  # nothing is rejected
    cli("mark", "shop", "--reject", "--where", "item=pot,look=linen")
    assert "1 variant × 2 = 2 requests" in cli("redo", "shop", "--plan").out
    assert "nothing to redo" in cli("redo", "shop", "--rejected", "--where", "look=oak", "--plan").out


def test_a_plan_writes_nothing(ran: Path, cli: CLI, rows: Callable[..., list[Any]]) -> None:
    """--plan shows what would be sent and cost, as `plan` does, also as JSON."""
    cli("mark", "shop", "--reject", "--where", "item=pot")
    before = rows("SELECT count(*) FROM runs"), rows("SELECT count(*) FROM generations")
    found = json.loads(cli("redo", "shop", "--plan", "--json").out)
    assert (found["to_send"], found["credits"], found["variants"]) == (4, 200.0, 2)
    assert before == (rows("SELECT count(*) FROM runs"), rows("SELECT count(*) FROM generations"))
    assert not list(Path(ran).glob("**/promptlab-*"))


def test_it_asks_before_it_pays(
    ran: Path, cli: CLI, rows: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `run`: a paid provider needs its key and a yes, --plan needs neither, and nothing is sent or written."""
    monkeypatch.setenv("KAIRVAL_BASE_URL", "http://127.0.0.1:9")
    flags = ("redo", "shop", "--where", "item=cup", "--provider", "kairval")
    no_key = cli(*flags)
    assert (no_key.code, "KAIRVAL_API_KEY" in no_key.err) == (2, True)
    assert "to send: 4 calls" in cli(*flags, "--plan").out
    monkeypatch.setenv("KAIRVAL_API_KEY", "kv_test")
    unasked = cli(*flags)
    assert (unasked.code, "[not-confirmed]" in unasked.err, "Send 4 calls" in unasked.err) == (2, True, True)
    assert rows("SELECT count(*) FROM runs") == [(1,)]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--template", "nothing.j2"], "nothing.j2"),
        (["--where", "item=nope"], "'item' has no value 'nope'"),
        (["--seeds", "old"], "--seeds"),
        (["--template", "odd.j2"], "undefined variable 'itm'"),
    ],
)
def test_a_mistake_is_a_sentence(flags: list[str], words: str, ran: Path, cli: CLI) -> None:
    """Exit 2, and nothing sent."""
    (ran / "templates" / "odd.j2").write_text("a {{ itm }} on {{ look }}")
    result = cli("redo", "shop", *(flags if "--where" in flags else ["--where", "item=cup", *flags]))
    assert (result.code, words in result.err) == (2, True), result.err


def test_edits_are_redone_from_the_log_alone(studio: Path, cli: CLI) -> None:
    """The source images come out of the store, under the same hashes, though their files are gone."""
    before = studio / "experiments" / "retouch.yaml"
    assert cli("run", before, "--no-thumbnails", "--limit", "2").code == 0
    shutil.rmtree(studio / "experiments")
    assert cli("redo", "retouch", "--without-pick", "--no-thumbnails").code == 0
    with promptlab.open_log() as log:
        first, again = (list(log.generations(run.id)) for run in reversed(log.runs()))
        paths = {row["path"] for row in log.rows("SELECT path FROM inputs WHERE role = 'image'")}
    assert [row.source_image for row in again] == [row.source_image for row in first]
    assert {row.seed for row in again}.isdisjoint(row.seed for row in first if row.seed is not None)
    assert not any(Path(path).is_absolute() for path in paths)  # none is named by where it was laid out


def test_a_chain_is_redone_with_its_own_images(ran: Path, cli: CLI) -> None:
    """An edit of an earlier experiment's images is rebuilt from what it edited, whatever is kept there by now."""
    (ran / "experiments" / "edit.yaml").write_text(
        "prompt: brighter\nimage: {from: shop, pick: all, where: {item: cup}}\nseeds: 1\n"
    )
    assert cli("run", "experiments/edit.yaml", "--no-thumbnails").code == 0
    cli("redo", "shop", "--where", "item=cup", "--no-thumbnails")  # four images more to edit
    assert cli("redo", "edit", "--without-pick", "--no-thumbnails").code == 0
    with promptlab.open_log() as log:
        again, first = (list(log.generations(run.id)) for run in log.runs(experiment="edit"))
    assert len(first) == 4
    assert [(row.variant_id, row.source_image) for row in again] == [
        (row.variant_id, row.source_image) for row in first
    ]


def test_python_does_the_same(ran: Path) -> None:
    """`prepare_redo` gives a job for `run_experiment`, and none where there is nothing to do."""
    promptlab.mark("shop", "reject", where="item=cup,look=oak")
    found = promptlab.prepare_redo("shop")
    assert (found.chosen, found.parent.experiment) == (2, "shop")
    assert found.job is not None
    summary = promptlab.run_experiment(found.job, promptlab.Options(thumbnails=False))
    assert (summary.completed, summary.cached) == (2, 0)
    promptlab.mark(summary.run_id, "keep", where="item=cup")
    assert promptlab.prepare_redo("shop").job is None
    with pytest.raises(promptlab.InputError, match="seeds"):
        promptlab.prepare_redo("shop", seeds="old")  # type: ignore[arg-type]
