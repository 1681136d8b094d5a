"""`promptlab plan`: figures, problems, steps, JSON, annotations, revisions; nothing is sent or written."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from promptlab.cli import plan_command

CLI = Callable[..., Any]


def test_figures_and_nothing_written(studio: Path, cli: CLI) -> None:
    """A plan says variants, calls, images, credits and time, and leaves no file behind."""
    before = sorted(studio.rglob("*"))
    result = cli("plan", "experiments/shelf_photos.yaml")
    assert result.code == 0
    for words in ("SIMULATED", "variant", "calls", "images", "credits", "time: "):
        assert words in result.out
    assert sorted(studio.rglob("*")) == before


def test_explain_has_the_steps_in_order(studio: Path, cli: CLI) -> None:
    """--explain prints SPEC.md's steps in its order, with what is left after each."""
    cli("run", "experiments/product_hero.yaml", "--limit", "1", "--no-thumbnails")
    result = cli("plan", "experiments/product_hero.yaml", "--explain", "--where", "product=oak stool,ceramic teapot",
                 "--limit", "4")  # fmt: skip
    rows = [line.split("  ")[0].strip() for line in result.out.splitlines()]
    steps = ["axes", "when", "skip", "design", "override", "seeds and draws", "equal requests", "--where", "--limit",
             "cache", "cost", "limits"]  # fmt: skip
    assert [row for row in rows if row in steps] == steps
    cache = next(line for line in result.out.splitlines() if line.startswith("cache"))
    assert cache.split()[1] == "3"
    assert "1 answered by the log" in cache


def test_explain_says_why_a_variant_is_out(experiment: CLI, cli: CLI) -> None:
    """--explain --variant names the step and the line that leaves a variant out."""
    path = experiment("prompt: a {{ s }} {{ l }}\naxes: {s: [p, q], l: [w, n]}\nskip: [{s: p, l: n}]\nseeds: 1\n")
    result = cli("plan", path, "--explain", "--variant", "s=p,l=n")
    assert result.code == 0
    assert "✗ skip: skip s=p, l=n matches  (experiments/exp.yaml:3)" in result.out
    assert "s=q,l=n: in" in cli("plan", path, "--explain", "--variant", "s=q,l=n").out


KEYS = {
    "file", "ok", "experiment", "provider", "simulated", "plan", "variants", "requests", "images", "equal", "cached",
    "blocked", "to_send", "images_to_make", "credits", "cost_usd", "seconds", "seconds_each", "complete", "choices",
    "packages", "gone", "problems",
}  # fmt: skip


def test_json_is_one_document_with_stable_keys(studio: Path, cli: CLI) -> None:
    """--json prints one object for one file, a list for several, with the documented keys."""
    result = cli("plan", "experiments/shelf_photos.yaml", "--json")
    assert set(json.loads(result.out)) == KEYS
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    assert all(f"`{key}`" in page for key in KEYS | {"steps", "explained", "against"})
    several = json.loads(
        cli("plan", "experiments/shelf_photos.yaml", "experiments/portrait.yaml", "--json", "--explain").out
    )
    assert [set(one) - KEYS for one in several] == [{"steps"}, {"steps"}]


def test_json_of_a_wrong_experiment(experiment: CLI, cli: CLI) -> None:
    """A wrong file gives a document too, with its problems; exit code 2."""
    result = cli("plan", experiment("prompt: a {{ nothing }}\nseeds: 1\n"), "--json")
    document = json.loads(result.out)
    assert (result.code, document["ok"], [p["code"] for p in document["problems"]]) == (
        2,
        False,
        ["undefined-variable"],
    )


def test_all_problems_at_once(experiment: CLI, cli: CLI) -> None:
    """Faults of the file, of its parameters for the provider and of its prompts are reported together, with carets."""
    path = experiment(
        "prompt: a {{ sbject }} {{ look.lihgt }}\nparams: {n: 9, aspect_ratio: 7:3}\n"
        "axes: {subject: [a, b], look: {warm: {light: x}}}\nskip: [{look: cold}]\nbaseline: {lok: warm}\n"
    )
    result = cli("plan", path)
    found = {line.rsplit("[", 1)[1].rstrip("]") for line in result.err.splitlines() if line.startswith("experiments/")}
    assert found == {"undefined-variable", "undefined-field", "bad-parameter", "unknown-id", "unknown-axis"}
    assert result.err.count("^") == 6
    assert result.out == ""


PARAMETERS = {
    "params": ("prompt: a teapot\nparams: {aspect_ratio: 21:9}\n", 2, 10),
    "axis": ("prompt: a teapot\naxes: {params.aspect_ratio: [1:1, 21:9]}\n", 2, 36),
    "n": ("prompt: a teapot\nparams: {n: 5}\n", 2, 10),
    "strength": ("prompt: a teapot\nimage: photos/teapot.png\naxes: {params.strength: [0.5, 1.5]}\n", 3, 30),
    "override": (
        "prompt: a {{ s }}\naxes: {s: [p, q]}\noverride: [{match: {s: p}, params: {aspect_ratio: 2:1}}]\n", 3, 12,
    ),
    "value": ("prompt: a {{ s }}\naxes: {s: {p: {text: x, params: {aspect_ratio: 2:1}}}}\n", 2, 34),
}  # fmt: skip


