"""The Spend page: the figures of `promptlab usage`, as tiles, a chart, a table, JSON, CSV and SQL."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from promptlab.browse import build_datasette, spend_chart
from promptlab.browse.spend_chart import Bar
from promptlab.log import Log
from promptlab.model import utc_now

Get = Callable[..., Any]
PAGE = "/-/promptlab/spend"
FIGURES = ("cost_usd", "cost_usd_at_most", "credits", "images", "kept", "rejected")
GROUPS = ("day", "experiment", "template", "user", "model", "project")


@pytest.fixture
def site(demo: Any) -> Any:
    """A Datasette over the demo's log."""
    return build_datasette(demo.db, demo.images)


@pytest.fixture
def own(demo: Any, tmp_path: Path) -> Any:
    """A copy of the demo's log to write into."""
    shutil.copy(demo.db, tmp_path / "promptlab.db")
    return replace(demo, folder=tmp_path, db=tmp_path / "promptlab.db")


@pytest.mark.parametrize("by", GROUPS)
def test_the_page_has_the_figures_of_usage(site: Any, demo: Any, get: Get, by: str) -> None:
    """JSON, CSV, table and the SQL that the page links to say what `usage` says, whatever it is grouped by."""
    with Log.open(demo.db, readonly=True) as log:
        rows = {row.key: row for row in log.usage(by)}
        total = log.usage_in_all(rows.values())
    data = get(site, f"{PAGE}.json", params={"by": by}).json()
    told = {row["key"]: [row[name] for name in FIGURES] for row in data["rows"]}
    assert told == {key: [getattr(row, name) for name in FIGURES] for key, row in rows.items()}
    assert data["total"]["cost_usd"] == pytest.approx(total.cost_usd) == pytest.approx(0.84)
    assert data["total"]["cost_usd_at_most"] == pytest.approx(0.88)
    lines = list(csv.DictReader(io.StringIO(get(site, f"{PAGE}.csv", params={"by": by}).text)))
    assert [line[by] for line in lines] == [row["key"] or "" for row in data["rows"]]
    assert sum(float(line["cost_usd"]) for line in lines) == pytest.approx(0.84)
    text = get(site, PAGE, params={"by": by}).text
    assert text.split("<tbody>")[1].split("</tbody>")[0].count("<tr>") == len(rows)
    sql = re.search(r'<a href="([^"]+sql=[^"]+)">SQL</a>', text)
    assert sql is not None
    address = sql[1].replace("&amp;", "&").replace("/promptlab?", "/promptlab.json?") + "&_shape=array"
    shown = get(site, address).json()
    assert {row["key"]: row["kept"] for row in shown} == {key: row.kept for key, row in rows.items()}
    assert sum(row["cost_usd"] for row in shown) == pytest.approx(0.84)


def test_what_a_kept_image_costs(site: Any, demo: Any, get: Get) -> None:
    """All of the cost divided by the kept images, between its bounds; rejected images with what they cost."""
    rows = {row["key"]: row for row in get(site, f"{PAGE}.json", params={"by": "experiment"}).json()["rows"]}
    shelf = rows["shelf_photos"]
    assert (shelf["kept"], shelf["rejected"]) == (1, 1)
    assert (shelf["usd_per_kept"], shelf["usd_per_kept_at_most"]) == (pytest.approx(0.64), pytest.approx(0.68))
    assert shelf["rejected_usd"] == pytest.approx(0.04)
    assert rows["draws"]["usd_per_kept"] is None
    assert "try" not in rows  # simulated
    text = get(site, PAGE).text
    assert "~$0.84 to ~$0.88" in text
    assert "~$0.84 to ~$0.88 for each kept one" in text
    assert "1 attempt of unknown outcome or price" in text


def test_an_image_of_a_call_of_two_costs_half(own: Any, get: Get) -> None:
    """A rejected image of a call with two images cost half of the call."""
    with Log.open(own.db) as log:
        image = log.value(
            "SELECT i.id FROM images i JOIN generations g ON g.id = i.generation_id WHERE g.n = 2 LIMIT 1"
        )
        log.set_marks([image], "reject", by="ben")
        rows = {row.key: row for row in log.usage("experiment")}
    assert rows["draws"].rejected_usd == pytest.approx(0.02)


