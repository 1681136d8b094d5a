"""What can be voted on: the matched cells of a run that have pictures of two values at least, and the votes so far.

It is read once for a poll, also of a run of hundreds of thousands of images, of which nobody votes on all: such a run
is cut to a part of its scenes, by chance, the same for everybody who votes in that poll.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

from promptlab.compare.scenes import check_axis, place_of, scene_key
from promptlab.errors import InputError
from promptlab.log.connection import Connection
from promptlab.log.votes import Ballot
from promptlab.stats.votes import Vote

__all__ = [
    "MOST_VALUES",
    "Cast",
    "VotePicture",
    "VotingScene",
    "VotingScenes",
    "read_casts",
    "read_scene_of",
    "read_voting_scenes",
]

MOST_VALUES: Final = 60  # of an axis that is voted on; a fit takes 40 ms with as many
_MOST: Final = 12_000  # generations that are read for a poll
_VARIANTS: Final = "SELECT v.id, v.axes FROM runs r JOIN variants v ON v.experiment = r.experiment WHERE r.id = ?"
_PICTURES: Final = """
SELECT g.variant_id, g.seed, g.draw, i.sha256, i.width, i.height,
  CASE WHEN g.cached_from IS NULL THEN i.id ELSE ifnull(
    (SELECT p.id FROM images p WHERE p.generation_id = g.cached_from AND p.position = i.position), i.id) END
FROM {} CROSS JOIN images i ON i.generation_id = g.id AND i.status = 'stored' AND i.sha256 IS NOT NULL
"""
_ALL: Final = _PICTURES.format("generations g") + "WHERE g.run_id = ?1 ORDER BY g.sequence, i.position"
_OF_VARIANTS: Final = _PICTURES.format(
    "runs r CROSS JOIN json_each(?2) c CROSS JOIN generations g INDEXED BY generations_experiment "
    "ON g.experiment = r.experiment AND g.variant_id = c.value AND +g.run_id = r.id"
)
_SOME: Final = _PICTURES.format(
    "(SELECT h.* FROM runs r CROSS JOIN generations h INDEXED BY generations_experiment "
    "ON h.experiment = r.experiment AND h.variant_id = ?2 AND +h.run_id = r.id WHERE r.id = ?1 "
    "ORDER BY h.rowid LIMIT ?3) g"
)
_IN_SCENE: Final = _OF_VARIANTS + "WHERE r.id = ?1 AND g.seed IS ?3 AND g.draw = ?4 ORDER BY g.sequence, i.position"
_PLACES: Final = """
SELECT h.value, g.variant_id, v.axes, g.seed, g.draw FROM json_each(?2) h
JOIN images p ON p.id = h.value JOIN generations q ON q.id = p.generation_id
JOIN generations g ON g.id = q.id OR g.cached_from = q.id
JOIN variants v ON v.experiment = g.experiment AND v.id = g.variant_id
WHERE g.run_id = ?1 ORDER BY g.cached_from IS NOT NULL DESC, g.sequence DESC
"""

_Shared = tuple[tuple[str, str], ...]
_Key = tuple[_Shared, int | None, int]


@dataclass(frozen=True, slots=True)
class VotePicture:
    """A stored image by the id of the paid one; its size in pixels, where it is known."""

    image_id: str
    sha256: str
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class VotingScene:
    """One matched cell: value of the compared axis → its pictures (several where one call made several)."""

    key: str
    pictures: Mapping[str, tuple[VotePicture, ...]]


@dataclass(frozen=True, slots=True)
class VotingScenes:
    """The scenes of a run that can be voted on; `by` None: whole variants are compared.

    `seeded` is False where some have no seed: what is by chance differs in them too.
    """

    run_id: str
    by: str | None
    values: tuple[str, ...]
    scenes: tuple[VotingScene, ...] = field(repr=False)
    seeded: bool = True

    @property
    def most_values(self) -> int:
        """How many values the fullest scene has."""
        return max((len(scene.pictures) for scene in self.scenes), default=0)


@dataclass(frozen=True, slots=True)
class Cast:
    """A ballot as a comparison of values: the images it showed, its scene and what it said."""

    id: str
    voter: str
    scene: str
    images: frozenset[str]
    votes: tuple[Vote, ...]


def read_voting_scenes(
    log: Connection, run_id: str, by: str | None, only: Mapping[str, str] | None = None, *, seed: str = ""
) -> VotingScenes:
    """The scenes of a run that have pictures of two values at least; InputError for an axis that is not there.

    `only` holds other axes to a value. `seed` chooses the part of a very large run.
    """
    places = _places_of_variants(log, run_id, by, only or {})
    rows = int(log.value("SELECT count(*) FROM generations WHERE run_id = ?", (run_id,)))
    found = log.rows(_ALL, (run_id,)) if rows <= _MOST else _part(log, run_id, places, rows, seed)
    cells: dict[tuple[object, ...], dict[str, list[VotePicture]]] = {}
    for variant_id, image_seed, draw, sha256, width, height, paid in found:
        if variant_id not in places:  # the axis does not apply to it, or another one has another value
            continue
        value, shared = places[variant_id]
        cell = cells.setdefault((shared, image_seed, draw), {})
        cell.setdefault(value, []).append(VotePicture(paid, sha256, width, height))
    scenes = tuple(
        VotingScene(scene_key(*key), {value: tuple(pictures) for value, pictures in cell.items()})  # type: ignore[arg-type]
        for key, cell in cells.items()
        if len(cell) > 1
    )
    shown = {value for scene in scenes for value in scene.pictures}
    values = tuple(sorted(shown))
    if len(values) > MOST_VALUES:
        what = f"the axis {by!r} has {len(values):,} values" if by else f"the run has {len(values):,} variants"
        raise InputError(
            f"{what}; a vote on more than {MOST_VALUES} would take thousands of ballots: compare by another axis",
            code="too-many-values",
        )
    seeded = all(seed is not None for (_, seed, _), cell in cells.items() if len(cell) > 1)
    return VotingScenes(run_id, by, values, scenes, seeded)


def _places_of_variants(
    log: Connection, run_id: str, by: str | None, only: Mapping[str, str]
) -> dict[str, tuple[str, _Shared]]:
    """Variant of the run's experiment → its value on the axis, and what it shares with others."""
    rows = list(log.rows(_VARIANTS, (run_id,)))
    every = json.loads(f"[{','.join(axes or '{}' for _, axes in rows)}]")  # at once: a quarter of the time
    variants = {id_: axes for (id_, _), axes in zip(rows, every, strict=True)}
    check_axis(variants, by, run_id)
    found = ((id_, place_of(id_, axes, by)) for id_, axes in variants.items() if only.items() <= axes.items())
    return {id_: place for id_, place in found if place is not None}


