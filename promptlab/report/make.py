"""Making a report: what is read, how large the pictures may be, and the file that is written."""

from __future__ import annotations

import getpass
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from promptlab.errors import InputError, LogError
from promptlab.log import Log
from promptlab.report import markdown, page, pdf
from promptlab.report.contents import Contents
from promptlab.report.gather import MOST_COLUMNS, MOST_ENTRIES, ReportSource, gather
from promptlab.report.overview import overview
from promptlab.report.pictures import Group, Packed, most_pictures, pack
from promptlab.spec.matcher import Where, conditions
from promptlab.store.whole import keep_strangers, whole_file
from promptlab.studio.studio import Studio

if TYPE_CHECKING:
    from promptlab.compare.verdict import Verdict

__all__ = ["DEFAULT_SIZE", "WrittenReport", "size_of", "write_report"]

DEFAULT_SIZE: Final = 8_000_000
_MOST_PICTURES: Final = 240
_MOST_FILES: Final = 120  # of a Markdown report
_OURS: Final = b'<meta name="generator" content="promptlab '
_UNITS: Final = {"": 1, "b": 1, "kb": 1000, "mb": 1000_000, "kib": 1024, "mib": 1024**2, "gb": 1000_000_000}
_KINDS: Final = {".html": "html", ".htm": "html", ".md": "md", ".markdown": "md", ".pdf": "pdf"}
Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """A report that was written. `left_out` says what its grid does not show, if anything."""

    path: Path
    format: str
    bytes: int
    run_id: str
    experiment: str
    by: str | None
    headline: str
    judged: bool
    simulated: bool
    images: int
    lines: int
    total_lines: int
    left_out: str | None
    as_of: str
    folder: Path | None = None  # of a Markdown report's pictures


def size_of(text: str | int) -> int:
    """Bytes from `8MB`, `500 kB` or a number; InputError for anything else, and for less than 100 kB."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", str(text).lower())
    if match is None or match[2] not in _UNITS:
        raise InputError(f"size: {text!r} is not a size; write it as 8MB or 500kB", code="bad-option")
    size = int(float(match[1]) * _UNITS[match[2]])
    if size < 100_000:
        raise InputError(f"size: {text} is too small for a report with pictures; 100kB is the least", code="bad-option")
    return size


def write_report(
    run: str = "last",
    output: Path | str = "report.html",
    *,
    by: str | None = None,
    metric: str = "votes",
    where: Where = (),
    size: int | str = DEFAULT_SIZE,
    title: str | None = None,
    force: bool = False,
    studio: Path | str | None = None,
    db: Path | None = None,
    step: Step = lambda said: None,
) -> WrittenReport:
    """Write one file to send: the verdict first, then the pictures, what it rests on, what it cost, where it is from.

    `output` ends in .html (one file that opens offline), .md (Markdown, pictures in a folder beside it) or .pdf (needs
    Chromium). `by` is the compared axis, by default the grid's (the baseline's, else prompts); `where` picks variants.
    An HTML report keeps below `size`. The same log gives the same bytes. An existing file is replaced only if it is a
    report, or with `force`. `step` hears what is being done. InputError where something named is not there.
    """
    target = Path(output)
    kind = _kind_of(target)
    limit = size_of(size)
    if kind == "pdf":
        pdf.find_browser()
    opened = Studio.open(Path.cwd() if studio is None else Path(studio), db=db)
    _note_look(opened, run, step)
    with opened.log(create=False, readonly=True) as log:
        source = _source(log, opened, run, by, metric, where, title)
        keep_strangers(target, is_report, "a report", force=force)
        if kind == "md":
            step("writing the pictures")
            contents = gather(source, max(1, _MOST_FILES // max(1, min(len(source.values), MOST_COLUMNS))))
            folder = markdown.write(contents, opened.store(), target, _drawn(source), force=force)
            return _report(contents, target, kind, folder)
        html, contents = _page(source, opened, limit, step)
    if kind == "html":
        with whole_file(target) as file:
            file.write(html.encode())
    else:
        step("printing with Chromium")
        pdf.write(html, target)
    return _report(contents, target, kind, None)


def is_report(path: Path) -> bool:
    """Whether promptlab wrote this file as a report."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(4096)
        if head.startswith(b"%PDF"):
            return pdf.is_ours(path)
    return _OURS in head or markdown.SIGN.encode() in head


def _note_look(studio: Studio, name: str, step: Step) -> None:
    """Note, before anything is read, that somebody sees how an open vote stands: a later vote of theirs isn't blind."""
    with studio.log(create=False, readonly=True) as log:
        run_id = log.find_whole_run(name).id
        polls = [poll.id for poll in log.polls(run_id) if poll.closed_at is None]
        if not polls or next(log.ballots(run_id), None) is None:
            return
    try:
        with studio.log(create=False) as log:
            for poll_id in polls:
                log.note_tally_view(poll_id, by=studio.settings.user or getpass.getuser())
    except LogError as error:
        step(f"the vote is open, and that this report shows its tally could not be noted: {error}")


