"""What a row of outcomes is about: an image by its id, its hash or a file name, or a variant by its id or name."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from promptlab.log import Log

__all__ = ["Ambiguous", "ImageKeys", "KeyKind", "ScoreTarget", "VariantKeys"]

KeyKind = Literal["image", "variant", "file"]
# In the order of the plan, later runs later (ids are ULIDs). A copy from the cache names the paid image that it shows.
_IMAGES = """
SELECT ifnull((SELECT p.id FROM images p WHERE p.generation_id = g.cached_from AND p.position = i.position), i.id),
  i.id, i.sha256, i.path, g.experiment, g.variant_id
FROM images i
JOIN generations g ON g.id = i.generation_id
JOIN runs r ON r.id = g.run_id
WHERE i.status = 'stored' AND r.kind <> 'verify' AND (?1 IS NULL OR g.run_id = ?1) AND (?2 IS NULL OR g.experiment = ?2)
ORDER BY g.run_id, g.sequence, i.position
"""
_REPEAT = re.compile(r"(?:_s-?\d+)?(?:_d\d+)?_\d+\Z")
_VARIANTS = """
SELECT v.experiment, v.id, v.name FROM variants v
WHERE (?2 IS NULL OR v.experiment = ?2) AND (?1 IS NULL OR EXISTS (
  SELECT 1 FROM generations g WHERE g.run_id = ?1 AND g.experiment = v.experiment AND g.variant_id = v.id))
ORDER BY v.experiment, v.name
"""


class Ambiguous(Exception):
    """A key that names several things; its text ends a sentence that begins with the key."""


@dataclass(frozen=True, slots=True)
class ScoreTarget:
    """What a score is of: a paid image, or a variant of an experiment."""

    image_id: str | None = None
    experiment: str | None = None
    variant_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Image:
    paid: str
    variant: tuple[str, str]
    path: str | None
    is_pick: bool


class ImageKeys:
    """Images by id or sha256, or by file name; of the whole log, of an experiment or of a run."""

    def __init__(self, log: Log, kind: KeyKind, run_id: str | None, experiment: str | None) -> None:
        self.what = "an image" + (" of this run" if run_id else f" of {experiment}" if experiment else "")
        self._names: dict[str, list[_Image]] = defaultdict(list)
        self._all: dict[str, str] = {}
        self._by_name = kind == "file"
        picks = set(log.rows("SELECT image_id, experiment, variant_id FROM picks")) if self._by_name else set()
        for paid, id_, sha256, path, of, variant_id in log.rows(_IMAGES, (run_id, experiment)):
            image = _Image(paid, (of, variant_id), path, (paid, of, variant_id) in picks)
            self._all.setdefault(paid, path or id_)
            names = [*_file_names(path), *_exported_names(path)] if self._by_name else (id_, paid, sha256 or "")
            for name in dict.fromkeys(names):
                if name:
                    self._names[name].append(image)

    def find(self, key: str) -> list[ScoreTarget]:
        """What a key names; an image that is stored several times over is named as often."""
        if not self._by_name:
            found = self._names.get(key) or self._names.get(key.upper()) or self._names.get(key.lower()) or []
            return [ScoreTarget(image_id=paid) for paid in dict.fromkeys(image.paid for image in found)]
        for name in _file_names(key):
            if named := self._names.get(name):
                return [ScoreTarget(image_id=_one(named).paid)]
        return []

    def rest(self, named: Collection[ScoreTarget]) -> Iterator[str]:
        """The images that were not named, by path or id."""
        known = {key.image_id for key in named}
        return (name for paid, name in self._all.items() if paid not in known)


def _file_names(path: str | None) -> list[str]:
    """What a file may be called, the most exact first: its path, its name, its name without the suffix.

    An export may have written it in another format; on Windows it may have been listed with backslashes.
    """
    if not path:
        return []
    plain = PurePosixPath(path.strip().replace("\\", "/").removeprefix("./"))
    inside = plain.as_posix().removeprefix("results/")
    names = (plain.as_posix(), inside, plain.name, plain.stem)
    return list(dict.fromkeys(name for name in names if name))


def _exported_names(path: str | None) -> list[str]:
    """What `export --picked` calls it, without the suffix: a slash is `_`, and without a pattern of names of its own a
    variant's values alone, without seed, draw and position."""
    if not path:
        return []
    plain = PurePosixPath(path.removeprefix("results/"))
    flat = plain.with_suffix("").as_posix().replace("/", "_")
    return [flat, _REPEAT.sub("", plain.stem)]


def _one(images: list[_Image]) -> _Image:
    """The image of a file name. A later run takes a name over: of one variant it is the pick, else the newest."""
    variants = {image.variant for image in images}
    if len(variants) > 1:
        paths = sorted({image.path or "" for image in images})
        shown = ", ".join(paths[:3]) + (", …" if len(paths) > 3 else "")
        raise Ambiguous(f"names images of {len(variants)} variants ({shown}); narrow it with --run or --experiment")
    return next((image for image in reversed(images) if image.is_pick), images[-1])


class VariantKeys:
    """Variants by id or name; of the whole log, of an experiment or of a run."""

    def __init__(self, log: Log, run_id: str | None, experiment: str | None) -> None:
        self.what = "a variant" + (" of this run" if run_id else f" of {experiment}" if experiment else "")
        self._names: dict[str, set[ScoreTarget]] = defaultdict(set)
        self._all: dict[ScoreTarget, str] = {}
        for of, id_, name in log.rows(_VARIANTS, (run_id, experiment)):
            key = ScoreTarget(experiment=of, variant_id=id_)
            self._all[key] = name or id_
            for each in (id_, name, _in_order(name)):
                self._names[each].add(key)

    def find(self, key: str) -> list[ScoreTarget]:
        """The variant of this id or name; Ambiguous where several experiments have one."""
        found = self._names.get(key) or self._names.get(_in_order(key)) or set()
        if len(found) > 1:
            names = ", ".join(sorted(str(each.experiment) for each in found))
            raise Ambiguous(f"names a variant of {names}; say which with --experiment")
        return list(found)

    def rest(self, named: Collection[ScoreTarget]) -> Iterator[str]:
        """The variants that were not named."""
        return (name for key, name in self._all.items() if key not in named)


def _in_order(name: str) -> str:
    """A variant's name with its parts sorted: `style=film,look=warm` is `look=warm,style=film`."""
    return ",".join(sorted(part.strip() for part in name.split(",")))
