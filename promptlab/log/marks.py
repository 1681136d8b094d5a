"""Marks: the good ones, the bad ones. A mark belongs to the paid image; copies from the cache show it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from promptlab.errors import InputError
from promptlab.log.connection import Connection
from promptlab.log.rows import paid_images
from promptlab.model import new_id, utc_now

__all__ = ["Marked", "Marks"]

_MATCH = """
SELECT i.id FROM generations g
JOIN images i ON i.generation_id = g.id
JOIN variants v ON v.experiment = g.experiment AND v.id = g.variant_id
WHERE g.run_id = ?1 AND i.status = 'stored' AND (
  i.id GLOB upper(?2) OR i.generation_id GLOB upper(?2) OR g.provider_id GLOB ?2 OR i.sha256 GLOB lower(?2)
  OR v.id GLOB ?2 OR v.name GLOB ?2 OR i.path GLOB ?2 OR i.path GLOB '*/' || ?2
  OR ?2 IN (v.name, i.path) OR substr(i.path, -length(?2) - 1) = '/' || ?2)
ORDER BY g.sequence, g.id, i.position
"""
_MANY_NAMES = 20
_NAMES = """
SELECT i.id, i.path, i.generation_id, g.provider_id, i.sha256, v.id, v.name FROM generations g
JOIN images i ON i.generation_id = g.id
JOIN variants v ON v.experiment = g.experiment AND v.id = g.variant_id
WHERE g.run_id = ? AND i.status = 'stored' ORDER BY g.sequence, g.id, i.position
"""
_SET = """
INSERT INTO marks (image_id, "by", mark, tags, note, at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET mark = excluded.mark, at = excluded.at,
  tags = ifnull(excluded.tags, tags), note = ifnull(excluded.note, note)
"""
_BEFORE = """
SELECT image_id, json_object('mark', mark, 'tags', tags, 'note', note, 'at', at) FROM marks
WHERE image_id IN (SELECT value FROM json_each(?)) AND "by" = ?
"""
_EVENT = """
INSERT INTO mark_events (id, batch, image_id, "by", mark, tags, note, before, undoes, at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
# The order in which they were written: two commands may share a millisecond.
_LAST = """
SELECT batch FROM mark_events WHERE "by" = ? AND undoes IS NULL
AND batch NOT IN (SELECT undoes FROM mark_events WHERE undoes IS NOT NULL) ORDER BY rowid DESC LIMIT 1
"""
_TOUCHES = """
SELECT 1 FROM mark_events e WHERE e.batch = ?1 AND e.image_id IN (
  SELECT coalesce(
    (SELECT p.id FROM images p WHERE p.generation_id = g.cached_from AND p.position = i.position), i.id)
  FROM images i JOIN generations g ON g.id = i.generation_id WHERE g.run_id = ?2) LIMIT 1
"""
_VALUES = """
SELECT DISTINCT v.axes, g.axis_values FROM generations g
JOIN variants v ON v.experiment = g.experiment AND v.id = g.variant_id WHERE g.run_id = ?
"""
_AXES = """
SELECT i.id, v.axes FROM generations g JOIN images i ON i.generation_id = g.id
JOIN variants v ON v.experiment = g.experiment AND v.id = g.variant_id
WHERE g.run_id = ? AND i.status = 'stored' ORDER BY g.sequence, g.id, i.position
"""


@dataclass(frozen=True, slots=True)
class Marked:
    """What a change of marks did: the paid images it was about, and how many were and are `keep` and `reject`."""

    images: int
    before: Mapping[str, int]
    after: Mapping[str, int]


class Marks(Connection):
    """Writers and readers of marks. `marks` is the current state, `mark_events` the history, never deleted."""

    def set_marks(
        self,
        image_ids: Collection[str],
        mark: Literal["keep", "reject"] | None,
        *,
        by: str,
        tags: Sequence[str] | None = None,
        note: str | None = None,
    ) -> int:
        """As `mark_images`; says how many paid images that were."""
        return self.mark_images(image_ids, mark, by=by, tags=tags, note=note).images

    def mark_images(
        self,
        image_ids: Collection[str],
        mark: Literal["keep", "reject"] | None,
        *,
        by: str,
        tags: Sequence[str] | None = None,
        note: str | None = None,
    ) -> Marked:
        """Mark these images, or with None take this user's marks away: one command, which `undo_marks` takes back.

        A user has one mark per image: a new one replaces the old, whose tags and note stay unless given.
        """
        paid = self._paid_images(image_ids)
        labels = None if tags is None else json.dumps(list(tags), ensure_ascii=False)
        batch, now = new_id(), utc_now()
        with self.transaction():
            before = self._marks_of(paid, by)
            if mark is None:
                self.executemany('DELETE FROM marks WHERE image_id = ? AND "by" = ?', [(id_, by) for id_ in paid])
            else:
                self.executemany(_SET, [(id_, by, mark, labels, note, now) for id_ in paid])
            self.executemany(
                _EVENT,
                [(new_id(), batch, id_, by, mark, labels, note, before.get(id_), None, now) for id_ in paid],
            )
        were = Counter(json.loads(row)["mark"] for row in before.values())
        return Marked(len(paid), were, {mark: len(paid)} if mark and paid else {})

    def undo_marks(self, *, by: str, run_id: str | None = None) -> Marked:
        """Take back this user's last command that was not taken back yet; InputError where there is none.

        With a run, only where that command was about its images. The history keeps both, the command and its undoing.
        """
        with self.transaction():
            batch = self.value(_LAST, (by,))
            if batch is None:
                raise InputError(f"there is no mark by {by} to take back", code="nothing-to-undo")
            events = list(self.rows("SELECT image_id, mark, before FROM mark_events WHERE batch = ?", (batch,)))
            if run_id is not None and not self.value(_TOUCHES, (batch, run_id)):
                message = f"the last mark by {by} is on another run's images; `promptlab mark --undo` takes it back"
                raise InputError(message, code="nothing-to-undo")
            again, now = new_id(), utc_now()
            after: Counter[str] = Counter()
            for image_id, _, text in events:
                self.execute('DELETE FROM marks WHERE image_id = ? AND "by" = ?', (image_id, by))
                row = json.loads(text) if text else {}
                mark, tags, note = row.get("mark"), row.get("tags"), row.get("note")
                if row:
                    after[str(mark)] += 1
                    self.execute(_SET, (image_id, by, mark, tags, note, row["at"]))
                self.execute(_EVENT, (new_id(), again, image_id, by, mark, tags, note, None, batch, now))
        return Marked(len(events), Counter(mark for _, mark, _ in events if mark), after)

    def _marks_of(self, image_ids: Sequence[str], by: str) -> dict[str, str]:
        """Image → this user's mark on it, as the JSON that the history keeps."""
        return dict(self.rows(_BEFORE, (json.dumps(image_ids), by)))

    def _paid_images(self, image_ids: Collection[str]) -> list[str]:
        return list(dict.fromkeys(paid_images(self, image_ids).values()))

    def match_images(self, run_id: str, patterns: Iterable[str]) -> list[str]:
        """The run's stored images that a pattern names, in the order of the plan.

        A pattern is a glob (`*`, `?`, `[…]`) over an image's or generation's id, the provider's id, the sha256, the
        variant's id or name, the path or file name under results/; InputError for one that names nothing.
        """
        chosen: dict[str, None] = {}
        wanted = list(patterns)
        named = self._by_name(run_id) if len(wanted) > _MANY_NAMES else {}
        for pattern in wanted:
            ids = named.get(pattern) or [id_ for (id_,) in self.rows(_MATCH, (run_id, pattern))]
            if not ids:
                raise InputError(f"{pattern!r} names no image of run {run_id}", code="no-such-image")
            chosen.update(dict.fromkeys(ids))
        return list(chosen)

    def _by_name(self, run_id: str) -> dict[str, list[str]]:
        """Every whole name of a run's images → the images: a list of thousands would ask for each of them by itself."""
        found: dict[str, list[str]] = {}
        for id_, path, *names in self.rows(_NAMES, (run_id,)):
            parts = (path or "").split("/")
            ends = ["/".join(parts[at:]) for at in range(len(parts))]
            for name in {id_, *ends, *names} - {None, ""}:
                found.setdefault(name, []).append(id_)
        return found

    def axis_values(self, run_id: str) -> dict[str, dict[str, Any]]:
        """axis → value id → the value used (its text, or its fields), of everything that a run planned."""
        found: dict[str, dict[str, Any]] = {}
        for axes, values in self.rows(_VALUES, (run_id,)):
            used = json.loads(values) if values else {}
            for axis, id_ in json.loads(axes).items():
                found.setdefault(axis, {})[id_] = used.get(axis, id_)
        return found

    def image_axes(self, run_id: str) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Each stored image of a run with its axes, in the order of the plan."""
        return ((image_id, json.loads(axes)) for image_id, axes in self.rows(_AXES, (run_id,)))
