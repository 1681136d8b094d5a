"""What a scorer is: it looks at one image and what is known of it, and gives named numbers or texts.

Built-in scorers need Pillow alone. Those of other packages come by the entry point group `promptlab.scorers`;
docs/scoring.md shows a whole one.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from promptlab.errors import InputError
from promptlab.scoring.decoding import decoded
from promptlab.spec.names import did_you_mean, listed
from promptlab.spec.score_checks import SCORE_NAME

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

__all__ = ["BUILT_IN", "GROUP", "ImageFile", "ImageRow", "Scorer", "scorer", "scorer_names", "scorers_of"]

GROUP: Final = "promptlab.scorers"
#: Name → where the class is. Their scores are listed in `spec.score_checks.BUILT_IN_SCORES`, for editors.
BUILT_IN: Final[Mapping[str, str]] = {
    "sharpness": "promptlab.scoring.pixels:Sharpness",
    "contrast": "promptlab.scoring.pixels:Contrast",
    "colourfulness": "promptlab.scoring.pixels:Colourfulness",
    "empty_border": "promptlab.scoring.pixels:EmptyBorder",
    "size": "promptlab.scoring.facts:Size",
    "drift": "promptlab.scoring.facts:Drift",
    "label": "promptlab.scoring.facts:Label",
    "text": "promptlab.scoring.reading:Text",
    "duplicates": "promptlab.scoring.duplicates:Duplicates",
}


@dataclass(frozen=True, slots=True)
class ImageRow:
    """What the log knows of an image: how it was asked for, and what came.

    `params` are the parameters that were asked for or hold by default, `defaulted` the names of the latter. Sizes are
    pixels; `perceptual_hash` is 16 hexadecimal digits.
    """

    image_id: str
    experiment: str
    variant: str
    prompt: str
    axes: Mapping[str, str] = field(default_factory=dict)  # axis → value id
    axis_values: Mapping[str, Any] = field(default_factory=dict)  # axis → text, or fields of a row
    negative_prompt: str | None = None
    revised_prompt: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    defaulted: tuple[str, ...] = ()
    provider: str | None = None
    model: str | None = None
    operation: str = "generate"
    seed: int | None = None
    draw: int = 0
    position: int = 0
    width: int | None = None
    height: int | None = None
    format: str | None = None
    sha256: str | None = None
    perceptual_hash: str | None = None
    label: str | None = None
    path: str | None = None  # the readable name under results/
    run_id: str | None = None
    generation_id: str | None = None


class ImageFile:
    """The image's file: `path`, `data` (its bytes) and `picture` (its pixels), each read when first asked for.

    The scorers of one image share it, so that it is decoded once.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def data(self) -> bytes:
        """The bytes of the file; OSError where it is gone."""
        return self.path.read_bytes()

    @cached_property
    def picture(self) -> Picture:
        """The pixels as an RGB picture of Pillow's, upright, on white where transparent. Do not change it."""
        return decoded(self.data)


class Scorer(ABC):
    """One measure, or several that belong together. A subclass without arguments to its constructor.

    `scores` names all that it may give, with words for people: what, unit, range. A change of what they mean is a new
    `version`: older scores stay beside the new ones. `network` is declared and shown: whether anything leaves this
    machine. Of a scorer without it no key in the environment is visible to the processes that score.
    """

    name: ClassVar[str]
    version: str
    network: ClassVar[bool] = False
    scores: ClassVar[Mapping[str, str]]

    @abstractmethod
    def score(self, image: ImageFile, row: ImageRow) -> Mapping[str, float | str]:
        """The scores of one image; {} where there is nothing to measure. What it raises is told for that image."""

    def applies(self, row: ImageRow) -> bool:
        """Whether there is anything to measure, where what the log knows says so already; the file is not opened."""
        return True

    def unavailable(self) -> str | None:
        """Why this scorer can't be used on this machine, in a sentence; None where it can."""
        return None


