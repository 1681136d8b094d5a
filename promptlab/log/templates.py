"""Readers of which template text made what, and of one image's origin."""
# ruff: noqa: S608  the SQL is put together from this package's own names; values are bound

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from promptlab.log.connection import Connection
from promptlab.log.rows import GENERATIONS, read
from promptlab.model import Generation, InputFile, TemplateFile

__all__ = ["TemplateUsage", "Templates", "UsedTemplate"]

_USAGE = """
SELECT rt.template_id, max(r.started_at), count(DISTINCT r.id) FROM run_templates rt
JOIN runs r ON r.id = rt.run_id WHERE rt.path = ? GROUP BY 1 ORDER BY 2 DESC
"""
_MADE = """
SELECT g.template_id, count(i.id), sum(CASE WHEN i.position = 0 THEN g.credits END),
  total((SELECT m.mark FROM latest_marks m WHERE m.image_id = i.id) = 'keep'),
  total((SELECT m.mark FROM latest_marks m WHERE m.image_id = i.id) = 'reject')
FROM generations g JOIN images i ON i.generation_id = g.id
WHERE g.template_id IN (SELECT value FROM json_each(?)) AND g.cached_from IS NULL AND i.status = 'stored' GROUP BY 1
"""
_OF_IMAGE = f"""
SELECT {GENERATIONS.select("g")} FROM images i JOIN generations g ON g.id = i.generation_id
WHERE i.id = upper(?1) OR i.generation_id = upper(?1) OR i.sha256 = lower(?1) OR i.path = ?1
  OR substr(i.path, -length(?1) - 1) = '/' || ?1
ORDER BY g.cached_from IS NOT NULL, g.rowid DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class TemplateUsage:
    """What one text of a template made: runs that used it, and its paid images with their credits and marks."""

    last_used: str
    runs: int
    images: int = 0
    credits: float | None = None
    kept: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class UsedTemplate:
    """The template of a generation as it was read then, main file first; `inline` if it stood in the experiment."""

    path: str
    ref: str | None
    commit: str | None
    dirty: bool | None
    files: tuple[TemplateFile, ...]
    inline: bool


class Templates(Connection):
    """Readers of templates and origins."""

    def template_usage(self, path: str) -> dict[str, TemplateUsage]:
        """Template id → what it made, of every text that ran under this path, the last used first."""
        rows = list(self.rows(_USAGE, (path,)))
        made = {row[0]: row[1:] for row in self.rows(_MADE, (json.dumps([row[0] for row in rows]),))}
        found = {}
        for id_, last_used, runs in rows:
            images, credits, kept, rejected = made.get(id_, (0, None, 0, 0))
            found[id_] = TemplateUsage(last_used, runs, images, credits, int(kept), int(rejected))
        return found

    def generation_of_image(self, text: str) -> Generation | None:
        """The generation of an image: by its id or hash, its generation's id, its path or file name under results/."""
        return next(read(GENERATIONS, self.rows(_OF_IMAGE, (text,))), None)

    def template_of(self, generation: Generation) -> UsedTemplate:
        """The template that wrote a generation's prompt."""
        sql = "SELECT path, ref, git_commit, git_dirty FROM run_templates WHERE run_id = ? AND template_id = ? LIMIT 1"
        path, ref, commit, dirty = self.execute(sql, (generation.run_id, generation.template_id)).fetchone()
        sql = "SELECT path, source, git_blob FROM template_files WHERE template_id = ? ORDER BY path <> ?, path"
        files = tuple(TemplateFile(*row) for row in self.rows(sql, (generation.template_id, path)))
        inline = path.endswith((".yaml", ".yml"))
        return UsedTemplate(path, ref, commit, None if dirty is None else bool(dirty), files, inline)

    def axes_of(self, generation: Generation) -> Mapping[str, str]:
        """Axis → value id of a generation's variant."""
        sql = "SELECT axes FROM variants WHERE experiment = ? AND id = ?"
        found: Mapping[str, str] = json.loads(self.value(sql, (generation.experiment, generation.variant_id)) or "{}")
        return found

    def spec_path(self, experiment: str) -> str | None:
        """The experiment's file, relative to the studio."""
        path: str | None = self.value("SELECT spec_path FROM experiments WHERE name = ?", (experiment,))
        return path

    def inputs(self, run_id: str) -> list[InputFile]:
        """The files that a run read, as it read them."""
        sql = "SELECT path, role, sha256, content FROM inputs WHERE run_id = ? ORDER BY rowid"
        return [InputFile(*row) for row in self.rows(sql, (run_id,))]
