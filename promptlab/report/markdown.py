"""A report as Markdown, for a wiki or a pull request, with its pictures in a folder beside it.

Every text of the log is shown as text: what Markdown or HTML would read as markup is escaped, marks that turn the
direction of writing are spelled out, and prompts stand in fenced blocks, where they can be copied as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from promptlab._version import __version__
from promptlab.compare.verdict_tables import rank_text
from promptlab.report.contents import Contents, ImageRecipe, Shot, ShownValue
from promptlab.report.page import (
    Drawn,
    coded,
    headline_of,
    methods_of,
    price,
    same_negative,
    share,
    share_title,
    states,
    winner_title,
)
from promptlab.report.pictures import small_copy
from promptlab.report.words import clock, count, missing_text, state
from promptlab.store import Resized, Store
from promptlab.store.whole import keep_strangers, whole_file, whole_folder

__all__ = ["SIGN", "fenced", "plain", "write"]

#: How a report is known again; readers don't see it.
SIGN = "<!-- promptlab report -->"
_FOLDER_SIGN = ".promptlab-report"
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_MARKUP = re.compile(r"([\\`*_\[\]|~$])")
_AT_START = re.compile(r"^(?:(\d+)([.)])|([-+=#]))")
_LARGE, _SMALL = (1200, 85), (448, 80)


def write(contents: Contents, store: Store, target: Path, drawn: Drawn, *, force: bool) -> Path | None:
    """Write the Markdown and the folder `NAME_files` beside it; gives the folder, None where there is no picture."""
    folder = target.with_name(f"{target.stem}_files")
    keep_strangers(folder, lambda path: (path / _FOLDER_SIGN).is_file(), "a folder of pictures", force=force)
    with whole_folder(folder) as part:
        (part / _FOLDER_SIGN).write_text("pictures of a report; written again with it\n", encoding="utf-8")
        pictures = _Pictures(store, part, folder.name, simulated=contents.simulated)
        text = "\n".join(_lines(contents, pictures, pictures.chart(drawn.chart), drawn.words)) + "\n"
    with whole_file(target) as file:
        file.write(text.encode())
    return folder


class _Pictures:
    """Writes each picture once, and gives its Markdown."""

    def __init__(self, store: Store, part: Path, name: str, *, simulated: bool) -> None:
        self.store, self.part, self.name, self.simulated = store, part, name, simulated
        self.done: dict[tuple[str, int], str] = {}

    def chart(self, svg: str | None) -> str | None:
        if svg is None:
            return None
        (self.part / "verdict.svg").write_text(svg, encoding="utf-8")
        return f"{quote(self.name)}/verdict.svg"

    def show(self, shot: Shot, large: bool = False) -> str:
        """`![alt](address)`; the reason in words where there is no picture."""
        side, quality = _LARGE if large else _SMALL
        key = (shot.sha256, side)
        if key not in self.done:
            made = small_copy(self.store, shot, side, quality, simulated=self.simulated)
            if not isinstance(made, Resized):
                return f"({plain(made)})"
            name = f"{shot.sha256[:16]}_{side}.{made.format}"
            (self.part / name).write_bytes(made.data)
            self.done[key] = f"{quote(self.name)}/{name}"
        return f"![{plain(shot.alt)}]({self.done[key]})"


def plain(text: str) -> str:
    """A text on one line that Markdown shows as it is."""
    one_line = " ".join(text.split())
    escaped = one_line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = _MARKUP.sub(r"\\\1", escaped)
    # A bare address becomes a link in many dialects.
    escaped = escaped.replace("://", ":&#47;&#47;").replace("www.", "www&#46;").replace("@", "&#64;")
    escaped = _AT_START.sub(lambda match: f"{match[1] or ''}\\{match[2] or match[3]}", escaped)
    return _BIDI.sub(_spelled, escaped)


def fenced(text: str, language: str = "text") -> str:
    """A text in a block of its own, behind a fence that is longer than any in it."""
    ticks = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, ticks + 1)
    shown = _BIDI.sub(_spelled, text.replace("\r\n", "\n").replace("\r", "\n"))
    return f"{fence}{language}\n{shown.rstrip(chr(10))}\n{fence}"


def _sentence(text: str) -> str:
    """A sentence of the verdict, with its commands as code."""
    parts = (f"`{_BIDI.sub(_spelled, part)}`" if is_code else plain(part) for is_code, part in coded(text))
    return " ".join(parts).replace("` .", "`.").replace("` ;", "`;")


def _spelled(match: re.Match[str]) -> str:
    return f"⟨U+{ord(match[0]):04X}⟩"


# --- the text -----------------------------------------------------------------------------------------------------


def _lines(c: Contents, pictures: _Pictures, chart: str | None, words: Sequence[str]) -> Iterator[str]:
    yield SIGN
    yield f"# {plain(headline_of(c))}\n"
    kicker = [plain(c.title), f"compared by {plain(c.by)}" if c.by else "", f"only {plain(c.where)}" if c.where else ""]
    yield " · ".join(filter(None, [*kicker, f"as of {clock(c.as_of)}", "**SIMULATED**" if c.simulated else ""]))
    for sentence in c.verdict.sentences if c.verdict else ():
        yield f"\n{plain(sentence)}"
    if chart:
        yield f"\n![{plain(headline_of(c))}]({chart})"
    if c.verdict and c.judged:
        yield from _standings(c)
        yield f"\n{fenced(chr(10).join(words))}"
    if c.winner:
        yield from _winner(c.winner, winner_title(c), pictures)
    yield from _entries(c, pictures)
    yield from _grid(c, pictures)
    yield from _rest(c)
    yield from _provenance(c)
    yield f"\nMade by promptlab {__version__} from the log, as it was at {clock(c.as_of)}."


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield ""
    yield _row(head)
    yield _row(["---"] * len(head))
    yield from map(_row, rows)


def _standings(c: Contents) -> Iterator[str]:
    assert c.verdict is not None
    head = [
        "Rank",
        plain(c.by or ""),
        plain(share_title(c.verdict)),
        "Won",
        "Lost",
        "Tied",
        "Both bad",
        "Images",
        "Missing",
        "Each",
    ]
    rows = [
        [
            rank_text(each), plain(each.label), share(each, c.verdict), f"{each.wins}", f"{each.losses}",
            f"{each.ties}", f"{each.bad}", f"{each.images:,}", missing_text(each.missing) or "none",
            price(each.cost_usd),
        ]
        for each in c.verdict.standings
    ]  # fmt: skip
    yield from _table(head, rows)


def _winner(entry: ShownValue, title: str, pictures: _Pictures) -> Iterator[str]:
    yield f"\n## {title}: {plain(entry.value)}\n"
    if entry.shot:
        yield pictures.show(entry.shot, large=True)
        yield f"\n{plain(entry.shot.label)}"
    if entry.recipe:
        yield from _recipe(entry.recipe)


def _recipe(recipe: ImageRecipe) -> Iterator[str]:
    yield f"\nPrompt:\n\n{fenced(recipe.prompt)}"
    if recipe.negative_prompt:
        yield f"\nNegative prompt:\n\n{fenced(recipe.negative_prompt)}"
    if recipe.revised_prompt:
        yield f"\nRevised prompt, as the model wrote it:\n\n{fenced(recipe.revised_prompt)}"
    yield from _table(["Parameter", "Value"], [[plain(name), plain(value)] for name, value in recipe.parameters])
    if recipe.variables:
        rows = [[plain(axis), plain(id_), plain(value)] for axis, id_, value in recipe.variables]
        yield from _table(["Variable", "Value", "Text"], rows)
    for file in recipe.files:
        yield f"\nTemplate {plain(file.path)}:\n\n{fenced(file.source, 'jinja')}"
    yield "\nThe request as a command:\n"
    yield fenced(recipe.curl, "bash") if recipe.curl else plain(recipe.no_curl or "")


def _entries(c: Contents, pictures: _Pictures) -> Iterator[str]:
    if c.by is None:
        return
    yield f"\n## {count(len(c.entries) + c.entries_left_out, 'value')} of {plain(c.by)}, and what each was told"
    for entry in c.entries:
        yield f"\n### {plain(entry.value)}\n"
        yield pictures.show(entry.shot) if entry.shot else f"no image: {missing_text(entry.missing)}"
        if entry.recipe:
            yield f"\n{fenced(entry.recipe.prompt)}"
            if entry.recipe.negative_prompt and not same_negative(c):
                yield f"\nNegative prompt:\n\n{fenced(entry.recipe.negative_prompt)}"
    if same := same_negative(c):
        yield f"\nAll have the negative prompt:\n\n{fenced(same)}"
    if c.entries_left_out:
        yield f"\n{c.entries_left_out:,} more are in `promptlab browse`."


def _grid(c: Contents, pictures: _Pictures) -> Iterator[str]:
    yield f"\n## {'Side by side' if c.by else 'The images'}\n"
    yield f"{plain(c.grid.left_out or 'Every line of the run is here.')} To see all: `promptlab browse`."
    head = ["", *(plain(value) for value in c.grid.columns)]
    rows = []
    for line in c.grid.lines:
        cells = [" ".join(map(pictures.show, cell.shots)) or plain(cell.reason or "") for cell in line.cells]
        rows.append([plain(line.title), *cells])
    yield from _table(head, rows)


def _rest(c: Contents) -> Iterator[str]:
    if c.verdict and c.verdict.trust:
        yield "\n## Can you trust it?\n"
        signs = {True: "✓", False: "!", None: "·"}
        yield from (f"- {signs[each.good]} {_sentence(each.text)}" for each in c.verdict.trust)
    if c.verdict and c.verdict.takes:
        yield "\n## What it would take to be surer\n"
        yield from (f"- {_sentence(each)}" for each in c.verdict.takes)
    yield "\n## Spend\n"
    yield f"- The whole run: {plain(c.spend.amount)}"
    each = [("For each image", c.spend.each), ("For each kept image", c.spend.each_kept), ("", c.spend.judged_by_model)]
    yield from (f"- {name}{': ' if name else ''}{plain(value)}" for name, value in each if value)
    yield f"- {count(c.totals.images, 'image')}, {c.spend.kept:,} kept, {c.spend.rejected:,} rejected"
    if c.spend.note:
        yield f"\n{plain(c.spend.note)}"
    yield "\n## Failures, and what is missing\n"
    bad = states(c)
    yield f"Of {count(c.totals.generations, 'request')}: {missing_text(bad) if bad else 'nothing is missing'}."
    yield from (f"\n{plain(sentence)}" for sentence in (c.verdict.missing if c.verdict else ()))
    yield from (f"- {number:,} {state(status)}: {plain(message)}" for status, message, number in c.failures)
    yield "\n## Methods"
    yield from (f"\n{plain(paragraph)}" for paragraph in methods_of(c))


def _provenance(c: Contents) -> Iterator[str]:
    yield "\n## Provenance"
    yield from _table(["", ""], [[plain(name), plain(value)] for name, value in c.provenance.facts])
    for template in c.provenance.templates:
        for file in template.files:
            yield f"\nTemplate {plain(file.path)} ({plain(template.note)}):\n\n{fenced(file.source, 'jinja')}"
    if c.provenance.experiment:
        yield f"\nThe experiment, as the run read it:\n\n{fenced(c.provenance.experiment, 'yaml')}"
    yield "\nThe pictures here are smaller copies. The originals are unchanged files with these hashes:"
    rows = [[plain(each.label), plain(each.path or ""), f"`{each.sha256}`"] for each in c.provenance.hashes]
    yield from _table(["Image", "File", "sha256"], rows)
