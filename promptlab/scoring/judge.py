"""A judge: a vision model that is asked which of two matched images is better, each pair in both orders.

The same manners as a run's: the price is said before and agreed to, the worst price is reserved before each send, every
call is a row before it leaves, and one of unknown outcome is not sent again unless somebody says so. Its ballots carry
the model's name and are never counted among people's votes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Final

from promptlab.compare.scenes import scenes_of
from promptlab.errors import InputError
from promptlab.log import Log
from promptlab.log.judging import JudgeCall
from promptlab.model import Amount, utc_now
from promptlab.providers import Endpoint, connect
from promptlab.run.anywhere import anywhere
from promptlab.run.budget import Budget, Cap, Period
from promptlab.scoring.decoding import decoded
from promptlab.scoring.judge_job import JOBS, Asked, JudgeJob
from promptlab.scoring.judge_pairs import Pair, PairOutcome, PairState, outcome_of, pairs_of, states_of
from promptlab.scoring.judge_sender import holding, send_all
from promptlab.scoring.judge_wire import QUESTION, JudgePrice, as_data_url, price_of, prompt_sha256, worst_usd
from promptlab.spec.settings import Settings
from promptlab.stats.proportions import Interval
from promptlab.stats.trust import Agreement, agreement, side_bias
from promptlab.stats.votes import Outcome, Vote
from promptlab.studio.consent import Ahead, Confirm, confirmed
from promptlab.studio.options import Options
from promptlab.studio.studio import Studio

__all__ = ["Judged", "given_price", "judge", "judge_endpoint", "judge_run", "with_criteria"]

_BASE_URL: Final = "PROMPTLAB_JUDGE_BASE_URL"
_KEY: Final = "PROMPTLAB_JUDGE_KEY"


@dataclass(frozen=True, slots=True)
class Judged:
    """What a judge said. `wins` is value → pairs won in both orders; `ties` are pairs on which the orders disagreed or
    that it called a tie, `bad` those of which it called both unusable. `unknown` questions may have been billed without
    an answer, now or before; about `open` pairs the same call would go on.

    `first` of `decided` answers chose the image that was shown first: half of them where the position means nothing.
    `agreement` is with people's votes on the same pairs; None where there are none. `cost_usd` is of this call alone;
    it ≤ what was billed ≤ `cost_usd_at_most`; None is unknown. `stopped` says why it ended early.
    """

    run_id: str
    by: str | None
    model: str
    question: str
    pairs: int
    judged: int
    already: int
    asked: int
    unknown: int
    unreadable: int
    failed: int
    open: int
    wins: Mapping[str, int]
    ties: int
    bad: int
    disagreed: int
    first: int
    decided: int
    first_interval: Interval
    agreement: Agreement | None
    cost_usd: float | None
    cost_usd_at_most: float | None
    stopped: str | None = None
    reasons: tuple[str, ...] = ()
    exit_code: int = 0


@anywhere
def judge(
    run: str,
    model: str,
    by: str | None = None,
    *,
    question: str = QUESTION,
    pairs: int | None = None,
    where: str | Sequence[str] = (),
    budget: Amount | str | None = None,
    yes: bool = False,
    price_in: float | None = None,
    price_out: float | None = None,
    jobs: int = JOBS,
    retry_unknown: bool = False,
    confirm: Confirm | None = None,
    progress: Callable[[int, int], object] | None = None,
    studio: Path | str | None = None,
    db: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Judged:
    """Ask a vision model about a run's matched pairs by an axis (None: whole variants), each in both orders.

    `model` is of any OpenAI-compatible API with `/chat/completions`: its address and key are PROMPTLAB_JUDGE_BASE_URL
    and PROMPTLAB_JUDGE_KEY of the environment, else OPENAI_BASE_URL and OPENAI_API_KEY. Prices are dollars per million
    tokens. Pairs that this model was asked this question about already are not asked about again. InputError before
    anything is sent; ConfirmationNeeded above the studio's figure, or of unknown price, without `yes`.
    """
    opened = Studio.open(Path.cwd() if studio is None else Path(studio), db=db, environ=environ)
    price = given_price(price_in, price_out)
    conditions = (where,) if isinstance(where, str) else tuple(where)
    asked = Asked(model, by, question, pairs, conditions, price, jobs, retry_unknown)
    return judge_run(opened, run, asked, Options(budget=budget, yes=yes), confirm, progress)


def given_price(price_in: float | None, price_out: float | None) -> JudgePrice | None:
    """The price as it was given; InputError for half of one."""
    if price_in is None and price_out is None:
        return None
    if price_in is None or price_out is None:
        raise InputError("a price needs both: dollars per million tokens in and out (--price-in and --price-out)")
    if not all(math.isfinite(each) and each >= 0 for each in (price_in, price_out)):
        raise InputError("a price can't be below 0")
    return JudgePrice(price_in, price_out)


def with_criteria(question: str, criteria: Sequence[str]) -> str:
    """The question with what counts."""
    named = [each.strip() for text in criteria for each in text.split(",") if each.strip()]
    return f"{question} Judge by: {', '.join(named)}." if named else question


def judge_endpoint(settings: Settings, environ: Mapping[str, str]) -> Endpoint:
    """Address and key, from the environment alone.

    Where the judge has an address of its own, only its own key goes there.
    """
    own = {name: environ[name] for name in (_BASE_URL, _KEY) if environ.get(name, "").strip()}
    rest = {name: value for name, value in environ.items() if not name.startswith("OPENAI_")} if own else dict(environ)
    if _BASE_URL in own:
        rest["OPENAI_BASE_URL"] = own[_BASE_URL]
    if _KEY in own:
        rest["OPENAI_API_KEY"] = own[_KEY]
    try:
        return connect("openai", replace(settings, providers={}), rest)
    except InputError as error:
        cure = f"the judge's address is {_BASE_URL} and its key {_KEY}, else OPENAI_BASE_URL and OPENAI_API_KEY"
        raise InputError(
            [replace(problem, message=f"{problem.message}; {cure}") for problem in error.problems]
        ) from error


def judge_run(
    studio: Studio, run: str, asked: Asked, options: Options, confirm: Confirm | None,
    progress: Callable[[int, int], object] | None = None,
) -> Judged:  # fmt: skip
    """`judge` in an opened studio."""
    endpoint = judge_endpoint(studio.settings, studio.environ)
    price = price_of(asked.model, endpoint.base_url, asked.price)
    sha256 = prompt_sha256(asked.question)
    with studio.log(create=False) as log, holding(log, asked.model, sha256):
        found = log.find_run(run)
        pairs = pairs_of(scenes_of(log, found.id, asked.by, asked.where), asked.pairs)
        if not pairs:
            named = f"the axis {asked.by}" if asked.by else "the variants"
            raise InputError(f"{named} of run {found.id} has no two images of one scene to compare", code="no-pairs")
        log.forsake_judge_calls(asked.model, sha256)
        paid = {image for pair in pairs for image in (pair.left, pair.right)}
        calls = log.judge_calls(asked.model, sha256, paid)
        states = states_of(pairs, calls, retry_unknown=asked.retry_unknown)
        to_send = sum(len(state.open_orders()) for state in states.values())
        worst = worst_usd(asked.model, asked.question, price)
        budget = _budget(log, studio.settings, options, worst, to_send)
        ahead = Ahead(to_send, f"the judge {asked.model}", False, None, None if worst is None else worst * to_send)
        confirmed(ahead, studio.settings, options, confirm)
        poll = log.judge_poll(found.id, asked.by, asked.model)
        already = sum(state.has_ballot for state in states.values())
        job = JudgeJob(
            log, found, asked, endpoint, price, sha256, poll, budget, _images(studio), states, progress
        )  # fmt: skip
        for pair in pairs:
            job.cast(pair)  # answered before a process ended
        if to_send:
            send_all(job)
        return _judged(job, pairs, already)


def _images(studio: Studio) -> Callable[[str], str]:
    """Contents as data URLs; the last few are kept, since each image is in several pairs."""
    store = studio.store()
    return lru_cache(maxsize=64)(lambda sha256: as_data_url(decoded(store.get(sha256))))


def _budget(log: Log, settings: Settings, options: Options, worst: float | None, to_send: int) -> Budget:
    """The ceilings of this call. A judge is paid in dollars: caps in credits do not concern it.

    InputError where a ceiling can't be kept: the price, or what was spent under a cap, is unknown.
    """
    caps = []
    if options.ceiling is not None:
        if options.ceiling.usd is None:
            raise InputError("a judge is paid in dollars; give the budget as in 2usd")
        caps.append(Cap("the budget", options.ceiling))
    periods: tuple[tuple[Period, str, Amount | None], ...] = (
        ("day", "daily", settings.caps.day),
        ("month", "monthly", settings.caps.month),
    )
    for period, name, amount in periods:
        if amount is not None and amount.usd is not None:
            cap = Cap(f"the studio's {name} cap", amount, count=partial(_spent, log), period=period)
            cap.turn(utc_now())
            caps.append(cap)
    if to_send and caps and worst is None:
        cure = "name it with --price-in and --price-out, dollars per million tokens"
        raise InputError(
            f"{caps[0].name} is in dollars, but the price of this model is unknown; {cure}", code="price-unknown"
        )
    if to_send and (unknown := next((cap for cap in caps if cap.used == math.inf), None)) is not None:
        raise InputError(f"{unknown}, so it can't be kept", code="price-unknown")
    return Budget(caps)


def _spent(log: Log, since: str) -> float | None:
    return log.spent(since=since).cost_usd_at_most


def _judged(job: JudgeJob, pairs: Sequence[Pair], already: int) -> Judged:
    """What was found, from the rows."""
    asked, states = job.asked, job.states
    results = {pair: _result(states[pair]) for pair in pairs if states[pair].has_ballot}
    outcomes = Counter(results.values())
    first, decided, interval = _position(states.values())
    every = list(job.log.judge_calls(asked.model, job.sha256, _paid(pairs)))
    sent = set(job.sent)
    calls = [call for call in every if call.id in sent]
    unknown = _unanswered(every)
    least, most = _cost(calls)
    stopped = None if job.stopped is None else str(job.stopped)
    return Judged(
        run_id=job.run.id, by=asked.by, model=asked.model, question=asked.question,
        pairs=len(pairs), judged=len(results), already=already, asked=len(job.sent), unknown=len(unknown),
        unreadable=sum(call.outcome == "unreadable" for call in calls), failed=sum(job.failures.values()),
        open=sum(_is_open(pair, states[pair], unknown) for pair in pairs),
        wins=_wins(pairs, results), ties=outcomes["tie"], bad=outcomes["bad"],
        disagreed=sum(_disagreed(states[pair]) for pair in results),
        first=first, decided=decided, first_interval=interval,
        agreement=_with_people(job.log, job.run.id, results), cost_usd=least, cost_usd_at_most=most, stopped=stopped,
        reasons=tuple(f"{number:,} × {reason}" for reason, number in job.failures.most_common(8)),
        exit_code=130 if job.interrupted else 3 if stopped else int(len(results) < len(pairs)),
    )  # fmt: skip


def _result(state: PairState) -> PairOutcome:
    return outcome_of(state.answers[0][1], state.answers[1][1])


def _disagreed(state: PairState) -> bool:
    """Whether the tie comes from the order: the two answers say different things."""
    return _result(state) == "tie" and any(choice != "tie" for _, choice in state.answers.values())


def _wins(pairs: Iterable[Pair], results: Mapping[Pair, PairOutcome]) -> dict[str, int]:
    """Value → pairs won, also of those that won none."""
    wins = dict.fromkeys((value for pair in pairs for value in (pair.left_value, pair.right_value)), 0)
    for pair, outcome in results.items():
        if outcome in ("left", "right"):
            wins[pair.left_value if outcome == "left" else pair.right_value] += 1
    return wins


def _position(states: Iterable[PairState]) -> tuple[int, int, Interval]:
    """Answers for the image that was shown first, decided answers, and the interval of their share."""
    sides: dict[str, Outcome] = {"first": "left", "second": "right"}
    choices = [choice for state in states for _, choice in state.answers.values() if choice in sides]
    return side_bias(Vote("", "", "first", "second", sides[choice]) for choice in choices)


def _unanswered(calls: Sequence[JudgeCall]) -> set[tuple[str, str]]:
    """The questions that may have been billed and have no answer, as the two images in the order shown."""
    answered = {(call.left_image, call.right_image) for call in calls if call.outcome in ("ok", "unreadable")}
    return {(call.left_image, call.right_image) for call in calls if call.may_be_billed} - answered


def _is_open(pair: Pair, state: PairState, unknown: set[tuple[str, str]]) -> bool:
    """Whether the same call would ask about this pair."""
    asks = not state.has_ballot and bool(state.open_orders())
    return asks and not unknown.intersection((pair.shown(0), pair.shown(1)))


def _cost(calls: Sequence[JudgeCall]) -> tuple[float | None, float | None]:
    """What was billed at least and at most; None is unknown."""
    answered = [call.cost_usd for call in calls if call.outcome in ("ok", "unreadable")]
    risks = [call.cost_usd_at_risk for call in calls if call.may_be_billed]
    known = [cost for cost in answered if cost is not None]
    least = sum(known) if known or not answered else None
    return least, None if None in risks else sum(known) + sum(risk or 0.0 for risk in risks)


def _paid(pairs: Sequence[Pair]) -> list[str]:
    return list({image for pair in pairs for image in (pair.left, pair.right)})


def _with_people(log: Log, run_id: str, results: Mapping[Pair, PairOutcome]) -> Agreement | None:
    """Agreement of the judge with each person's latest vote on the same two images; not of people with each other."""
    votes = []
    of = {frozenset((pair.left, pair.right)): (pair, outcome) for pair, outcome in results.items()}
    for ballot in log.ballots(run_id):
        if ballot.judge is not None:
            continue
        for each in ballot.comparisons:
            found = of.get(frozenset((each.left_image, each.right_image)))
            if found is not None:
                pair, outcome = found
                scene = f"{pair.left}|{pair.right}|{ballot.by}"
                votes.append(Vote(scene, "person", each.left_image, each.right_image, each.outcome))
                votes.append(Vote(scene, "judge", pair.left, pair.right, outcome))
    return agreement(reversed(votes))
