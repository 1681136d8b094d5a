"""The public API as other typed code uses it: checked with `mypy --strict`, never run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, assert_type

import promptlab
from promptlab import (
    Amount,
    Answer,
    Call,
    Capabilities,
    Cost,
    Experiment,
    Finished,
    Generation,
    Image,
    ImageFile,
    ImageRow,
    Log,
    LogReader,
    Message,
    Options,
    Parameter,
    Planned,
    PreparedRun,
    Preview,
    Problem,
    Provider,
    Request,
    Result,
    Run,
    Scorer,
    Setup,
    SimulatorSettings,
    Spent,
    Studio,
    Summary,
    Unreadable,
    Variant,
    Waiting,
    Wire,
)
from promptlab.log.votes import Poll
from promptlab.report.ballot import WrittenBallot
from promptlab.report.ballot_import import ImportedVotes
from promptlab.report.voting import PollSummary


def load_and_plan(path: Path) -> None:
    assert_type(promptlab.load(path), Experiment)
    assert_type(promptlab.load("experiments/a.yaml"), Experiment)
    job = promptlab.prepare(path, limit=4, where=[promptlab.parse_matcher("look=neon")], key_needed=False)
    assert_type(job, PreparedRun)
    assert_type(job.plan.requests(), Iterator[Request])
    assert_type(job.plan.variants(), Iterator[Variant])
    log = job.studio.existing_log()
    assert_type(log, Log | None)
    found = promptlab.preview(job, log)
    assert_type(found, Preview)
    assert_type(found.warnings, tuple[Problem, ...])
    assert_type(found.cost_usd, float | None)


def run_and_look(job: PreparedRun) -> None:
    def listen(event: Planned | Finished | Waiting | Message) -> None:
        if isinstance(event, Finished):
            assert_type(event.generation, Generation)
            assert_type(event.images, tuple[Image, ...])

    summary = promptlab.run_experiment(job, Options(budget=Amount.parse("20usd"), jobs=4), listen)
    assert_type(summary, Summary)
    assert_type(summary.credits, float | None)
    studio = Studio.open(Path.cwd())
    assert_type(promptlab.resume(studio, summary.run_id, confirm=lambda ahead: print(ahead.to_send)), Summary)
    with studio.log(create=False) as log:
        assert_type(list(log.images(summary.run_id)), list[Image])


async def beside_a_loop(job: PreparedRun) -> None:
    assert_type(await promptlab.arun_experiment(job, Options(jobs=2)), Summary)
    assert_type(await promptlab.aresume(job.studio, "last"), Summary)


def without_files() -> None:
    job = promptlab.experiment({"prompt": "a {{ x }}", "axes": {"x": ["cup"]}}, name="cups", where="x=cup")
    assert_type(job, PreparedRun)
    assert_type(promptlab.experiment("prompt: a cup\n"), PreparedRun)
    with promptlab.open_log() as log:
        assert_type(log, LogReader)
        assert_type(log.find_run("last"), Run)
        assert_type(list(log.images("R")), list[Image])
    assert_type(promptlab.usage("template", since="2026-11-01"), list[Spent])
    assert_type(promptlab.mark("last", "keep", ["cup*"], where="x=cup", tags=["warm"]), int)
    assert_type(promptlab.write_ballot("last", "x", "ballot.html", pairs=12, kind="best_worst"), WrittenBallot)
    assert_type(promptlab.import_votes(["votes-anna.json"], reopen=True), list[ImportedVotes])
    assert_type(promptlab.votes("last"), list[PollSummary])
    assert_type(promptlab.close_votes("last", "x"), list[Poll])


def errors() -> None:
    try:
        promptlab.load("missing.yaml")
    except promptlab.InputError as error:
        assert_type(error.problems[0].line, int | None)
    except promptlab.QuotaReached as error:
        assert_type(error.until, float | None)
    except promptlab.PromptlabError as error:
        assert_type(error.exit_code, int)


def simulate() -> None:
    app = promptlab.create_app(SimulatorSettings(plan="pro", fast=True))
    with promptlab.running(app) as url:
        assert_type(url, str)
    assert_type(app.counters.images, int)


def scoring() -> None:
    """Scores, outcomes and judges."""
    found = promptlab.score("last", ["sharpness"], check=True)
    assert_type(found, promptlab.Scored)
    assert_type(found.scoring.unscored, tuple[promptlab.Unscored, ...])
    assert_type(promptlab.scorers(), list[Scorer])
    assert_type(promptlab.import_scores("r.csv", "file", number="ctr"), promptlab.Imported)
    assert_type(promptlab.judge("last", "gpt-4.1-mini", "style", budget="2usd"), promptlab.Judged)


class Warmth(Scorer):
    """A third-party scorer."""

    name = "warmth"
    version = "1"
    network = False
    scores: ClassVar[Mapping[str, str]] = {"warmth": "how warm"}

    def score(self, image: ImageFile, row: ImageRow) -> dict[str, float]:
        return {"warmth": float(len(image.data)) if row.prompt else 0.0}


class Mine(Provider):
    """A third-party provider."""

    name = "mine"
    capabilities = Capabilities(parameters=(Parameter("model", "string", "the model"),), key_variable="MINE_API_KEY")

    def __init__(self, setup: Setup) -> None:
        self.base_url = setup.base_url

    def encode(
        self,
        request: Request,
        *,
        image: object = None,
        asynchronous: bool = False,
        webhook_url: str | None = None,
    ) -> Wire:
        return Wire(Call("POST", "/paint", json={"text": request.prompt}))

    def decode(self, answer: Answer, request: Request) -> Result:
        raise Unreadable("nothing was painted")

    def cost(self, request: Request, result: Result, images: int) -> Cost:
        return Cost(usd=0.02, source="table")
