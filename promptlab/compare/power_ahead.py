"""Before anything is spent: what gap the scenes of a plan could show, and the seeds and money that it would take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptlab.compare.scenes import check_axis, place_of
from promptlab.compare.verdict_takes import GAPS
from promptlab.errors import InputError
from promptlab.plan.plan import AT_MOST
from promptlab.stats.power import power, scenes_needed, smallest_gap

if TYPE_CHECKING:
    from promptlab.studio.prepare import PreparedRun

__all__ = ["PowerAhead", "PowerFor", "power_of"]

_LOOKED_AT = 10_000  # requests of a large plan whose prices are looked at


@dataclass(frozen=True, slots=True)
class PowerFor:
    """If the true gap between two values is `chance` (0.6 is 60:40).

    `power` is the chance that the plan's scenes find it; `scenes` are needed for 4 of 5 cases, which `seeds` give.
    `credits` and `cost_usd` are those of the whole plan with so many seeds, None where not known.
    """

    chance: float
    power: float
    scenes: int | None
    seeds: int | None
    credits: float | None
    cost_usd: float | None
    on_plans: tuple[tuple[str, float], ...] = ()  # where no account plan is named: dollars on each that is for sale


@dataclass(frozen=True, slots=True)
class PowerAhead:
    """What a plan can show of an axis, with one vote on each scene, none of them a tie.

    A scene is one combination of the other axes, a seed and a draw, in which two values at least are planned.
    `seeded`: whether seeds are what can be raised; otherwise it is draws.
    """

    axis: str
    values: tuple[str, ...]
    contexts: int
    seeds: int
    draws: int
    scenes: int
    seeded: bool
    smallest_gap: float | None
    gaps: tuple[PowerFor, ...]


def power_of(job: PreparedRun, axis: str) -> PowerAhead:
    """What the prepared experiment can show of an axis. InputError for an axis that is not there or has one value."""
    variants = {variant.id: variant.axes for variant in job.plan.variants()}
    check_axis(variants, axis, "the experiment")
    shown: dict[tuple[tuple[str, str], ...], set[str]] = {}
    for id_, axes in variants.items():
        if (place := place_of(id_, axes, axis)) is not None:
            shown.setdefault(place[1], set()).add(place[0])
    values = tuple(dict.fromkeys(axes[axis] for axes in variants.values() if axis in axes))
    contexts = sum(len(each) > 1 for each in shown.values())
    if not contexts:
        message = f"--power {axis}: no two of its values are planned with the same other axes, so nothing is compared"
        raise InputError(message, code="nothing-to-compare")
    seeds, draws = _repeats(job)
    scenes = contexts * seeds * draws
    credits, usd = _prices(job)
    return PowerAhead(
        axis, values, contexts, seeds, draws, scenes, job.experiment.seeds is not None, smallest_gap(scenes),
        tuple(_for(job, chance, scenes, contexts * draws, seeds, credits, usd) for chance in GAPS),
    )  # fmt: skip


def _repeats(job: PreparedRun) -> tuple[int, int]:
    """Seeds and draws of each variant."""
    seeds = job.experiment.seeds
    number = 1 if seeds is None else seeds if isinstance(seeds, int) else len(seeds)
    return max(number, 1), max(job.experiment.draws, 1)


def _prices(job: PreparedRun) -> tuple[float | None, float | None]:
    """What the whole plan costs, whatever the log has of it: credits and dollars."""
    count = job.plan.count()
    survey = job.plan.survey(AT_MOST if count.requests <= AT_MOST else _LOOKED_AT)
    times = count.requests / max(survey.requests, 1)
    return (
        None if survey.credits is None else survey.credits * times,
        None if survey.usd is None else survey.usd * times,
    )


def _for(
    job: PreparedRun, chance: float, scenes: int, each: int, seeds: int, credits: float | None, usd: float | None
) -> PowerFor:
    """`each` is how many scenes one seed gives; the cost grows with the seeds."""
    needed = scenes_needed(chance)
    wanted = None if needed is None else max(1, math.ceil(needed / each))
    times = 0.0 if wanted is None else wanted / seeds
    in_credits = None if credits is None or wanted is None else credits * times
    in_usd = None if usd is None or wanted is None else usd * times
    offers = () if in_usd is not None or in_credits is None else job.endpoint.plans.values()
    plans = tuple(
        (plan.name, in_credits * plan.usd_per_credit) for plan in offers if in_credits and plan.usd_per_credit
    )
    return PowerFor(chance, power(scenes, chance), needed, wanted, in_credits, in_usd, plans)