@cache
def _entry_points() -> Mapping[str, EntryPoint]:
    """The scorers of other packages, by name."""
    return {each.name: each for each in entry_points(group=GROUP) if each.name not in BUILT_IN}


def scorer_names() -> list[str]:
    """Every scorer's name, the built-in ones first."""
    return [*BUILT_IN, *sorted(_entry_points())]


def scorer(name: str) -> Scorer:
    """A scorer by name; InputError for an unknown name, and for an entry point that does not load."""
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        made: Scorer = getattr(import_module(module), attribute)()
        return made
    entry = _entry_points().get(name)
    if entry is None:
        names = scorer_names()
        message = f"there is no scorer {name!r}{did_you_mean(name, names) or f'; there are {listed(names, 24)}'}"
        raise InputError(message, code="no-such-scorer")
    return _loaded(entry)


def scorers_of(names: Iterable[str]) -> list[Scorer]:
    """The scorers of these names, each once; all that there are where none is named.

    A name may also be that of a score, which stands for its scorer. A scorer of another package that does not load is
    an error only where it is named.
    """
    wanted = list(names)
    if not wanted:
        return [each for each in map(_if_it_loads, scorer_names()) if each is not None]
    found: dict[str, Scorer] = {}
    for name in wanted:
        each = scorer(name) if name in scorer_names() else _of_score(name) or scorer(name)
        found.setdefault(each.name, each)
    return list(found.values())


def _if_it_loads(name: str) -> Scorer | None:
    try:
        return scorer(name)
    except InputError:
        return None


def _of_score(name: str) -> Scorer | None:
    """The scorer that gives a score of this name."""
    return next((each for each in scorers_of(()) if name in each.scores), None)


def _loaded(entry: EntryPoint) -> Scorer:
    """An entry point's scorer; InputError says which package is at fault, and how."""
    package = entry.dist.name if entry.dist else entry.value
    where = f"the scorer {entry.name!r} of the package {package}"
    try:
        found = entry.load()
        made = found() if isinstance(found, type) else found
    except Exception as error:
        message = f"{where} does not load: {type(error).__name__}: {error}"
        raise InputError(message, code="broken-scorer") from error
    if fault := _fault(made, entry.name):
        raise InputError(f"{where} {fault}; docs/scoring.md shows one", code="broken-scorer")
    if not isinstance(made, Scorer):  # another class with all that one has
        made = _Adapted(made)
    valid: Scorer = made
    return valid


class _Adapted(Scorer):
    """A scorer of another class, which has the attributes but not the methods that have a default."""

    def __init__(self, made: Any) -> None:
        self._made = made
        self.version = made.version
        self.name, self.network, self.scores = made.name, made.network, made.scores  # type: ignore[misc]

    def score(self, image: ImageFile, row: ImageRow) -> Mapping[str, float | str]:
        found: Mapping[str, float | str] = self._made.score(image, row)
        return found

    def applies(self, row: ImageRow) -> bool:
        return bool(getattr(self._made, "applies", super().applies)(row))

    def unavailable(self) -> str | None:
        found: str | None = getattr(self._made, "unavailable", super().unavailable)()
        return found


def _fault(made: Any, name: str) -> str | None:
    """What is wrong with an object that should be a scorer."""
    if getattr(made, "name", None) != name:
        return f"has the name {getattr(made, 'name', None)!r}, which is not that of its entry point"
    if not (isinstance(getattr(made, "version", None), str) and made.version):
        return "has no `version`, a text that changes when its scores mean something else"
    if not isinstance(getattr(made, "network", None), bool):
        return "does not say in `network`, True or False, whether anything leaves this machine"
    scores = getattr(made, "scores", None)
    if not isinstance(scores, Mapping) or not scores:
        return "has no `scores`, a map of names to what they mean"
    if wrong := [each for each in scores if not re.fullmatch(SCORE_NAME, str(each))]:
        return f"has a score named {wrong[0]!r}; use letters, digits, _, - and ."
    return None if callable(getattr(made, "score", None)) else "has no score(image, row)"
