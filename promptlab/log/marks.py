"""Marks: the good ones, the bad ones. A mark stands on the paid image; copies from the cache show it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from promptlab.errors import InputError
from promptlab.log.connection import Connection
from promptlab.model import utc_now

__all__ = ["Marks"]

_PAID = """
SELECT h.value, (
  SELECT coalesce(
    (SELECT p.id FROM images p WHERE p.generation_id = g.cached_from AND p.position = i.position), i.id)
  FROM images i JOIN generations g ON g.id = i.generation_id WHERE i.id = h.value)
FROM json_each(?) h
"""
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


class Marks(Connection):
    """Writers and readers of marks."""

    def set_marks(
        self,
        image_ids: Collection[str],
        mark: Literal["keep", "reject"] | None,
        *,
        by: str,
        tags: Sequence[str] | None = None,
        note: str | None = None,
    ) -> int:
        """Mark these images, or with None take this person's marks away; says how many paid images that were.

        A person has one mark an image: a new one takes the place of the old, whose tags and note stay unless given.
        """
        paid = self._paid_images(image_ids)
        with self.transaction():
            if mark is None:
                self.executemany('DELETE FROM marks WHERE image_id = ? AND "by" = ?', [(id_, by) for id_ in paid])
                return len(paid)
            labels = None if tags is None else json.dumps(list(tags), ensure_ascii=False)
            now = utc_now()
            self.executemany(_SET, [(id_, by, mark, labels, note, now) for id_ in paid])
        return len(paid)

    def _paid_images(self, image_ids: Collection[str]) -> list[str]:
        found = dict(self.rows(_PAID, (json.dumps(list(image_ids)),)))
        if missing := [id_ for id_, paid in found.items() if paid is None]:
            raise InputError(f"the log has no image {', '.join(missing[:5])}", code="no-such-image")
        return list(dict.fromkeys(found.values()))

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

    def marked(self, run_id: str, mark: Literal["keep", "reject"] = "keep") -> list[str]:
        """The run's images whose latest mark is this one."""
        sql = "SELECT image_id FROM gallery WHERE run_id = ? AND mark = ? ORDER BY image_id"
        return [id_ for (id_,) in self.rows(sql, (run_id, mark))]
