"""Source images of edits: an `image:` text rendered on a cell's values, or the images of an earlier experiment.

The only I/O of a plan: local files that the experiment names are read, each once, for their sha256.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from promptlab.errors import InputError
from promptlab.model import Axis, Experiment, ImageSource, Place, Value
from promptlab.prompts import Template, render_text
from promptlab.spec.names import CHAIN_AXIS

from .checks import PlanReport
from .product import Cell, Space
from .stream import ImageOf, Picture, Recipe

__all__ = ["LARGEST", "Chain", "ChainImage", "chain_axis", "chained", "rendered"]

LARGEST = 20 * 1024 * 1024  # bytes of a source image
MEMO = 4096  # rendered texts whose picture is remembered


@dataclass(frozen=True, slots=True)
class ChainImage:
    """An earlier image: `id` is its value id on the axis `source`, `axes` are its own values, seen as fields."""

    id: str
    path: Path
    sha256: str
    axes: Mapping[str, str] = field(default_factory=dict)


#: Looks up a chain's images in the log, `pick` and `where` applied.
Chain = Callable[[ImageSource], Sequence[ChainImage]]


def chain_axis(report: PlanReport, images: Sequence[ChainImage]) -> tuple[Axis, ...]:
    """The implicit axis `source`; none, with the problem reported, where there is nothing to edit."""
    experiment = report.experiment
    source = experiment.image or ImageSource()
    place = source.place or report.place("image")
    if any(axis.name == CHAIN_AXIS for axis in experiment.axes):
        message = f"an edit of earlier images has them as the axis '{CHAIN_AXIS}', so no other axis can be called that"
        report.add("name-clash", message, report.place("axes", CHAIN_AXIS))
        return ()
    if not images:
        kept = " that are marked keep" if source.pick == "kept" else ""
        report.add("no-chain", f"experiment '{source.chain}' has no images{kept} to edit; run it first", place)
        return ()
    by_id = {image.id: image for image in images}
    values = tuple(Value(image.id, image.id, dict(image.axes), place=place) for image in by_id.values())
    return (Axis(CHAIN_AXIS, values, place=place),)


def chained(space: Space, images: Sequence[ChainImage]) -> ImageOf:
    """The source image by the value of the axis `source`."""
    at = space.position[CHAIN_AXIS]
    by_id = {image.id: Picture(str(image.path), image.sha256) for image in images}
    pictures = [by_id[choice.id] for choice in space.choices[at]]
    return lambda cell: pictures[cell[at].index]


def rendered(experiment: Experiment, space: Space, template: Template, report: PlanReport) -> ImageOf:
    """The source image by rendering `image:` on the values it uses; each combination once."""
    source = experiment.image or ImageSource()
    text = source.text or ""
    place = source.place or Place(str(experiment.path), 1, 1)
    recipe = Recipe(template, space, report)
    # A path belongs to the file in which it is written.
    pictures = Pictures((experiment.studio / place.path).parent, place)
    memo: dict[Any, Picture] = {}

    def image_of(cell: Cell) -> Picture:
        key = tuple([cell[at].index for at in recipe.positions])
        found = memo.get(key)
        if found is None:
            if len(memo) >= MEMO:
                memo.clear()
            found = memo[key] = pictures.get(render_text(text, recipe.context(cell), place))
        return found

    return image_of


class Pictures:
    """Reads source images, each once. Paths are relative to the experiment's folder, problems are at `place`."""

    def __init__(self, folder: Path, place: Place) -> None:
        self._folder = folder.resolve()
        self._place = place
        self._known: dict[str, Picture | InputError] = {}

    def get(self, text: str) -> Picture:
        """The picture a rendered text names; InputError (the same one each time) where there is none."""
        found = self._known.get(text)
        if found is None:
            try:
                found = self._look(text.strip())
            except InputError as error:
                place = self._place
                placed = [replace(p, path=place.path, line=place.line, column=place.column) for p in error.problems]
                found = InputError(placed)
            if not text.startswith("data:"):
                self._known[text] = found
        if isinstance(found, InputError):
            raise found
        return found

    def _look(self, text: str) -> Picture:
        if re.match(r"(?i)https?://", text):
            return Picture(text, None)
        if text[:5].lower() == "data:":
            return Picture(text, _checked(_decoded(text), "the data: URI"))
        if re.match(r"(?i)[a-z][a-z0-9+.-]+://", text) or not text or "\0" in text:
            message = f"{text[:80]!r} is not an image; write a path, an http(s) URL or a data: URI"
            raise InputError(message, code="bad-image")
        path = self._folder / text
        return Picture(str(path.resolve()), _checked(_read(path, text), f"'{text}'"))


def _read(path: Path, shown: str) -> bytes:
    try:
        if not path.is_file():
            kind = "a folder" if path.is_dir() else "missing"
            message = f"the image '{shown}' is {kind}; paths are relative to the experiment's file"
            raise InputError(message, code="missing-image")
        size = path.stat().st_size
        if size > LARGEST:
            message = f"the image '{shown}' has {size:,} bytes; at most {LARGEST:,} are sent"
            raise InputError(message, code="bad-image")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"the image '{shown}' can't be read: {error.strerror}", code="missing-image") from error
    if not data:
        raise InputError(f"the image '{shown}' is empty", code="bad-image")
    return data


def _decoded(uri: str) -> bytes:
    """The bytes of a data: URI (RFC 2397), as a run reads them."""
    from promptlab.http import DownloadError
    from promptlab.http.download import decode_data_url

    try:
        return decode_data_url(uri, LARGEST)
    except DownloadError as error:
        message = f"the data: URI can't be used: {error}; write data:image/png;base64,…"
        raise InputError(message, code="bad-image") from error


def _checked(data: bytes, shown: str) -> str:
    """The sha256 of an image that a run would take; InputError for anything else."""
    from promptlab.store import BadImage, check

    bad = check(data)
    if isinstance(bad, BadImage):
        raise InputError(f"{shown} is not an image that can be edited: {bad.message}", code="bad-image")
    return hashlib.sha256(data).hexdigest()
