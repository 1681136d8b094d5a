"""What it would take to be surer: more votes on the pictures that are there, or more seeds of the contenders."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptlab.compare import verdict_words as words
from promptlab.compare.evidence import Evidence
from promptlab.compare.verdict_model import Needed
from promptlab.stats.power import scenes_needed, smallest_gap

__all__ = ["GAPS", "Takes", "contenders_command", "odds", "takes_of", "where_text"]

GAPS = (0.6, 0.65, 0.7)  # the true gaps that are told: 60:40, 65:35, 70:30


@dataclass(frozen=True, slots=True)
class Takes:
    """The table of gaps, the smallest gap that the votes can show, and the sentences."""

    needed: tuple[Needed, ...]
    smallest_gap: float | None
    sentences: tuple[str, ...]


def odds(chance: float) -> str:
    """`60:40`."""
    return f"{round(100 * chance)}:{100 - round(100 * chance)}"


def takes_of(
    evidence: Evidence, contenders: Sequence[str], scenes: int, ties: float, *, command: bool,
    where: Sequence[str] = (), plain: bool = True,
) -> Takes:  # fmt: skip
    """What it would take to tell the contenders apart (the leader first).

    The votes up to now are worth `scenes` scenes of one vote each; `plain`: they are exactly that. `ties` is the share
    of votes that decide nothing. One vote per new scene is what counts: more people on the same scenes add less.
    """
    needed = tuple(_needed(evidence, contenders, scenes, ties, chance) for chance in GAPS)
    smallest = smallest_gap(scenes, ties) if scenes else None
    label = evidence.labels
    names = words.listed_and([label[value] for value in contenders])
    pair = words.listed_and([label[value] for value in contenders[:2]])
    said = [_shows(scenes, smallest, pair, plain=plain), _table(needed, len(contenders))]
    if any(each.more_votes for each in needed):
        said += _how(evidence, contenders, needed, names, command=command, where=where)
    return Takes(needed, smallest, tuple(said))


def _needed(evidence: Evidence, contenders: Sequence[str], scenes: int, ties: float, chance: float) -> Needed:
    every = scenes_needed(chance, ties)
    if every is None:
        return Needed(chance, None, None)
    more = max(every - scenes, 0) * (len(contenders) - 1)
    there = evidence.cells.showing(evidence.values.index(value) for value in contenders)
    if every <= there or not evidence.cells.contexts:
        return Needed(chance, every, more)
    seeds = math.ceil(every / evidence.cells.contexts / max(evidence.cells.draws, 1))
    return Needed(chance, every, more, seeds, _cost(evidence, contenders, seeds))


def _cost(evidence: Evidence, contenders: Sequence[str], seeds: int) -> float | None:
    """What the new images of the contenders would cost, at what one of each has cost up to now."""
    cells = evidence.cells
    total = 0.0
    for value in contenders:
        each, completed = cells.cost_usd.get(value), cells.statuses[value]["completed"]
        if each is None or not completed:
            return None
        calls = cells.contexts * cells.draws * max(seeds - cells.seeds, 0)
        total += each * calls * cells.images[value] / completed
    return total


def _shows(scenes: int, smallest: float | None, pair: str, *, plain: bool) -> str:
    head = words.count(scenes, "scene")
    if not plain:
        head = f"These votes tell {pair} apart as well as {head} of those two alone"
    if smallest is None:
        return f"{head}: too few to show any gap."
    if plain:
        return f"{head} can show a gap of {odds(smallest)} or more, in 4 of 5 cases."
    return f"{head}: enough for a gap of {odds(smallest)} or more, in 4 of 5 cases."


def _table(needed: Sequence[Needed], contenders: int) -> str:
    parts = []
    for each in needed:
        if each.more_votes is None:
            parts.append(f"{odds(each.chance)}: more than can be counted")
        elif each.more_votes == 0:
            parts.append(f"{odds(each.chance)}: no more votes")
        else:
            seeds = "" if each.seeds is None else f" and {words.count(each.seeds, 'seed')}"
            price = "" if each.cost_usd is None else f", {words.dollars(each.cost_usd)}"
            parts.append(f"{odds(each.chance)}: about {each.more_votes:,} more votes{seeds}{price}")
    rivals = "" if contenders < 3 else " between the leader and each of the others"
    return f"If the true gap{rivals} is {'; '.join(parts)}. One vote on each new scene."


def _how(
    evidence: Evidence, contenders: Sequence[str], needed: Sequence[Needed], names: str, *, command: bool,
    where: Sequence[str],
) -> list[str]:  # fmt: skip
    """Votes where the pictures are there; seeds, with their price and command, for the smallest gap that needs them."""
    said = []
    enough = [each for each in needed if each.more_votes and each.seeds is None]
    if enough:
        vote = " (`promptlab browse`, then Vote)" if command else ""
        said.append(f"For {odds(enough[0].chance)} the pictures are there: vote on scenes that nobody has seen{vote}.")
    for each in [each for each in needed if each.more_votes and each.seeds is not None][-1:]:
        seeds = each.seeds or 0
        calls = evidence.cells.contexts * evidence.cells.draws * max(seeds - evidence.cells.seeds, 0) * len(contenders)
        price = "" if each.cost_usd is None else f", {words.dollars(each.cost_usd)}"
        if evidence.simulated and price:
            price += " if it were not simulated"
        text = f"For {odds(each.chance)} it takes {words.count(seeds, 'seed')} of {names}: {calls:,} more calls{price}"
        line = contenders_command(evidence, contenders, seeds, where) if command else None
        said.append(f"{text}." if line is None else f"{text}. `{line}`")
    return said


def contenders_command(
    evidence: Evidence, contenders: Sequence[str], seeds: int, where: Sequence[str] = ()
) -> str | None:
    """The command that makes more seeds of these values; None where there is no file to run or no seed to raise."""
    if evidence.spec_path is None or not evidence.cells.seeded or evidence.by is None:
        return None
    conditions = [where_text({evidence.by: contenders}), *where]
    flags = " ".join(f"--where {shlex.quote(each)}" for each in conditions)
    return f"promptlab run {shlex.quote(evidence.spec_path)} {flags} --seeds {seeds}"


def where_text(picked: Mapping[str, Sequence[str]]) -> str:
    """The `--where` text of these ids: one with a comma, a quote or a glob in it is in double quotes."""
    return ",".join(f"{axis}={','.join(map(_id, ids))}" for axis, ids in picked.items())


def _id(text: str) -> str:
    plain = text == text.strip() and not any(each in text for each in ',="*?[')
    return text if plain else '"' + text.replace('"', '""') + '"'