def test_the_latest_mark_counts_once(own: Any, get: Get) -> None:
    """Of several people's marks the latest holds, and a copy from the cache does not count again."""
    with Log.open(own.db) as log:
        copy = log.value("SELECT i.id FROM images i JOIN generations g ON g.id = i.generation_id "
                         "WHERE g.run_id = ? ORDER BY g.sequence LIMIT 1", (own.cached,))  # fmt: skip
        log.set_marks([copy], "reject", by="ben")
        shelf = next(row for row in log.usage("experiment") if row.key == "shelf_photos")
    assert (shelf.kept, shelf.rejected) == (0, 2)


def test_beside_the_spending(own: Any, get: Get) -> None:
    """Copies from the cache, simulated generations, redo and judges are said; the last two are in the total, once."""
    with Log.open(own.db) as log:
        poll = log.open_poll(own.shelf, "style", by="ana")
        image = log.value("SELECT id FROM images LIMIT 1")
        for number, (cost, risk) in enumerate([(0.01, None), (0.02, None), (None, 0.05)]):
            log.execute(
                "INSERT INTO judge_calls (id, poll_id, model, left_image, right_image, prompt_sha256, started_at, "
                "outcome, cost_usd, may_be_billed, cost_usd_at_risk) VALUES (?, ?, 'vision', ?, ?, 'x', ?, ?, ?, ?, ?)",
                (
                    str(number),
                    poll.id,
                    image,
                    image,
                    utc_now(),
                    "ok" if risk is None else "unknown",
                    cost,
                    int(risk is not None),
                    risk,
                ),
            )
        log.execute("UPDATE runs SET kind = 'redo' WHERE id = ?", (own.unseeded,))
    site = build_datasette(own.db, own.images)
    data = get(site, f"{PAGE}.json").json()
    apart = data["apart"]
    assert (apart["copies"], apart["saved_usd"], apart["saved_about"]) == (3, pytest.approx(0.12), False)
    assert apart["simulated"] == 4
    assert (apart["judge_calls"], apart["judge_usd"], apart["judge_usd_at_most"], apart["judge_at_risk"]) == (
        3, pytest.approx(0.03), pytest.approx(0.08), 1,
    )  # fmt: skip
    assert (apart["redo_generations"], apart["redo_usd"]) == (4, pytest.approx(0.16))
    assert data["total"]["cost_usd"] == pytest.approx(0.84 + 0.03)
    text = get(site, PAGE).text
    for part in (
        "~$0.03 to ~$0.08",
        "3 calls of judge models",
        "~$0.12",
        "counted nowhere here",
        "~$0.16 of the spend",
    ):
        assert part in text


