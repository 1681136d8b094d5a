"""The verdict on an axis: which of its values is best, how sure that is, whether to trust it, what it would take.

The same words and figures are printed by `promptlab compare`, shown by the Ranking page and put into reports.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from promptlab.compare import verdict_words as words
from promptlab.compare.evidence import Evidence, VoteEvidence, evidence_of, votes_of
from promptlab.compare.measures import MarkCounts, marks_of, measure_of, score_names
from promptlab.compare.verdict_measures import MeasureOutcome, judge_marks, judge_rates, judge_scores
from promptlab.compare.verdict_model import Gap, Needed, Standing, Statement, Verdict
from promptlab.compare.verdict_takes import takes_of
from promptlab.compare.verdict_trust import missing_cells, trust_cells, trust_votes
from promptlab.compare.verdict_votes import LEVEL, VoteOutcome, judge_votes
from promptlab.log import Log
from promptlab.log.reader import LogReader, log_of
from promptlab.spec.matcher import Where
from promptlab.stats.ranking import Ranking
from promptlab.stats.votes import Tally, Vote

__all__ = ["Gap", "Needed", "Standing", "Statement", "Verdict", "metrics_of", "verdict_as_json", "verdict_of"]

_ITEMS = 50  # values of one scene: beyond, they are items, each with its picture, and not rivals


def verdict_of(
    log: Log | LogReader,
    run_id: str,
    by: str | None,
    *,
    metric: str | None = "votes",
    where: Where = (),
    command: bool = True,
) -> Verdict:
    """The verdict on the values of axis `by` in a run (None: on whole variants), by a metric.

    `metric` is `votes`, `kept`, or the name of a score (`rating`, `sales`, ...); None: votes where there are any, else
    marks, else the first score, as `metrics_of` lists them. `where` picks variants. Without
    `command`, what it would take is said without command lines. The same log gives the same verdict, to the digit.
    InputError for a run, an axis, an id or a metric that is not there.
    """
    log = log_of(log)
    evidence = evidence_of(log, run_id, by, where)
    marks = marks_of(log, evidence)
    votes = votes_of(log, evidence)
    if metric is None:
        metric = next(_known(log, evidence, votes, marks), "votes")
    if metric == "votes":
        return _by_votes(evidence, votes, marks, command=command, where=where)
    if metric == "kept":
        outcome = judge_marks(evidence, marks)
    else:
        measure = measure_of(log, evidence, metric)
        outcome = judge_rates(evidence, measure) if measure.is_rate else judge_scores(evidence, measure)
    if metric == "kept" and _is_items(evidence, voted=False):
        return _items(evidence, marks, metric)
    return _by_measure(evidence, outcome, marks, metric)


def metrics_of(log: Log | LogReader, run_id: str) -> list[str]:
    """What the images of a run can be judged by: votes, kept, then the scores that this log has of them."""
    log = log_of(log)
    return ["votes", "kept", *score_names(log, log.find_whole_run(run_id).experiment)]


def _known(log: Log, evidence: Evidence, votes: VoteEvidence, marks: MarkCounts) -> Iterator[str]:
    if votes.votes:
        yield "votes"
    if marks.judged:
        yield "kept"
    yield from score_names(log, evidence.run.experiment)


# --- by votes -----------------------------------------------------------------------------------------------------


def _by_votes(evidence: Evidence, found: VoteEvidence, marks: MarkCounts, *, command: bool, where: Where) -> Verdict:
    if _is_items(evidence, voted=bool(found.votes)):
        return _items(evidence, marks, "votes")
    is_open = bool(found.open_polls)
    outcome = judge_votes(evidence, found, is_open=is_open)
    verdict = replace(
        _bare(evidence, "votes"),
        headline=outcome.headline,
        sentences=tuple(_vote_sentences(evidence, outcome)),
        standings=_with_marks(outcome.standings, marks),
        differences=outcome.differences,
        matrix=outcome.matrix,
        trust=tuple(_vote_trust(evidence, found, outcome)),
        live=is_open,
        methods=words.methods_votes(_clusters(outcome), live=is_open),
        enough=outcome.enough,
        leader=outcome.leader,
        winner=outcome.winner,
        reference=outcome.reference,
        votes=len(outcome.votes),
        scenes=len({vote.scene for vote in outcome.votes}),
        voters=len({vote.voter for vote in outcome.votes}),
    )
    return _with_takes(verdict, evidence, outcome, command=command, where=where)


def _clusters(outcome: VoteOutcome) -> str:
    covariance = outcome.ranking.covariance if outcome.ranking else None
    return covariance.by if covariance else ""


def _vote_trust(evidence: Evidence, found: VoteEvidence, outcome: VoteOutcome) -> list[Statement]:
    if outcome.ranking is None:
        return trust_cells(evidence)
    return trust_votes(evidence, found, outcome.votes, outcome.ranking)


def _vote_sentences(evidence: Evidence, outcome: VoteOutcome) -> Iterator[str]:
    label = evidence.labels
    if outcome.ranking is not None and outcome.live is None:
        yield from _price_sentences(evidence, outcome.leader, outcome.winner, outcome.standings, outcome.differences)
        own = [gap for gap in outcome.differences if gap.to == "baseline"]
        if evidence.baseline is not None and len(own) > 1:
            figures = [(label[gap.value], gap.estimate, gap.low, gap.high) for gap in own]
            yield words.against_baseline(label[evidence.baseline], figures)
        yield from _best_sentence(outcome.standings)
        if said := _ties(outcome.standings, outcome.votes):
            yield said
        if said := _over(evidence):
            yield said
    if outcome.strangers and outcome.leader is not None:
        yield words.never_met([label[value] for value in outcome.strangers], label[outcome.leader])
    voted = {value for vote in outcome.votes for value in (vote.left, vote.right)} | set(outcome.strangers)
    if voted and (rest := [label[value] for value in evidence.values if value not in voted]):
        yield words.unvoted(rest)


def _ties(standings: Sequence[Standing], votes: Sequence[Vote]) -> str | None:
    ties = sum(vote.winner is None for vote in votes)
    bad = sum(vote.outcome == "bad" for vote in votes)
    worst = max(standings, key=lambda each: (each.bad / max(each.shown, 1), each.bad))
    return words.undecided(len(votes), ties, bad, (worst.label, worst.bad, worst.shown) if worst.bad else None)


def _best_sentence(standings: Sequence[Standing]) -> Iterator[str]:
    known = [(each.label, each.chance_best) for each in standings if each.chance_best is not None]
    if known:
        yield words.best_chances(sorted(known, key=lambda each: -each[1]))


def _over(evidence: Evidence) -> str | None:
    counts = []
    for axis in evidence.others:
        values = {value for _, shared in evidence.variants.values() for name, value in shared if name == axis}
        counts.append((axis, len(values)))
    return words.over(evidence.by or "the variant", [each for each in counts if each[1] > 1])


def _price_sentences(
    evidence: Evidence, leader: str | None, winner: str | None, standings: Sequence[Standing], gaps: Sequence[Gap]
) -> Iterator[str]:
    """Of a winner: what the next one costs. Where nobody wins: the cheapest of those that are not apart."""
    if leader is None:
        return
    costs, label = evidence.cells.cost_usd, evidence.labels
    others = [gap.other for gap in gaps if gap.to == "leader"]
    if winner is not None and others:
        text = words.price(label[leader], label[others[0]], costs.get(leader), costs.get(others[0]), apart=True)
        if text:
            yield text
        return
    open_ = [each.value for each in standings if each.rank_low == 1 and each.value != leader]
    rivals = [value for value in open_ if costs.get(value) is not None]
    if rivals:
        cheapest = min(rivals, key=lambda value: costs[value] or 0.0)
        text = words.price(label[leader], label[cheapest], costs.get(leader), costs.get(cheapest), apart=False)
        if text:
            yield text


def _with_takes(verdict: Verdict, evidence: Evidence, outcome: VoteOutcome, *, command: bool, where: Where) -> Verdict:
    """What it would take, as far as it is known."""
    if outcome.ranking is None:
        said = words.first_votes(evidence.cells.matched, command=command)
        return replace(verdict, takes=(said,) if said else ())
    if verdict.live:
        return replace(verdict, takes=(words.close_vote(),))
    if verdict.winner is not None or len(outcome.ranking.standings) < 2:
        return replace(verdict, takes=(words.nothing_more(verdict.label(verdict.winner or "")),))
    contenders = [each.value for each in verdict.standings if each.rank_low == 1] or [str(verdict.leader)]
    if len(contenders) < 2:
        contenders = [each.value for each in verdict.standings[:2]]
    ties = min(sum(vote.winner is None for vote in outcome.votes) / len(outcome.votes), 0.95)
    texts = [where] if isinstance(where, str) else [each for each in where if isinstance(each, str)]
    plain = len(outcome.ranking.standings) == 2 and verdict.scenes == verdict.votes
    scenes = verdict.scenes if plain else _worth(outcome.ranking, contenders[0], contenders[1], ties)
    takes = takes_of(evidence, contenders, scenes, ties, command=command, where=texts, plain=plain)
    return replace(verdict, takes=takes.sentences, needed=takes.needed, smallest_gap=takes.smallest_gap)


def _worth(ranking: Ranking, leader: str, other: str, ties: float) -> int:
    """How many scenes of one vote between the two would give a standard error as small as theirs is."""
    met = ranking.tallies.get((leader, other), Tally())
    if ranking.covariance is None:
        return min(met.decided + met.ties, ranking.scenes)
    names = ranking.worths.variants
    error = ranking.covariance.error_between(names.index(leader), names.index(other))
    p = ranking.worths.win_chance(leader, other)
    return round(1 / ((1 - ties) * p * (1 - p) * error**2)) if error else ranking.scenes


# --- by marks and scores ------------------------------------------------------------------------------------------


def _by_measure(evidence: Evidence, outcome: MeasureOutcome, marks: MarkCounts, metric: str) -> Verdict:
    sentences = [
        *_price_sentences(evidence, outcome.leader, outcome.winner, outcome.standings, outcome.differences),
        *_best_sentence(outcome.standings),
    ]
    if said := _over(evidence):
        sentences.append(said)
    return replace(
        _bare(evidence, metric),
        headline=outcome.headline,
        sentences=tuple(sentences) if outcome.leader else (),
        standings=_with_marks(outcome.standings, marks),
        differences=outcome.differences,
        trust=(*outcome.trust, *trust_cells(evidence)),
        methods=words.methods_measure(metric, rates=any(each.trials for each in outcome.standings)),
        enough=outcome.enough,
        leader=outcome.leader,
        winner=outcome.winner,
        reference=outcome.leader,
        scenes=outcome.scenes,
    )


# --- what they share ----------------------------------------------------------------------------------------------


def _bare(evidence: Evidence, metric: str) -> Verdict:
    """A verdict that says nothing yet."""
    return Verdict(
        run_id=evidence.run.id, experiment=evidence.run.experiment, by=evidence.by, metric=metric, level=LEVEL,
        headline="", sentences=(), standings=(), differences=(), matrix={}, trust=(), takes=(),
        missing=tuple(missing_cells(evidence)), live=False, methods="", enough=False, baseline=evidence.baseline,
        simulated=evidence.simulated,
    )  # fmt: skip


def _is_items(evidence: Evidence, *, voted: bool) -> bool:
    """Whether each value is an item with one picture of its own, which nobody compares."""
    cells = evidence.cells
    return not voted and len(evidence.values) > _ITEMS and cells.scenes == 1


def _items(evidence: Evidence, marks: MarkCounts, metric: str) -> Verdict:
    images = sum(evidence.cells.images.values())
    kept, rejected = sum(marks.kept.values()), sum(marks.rejected.values())
    headline = words.one_picture(evidence.by or "variant", images, kept, rejected)
    return replace(_bare(evidence, metric), headline=headline, hidden=True, takes=(words.review(),))


def _with_marks(standings: Sequence[Standing], marks: MarkCounts) -> tuple[Standing, ...]:
    return tuple(
        replace(each, kept=marks.kept.get(each.value, 0), rejected=marks.rejected.get(each.value, 0))
        for each in standings
    )


def verdict_as_json(verdict: Verdict) -> dict[str, Any]:
    """The verdict as JSON's types: every field, the matrix as a list of its cells."""
    found: dict[str, Any] = asdict(replace(verdict, matrix={}))
    found["matrix"] = [
        {"value": value, "other": other, **asdict(tally)} for (value, other), tally in sorted(verdict.matrix.items())
    ]
    for gap, each in zip(found["differences"], verdict.differences, strict=True):
        gap["apart"] = each.apart
    for row, standing in zip(found["standings"], verdict.standings, strict=True):
        row["missing"] = _plain(standing.missing)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def _plain(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))
