"""Side by side of runs too long for one page: what is on a page, how one goes on, how one finds a variant."""

from __future__ import annotations

import itertools
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from promptlab.browse import build_datasette
from promptlab.browse import side_by_side as module
from promptlab.browse.grid_rows import Extent
from promptlab.browse.page_data import find_run
from promptlab.browse.side_by_side import SideBySide, Wanted, side_by_side
from promptlab.log import Log
from promptlab.plan.identity import variant_id
from promptlab.store import Store

Get = Callable[..., Any]
STYLES, LOOKS, SEEDS = ("film", "ink", "clay"), ("warm", "cold", "night", "noon"), (11, 12)


def made_up(axes: Any) -> str:
    """A variant id that nobody can compute."""
    return sha256(repr(sorted(axes.items())).encode()).hexdigest()[:16]


@dataclass
class Long:
    """A log with one run, and ways to make it."""

    folder: Path
    writer_class: Any

    def write(self, cells: Any, *, ids: Any = variant_id, **more: Any) -> str:
        """A run of these (axes, seed) in this order; gives its id."""
        with Log.open(self.folder / "promptlab.db") as log:
            writer = self.writer_class(log, Store(self.folder / "images"), self.folder, ids)
            run = writer.run("01LONG", "long")
            for sequence, (axes, seed) in enumerate(cells):
                writer.generation(run, sequence, dict(axes), seed=seed, **more)
        return str(run.id)

    def page(self, **wanted: Any) -> SideBySide:
        """A page of the run."""
        with closing(sqlite3.connect(self.folder / "promptlab.db")) as connection:
            run = find_run(connection, "last")
            assert run is not None
            return side_by_side(connection, run, Wanted(**wanted))

    def pages(self, **wanted: Any) -> Iterator[SideBySide]:
        """All of its pages, as long as there is a next one."""
        for number in itertools.count(1):
            page = self.page(page=number, **wanted)
            yield page
            if not page.more:
                return


def product() -> list[Any]:
    """style × look × seed, in the order of a plan."""
    return [({"style": s, "look": k}, seed) for s, k, seed in itertools.product(STYLES, LOOKS, SEEDS)]


def shown(page: SideBySide) -> list[int]:
    """The places in the plan of what a page shows."""
    return [row["sequence"] for line in page.grid.lines for cell in line.cells for row in cell]


@pytest.fixture
def long(tmp_path: Path, demo: Any, writer_class: Any) -> Long:
    """An empty studio."""
    return Long(tmp_path, writer_class)


@pytest.fixture
def huge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run of more than three variants count as one that is cut along its plan."""
    monkeypatch.setattr(module, "_VARIANTS", 3)


@pytest.mark.parametrize("by", ["style", "look", "variant"])
def test_every_generation_is_on_one_page(long: Long, by: str) -> None:
    """Through all pages of lines, each generation is shown once, and a line is never torn."""
    long.write(product())
    pages = list(long.pages(by=by, size=3))
    assert sorted(itertools.chain.from_iterable(map(shown, pages))) == list(range(24))
    assert all(page.pages == len(pages) for page in pages)
    assert all(len(cell) == 1 for page in pages for line in page.grid.lines for cell in line.cells)


def test_seeds_may_be_the_outer_loop(long: Long) -> None:
    """The order of the plan changes nothing about what stands in a line."""
    long.write(sorted(product(), key=lambda cell: cell[1]))
    lines = [line for page in long.pages(by="style", size=3) for line in page.grid.lines]
    assert len(lines) == 8
    assert all(line.matched and [cell[0]["axes"]["style"] for cell in line.cells] == list(STYLES) for line in lines)


def test_columns_have_pages_too(long: Long, monkeypatch: pytest.MonkeyPatch) -> None:
    """More columns than fit go on beside, and each generation still has its place."""
    monkeypatch.setattr(module, "_COLUMNS", 3)
    long.write(product())
    first, second = long.page(by="look"), long.page(by="look", across=2)
    assert [column.label for column in first.grid.columns] == ["warm", "cold", "night"]
    assert [column.label for column in second.grid.columns] == ["noon"]
    assert (first.across_pages, first.total_columns) == (2, 4)
    assert sorted(shown(first) + shown(second)) == list(range(24))


def test_rows_of_two_runs_may_be_mixed(long: Long, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose rows another run's lie between has its own, and none of the other's."""
    monkeypatch.setattr(module, "_SAMPLE", 1)  # so that a run this short is counted by the index, where that is right
    run = long.write(product())
    with Log.open(long.folder / "promptlab.db") as log:
        columns = "kind, experiment, provider, status, promptlab_version"
        log.execute(f"INSERT INTO runs (id, started_at, {columns}) SELECT '00', '2020', {columns} FROM runs")
        log.execute("UPDATE generations SET run_id = '00' WHERE sequence IN (5, 6)")
    assert run == "01LONG"
    rows = sorted(itertools.chain.from_iterable(shown(page) for page in long.pages(by="style", size=3)))
    assert rows == [place for place in range(24) if place not in (5, 6)]


