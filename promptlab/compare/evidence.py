"""What a run's log says for and against the values of an axis: its cells counted, its votes in their scenes.

Nothing here reads a prompt or a file, and images only where somebody judged them: a run of a hundred thousand
generations is one pass over five short columns.
"""
# ruff: noqa: S608  the SQL is put together from this file alone; values are bound

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from promptlab.compare.baseline import baseline_of
from promptlab.compare.scenes import (
    cell_status,
    check_axis,
    chosen_variants,
    label_of_variant,
    place_of,
    scene_key,
)
from promptlab.log import Log
from promptlab.log.schema import SIMULATED_RUN
from promptlab.log.votes import Ballot, Poll
from promptlab.model import Run
from promptlab.spec.matcher import Where
from promptlab.stats.votes import Vote

__all__ = ["CellCounts", "Evidence", "Place", "VoteEvidence", "evidence_of", "places_of_images", "votes_of"]

# What a copy from the cache cost when it was paid for: prices are compared, not bills.
_CELLS: Final = """
SELECT g.variant_id, g.seed, g.draw, g.status, g.error_code, g.n, CASE WHEN g.cached_from IS NULL THEN g.cost_usd
  ELSE (SELECT p.cost_usd FROM generations p WHERE p.id = g.cached_from) END
FROM generations g WHERE g.run_id = ? ORDER BY g.sequence
"""
_IMAGES: Final = """
SELECT g.variant_id, count(*) FROM generations g CROSS JOIN images i ON i.generation_id = g.id
WHERE g.run_id = ? AND i.status = 'stored' GROUP BY g.variant_id
"""
_PLACES: Final = """
SELECT h.value, g.variant_id, g.seed, g.draw, g.id FROM json_each(?1) h JOIN images i ON i.id = h.value
JOIN generations g ON g.id = i.generation_id WHERE g.run_id = ?2
UNION ALL
SELECT h.value, c.variant_id, c.seed, c.draw, c.id FROM json_each(?1) h JOIN images i ON i.id = h.value
JOIN generations c ON c.cached_from = i.generation_id WHERE c.run_id = ?2
"""
_LOOKS: Final = 'SELECT poll_id, "by", min(at) FROM tally_views GROUP BY 1, 2'


_LARGE: Final = 20_000  # cells: counting them takes a tenth of a second
_KEPT: Final = 8


class Place(NamedTuple):
    """Where an image stands: its scene, and its value of the compared axis. `generation` is this run's."""

    scene: str
    value: str
    generation: str


