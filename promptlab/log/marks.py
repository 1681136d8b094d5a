"""Marks: the good ones, the bad ones. A mark belongs to the paid image; copies from the cache show it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from promptlab.errors import InputError
from promptlab.log.connection import Connection
from promptlab.log.rows import paid_images
from promptlab.model import new_id, utc_now

__all__ = ["Mark", "Marked", "Marks"]

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
_SET = """
INSERT INTO marks (image_id, "by", mark, tags, note, at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET mark = excluded.mark, at = excluded.at,
  tags = ifnull(excluded.tags, tags), note = ifnull(excluded.note, note)
"""
_BEFORE = """
SELECT m.image_id, json_object('mark', m.mark, 'tags', m.tags, 'note', m.note, 'at', m.at), m.mark, m.tags, m.note,
  (SELECT l.mark FROM latest_marks l WHERE l.image_id = m.image_id) FROM marks m
WHERE m.image_id IN (SELECT value FROM json_each(?)) AND m."by" = ?
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
_UNDONE = """
SELECT 1 FROM mark_events WHERE batch = ?1 AND "by" = ?2 AND undoes IS NULL
AND NOT EXISTS (SELECT 1 FROM mark_events u WHERE u.undoes = ?1)
"""
_ABOUT = """
SELECT count(*), sum(mark = 'keep'), sum(mark = 'reject') FROM mark_events WHERE batch = ? AND "by" = ?
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


Mark = Literal["keep", "reject"] | None


@dataclass(frozen=True, slots=True)
class Marked:
    """What a change of marks did: the paid images it was about, and how many were and are `keep` and `reject`.

    `batch` is the command's name in the history, by which it can be taken back; empty where it changed nothing.
    """

    images: int
    before: Mapping[str, int]
    after: Mapping[str, int]
    batch: str = ""
    image_ids: Sequence[str] = ()


class _Standing(NamedTuple):
    """A person's mark on an image, and the one that holds of it: the latest of anybody."""

    row: str  # as the history keeps it
    mark: str
    tags: str | None
    note: str | None
    holds: str


class Marks(Connection):
    """Writers and readers of marks. `marks` is the current state, `mark_events` the history, never deleted."""

    def set_marks(
        self,
        image_ids: Collection[str],
        mark: Mark,
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
        mark: Mark,
        *,
        by: str,
        tags: Sequence[str] | None = None,
        note: str | None = None,
        once: str | None = None,
    ) -> Marked:
        """Mark these images, or with None take this user's marks away: one command, which `undo_marks` takes back.

        A user has one mark per image: a new one replaces the old, whose tags and note stay unless given. A mark that
        stands there already is not written again, so that the history holds changes and nothing else.

        `once` names the command. One of that name that was carried out is not carried out again, whatever happened
        since: a request that is repeated, because its answer was lost or to do harm, changes nothing.
        """
        return self.mark_each(dict.fromkeys(image_ids, mark), by=by, tags=tags, note=note, once=once)

    def mark_each(
        self,
        marks: Mapping[str, Mark],
        *,
        by: str,
        tags: Sequence[str] | None = None,
        note: str | None = None,
        once: str | None = None,
    ) -> Marked:
        """As `mark_images`, with a mark for each image: the best of a cell is kept, the others are rejected."""
        paid = paid_images(self, marks)
        wanted = {paid[id_]: mark for id_, mark in marks.items()}
        labels = None if tags is None else json.dumps(list(tags), ensure_ascii=False)
        batch, now = once or new_id(), utc_now()
        with self.transaction():
            if once is not None and (images := self._carried_out(once, by)) is not None:
                return images
            before = self._standing(list(wanted), by)
            changed = {id_: mark for id_, mark in wanted.items() if _changes(before.get(id_), mark, labels, note)}
            self.executemany(
                'DELETE FROM marks WHERE image_id = ? AND "by" = ?',
                [(id_, by) for id_, mark in changed.items() if mark is None],
            )
            self.executemany(
                _SET, [(id_, by, mark, labels, note, now) for id_, mark in changed.items() if mark is not None]
            )
            self.executemany(
                _EVENT,
                [
                    (
                        new_id(),
                        batch,
                        id_,
                        by,
                        mark,
                        labels,
                        note,
                        before[id_].row if id_ in before else None,
                        None,
                        now,
                    )
                    for id_, mark in changed.items()
                ],
            )
        were = Counter(each.mark for each in before.values())
        are: Counter[str] = Counter(mark for mark in wanted.values() if mark)
        return Marked(len(wanted), were, are, batch if changed else "", list(wanted))

    def undo_marks(
        self, *, by: str, run_id: str | None = None, batch: str | None = None, once: str | None = None
    ) -> Marked:
        """Take back this user's last command that was not taken back yet; InputError where there is none.

        With a run, only where that command was about its images. With `batch`, that command and no other; one that was
        taken back before is left alone (no images). `once` is as in `mark_images`. The history keeps both, the command
        and its undoing.
        """
        with self.transaction():
            if once is not None and (images := self._carried_out(once, by)) is not None:
                return images
            last = self._last(by, run_id) if batch is None else batch if self.value(_UNDONE, (batch, by)) else None
            return Marked(0, {}, {}) if last is None else self._undo(last, once or new_id(), by)

    def _last(self, by: str, run_id: str | None) -> str:
        batch: str | None = self.value(_LAST, (by,))
        if batch is None:
            raise InputError(f"there is no mark by {by} to take back", code="nothing-to-undo")
        if run_id is not None and not self.value(_TOUCHES, (batch, run_id)):
            message = f"the last mark by {by} is on another run's images; `promptlab mark --undo` takes it back"
            raise InputError(message, code="nothing-to-undo")
        return batch

    def _undo(self, batch: str, again: str, by: str) -> Marked:
        sql = 'SELECT image_id, mark, before FROM mark_events WHERE batch = ? AND "by" = ?'
        events = list(self.rows(sql, (batch, by)))
        now = utc_now()
        after: Counter[str] = Counter()
        for image_id, _, text in events:
            self.execute('DELETE FROM marks WHERE image_id = ? AND "by" = ?', (image_id, by))
            row = json.loads(text) if text else {}
            mark, tags, note = row.get("mark"), row.get("tags"), row.get("note")
            if row:
                after[str(mark)] += 1
                self.execute(_SET, (image_id, by, mark, tags, note, row["at"]))
            self.execute(_EVENT, (new_id(), again, image_id, by, mark, tags, note, None, batch, now))
        before = Counter(mark for _, mark, _ in events if mark)
        return Marked(len(events), before, after, again, [image_id for image_id, _, _ in events])

    def _carried_out(self, once: str, by: str) -> Marked | None:
        """What the command of this name was about, if it was carried out; its name belongs to whoever used it first."""
        if self.value("SELECT 1 FROM mark_events WHERE batch = ? LIMIT 1", (once,)) is None:
            return None
        images, kept, rejected = self.execute(_ABOUT, (once, by)).fetchone()
        return Marked(images, {}, {"keep": kept or 0, "reject": rejected or 0}, once if images else "")

    def _standing(self, image_ids: Sequence[str], by: str) -> dict[str, _Standing]:
        """Image → this user's mark on it."""
        found = self.rows(_BEFORE, (json.dumps(image_ids), by))
        return {image_id: _Standing(*rest) for image_id, *rest in found}

    def match_images(self, run_id: str, patterns: Iterable[str]) -> list[str]:
        """The run's stored images that a pattern names, in the order of the plan.

        A pattern is a glob (`*`, `?`, `[…]`) over an image's or generation's id, the provider's id, the sha256, the
        variant's id or name, the path or file name under results/; InputError for one that names nothing.
        """
        chosen: dict[str, None] = {}
        for pattern in patterns:
            ids = [id_ for (id_,) in self.rows(_MATCH, (run_id, pattern))]
            if not ids:
                raise InputError(f"{pattern!r} names no image of run {run_id}", code="no-such-image")
            chosen.update(dict.fromkeys(ids))
        return list(chosen)

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


def _row(standing: _Standing | None) -> str | None:
    return standing.row if standing is not None else None


def _changes(standing: _Standing | None, mark: Mark, tags: str | None, note: str | None) -> bool:
    """Whether this mark would change anything: it does too where somebody else's newer one holds against it."""
    if standing is None or mark is None:
        return standing is not None or mark is not None
    same = standing.mark == mark and tags in (None, standing.tags or "[]") and note in (None, standing.note or "")
    return not same or standing.holds != mark
