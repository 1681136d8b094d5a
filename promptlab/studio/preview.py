"""What a run would do and cost: the plan, minus what the log has already. Nothing is sent and nothing written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Literal, NamedTuple

from promptlab.errors import InputError, Problem
from promptlab.model import Amount
from promptlab.pacing import forecast
from promptlab.plan import Step
from promptlab.plan.plan import AT_MOST
from promptlab.studio.consent import Ahead, unknown_price
from promptlab.studio.options import limits_of

if TYPE_CHECKING:
    from promptlab.log import Log
    from promptlab.plan import Count, Survey
    from promptlab.providers import RateLimits
    from promptlab.studio.prepare import PreparedRun

__all__ = ["PlanChoice", "Preview", "preview"]

CHUNK = 5000
LOOKED_AT = 10_000  # requests of a plan that is too large to look at each
SECONDS_EACH = 30.0  # a generation's time where the log has no past (PROVIDERS.md: 30 s an image)


@dataclass(frozen=True, slots=True)
class PlanChoice:
    """What the same requests would cost and take under one of the account plans."""

    plan: str
    cost_usd: float | None
    packages: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Preview:
    """The figures of `plan`. Credits, dollars and seconds are estimates for what would be sent; None is unknown."""

    experiment: str
    provider: str
    simulated: bool
    plan: str | None
    variants: int
    requests: int
    images: int
    equal: int  # requests that are equal to an earlier one of this plan: sent once
    cached: int
    blocked: int  # requests whose earlier send is of unknown outcome or lost: not sent again unless you ask for it
    to_send: int
    images_to_make: int
    credits: float | None
    cost_usd: float | None
    seconds: float
    seconds_each: float = SECONDS_EACH  # that one request is thought to take
    complete: bool = (
        True  # False: too many to look at each; cache and equal requests are not counted, cost is scaled up
    )
    choices: tuple[PlanChoice, ...] = ()
    warnings: tuple[Problem, ...] = ()
    over_limits: tuple[Problem, ...] = ()  # what passes the experiment's own `limits`
    steps: tuple[Step, ...] = ()  # where asked for
    gone: int = 0  # images of earlier runs whose files are no longer on disk: they would be made again
    fresh: bool = False  # nothing counts as answered by the log
    packages: int | None = None  # of the named plan, for these credits

    def ahead(self) -> Ahead:
        """What has to be confirmed of it."""
        return Ahead(self.to_send, self.provider, self.simulated, self.credits, self.cost_usd)


def preview(
    job: PreparedRun, log: Log | None, *, fresh: bool = False, enforce_limits: bool = True, steps: bool = False
) -> Preview:
    """Plan an experiment against the log; InputError with every problem.

    The experiment's own limits are among them, unless they are only to be reported (`over_limits`). `steps` asks for
    the count after each step too.
    """
    count = job.plan.count()
    complete = count.requests <= AT_MOST
    survey = job.plan.survey(AT_MOST if complete else LOOKED_AT).check()
    if not complete and enforce_limits:
        raise InputError(_too_many(count.requests), code="too-many-requests")
    figures = _Figures.of(survey) if complete else _Figures.scaled(survey, count)
    known = _known(job, log) if log is not None and not fresh and complete else _Known()
    seconds = _seconds_each(job, log)
    to_send = figures.distinct - known.cached - known.blocked
    credits = _left(survey, "credits", known) if complete else figures.credits
    usd = _left(survey, "usd", known) if complete else figures.usd
    plan = job.endpoint.plan
    result = Preview(
        experiment=job.experiment.name,
        provider=job.endpoint.provider.name,
        simulated=job.endpoint.simulated,
        plan=plan.name if plan else None,
        variants=figures.variants,
        requests=figures.requests,
        images=figures.images,
        equal=figures.requests - figures.distinct,
        cached=known.cached,
        blocked=known.blocked,
        to_send=to_send,
        images_to_make=figures.distinct_images - known.images,
        credits=credits,
        cost_usd=usd,
        seconds=_forecast(job, job.endpoint.limits, to_send, seconds),
        seconds_each=seconds,
        complete=complete,
        choices=_choices(job, to_send, credits, seconds),
        packages=plan.packages(credits) if plan and credits and not job.endpoint.simulated else None,
        warnings=_warnings(job, survey),
        gone=known.gone,
        fresh=fresh,
    )
    over = [*_over_limits(job, result), *_over_plan(job, result)]
    if over and enforce_limits:
        raise InputError(over)
    result = replace(result, over_limits=tuple(over))
    return replace(result, steps=_steps(job, result)) if steps else result


def _too_many(requests: int) -> str:
    return (
        f"{requests:,} requests are more than one run takes ({AT_MOST:,}); write `design: {{sample: 200}}`, or say "
        "--where or --limit"
    )


class _Figures(NamedTuple):
    """The figures of all requests."""

    variants: int
    requests: int
    images: int
    distinct: int
    distinct_images: int
    credits: float | None
    usd: float | None

    @classmethod
    def of(cls, survey: Survey) -> _Figures:
        """As a pass over all of them found."""
        return cls(
            survey.variants,
            survey.requests,
            survey.images,
            survey.distinct,
            survey.distinct_images,
            survey.credits,
            survey.usd,
        )

    @classmethod
    def scaled(cls, survey: Survey, count: Count) -> _Figures:
        """Counted without a pass; the cost is that of the requests that were looked at, scaled up."""
        times = count.images / max(survey.images, 1)
        credits = None if survey.credits is None else survey.credits * times
        usd = None if survey.usd is None else survey.usd * times
        return cls(count.variants, count.requests, count.images, count.requests, count.images, credits, usd)


def _steps(job: PreparedRun, found: Preview) -> tuple[Step, ...]:
    """SPEC.md's steps up to the last: what is left after each. The cost is the preview's own figure."""
    answered = f"{found.cached:,} answered by the log" if found.complete else "not looked up: too many"
    if found.blocked:
        answered += f", {found.blocked:,} of unknown outcome or lost"
    limits = job.experiment.limits
    named = any(limit is not None for limit in (limits.images, limits.requests, limits.cost))
    return (
        *job.plan.steps(),
        Step("cache", found.to_send, "requests", answered),
        Step("cost", None, ""),
        Step("limits", None, "", "passed" if found.over_limits else "kept" if named else "none"),
    )


def _warnings(job: PreparedRun, survey: Survey) -> tuple[Problem, ...]:
    """What the plan says without enumerating, then what the survey found."""
    static = [problem for problem in job.plan.problems if problem.severity == "warning"]
    return tuple(dict.fromkeys([*static, *survey.warnings, *_undrawn(job)]))


_PROMPTS_READ = 100  # of a simulated plan, for words without a drawing
_WORDS_NAMED = 8


def _undrawn(job: PreparedRun) -> list[Problem]:
    """The words that the simulator has no picture for, in one line; nothing for real providers."""
    if not job.endpoint.simulated:
        return []
    from promptlab.simulator import undrawn_words

    prompts = dict.fromkeys(request.prompt for request in islice(job.plan.requests(), _PROMPTS_READ))
    words = list(dict.fromkeys(word for prompt in prompts for word in undrawn_words(prompt)))
    if not words:
        return []
    named = ", ".join(words[:_WORDS_NAMED]) + (f" and {len(words) - _WORDS_NAMED} more" if words[_WORDS_NAMED:] else "")
    message = f"the simulator has no drawing for: {named}; each still changes the image in its own way"
    return [Problem("not-drawn", message, severity="warning")]


class _Known:
    """What the log has of a plan: answered, or not to be sent again unless asked; and what that takes off the price."""

    def __init__(self) -> None:
        self.cached = self.blocked = self.images = self.gone = 0
        self.credits = self.usd = 0.0
        self.unknown = {"credits": 0, "usd": 0}  # requests without a price


def _known(job: PreparedRun, log: Log) -> _Known:
    from promptlab.studio.cached import (  # a first plan, without a log, starts without log and store
        LoggedFiles,
        look_up,
    )

    found, counted = _Known(), set[str]()
    files = LoggedFiles(log, job.studio.store(), job.studio.folder)
    requests = job.plan.requests()
    while chunk := list(islice(requests, CHUNK)):
        hashes = [request.request_hash for request in chunk]
        found_here = look_up(log, files, hashes)
        hits = found_here.hits
        found.gone += found_here.gone
        held = log.open_generations(hash_ for hash_ in hashes if hash_ not in hits)
        for request in chunk:
            hash_ = request.request_hash
            if hash_ in counted:
                continue
            if hash_ in hits:
                found.cached += 1
            elif hash_ in held and held[hash_].status in ("unknown", "lost"):
                found.blocked += 1
            else:
                continue
            counted.add(hash_)  # only of what the log knows: memory grows with the log's part, not with the plan
            price = job.endpoint.price(request)
            found.images += request.n
            found.credits += price.credits or 0.0
            found.usd += price.usd or 0.0
            found.unknown["credits"] += price.credits is None
            found.unknown["usd"] += price.usd is None
    return found


def _left(survey: Survey, unit: Literal["credits", "usd"], known: _Known) -> float | None:
    """The price of what would be sent: of all requests, less what the log has; None as soon as one is unknown."""
    prices = [(getattr(line.price, unit), line.requests) for line in survey.prices]
    unknown = sum(number for price, number in prices if price is None)
    if unknown > known.unknown[unit]:
        return None
    whole = sum(price * number for price, number in prices if price is not None)
    return max(0.0, float(round(whole - getattr(known, unit), 9)))


def _seconds_each(job: PreparedRun, log: Log | None) -> float:
    """The median of this model's last latencies; half a minute where there is no past."""
    if job.endpoint.simulated:
        return 0.1
    past = (
        sorted(log.latencies(job.endpoint.provider.name, str(job.experiment.params.get("model", "gpt-image-2"))))
        if log
        else []
    )
    return past[len(past) // 2] / 1000 if past else SECONDS_EACH


def _forecast(job: PreparedRun, rate: RateLimits, requests: int, seconds: float) -> float:
    return forecast(limits_of(rate, job.studio.settings.share), requests, seconds)


def _choices(job: PreparedRun, requests: int, credits: float | None, seconds: float) -> tuple[PlanChoice, ...]:
    """Where no plan is named, what each of the plans for sale would mean (PROVIDERS.md: data, not advice)."""
    if job.endpoint.plan is not None or credits is None or not requests:
        return ()
    seconds = SECONDS_EACH if job.endpoint.simulated else seconds  # what is simulated says nothing about real time
    choices = []
    for plan in job.endpoint.plans.values():
        if plan.usd_per_credit:
            cost, time = credits * plan.usd_per_credit, _forecast(job, plan.limits(), requests, seconds)
            choices.append(PlanChoice(plan.name, cost, plan.packages(credits), time))
    return tuple(choices)


def _over_limits(job: PreparedRun, found: Preview) -> list[Problem]:
    """`limits` of the experiment against the estimate: one problem for each that is passed, at its line."""
    limits = job.experiment.limits
    over: list[tuple[str, str]] = []
    cost: float | None = None
    if limits.images is not None and found.images_to_make > limits.images:
        over.append(("images", f"{found.images_to_make:,} images, and limits.images is {limits.images:,}"))
    if limits.requests is not None and found.to_send > limits.requests:
        over.append(("requests", f"{found.to_send:,} requests, and limits.requests is {limits.requests:,}"))
    if limits.cost is not None:
        cost = found.cost_usd if limits.cost.usd is not None else found.credits
        ceiling = limits.cost.usd if limits.cost.usd is not None else limits.cost.credits or 0.0
        if cost is not None and cost > ceiling + 1e-9:
            about = Amount(usd=cost) if limits.cost.usd is not None else Amount(credits=cost)
            over.append(("cost", f"a cost of about {about}, and limits.cost is {limits.cost}"))
    cure = "raise the limit or make the experiment smaller"
    problems = [_placed(job, name, Problem("over-limit", f"this would make {text}; {cure}")) for name, text in over]
    if limits.cost is not None and cost is None and found.to_send and not found.simulated:
        problems.append(_unknown_cost(job, limits.cost))
    return problems


def _over_plan(job: PreparedRun, found: Preview) -> list[Problem]:
    """A plan whose package can't be bought again, and is smaller than the estimate."""
    plan = job.endpoint.plan
    if plan is None or job.endpoint.simulated or not found.credits or plan.fits(found.credits):
        return []
    message = (
        f"the {plan.name} plan is {plan.package_credits:,g} credits in all and no more can be bought; this would take "
        f"{found.credits:,g} for {found.images_to_make:,} images. Name your plan (KAIRVAL_PLAN, or `plan:` "
        "in promptlab.yaml), or make the experiment smaller"
    )
    return [Problem("over-plan", message)]


def _unknown_cost(job: PreparedRun, limit: Amount) -> Problem:
    """A limit in a unit in which a price is unknown would hold nothing."""
    unit: Literal["usd", "credits"] = "usd" if limit.usd is not None else "credits"
    name, other = ("dollars", "credits") if unit == "usd" else ("credits", "dollars")
    which = unknown_price(job.endpoint, job.plan.requests(), unit) or "a request"
    plan = "name your plan (KAIRVAL_PLAN, or `plan:` in promptlab.yaml), " if unit == "usd" else ""
    return _placed(
        job,
        "cost",
        Problem(
            "price-unknown",
            f"limits.cost is {limit}, but the price of {which} in {name} is unknown; {plan}write the limit in {other}, "
            "or the price under `providers:` in promptlab.yaml",
        ),
    )


def _placed(job: PreparedRun, name: str, problem: Problem) -> Problem:
    """The problem at the limit's own place."""
    place = job.experiment.places.get(("limits", name)) or job.experiment.limits.place
    if place is None:
        return problem
    lines = job.experiment.text.splitlines()
    own = place.path.endswith(job.experiment.path.name) and 0 < place.line <= len(lines)
    source = lines[place.line - 1] if own else None
    return replace(problem, path=place.path, line=place.line, column=place.column, source=source)