@dataclass(frozen=True, slots=True)
class CellCounts:
    """A run's cells: value → how many in each status, images, and what one image costs (None: not known)."""

    statuses: Mapping[str, Counter[str]]
    images: Mapping[str, int]
    cost_usd: Mapping[str, float | None]
    shown: Mapping[int, int]  # which values have a picture, as bits in their order → how many scenes are so
    contexts: int  # combinations of the other axes
    seeds: int  # the most seeds that one combination has
    draws: int
    seeded: bool

    @property
    def scenes(self) -> int:
        """All scenes."""
        return sum(self.shown.values())

    @property
    def matched(self) -> int:
        """The scenes in which two values at least have a picture."""
        return sum(number for bits, number in self.shown.items() if bits.bit_count() > 1)

    def showing(self, places: Iterable[int]) -> int:
        """The scenes in which all of these values (by their places) have a picture."""
        wanted = sum(1 << place for place in places)
        return sum(number for bits, number in self.shown.items() if bits & wanted == wanted)

    def missing(self, value: str) -> dict[str, int]:
        """Status → cells without a picture."""
        counts = self.statuses.get(value, Counter())
        return {status: n for status, n in sorted(counts.items()) if status != "completed"}

    def calls(self, value: str) -> int:
        """How many cells this value has."""
        return self.statuses.get(value, Counter()).total()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What every metric needs of a run: the compared values in the order of the plan, and its cells."""

    run: Run
    by: str | None
    values: tuple[str, ...]
    labels: Mapping[str, str]
    others: tuple[str, ...]  # the axes that scenes hold the same
    baseline: str | None
    cells: CellCounts
    simulated: bool
    spec_path: str | None
    variants: Mapping[str, tuple[str, tuple[tuple[str, str], ...]]] = field(repr=False)  # id → value, shared axes

    @property
    def seed(self) -> str:
        """What draws are seeded from: the same log gives the same verdict."""
        return self.run.experiment


@dataclass(frozen=True, slots=True)
class VoteEvidence:
    """The people's votes within scenes, the judge's beside them, and what is known of how they were cast."""

    votes: tuple[Vote, ...]
    sides: tuple[Vote, ...]  # of blind pairs alone: of a best-of ballot the preferred image is on the left
    judged: tuple[Vote, ...]
    judges: tuple[str, ...]
    unmatched: int  # people's votes between images of different scenes
    polls: tuple[Poll, ...]
    after_looking: int  # blind votes cast by somebody who had seen the tally

    @property
    def open_polls(self) -> tuple[Poll, ...]:
        """The polls in which people may still vote."""
        return tuple(poll for poll in self.polls if poll.closed_at is None)


def evidence_of(log: Log, run_id: str, by: str | None, where: Where = ()) -> Evidence:
    """Count a run's cells for an axis. InputError for a run, an axis or a `where` that is not there.

    Of a large run the count is kept: its cells can't change without its sums, which say at once that nothing has.
    """
    run = log.find_whole_run(run_id)
    file = log.execute("PRAGMA database_list").fetchone()[2]
    key = (file, run.id, by, repr(where), log.totals(run.id))
    found = _kept.get(key)
    if found is None:
        found = _evidence(log, run, by, where)
        if sum(found.cells.calls(value) for value in found.values) >= _LARGE:
            while len(_kept) >= _KEPT:
                _kept.pop(next(iter(_kept)), None)  # another thread may have taken it
            _kept[key] = found
    return found


_kept: dict[tuple[object, ...], Evidence] = {}


def _evidence(log: Log, run: Run, by: str | None, where: Where) -> Evidence:
    rows = log.execute(_CELLS, (run.id,)).fetchall()
    axes = dict(log.rows("SELECT id, axes FROM variants WHERE experiment = ?", (run.experiment,)))
    every = {id_: json.loads(axes.get(id_) or "{}") for id_ in dict.fromkeys(row[0] for row in rows)}
    check_axis(every, by, f"run {run.id}")
    chosen = chosen_variants(log, run.id, every, where)
    places = {id_: place for id_, axes in chosen.items() if (place := place_of(id_, axes, by)) is not None}
    values = tuple(dict.fromkeys(value for value, _ in places.values()))
    labels = {value: label_of_variant(value, every[value]) if by is None else value for value in values}
    named = baseline_of(log, run.id)
    baseline = (
        named.get(by) if by is not None else next((id_ for id_, axes in every.items() if dict(axes) == named), None)
    )
    simulated = bool(log.value(f"SELECT {SIMULATED_RUN} FROM runs WHERE id = ?", (run.id,)))
    return Evidence(
        run=run,
        by=by,
        values=values,
        labels=labels,
        others=tuple(dict.fromkeys(axis for _, shared in places.values() for axis, _ in shared)),
        baseline=baseline if baseline in values else None,
        cells=_count(log, run.id, rows, places, values),
        simulated=simulated,
        spec_path=log.spec_path(run.experiment),
        variants=places,
    )


def _count(
    log: Log, run_id: str, rows: Sequence[tuple[Any, ...]],
    places: Mapping[str, tuple[str, tuple[tuple[str, str], ...]]], values: Sequence[str],
) -> CellCounts:  # fmt: skip
    context = {shared: at for at, shared in enumerate(dict.fromkeys(shared for _, shared in places.values()))}
    bits = {value: 1 << at for at, value in enumerate(values)}
    short = {id_: (value, bits[value], context[shared]) for id_, (value, shared) in places.items()}
    counts: Counter[tuple[str, str, str | None]] = Counter()
    pictured: defaultdict[tuple[int, int | None, int], int] = defaultdict(int)
    costs: defaultdict[str, float] = defaultdict(float)
    priced: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for variant, seed, draw, status, code, n, cost in rows:
        place = short.get(variant)
        if place is None:
            continue
        value, bit, at = place
        if status != "completed":
            counts[value, status, code] += 1
            pictured[at, seed, draw] |= 0
            continue
        pictured[at, seed, draw] |= bit
        asked[value] += n
        if cost is not None:
            costs[value] += cost
            priced[value] += 1
    statuses: dict[str, Counter[str]] = {value: Counter() for value in values}
    for (value, status, code), number in counts.items():
        statuses[value][cell_status(status, code)] += number
    cells = Counter(short[row[0]][0] for row in rows if row[0] in short)
    for value in values:
        statuses[value]["completed"] = cells[value] - statuses[value].total()
    images = _images(log, run_id, rows, {id_: value for id_, (value, _, _) in short.items()}, asked)
    each = {
        value: costs[value] / images[value] if images[value] and priced[value] == statuses[value]["completed"] else None
        for value in statuses
    }
    repeats = Counter(at for at, _, _ in pictured)
    draws = len({draw for _, _, draw in pictured})
    return CellCounts(
        statuses=statuses,
        images=images,
        cost_usd=each,
        shown=Counter(pictured.values()),
        contexts=len(context),
        seeds=max(repeats.values(), default=0) // max(draws, 1),
        draws=draws,
        seeded=all(seed is not None for _, seed, _ in pictured),
    )


def _images(
    log: Log, run_id: str, rows: Sequence[tuple[Any, ...]], values: Mapping[str, str], asked: Counter[str]
) -> Counter[str]:
    """Value → stored images. Where the run has as many as were asked for, which its sums say, none was short."""
    totals = log.totals(run_id)
    if totals.images - totals.images_lost == sum(row[5] for row in rows if row[3] == "completed"):
        return asked
    found: Counter[str] = Counter()
    for variant, n in log.rows(_IMAGES, (run_id,)):
        if variant in values:
            found[values[variant]] += n
    return found


def places_of_images(log: Log, evidence: Evidence, image_ids: Collection[str]) -> dict[str, list[Place]]:
    """Paid image → where this run shows it; several places where two variants had the same request."""
    found: dict[str, list[Place]] = {}
    for image, variant, seed, draw, generation in log.rows(_PLACES, (json.dumps(list(image_ids)), evidence.run.id)):
        if variant in evidence.variants:
            value, shared = evidence.variants[variant]
            found.setdefault(image, []).append(Place(scene_key(shared, seed, draw), value, generation))
    return found


def votes_of(log: Log, evidence: Evidence) -> VoteEvidence:
    """The votes on this run's images that compare two values within a scene, in the order in which they were cast."""
    ballots = list(log.ballots(evidence.run.id))
    images = {id_ for ballot in ballots for each in ballot.comparisons for id_ in (each.left_image, each.right_image)}
    places = places_of_images(log, evidence, images)
    polls = {poll.id: poll for poll in log.polls(evidence.run.id) if poll.axis == evidence.by}
    people: list[Vote] = []
    sides: list[Vote] = []
    judged: list[Vote] = []
    unmatched = after_looking = 0
    looks = {(poll, by): at for poll, by, at in log.rows(_LOOKS)}
    for ballot in ballots:
        poll = polls.get(ballot.poll_id) or log.poll(ballot.poll_id)
        votes, strangers = _matched(ballot, places)
        if ballot.judge is not None:
            judged += votes
            continue
        unmatched += strangers
        people += votes
        if poll is None or not votes:
            continue
        if poll.axis == evidence.by:
            polls[poll.id] = poll
        if poll.blind:
            sides += votes if ballot.kind == "pair" else ()
            seen = looks.get((poll.id, ballot.by))
            after_looking += len(votes) * (seen is not None and ballot.at is not None and ballot.at > seen)
    judges = tuple(dict.fromkeys(ballot.judge for ballot in ballots if ballot.judge is not None))
    return VoteEvidence(
        tuple(people), tuple(sides), tuple(judged), judges, unmatched, tuple(polls.values()), after_looking
    )


def _matched(ballot: Ballot, places: Mapping[str, list[Place]]) -> tuple[list[Vote], int]:
    """A ballot's comparisons of two values in one scene, and how many are of different scenes."""
    found: list[Vote] = []
    strangers = 0
    for each in ballot.comparisons:
        pairs = list(_pairs(places.get(each.left_image, ()), places.get(each.right_image, ())))
        same = next(((left, right) for left, right in pairs if left.scene == right.scene), None)
        if same is not None:
            left, right = same
            found.append(Vote(left.scene, ballot.judge or ballot.by, left.value, right.value, each.outcome))
        else:
            strangers += bool(pairs)
    return found, strangers


def _pairs(lefts: Iterable[Place], rights: Iterable[Place]) -> Iterator[tuple[Place, Place]]:
    """Both images' places, of different values."""
    return ((left, right) for left in lefts for right in rights if left.value != right.value)