def _part(
    log: Connection, run_id: str, places: Mapping[str, tuple[str, _Shared]], rows: int, seed: str
) -> Iterable[tuple[Any, ...]]:
    """Pictures of some of a run's scenes: of whole groups of variants that share their other axes, by chance.

    A group that is larger than what is read for a poll is cut too: the first seeds of each of its variants.
    """
    groups: dict[object, list[str]] = {}
    for id_, (_, shared) in places.items():
        groups.setdefault(shared, []).append(id_)
    order = list(groups.values())
    random.Random(f"promptlab vote {seed}").shuffle(order)  # noqa: S311  which part is no secret
    most = max(1, _MOST * len(places) // rows)  # variants
    chosen: list[str] = []
    for group in order:
        if chosen and len(chosen) + len(group) > most:
            break
        chosen += group
    if len(chosen) <= most:
        sql = _OF_VARIANTS + "WHERE r.id = ?1 ORDER BY g.sequence, i.position"
        return log.rows(sql, (run_id, json.dumps(chosen)))
    each = max(1, _MOST // len(chosen))
    return chain.from_iterable(log.rows(_SOME, (run_id, id_, each)) for id_ in chosen)


def read_scene_of(log: Connection, run_id: str, by: str | None, image_ids: Sequence[str]) -> VotingScene:
    """The one scene that these images of a run are in, with all its pictures; InputError where they share none."""
    placed = _places(log, run_id, by, image_ids)
    if missing := [id_ for id_ in image_ids if id_ not in placed]:
        raise InputError(f"run {run_id} does not compare {', '.join(missing[:3])}", code="not-one-scene")
    keys = {key for _, key in placed.values()}
    if len(keys) != 1:
        raise InputError("these pictures are not of one row: they differ in more than what is compared",
                         code="not-one-scene")  # fmt: skip
    shared, seed, draw = keys.pop()
    words = [json.dumps(text, ensure_ascii=False) for pair in shared for text in pair]
    texts = ((id_, axes) for id_, axes in log.rows(_VARIANTS, (run_id,)) if all(word in axes for word in words))
    every = ((id_, place_of(id_, json.loads(axes), by)) for id_, axes in texts)
    values = {id_: place[0] for id_, place in every if place is not None and place[1] == shared}
    pictures: dict[str, list[VotePicture]] = {}
    rows = log.rows(_IN_SCENE, (run_id, json.dumps(list(values)), seed, draw))
    for variant_id, _, _, sha256, width, height, paid in rows:
        pictures.setdefault(values[variant_id], []).append(VotePicture(paid, sha256, width, height))
    return VotingScene(scene_key(shared, seed, draw), {value: tuple(each) for value, each in pictures.items()})


def _places(log: Connection, run_id: str, by: str | None, image_ids: Iterable[str]) -> dict[str, tuple[str, _Key]]:
    """Paid image → its value on the axis and its scene in this run; without images that the axis does not apply to."""
    found: dict[str, tuple[str, _Key]] = {}
    known: dict[str, tuple[str, _Shared] | None] = {}
    for id_, variant_id, axes, seed, draw in log.rows(_PLACES, (run_id, json.dumps(list(image_ids)))):
        if variant_id not in known:
            known[variant_id] = place_of(variant_id, json.loads(axes or "{}"), by)
        if (place := known[variant_id]) is not None:
            found[id_] = place[0], (place[1], seed, draw)
    return found


def read_casts(log: Connection, run_id: str, by: str | None, ballots: Iterable[Ballot]) -> list[Cast]:
    """People's ballots as comparisons of values; what compares the same value, or other scenes, says nothing here."""
    ballots = [ballot for ballot in ballots if ballot.judge is None]
    shown = {id_ for each in ballots for one in each.comparisons for id_ in (one.left_image, one.right_image)}
    placed = _places(log, run_id, by, sorted(shown))
    casts = []
    for ballot in ballots:
        votes, scene = [], ""
        for one in ballot.comparisons:
            left, right = placed.get(one.left_image), placed.get(one.right_image)
            if left is None or right is None or left[0] == right[0] or left[1] != right[1]:
                continue
            scene = scene_key(*left[1])
            votes.append(Vote(scene, ballot.by, left[0], right[0], one.outcome))
        if votes:
            images = frozenset(id_ for one in ballot.comparisons for id_ in (one.left_image, one.right_image))
            casts.append(Cast(ballot.id, ballot.by, scene, images, tuple(votes)))
    return casts
