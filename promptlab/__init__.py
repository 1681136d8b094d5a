"""Prompt templates and experiment tracking for image generation.

What the command line does can be done from Python::

    from pathlib import Path
    import promptlab

    job = promptlab.prepare(Path("experiments/shelf_photos.yaml"), limit=4)   # every problem at once, nothing sent
    summary = promptlab.run_experiment(job, promptlab.Options(budget=promptlab.Amount.parse("400cr")))
    with promptlab.open_log() as log:
        for image in log.images(summary.run_id):
            print(image.path, image.revised_prompt)

docs/python.md shows the rest. The names in `__all__` are public; what the packages below hold may move. Each name is
imported when it is first used, so that `import promptlab` stays light. `promptlab.run`, `promptlab.plan`,
`promptlab.log` and the rest are packages, hence `run_experiment` and not `run`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from promptlab.browse import serve
    from promptlab.errors import (
        AccountRefused,
        BudgetReached,
        ConfirmationNeeded,
        GenerationError,
        GitError,
        InputError,
        LogError,
        Problem,
        PromptlabError,
        QuotaReached,
        StoppedError,
        StoreError,
    )
    from promptlab.history.against import compare_revision
    from promptlab.history.template_versions import template_blame, template_diff, template_log
    from promptlab.http import Answer, Call, Unreadable
    from promptlab.log import Log, Spent
    from promptlab.log.reader import LogReader
    from promptlab.model import (
        Amount,
        Attempt,
        Experiment,
        Generation,
        Image,
        Matcher,
        Parameter,
        Request,
        Run,
        Variant,
    )
    from promptlab.plan import Plan, Target, make_plan
    from promptlab.prompts import Library, Template
    from promptlab.providers import Capabilities, Cost, Output, Price, Provider, Result, Setup, Wire
    from promptlab.run.anywhere import aresume, arun_experiment, resume, run_experiment
    from promptlab.run.events import Finished, Message, Planned, Waiting
    from promptlab.run.summary import Summary
    from promptlab.simulator import FaultPlan, SimulatorSettings, create_app, load_faults, running
    from promptlab.spec import Settings, experiment_schema, parse_matcher
    from promptlab.store import Store
    from promptlab.studio.consent import Ahead
    from promptlab.studio.options import Options
    from promptlab.studio.prepare import PreparedRun, prepare
    from promptlab.studio.preview import Preview, preview
    from promptlab.studio.shortcuts import experiment, mark, open_log, usage
    from promptlab.studio.studio import Studio


#: package or module → the public names that live there; `public=own` where it calls them otherwise.
_PACKAGES = {
    "browse": "serve",
    "errors": (
        "AccountRefused BudgetReached ConfirmationNeeded GenerationError GitError InputError LogError Problem "
        "PromptlabError QuotaReached StoppedError StoreError"
    ),
    "history.against": "compare_revision",
    "history.template_versions": "template_blame template_diff template_log",
    "http": "Answer Call Unreadable",
    "log": "Log Spent",
    "log.reader": "LogReader",
    "model": "Amount Attempt Experiment Generation Image Matcher Parameter Request Run Variant",
    "plan": "Plan Target make_plan",
    "prompts": "Library Template",
    "providers": "Capabilities Cost Output Price Provider Result Setup Wire",
    "run.anywhere": "aresume arun_experiment resume run_experiment",
    "run.events": "Finished Message Planned Waiting",
    "run.summary": "Summary",
    "simulator": "FaultPlan SimulatorSettings create_app load_faults running",
    "spec": "Settings experiment_schema parse_matcher",
    "store": "Store",
    "studio.consent": "Ahead",
    "studio.options": "Options",
    "studio.prepare": "PreparedRun prepare",
    "studio.preview": "Preview preview",
    "studio.shortcuts": "experiment mark open_log usage",
    "studio.studio": "Studio",
}
_HOMES = {
    pair.partition("=")[0]: (package, pair.partition("=")[2] or pair)
    for package in _PACKAGES
    for pair in _PACKAGES[package].split()
}

__all__ = [
    "AccountRefused",
    "Ahead",
    "Amount",
    "Answer",
    "Attempt",
    "BudgetReached",
    "Call",
    "Capabilities",
    "ConfirmationNeeded",
    "Cost",
    "Experiment",
    "FaultPlan",
    "Finished",
    "Generation",
    "GenerationError",
    "GitError",
    "Image",
    "InputError",
    "Library",
    "Log",
    "LogError",
    "LogReader",
    "Matcher",
    "Message",
    "Options",
    "Output",
    "Parameter",
    "Plan",
    "Planned",
    "PreparedRun",
    "Preview",
    "Price",
    "Problem",
    "PromptlabError",
    "Provider",
    "QuotaReached",
    "Request",
    "Result",
    "Run",
    "Settings",
    "Setup",
    "SimulatorSettings",
    "Spent",
    "StoppedError",
    "Store",
    "StoreError",
    "Studio",
    "Summary",
    "Target",
    "Template",
    "Unreadable",
    "Variant",
    "Waiting",
    "Wire",
    "__version__",
    "aresume",
    "arun_experiment",
    "compare_revision",
    "create_app",
    "experiment",
    "experiment_schema",
    "load",
    "load_faults",
    "make_plan",
    "mark",
    "open_log",
    "parse_matcher",
    "prepare",
    "preview",
    "resume",
    "run_experiment",
    "running",
    "serve",
    "template_blame",
    "template_diff",
    "template_log",
    "usage",
]


def load(path: str | Path, *, studio: Path | None = None) -> Experiment:
    """The experiment of a file, typed by the parameters of every installed provider; nothing rendered, nothing sent.

    InputError holds every problem found, each with path:line:column. `studio` is the folder that messages are relative
    to, found from the path where it is not given.
    """
    from pathlib import Path

    from promptlab.prompts import expression
    from promptlab.providers import parameters
    from promptlab.spec import load_experiment

    return load_experiment(Path(path), parameters=parameters(), row_filter=expression, studio=studio)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    package, own = _HOMES[name]
    value = getattr(import_module(f"{__name__}.{package}"), own)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