@pytest.mark.usefixtures("huge")
@pytest.mark.parametrize("ids", [variant_id, made_up])
@pytest.mark.parametrize("by", ["style", "look"])
def test_a_huge_run_is_cut_along_its_plan(long: Long, by: str, ids: Any) -> None:
    """A page is a stretch of the plan, each generation beside those it can be compared with, wherever they are."""
    long.write(product(), ids=ids)
    pages = list(long.pages(by=by, size=3))
    assert set(itertools.chain.from_iterable(map(shown, pages))) == set(range(24))
    assert [page.stretch for page in pages] == [(start + 1, start + 3, 24) for start in range(0, 24, 3)]
    values = {"style": STYLES, "look": LOOKS}[by]
    for line in (line for page in pages for line in page.grid.lines):
        assert [cell[0]["axes"][by] for cell in line.cells] == list(values)
        assert line.matched


@pytest.mark.usefixtures("huge")
@pytest.mark.parametrize("ids", [variant_id, made_up])
def test_a_huge_run_can_be_narrowed(long: Long, ids: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that is held keeps everything else out, whether the variants' ids can be computed or not."""
    long.write(product(), ids=ids)
    found = set(itertools.chain.from_iterable(shown(page) for page in long.pages(by="style", only={"look": "cold"})))
    assert found == {place for place, (axes, _) in enumerate(product()) if axes["look"] == "cold"}
    monkeypatch.setattr(module, "_VARIANTS", 30)  # few enough to name them one by one
    monkeypatch.setattr(module, "_variants", lambda *_: None)
    page = long.page(by="style", only={"look": "cold"})
    assert set(shown(page)) == found
    assert page.pages == (1 if ids is variant_id else None)
    assert page.axes == {"style": list(STYLES), "look": list(LOOKS)}


@pytest.mark.usefixtures("huge")
def test_whole_variants_of_a_huge_run(long: Long) -> None:
    """Whole variants, or an axis with more values than are listed: the columns are those of the stretch."""
    long.write([({"i": str(i)}, 1) for i in range(150)])
    for by in ("variant", "i"):
        pages = list(long.pages(by=by, size=1))
        columns = [column.label for page in pages for column in page.grid.columns]
        assert columns[:2] == (["i 0", "i 1"] if by == "variant" else ["0", "1"])
        assert sorted(itertools.chain.from_iterable(map(shown, pages))) == list(range(150))


def test_a_page_stays_small_whatever_the_prompts(long: Long, get: Get) -> None:
    """Long prompts make fewer lines and columns, not a larger page; the rest is on the next one."""
    cells = [({"style": str(s)}, seed) for s, seed in itertools.product(range(30), range(10))]
    run = long.write(cells, prompt="“a teapot” " * 800, n=1)
    site = build_datasette(long.folder / "promptlab.db", long.folder / "images")
    answer = get(site, f"/-/promptlab/compare?run={run}&lines=200&prompts=1")
    assert answer.status_code == 200
    assert 0 < len(answer.content) < 500_000
    assert "More →" in answer.text


def test_an_axis_of_many_values_is_typed(long: Long, get: Get) -> None:
    """A hundred values are a list to choose from; more are a field to type into, with the first hundred offered."""
    run = long.write([({"i": str(i), "look": look}, 1) for i in range(120) for look in LOOKS])
    site = build_datasette(long.folder / "promptlab.db", long.folder / "images")
    text = get(site, f"/-/promptlab/compare?run={run}&by=look&axis.i=77").text
    field = re.search(r'<input name="axis.i"[^>]*>', text)
    assert field is not None
    assert 'value="77"' in field.group()
    assert text.count("<option>") == 100
    assert text.count('class="seed"') == 1
    assert ">i (120)</option>" in text


def test_links_to_other_pages_keep_the_filter(long: Long, get: Get) -> None:
    """Going on, to other columns or to all prompts stays within what was asked for."""
    run = long.write([({"i": str(i), "look": look}, 1) for i in range(40) for look in LOOKS])
    site = build_datasette(long.folder / "promptlab.db", long.folder / "images")
    text = get(site, f"/-/promptlab/compare?run={run}&by=i&axis.look=cold&lines=1").text
    links = [link for link in re.findall(r'href="([^"]+)"', text) if "across=2" in link or "prompts=1" in link]
    assert links
    assert all("axis.look=cold" in link and "columns=i" in link and "lines=1" in link for link in links)


def test_counting_a_long_run_reads_an_index(long: Long) -> None:
    """The rows of a run are counted a variant without reading them."""
    long.write(product())
    statements: list[str] = []
    with closing(sqlite3.connect(long.folder / "promptlab.db")) as connection:
        connection.set_trace_callback(statements.append)
        extent = Extent("01LONG", "long", 2000, 1, 2000)
        module._variants(connection, extent)
        connection.set_trace_callback(None)
        plan = [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + statements[-1])]
    assert [step for step in plan if "generations" in step] == [
        "SEARCH generations USING COVERING INDEX generations_experiment (experiment=?)"
    ]