@pytest.mark.parametrize("case", PARAMETERS)
def test_parameters_are_checked_for_the_provider(case: str, experiment: CLI, cli: CLI) -> None:
    """A parameter that the chosen provider would refuse is an error at its line wherever it stands; nothing is sent."""
    text, line, _ = PARAMETERS[case]
    path = experiment(text)
    for command in (["plan", path], ["run", path]):
        result = cli(*command)
        assert result.code == 2
        assert f"experiments/exp.yaml:{line}:" in result.err
        assert "[bad-parameter]" in result.err
    assert not Path("promptlab.db").exists()


def test_bounds_are_those_of_the_chosen_provider(experiment: CLI, cli: CLI) -> None:
    """kairval's n is 1 to 4, openai's 1 to 10: each says its own, wherever the value stands, at the value."""
    places = {
        "params: {n: 11}": (2, 13),
        "axes: {params.n: [2, 11]}": (2, 22),
        "axes: {s: {a: {text: x, params: {n: 11}}}}": (2, 37),
        "axes: {s: {values: {a: {text: x, params: {n: 11}}}}}": (2, 46),
    }
    for text, (line, column) in places.items():
        for provider, bounds in (("kairval", "from 1 to 4"), ("openai", "from 1 to 10")):
            prompt = "a {{ s }}" if "{s:" in text else "a teapot"
            path = experiment(f"prompt: {prompt}\n{text}\nprovider: {provider}\n")
            result = cli("plan", path)
            assert result.err.startswith(f"experiments/exp.yaml:{line}:{column}: n is 11; it can be {bounds} [bad-par")
    assert "from 1 to 10" in cli("plan", path, "--provider", "openai").err
    assert "from 1 to 4" in cli("plan", path, "--provider", "simulator").err


def test_front_matter_is_checked_too(studio: Path, experiment: CLI, cli: CLI) -> None:
    """A parameter of a template's front matter is an error in the template, with its line and a caret."""
    (studio / "templates" / "bad.j2").write_text("---\nparams: {aspect_ratio: 5:7}\n---\na teapot\n")
    result = cli("plan", experiment("template: bad.j2\nseeds: 1\n"))
    assert "templates/bad.j2:2:10: aspect_ratio is '5:7'" in result.err.replace(":2:24:", ":2:10:")
    assert "params: {aspect_ratio: 5:7}" in result.err
    assert "^" in result.err


def test_missing_images_are_told_once_each(experiment: CLI, cli: CLI) -> None:
    """A missing source image is one problem, however many variants wanted it."""
    result = cli("plan", experiment("prompt: x\nimage: nope.png\naxes: {params.strength: [0.2, 0.4, 0.6]}\nseeds: 2\n"))
    assert result.err.count("[missing-image]") == 1


def test_github_annotations(studio: Path, experiment: CLI, cli: CLI, monkeypatch: pytest.MonkeyPatch) -> None:
    """--format github prints workflow commands whose file is relative to the current folder."""
    path = (studio / experiment("prompt: a {{ nothing }}\nseeds: 1\n")).relative_to(studio.parent)
    monkeypatch.chdir(studio.parent)
    result = cli("plan", path, "--format", "github")
    assert result.code == 2
    assert result.out.startswith("::error file=studio/experiments/exp.yaml,line=1,col=14,title=undefined-variable::")


def test_linter_over_many_files(studio: Path, experiment: CLI, cli: CLI) -> None:
    """Several files: all are checked, one problem makes exit 2, --format json is one list on stdout."""
    bad = experiment("prompt: a {{ nothing }}\nseeds: 1\n")
    result = cli("plan", "experiments/shelf_photos.yaml", bad, "experiments/portrait.yaml", "--format", "json")
    assert result.code == 2
    assert [(p["code"], p["path"], p["line"]) for p in json.loads(result.out)] == [
        ("undefined-variable", "experiments/exp.yaml", 1)
    ]


def test_limits_show_the_plan_and_stop(experiment: CLI, cli: CLI) -> None:
    """`limits` passed: the figures, then the problem at its line, exit 2; `run` sends nothing."""
    path = experiment("prompt: a {{ s }}\naxes: {s: [p, q]}\nseeds: 9\nlimits: {images: 5}\n")
    result = cli("plan", path)
    assert (result.code, "18 images" in result.out) == (2, True)
    assert "experiments/exp.yaml:4:" in result.err
    assert cli("run", path).code == 2
    assert not Path("promptlab.db").exists()