def _kind_of(target: Path) -> str:
    kind = _KINDS.get(target.suffix.lower())
    if kind is None:
        message = f"{target} is not a name for a report; it has to end in .html, .md or .pdf"
        raise InputError(message, code="report-format")
    return kind


def _source(
    log: Log, studio: Studio, name: str, by: str | None, metric: str, where: Where, title: str | None
) -> ReportSource:
    run = log.find_whole_run(name)
    over = overview(log, run.id, by, where)
    verdict, why = _verdict(log, run.id, over.by, len(over.values), metric, where)
    if by is None and verdict is not None and _is_catalogue(verdict, len(over.values)):
        if not verdict.hidden:
            why = f"{len(over.values):,} values of {over.by}, and nobody voted on them: nothing is ranked"
            verdict = None
        over = overview(log, run.id, None, where, compared=False)
    shown = "; ".join(f"{each.name}={','.join(text for text, _ in each.accepts)}" for each in conditions(where))
    return ReportSource(log, studio, run, over, verdict, why, title, shown)


def _is_catalogue(verdict: Verdict, values: int) -> bool:
    """Whether a wall shows the images better than columns: there is nothing to rank, or nothing ranked of many."""
    return verdict.hidden or (values > MOST_ENTRIES and not verdict.votes and not verdict.leader)


def _verdict(
    log: Log, run_id: str, by: str | None, values: int, metric: str, where: Where
) -> tuple[Verdict | None, str]:
    """The verdict, or the sentence that stands in its place."""
    if by is None or values < 2:
        return None, "There is nothing to compare in this run: no axis has several values"
    from promptlab.compare.verdict import verdict_of

    return verdict_of(log, run_id, by, metric=metric, where=where), ""


def _report(contents: Contents, path: Path, kind: str, folder: Path | None) -> WrittenReport:
    grid = contents.grid
    return WrittenReport(
        path=path,
        format=kind,
        bytes=path.stat().st_size,
        run_id=contents.run.id,
        experiment=contents.run.experiment,
        by=contents.by,
        headline=page.headline_of(contents),
        judged=contents.judged,
        simulated=contents.simulated,
        images=grid.images,
        lines=len(grid.lines),
        total_lines=grid.total_lines,
        left_out=grid.left_out,
        as_of=contents.as_of,
        folder=folder,
    )


# --- the page and its pictures ------------------------------------------------------------------------------------


def _page(source: ReportSource, studio: Studio, limit: int, step: Step) -> tuple[str, Contents]:
    """The page, as many lines of the grid as its size allows."""
    drawn = _drawn(source)
    columns = max(1, min(len(source.values), MOST_COLUMNS)) if source.over.by else 1
    most = max(1, min(_MOST_PICTURES, most_pictures(limit, 0.6)) // columns)
    while True:
        step("reading the log")
        contents = gather(source, most)
        bare = page.render(contents, Packed({}, {}, 0), drawn)
        budget = limit - len(bare.encode()) - limit // 100
        groups = _groups(contents)
        step(f"packing {sum(len(group.pictures) for group in groups):,} pictures")
        html = page.render(contents, pack(studio.store(), groups, max(budget, 0), simulated=contents.simulated), drawn)
        over = len(html.encode()) / limit
        if over <= 1:
            return html, contents
        if most == 1:
            raise InputError(
                f"the report takes {len(html.encode()) / 1e6:.1f} MB even with the smallest pictures; allow that with "
                f"--size, or name fewer variants with --where",
                code="report-size",
            )
        most = max(1, min(most - 1, int(len(contents.grid.lines) / over * 0.9)))


def _groups(contents: Contents) -> list[Group]:
    """The winner first, and large; then one picture of each value; the grid takes what is left."""
    winner = contents.winner.shot if contents.winner else None
    entries = [entry.shot for entry in contents.entries if entry.shot] if contents.by else []
    grid = [shot for line in contents.grid.lines for cell in line.cells for shot in cell.shots]
    large = 1600 if contents.grid.images <= 2 else 768
    return [
        Group("winner", [winner] if winner else [], 1600, 0.3),
        Group("entries", entries, 896, 0.35),
        Group("grid", grid, large, 1.0),
    ]


def _drawn(source: ReportSource) -> page.Drawn:
    """The verdict in pictures and words; nothing where nobody judged."""
    if source.verdict is None or not source.judged:
        return page.Drawn()
    from promptlab.compare.verdict_picture import picture
    from promptlab.compare.verdict_words import lines

    return page.Drawn(picture(source.verdict), picture(source.verdict, narrow=True), lines(source.verdict))