@pytest.mark.parametrize("scrub", ["look", "seed"])
def test_a_huge_run_is_slid_along(long: Long, huge: None, scrub: str) -> None:
    """Cut along its plan too, a step of the slider shows the same lines at another value, and each generation once."""
    long.write(product())
    values = LOOKS if scrub == "look" else tuple(map(str, SEEDS))
    seen: list[int] = []
    lines = set()
    for value in values:
        pages = list(long.pages(by="style", scrub=scrub, only={scrub: value}))
        seen += itertools.chain.from_iterable(map(shown, pages))
        assert all((page.layout.scrub, page.held) == (scrub, value) for page in pages)
        lines.add(sum(len(page.grid.lines) for page in pages))
    assert sorted(set(seen)) == list(range(24))
    assert len(lines) == 1


def test_a_huge_run_has_an_address_for_rows(long: Long, huge: None) -> None:
    """Rows that a page of a huge run can't have are its scenes; nothing is lost by asking."""
    long.write(product())
    page = long.page(rows="look", by="style")
    assert page.layout.rows == "all"
    assert sorted(shown(page)) == list(range(24))


@pytest.mark.parametrize(
    ("rows", "by", "scrub"),
    [("style", "look", "seed"), ("look", "seed", "style"), ("seed", "style", "look"), ("style", "seed", "look")],
)
def test_every_generation_is_in_one_cell(long: Long, rows: str, by: str, scrub: str) -> None:
    """Over all steps of the slider and all pages, each generation is in the cell of its row and column, once."""
    long.write(product())
    values = {"style": STYLES, "look": LOOKS, "seed": tuple(map(str, SEEDS))}
    seen: list[int] = []
    for value in values[scrub]:
        for page in long.pages(rows=rows, by=by, scrub=scrub, only={scrub: value}, size=2):
            seen += shown(page)
            for line in page.grid.lines:
                for column, cell in zip(page.grid.columns, line.cells, strict=True):
                    for row in cell:
                        axes = {**row["axes"], "seed": str(row["seed"])}
                        assert axes[by] == column.value
                        assert axes[rows] == (str(line.seed) if rows == "seed" else line.axes[rows])
                        assert axes[scrub] == value
    assert sorted(seen) == list(range(24))


def test_many_seeds_are_found_by_seed(long: Long) -> None:
    """Where variants have many rows, a held seed is found in its own index; what is shown is the same."""
    cells = [({"style": s, "look": k}, seed) for seed in range(40) for s in STYLES for k in LOOKS]
    long.write(cells)
    page = long.page(rows="style", by="look", scrub="seed", only={"seed": "33"})
    assert [row["seed"] for line in page.grid.lines for cell in line.cells for row in cell] == [33] * 12
    assert page.seeds == list(range(40))


@pytest.mark.parametrize("waiting", [False, True])
def test_the_logs_sums_say_the_same(long: Long, monkeypatch: pytest.MonkeyPatch, waiting: bool) -> None:
    """A long run's variants are those of its rows, in the order of its plan, wherever their counts are read."""
    monkeypatch.setattr(module, "_SAMPLE", 1)
    cells = sorted(product(), key=lambda cell: str(cell[0]["look"]))
    long.write(
        [*cells, *(((axes), seed + 10) for axes, seed in cells[:5])], status="planned" if waiting else "completed"
    )
    with closing(sqlite3.connect(long.folder / "promptlab.db")) as connection:
        run = find_run(connection, "last")
        assert run is not None
        extent = Extent.of(connection, run)
        counted = module._variants(connection, extent)
        monkeypatch.setattr(module, "_SUMMED", 1)
        assert (extent.rows, extent.settled) == (29, not waiting)
        assert module._variants(connection, extent) == counted
        assert counted is not None
        assert sum(variant.rows for variant in counted) == 29
