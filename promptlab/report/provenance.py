"""Where everything in a report comes from: ids, versions, texts, and who judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from promptlab._version import __version__
from promptlab.errors import presentable
from promptlab.log import Log, Totals, UsedTemplate
from promptlab.model import Run
from promptlab.report.contents import Provenance, Shot, TemplateText, UsedText
from promptlab.report.words import clock, count, listed_and

__all__ = ["provenance_of"]

#: Letters of a text that is part of a report; of a longer one its beginning is, and where the whole is.
_LONGEST = 60_000
#: Marks of direction that belong to a text in such a script: they are shown as they are.
_KEPT = "\n\t\r\u200e\u200f\u061c"
_MODELS = """
SELECT model, response_model, count(*) FROM generations WHERE run_id = ? GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 5
"""
_SCHEMA = "SELECT name FROM _sqlite_migrations WHERE migration_set = 'promptlab' ORDER BY name DESC LIMIT 1"
_VALUES = "SELECT template_id, group_concat(value, ', ') FROM run_templates WHERE run_id = ? GROUP BY 1"
_CHILDREN = "SELECT id, kind FROM runs WHERE parent_run = ? ORDER BY started_at, id"
_LOOKS = """
SELECT count(DISTINCT t."by") FROM tally_views t JOIN polls p ON p.id = t.poll_id
WHERE p.run_id = ? AND t.at < ifnull(p.closed_at, '9')
"""


def provenance_of(log: Log, run: Run, totals: Totals, as_of: str, shots: Sequence[Shot]) -> Provenance:
    """The provenance of a run and of the images that are shown of it."""
    values = dict(log.rows(_VALUES, (run.id,)))
    templates = [_template(id_, used, values.get(id_)) for id_, used in log.run_templates(run.id).items()]
    experiment = None if run.spec_text is None else _text(run.spec_text)
    return Provenance(list(_facts(log, run, totals, as_of)), templates, experiment, shots)


def _template(id_: str, used: UsedTemplate, values: str | None) -> UsedText:
    parts = (
        values and f"for {values}",
        used.ref and f"@{used.ref}",
        _commit(used.commit, used.dirty),
        f"id {id_[:12]}",
    )
    files = [TemplateText(each.path, _text(each.source)) for each in used.files]
    return UsedText(used.path, ", ".join(filter(None, parts)), files)


def _facts(log: Log, run: Run, totals: Totals, as_of: str) -> Iterator[tuple[str, str]]:
    yield "Experiment", run.experiment
    yield "Run", f"{run.id} ({run.kind}, {run.status})"
    if run.parent_run:
        yield "Follows run", run.parent_run
    children = [f"{id_} ({kind})" for id_, kind in log.rows(_CHILDREN, (run.id,))]
    if children:
        yield "Followed by", ", ".join(children)
    yield "Started", clock(run.started_at)
    yield "Ended", clock(run.ended_at) if run.ended_at else "not ended"
    yield "Provider", f"{run.provider}{f', plan {run.plan}' if run.plan else ''}"
    models = [model if answered in (None, model) else f"{model} (answered as {answered})"
              for model, answered, _ in log.rows(_MODELS, (run.id,))]  # fmt: skip
    yield "Model", listed_and(list(dict.fromkeys(models)) or ["none"])
    yield "Requests", f"{totals.generations:,}, of which {totals.cached:,} were in the log already"
    yield "Git", _commit(run.git_commit, run.git_dirty) or "not versioned"
    if run.spec_sha256:
        yield "Experiment, sha256", run.spec_sha256
    yield from _votes(log, run)
    yield "Versions", f"run by promptlab {run.promptlab_version}, report by {__version__}"
    yield "Log schema", str(log.value(_SCHEMA) or "unknown")
    yield "As of", clock(as_of)


def _votes(log: Log, run: Run) -> Iterator[tuple[str, str]]:
    """Who judged, how much, and whether anybody looked at the tally before the end."""
    ballots = list(log.ballots(run.id))
    people = [each for each in ballots if each.judge is None]
    if people:
        voters = {each.by for each in people}  # counted and not named: a report may go to anybody
        times = sorted(filter(None, (each.at for each in people)))
        votes = sum(len(each.comparisons) for each in people)
        cast = f"{count(votes, 'vote')} on {count(len(people), 'ballot')} by {count(len(voters), 'person', 'people')}"
        yield "Votes", f"{cast}, {clock(times[0])} to {clock(times[-1])}"
        looks = log.value(_LOOKS, (run.id,))
        yield "Tally", f"{count(looks, 'person', 'people')} looked before the end" if looks else "nobody looked early"
    judges = sorted({each.judge for each in ballots if each.judge is not None})
    if judges:
        number = sum(each.judge is not None for each in ballots)
        yield "Judged by a model", f"{count(number, 'ballot')} by {', '.join(judges)}, never mixed into people's votes"


def _commit(commit: str | None, dirty: bool | None) -> str:
    return "" if commit is None else f"commit {commit[:12]}{' with uncommitted edits' if dirty else ''}"


def _text(text: str) -> str:
    """A text of the log without secrets, and not longer than a page may be."""
    shown = presentable(text, keep=_KEPT)
    if len(shown) <= _LONGEST:
        return shown
    return f"{shown[:_LONGEST]}\n… {len(shown) - _LONGEST:,} more letters: they are in the log"
