"""What the page of each table and view offers at once; what they are in words comes from the log's own descriptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from promptlab.log.descriptions import COLUMNS, DESCRIPTIONS, column_words

__all__ = ["COLUMNS", "TABLES", "Table", "column_words"]


@dataclass(frozen=True, slots=True)
class Table:
    """The page of one table or view."""

    title: str
    description: str = ""
    facets: tuple[str, ...] = ()
    sort_desc: str | None = None
    label: str | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    hidden: bool = False
    search: tuple[str, str] | None = None  # full-text table and key column, where Datasette cannot find them itself


_GALLERY_SEARCH = ("generations_fts", "generation_rowid")
_PAGES: Mapping[str, Table] = {
    "gallery": Table(
        "Gallery", facets=("experiment", "variant", "template", "mark"), sort_desc="created_at", search=_GALLERY_SEARCH
    ),
    "variant_summary": Table("Variants, summed up", facets=("experiment",)),
    "spending": Table("Spending", facets=("experiment",), sort_desc="day"),
    "experiments": Table("Experiments"),
    "runs": Table(
        "Runs", facets=("experiment", "status", "provider", "kind"), sort_desc="started_at", label="experiment"
    ),
    "inputs": Table("Inputs", facets=("role",)),
    "templates": Table("Templates", label="path"),
    "template_files": Table("Template files"),
    "run_templates": Table("Templates of runs"),
    "variants": Table("Variants", facets=("experiment",)),
    "generations": Table(
        "Generations",
        facets=("experiment", "status", "model", "cost_source"),
        sort_desc="created_at",
        units={"latency_ms": "ms"},
    ),
    "attempts": Table(
        "Attempts",
        facets=("outcome", "status_code", "may_be_billed"),
        sort_desc="started_at",
        units={"retry_after_s": "s"},
    ),
    "images": Table("Images", facets=("status", "format"), units={"bytes": "byte"}),
    "marks": Table("Marks", facets=("mark", "by")),
    "hidden_runs": Table("Hidden runs", hidden=True),
    "mark_events": Table("History of marks", hidden=True),
    "claims": Table("Claims", hidden=True),
    "answers": Table("Answers", hidden=True),
    "_sqlite_migrations": Table("Migrations", hidden=True),
    "latest_marks": Table("Latest marks", hidden=True),
    "stale_sums": Table("Stale sums", hidden=True),
    "run_sums": Table("Sums of runs", hidden=True),
    "spending_sums": Table("Sums of spending", hidden=True),
    "variant_sums": Table("Sums of variants", hidden=True),
    "stray_sums": Table("Stray copies, kept", hidden=True),
    "run_parts": Table("Parts of runs", hidden=True),
    "spending_parts": Table("Parts of spending", hidden=True),
    "variant_parts": Table("Parts of variants", hidden=True),
    "stray_copies": Table("Stray copies", hidden=True),
}
TABLES: Mapping[str, Table] = {
    name: replace(page, description=DESCRIPTIONS[name].text) for name, page in _PAGES.items()
}
