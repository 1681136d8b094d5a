"""What a report says, before it is HTML, Markdown or anything else: plain data, every text as the log has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptlab.log import Totals
from promptlab.model import Run

if TYPE_CHECKING:
    from promptlab.compare.verdict import Standing, Verdict

__all__ = [
    "Contents",
    "ImageRecipe",
    "Provenance",
    "Shot",
    "ShownCell",
    "ShownGrid",
    "ShownLine",
    "ShownValue",
    "Spend",
    "TemplateText",
    "UsedText",
]


@dataclass(frozen=True, slots=True)
class Shot:
    """One image that is shown; `label` says which it is, `alt` what is on it, as far as its prompt tells."""

    image_id: str
    sha256: str
    label: str
    alt: str
    path: str | None
    prompt_sha256: str
    mark: str | None = None


@dataclass(frozen=True, slots=True)
class TemplateText:
    """A file of a template, as it was read for the run."""

    path: str
    source: str


@dataclass(frozen=True, slots=True)
class ImageRecipe:
    """How an image is made again: everything that was sent, and where its words come from.

    `curl` is the request as a command; where it can't be written, `no_curl` says why.
    """

    generation_id: str
    template: str | None
    template_id: str | None
    commit: str | None
    dirty: bool | None
    files: Sequence[TemplateText]
    variables: Sequence[tuple[str, str, str]]  # axis, value id, the text or fields used
    prompt: str
    negative_prompt: str | None
    revised_prompt: str | None
    parameters: Sequence[tuple[str, str]]
    model: str
    provider: str
    curl: str | None
    no_curl: str | None


@dataclass(frozen=True, slots=True)
class ShownValue:
    """One value of the compared axis (or the whole run): an image of it, its prompt, how it stands, what is missing."""

    value: str
    shot: Shot | None
    recipe: ImageRecipe | None
    standing: Standing | None
    done: int  # requests that have their images
    missing: Mapping[str, int]  # status → requests that have none


@dataclass(frozen=True, slots=True)
class ShownCell:
    """The images of one value in one line; where there is none, `reason` says why, in words."""

    value: str
    shots: Sequence[Shot]
    reason: str | None = None
    more: int = 0


@dataclass(frozen=True, slots=True)
class ShownLine:
    """One matched cell: what its images have in common, and one cell for each column."""

    title: str
    cells: Sequence[ShownCell]


@dataclass(frozen=True, slots=True)
class ShownGrid:
    """The lines that are shown, and the sentence about those that are not."""

    columns: Sequence[str]
    lines: Sequence[ShownLine]
    total_lines: int
    images: int
    left_out: str | None
    how_to_see_all: str


@dataclass(frozen=True, slots=True)
class Spend:
    """What the run cost, between which bounds, and what that is for each image and each kept one."""

    amount: str
    each: str | None
    each_kept: str | None
    kept: int
    rejected: int
    judged_by_model: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class UsedText:
    """A template that the run used: its path, a note of its id and commit, and its files."""

    path: str
    note: str
    files: Sequence[TemplateText]


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a reader needs to check a report: ids, versions, texts, and the hashes of what is shown."""

    facts: Sequence[tuple[str, str]]
    templates: Sequence[UsedText]
    experiment: str | None
    hashes: Sequence[Shot]


@dataclass(frozen=True, slots=True)
class Contents:
    """One report.

    `as_of` is when the last thing in it happened (a vote, a mark, the run's end), not when it was made.
    """

    title: str
    run: Run
    description: str | None
    simulated: bool
    by: str | None
    as_of: str
    verdict: Verdict | None
    no_verdict: str
    judged: bool
    winner: ShownValue | None
    entries: Sequence[ShownValue]
    entries_left_out: int
    grid: ShownGrid
    spend: Spend
    totals: Totals
    failures: Sequence[tuple[str, str, int]]  # status, message, how many
    provenance: Provenance
    where: str