def test_of_very_many_copies_the_savings_are_a_mean(own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are more copies than are looked up, what they saved is said to be about so much."""
    monkeypatch.setattr("promptlab.log.sums._COPIES", 2)
    with Log.open(own.db) as log:
        apart = log.spent_apart()
    assert (apart.copies, apart.saved_usd, apart.saved_about) == (3, pytest.approx(0.12), True)


def test_since_a_day(site: Any, demo: Any, get: Get) -> None:
    """Only what was sent from that day on; a day that is none is no bound."""
    data = get(site, f"{PAGE}.json", params={"by": "experiment", "since": "2026-11-22"}).json()
    assert {row["key"] for row in data["rows"]} == {"draws", "live"}
    assert data["total"]["cost_usd"] == pytest.approx(0.2)
    assert get(site, f"{PAGE}.json", params={"since": "yesterday' or 1"}).json()["since"] is None
    text = get(site, PAGE, params={"since": "2100-01-01"}).text
    assert "Nothing was spent since 2100-01-01" in text
    assert "<svg class" not in text


def test_caps_and_how_much_is_used(own: Any, get: Get) -> None:
    """The caps of the studio that the log lies in, and the most that counts against them; none elsewhere."""
    now = utc_now()
    with Log.open(own.db) as log:
        log.execute("UPDATE generations SET started_at = ?, created_at = ? WHERE run_id = ?", (now, now, own.unseeded))
        log.refresh_sums()
    assert get(build_datasette(own.db, own.images), f"{PAGE}.json").json()["caps"] == []
    (own.folder / "promptlab.yaml").write_text("caps: {day: 20 cr, month: 2 USD}\n")
    site = build_datasette(own.db, own.images)
    day, month = get(site, f"{PAGE}.json").json()["caps"]
    assert (day["name"], day["cap"], day["in_dollars"], day["used"]) == ("Today", 20, False, pytest.approx(16))
    assert (month["cap"], month["in_dollars"]) == (2, True)
    text = get(site, PAGE).text
    assert "16 of 20 credits, 80% of the cap" in text
    assert text.count("<meter") == 2
    (own.folder / "promptlab.yaml").write_text("caps: {day: lots}\n")
    assert get(build_datasette(own.db, own.images), PAGE).status_code == 200


def test_a_log_that_has_no_sums_says_what_to_do(own: Any, get: Get) -> None:
    """A log of an older promptlab is not read wrongly: the page names the command that brings it up to date."""
    with Log.open(own.db) as log:
        log.execute("ALTER TABLE judge_calls RENAME TO gone")
    site = build_datasette(own.db, own.images)
    answer = get(site, PAGE)
    assert answer.status_code == 503
    assert "promptlab browse" in answer.text
    assert get(site, f"{PAGE}.json").status_code == get(site, f"{PAGE}.csv").status_code == 503


def test_names_are_text_in_chart_table_and_csv(own: Any, get: Get) -> None:
    """A name with HTML, quotes or a formula is text in the SVG, in the table and in the CSV."""
    with Log.open(own.db) as log:
        log.execute("UPDATE runs SET user = ? WHERE id = ?", ('<b onload="x">', own.unseeded))
        log.execute("UPDATE runs SET user = ? WHERE id = ?", ("=cmd|' /C calc'!A0", own.running))
    site = build_datasette(own.db, own.images)
    text = get(site, PAGE, params={"by": "user"}).text
    assert "<b onload" not in text
    assert "&lt;b onload=" in text
    assert "'=cmd|" in get(site, f"{PAGE}.csv", params={"by": "user"}).text


# --- the picture --------------------------------------------------------------------------------------------------


def test_a_chart_is_well_formed_and_titled() -> None:
    """Each chart is one SVG that parses, with its title and the words of every bar; nothing of it needs a script."""
    bars = [Bar("2026-11-01", 1, 2, "a & b"), Bar("2026-11-03", 4, 4, "<c>")]
    for chart in (spend_chart.columns(spend_chart.every_day(bars), str, "by day"), spend_chart.rows(bars, "by user")):
        root = ElementTree.fromstring(str(chart))
        words = [element.text for element in root.iter() if element.tag == "title"]
        assert {"2026-11-01: a & b", "2026-11-03: <c>"} < set(words)
        assert root.attrib["role"] == "img"
        assert "style=" not in chart


def test_days_without_spending_are_there() -> None:
    """Between two days all days are drawn; a history too long for that shows the days it has."""
    found = spend_chart.every_day([Bar("2026-11-01", 1, 1, ""), Bar("2026-11-04", 1, 1, "")])
    assert [(bar.name, bar.high) for bar in found] == [
        ("2026-11-01", 1), ("2026-11-02", 0), ("2026-11-03", 0), ("2026-11-04", 1),
    ]  # fmt: skip
    assert len(spend_chart.every_day([Bar("2020-01-01", 1, 1, ""), Bar("2026-11-04", 1, 1, "")])) == 2
    assert spend_chart.every_day([]) == []


def test_bars_are_as_high_as_what_they_say() -> None:
    """A bar of half the cost is half as high, and what may have been billed stands on top of what was."""
    chart = str(spend_chart.columns([Bar("a", 50, 100, ""), Bar("b", 100, 100, "")], str, "x"))
    sure = [float(height) for height in re.findall(r'class="sure"[^>]*height="([\d.]+)"', chart)]
    risk = [float(height) for height in re.findall(r'class="risk"[^>]*height="([\d.]+)"', chart)]
    assert sure[1] == pytest.approx(2 * sure[0], abs=0.2)
    assert risk == [pytest.approx(sure[0], abs=0.2)]


@pytest.mark.parametrize("most", [0.004, 0.93, 1, 7, 120, 8109.5, 3e6])
def test_the_scale_is_round_and_above_everything(most: float) -> None:
    """The top of the scale is at least the largest bar, in two to five steps of 1, 2, 2.5 or 5."""
    top, step = spend_chart._scale(most)
    assert top >= most - 1e-9
    assert 2 <= round(top / step) <= 5
    assert f"{step:e}"[:3] in ("1.0", "2.0", "2.5", "5.0")
