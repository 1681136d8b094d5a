"""How a cell gets its source image: an `image:` text rendered on its values, or the images of an earlier experiment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptlab.errors import InputError, Problem
from promptlab.model import Axis, Experiment, ImageSource, Place, Value

from .images import BadSource, ImageOf, Picture, Pictures
from .parameters import Report
from .product import Cell, Space

if TYPE_CHECKING:
    from .recipes import Recipe

__all__ = ["CHAIN_AXIS", "Chain", "ChainImage", "chain_axis", "chained", "rendered"]

#: The axis whose values are the earlier images of a chain.
CHAIN_AXIS = "source"
MEMO = 4096


@dataclass(frozen=True, slots=True)
class ChainImage:
    """An earlier image: `id` is its value id on the axis `source`, `axes` are its own values, seen as fields."""

    id: str
    path: Path
    sha256: str
    axes: Mapping[str, str] = field(default_factory=dict)


#: Looks up a chain's images in the log, `pick` and `where` applied.
Chain = Callable[[ImageSource], Sequence[ChainImage]]


def chain_axis(report: Report, images: Sequence[ChainImage]) -> Axis | None:
    """The implicit axis `source`; None, with the problem reported, where there is nothing to edit."""
    experiment = report.experiment
    source = experiment.image or ImageSource()
    place = source.place or report.place("image")
    if any(axis.name == CHAIN_AXIS for axis in experiment.axes):
        message = f"an edit of earlier images has them as the axis '{CHAIN_AXIS}', so no other axis can be called that"
        report.add("name-clash", message, report.place("axes", CHAIN_AXIS))
        return None
    if not images:
        kept = " that are marked keep" if source.pick == "kept" else ""
        report.add("no-chain", f"experiment '{source.chain}' has no images{kept} to edit; run it first", place)
        return None
    by_id = {image.id: image for image in images}
    return Axis(CHAIN_AXIS, tuple(Value(i.id, i.id, dict(i.axes), place=place) for i in by_id.values()), place=place)


def chained(space: Space, images: Sequence[ChainImage]) -> ImageOf:
    """The source image by the value of the axis `source`."""
    at = space.position[CHAIN_AXIS]
    by_id = {image.id: Picture(str(image.path), image.sha256) for image in images}
    pictures = [by_id[choice.id] for choice in space.choices[at]]
    return lambda cell: pictures[cell[at].index]


def rendered(
    experiment: Experiment, recipe: Recipe, render: Callable[[str, Mapping[str, object], Place], str]
) -> ImageOf:
    """The source image by rendering `image:` on the values it uses; each combination once."""
    source = experiment.image or ImageSource()
    text = source.text or ""
    place = source.place or Place(str(experiment.path), 1, 1)
    pictures = Pictures((experiment.studio / place.path).parent)  # a path belongs to the file in which it is written
    memo: dict[Any, Picture] = {}

    def image_of(cell: Cell) -> Picture:
        key = tuple([cell[at].index for at in recipe.positions])
        found = memo.get(key)
        if found is None:
            if len(memo) >= MEMO:
                memo.clear()
            found = memo[key] = _get(pictures, render(text, recipe.context(cell), place), place)
        return found

    return image_of


def _get(pictures: Pictures, text: str, place: Place) -> Picture:
    try:
        return pictures.get(text)
    except BadSource as error:
        raise InputError(Problem(error.code, str(error), place.path, place.line, place.column)) from error