def test_choice_of_plans(experiment: CLI, cli: CLI, studio: Path) -> None:
    """Without a plan the choice is printed as PROVIDERS.md has it; with one, its price and pace."""
    path = experiment("prompt: a {{ s }}\naxes: {s: [p, q, r, t]}\nseeds: 1000\nprovider: kairval\n")
    out = cli("plan", path).out
    assert "200,000 credits: Starter ~$4,000" in out
    assert "4 days; Pro ~$3,000, 40 packages, 1 h 40 min at 30 s an image" in out
    (studio / "promptlab.yaml").write_text(
        "plan: enterprise\nplans: {enterprise: {requests_per_minute: 600, concurrent: 50, daily: 100000, window_s: 60, "
        "usd_per_credit: 0.012, package_credits: 9000}}\n"
    )
    out = cli("plan", path).out
    assert "200,000 credits, ~$2,400 under enterprise" in out
    assert "time: about 40 min" in out


def test_dollars_are_told_for_what_is_simulated_too(experiment: CLI, cli: CLI, studio: Path) -> None:
    """What the plans for sale would ask for it; with a plan named, its price."""
    path = experiment("prompt: a {{ s }}\naxes: {s: [p, q, r]}\nseeds: 4\n")
    assert "would cost: 600 credits; on Starter ~$12, Pro ~$9\n" in cli("plan", path).out
    (studio / "promptlab.yaml").write_text("plan: pro\n")
    assert "would cost: 600 credits, ~$9 under pro\n" in cli("plan", path).out


def test_lines_end_between_words(experiment: CLI, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 80 columns no line of a plan is longer than the terminal, and no word is cut."""
    path = experiment("prompt: a {{ s }}\naxes: {s: [p, q, r, t]}\nseeds: 1000\nprovider: kairval\n")
    _, found = plan_command.look_ahead(path, provider=None, db=None)
    plain = plan_command.describe(found)
    assert max(map(len, plain.splitlines())) > 80
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setenv("COLUMNS", "80")
    folded = plan_command.describe(found)
    assert max(map(len, folded.splitlines())) <= 80
    assert folded.split() == plain.split()


def test_a_huge_product_is_counted_at_once(experiment: CLI, cli: CLI) -> None:
    """10¹² variants are counted and priced at once, and refused by `run`."""
    axes = "".join(f"  a{i}: [{', '.join(f'v{i}_{j}' for j in range(10))}]\n" for i in range(12))
    path = experiment("prompt: x " + " ".join(f"{{{{ a{i} }}}}" for i in range(12)) + f"\naxes:\n{axes}seeds: 1\n")
    start = time.process_time()
    document = json.loads(cli("plan", path, "--json").out)
    assert time.process_time() - start < 2
    assert (document["requests"], document["credits"], document["complete"]) == (10**12, 50 * 10**12, False)
    refused = cli("run", path)
    assert (refused.code, "[too-many-requests]" in refused.err) == (2, True)


def test_against_a_revision(studio: Path, experiment: CLI, cli: CLI, git: CLI) -> None:
    """--against names the variants that came, went and changed and what catching up costs; bad revisions: exit 2."""
    path = experiment("template: t.j2\naxes: {s: [p, q]}\nseeds: 1\n")
    (studio / "templates" / "t.j2").write_text("a {{ s }}{% if s == 'p' %} old{% endif %}\n")
    git("add", "-A")
    git("commit", "-qm", "one")
    experiment("template: t.j2\naxes: {s: [p, r]}\nseeds: 1\n")
    (studio / "templates" / "t.j2").write_text("a {{ s }}{% if s == 'p' %} new{% endif %}\n")
    out = cli("plan", path, "--against", "HEAD").out
    assert "1 added, 1 removed, 1 changed, 0 the same" in out
    assert [line.strip() for line in out.splitlines() if line.strip()[:2] in ("+ ", "- ", "~ ")] == [
        "+ s=r", "- s=q", "~ s=p",
    ]  # fmt: skip
    assert "bring the log up to date: 2 calls, 100 credits" in out
    for revision in ("nope", "--output=x", "HEAD:../x", "a..b", "HEAD\x00"):
        bad = cli("plan", path, f"--against={revision}")
        assert (bad.code, "[bad-revision]" in bad.err) == (2, True)
    assert not (studio / "x").exists()


def test_usage_errors_are_one_line(cli: CLI, studio: Path) -> None:
    """A wrong flag, a missing argument and an unknown command are one complete line with exit code 2."""
    for arguments, words in (
        (["plan", "--expain"], "promptlab plan: no such option '--expain'. Did you mean '--explain'?"),
        (["plan"], "promptlab plan: missing argument 'EXPERIMENT...'"),
        (["pan"], "promptlab: no command 'pan'; did you mean 'plan'?"),
        (["tem"], "promptlab: no command 'tem'; did you mean 'templates'?"),
        (["templates", "lits"], "promptlab templates: no command 'lits'; did you mean 'list'?"),
        (["plan", "nowhere.yaml"], "there is no file nowhere.yaml"),
    ):
        result = cli(*arguments)
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith(words)
