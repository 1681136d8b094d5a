"""The HTML report: the verdict first, everything inside, every text as text, within its size."""

from __future__ import annotations

import base64
import hashlib
import re
import sqlite3
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import promptlab
from promptlab.compare.verdict import verdict_of
from promptlab.errors import InputError
from promptlab.log import Log
from promptlab.report.make import size_of


class Page(HTMLParser):
    """What a browser would make of a page: its elements with their attributes, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.html = path.read_text(encoding="utf-8")
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.texts)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def page(made: Path, evil: str, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """A report of the whole run, for tests that only read it."""
    target = tmp_path_factory.mktemp("page") / "report.html"
    return Page(promptlab.write_report("last", target, studio=made, title=evil).path)


def test_the_verdict_comes_first(studio: Path) -> None:
    """The heading of the page is the verdict's own headline, before any picture."""
    made = promptlab.write_report()
    with Log.open(studio / "promptlab.db", readonly=True) as log:
        verdict = verdict_of(log, made.run_id, "prompt")
    page = Page(made.path)
    assert made.headline == verdict.headline
    assert page.html.index("<h1") < page.html.index("<img")
    assert re.search(r"<h1[^>]*>(.*?)</h1>", page.html, re.DOTALL)[1] == verdict.headline.replace("'", "&#39;")  # type: ignore[index]
    for statement in verdict.trust:
        assert statement.text in page.text


def test_everything_is_inside(page: Page) -> None:
    """No element of the page refers to anything outside of it, and pictures are data."""
    assert len(page.all("img")) > 12
    assert all(each["src"].startswith("data:image/") for each in page.all("img"))
    references = [each[name] for _, each in page.elements for name in ("src", "href", "action", "data") if name in each]
    assert all(each.startswith(("data:image/", "#")) for each in references)
    assert page.all("link") == []
    assert "@import" not in page.html
    assert "url(" not in page.html


def test_the_policy_allows_what_is_there_and_no_more(page: Page) -> None:
    """The content security policy has the hashes of the one style and the one script, and no network."""
    policy = next(each["content"] for each in page.all("meta") if each.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page.html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not [name for _, each in page.elements for name in each if name.startswith("on") or name == "style"]


def test_hostile_texts_are_texts(page: Page, evil: str) -> None:
    """Prompts, values and notes with HTML, quotes, emoji and right-to-left text add no element, and read as written."""
    assert [each for each in page.all("img") if each["src"] == "x"] == []
    assert len(page.all("script")) == 1
    assert len(page.all("b")) == 0
    assert evil in page.text
    assert any(evil[:40] in each["alt"] for each in page.all("img"))
    assert "<b>shop</b>" in page.text


def test_each_picture_has_a_description(page: Page) -> None:
    """Every picture has an alternative text and its size; every table has a caption."""
    pictures = [each for each in page.all("img") if each["src"].startswith("data:image/jpeg")]
    assert all(each["alt"] and each["width"] and each["height"] for each in pictures)
    assert len(page.all("caption")) == len(page.all("table"))


def test_the_winner_is_large_with_its_prompt_to_copy(page: Page) -> None:
    """The value in front has the largest picture, its prompt, template, parameters and request."""
    widths = [int(each["width"]) for each in page.all("img") if each["alt"].startswith("plain, seed")]
    assert widths[0] == 1024
    assert max(widths[1:]) <= 896
    copies = {each["data-copy"] for each in page.all("pre") if "data-copy" in each}
    assert {"the prompt", "the negative prompt", "the template", "the command"} <= copies
    assert "curl -X POST" in page.text
    assert "a mug on a table, {{ place }}" in page.text


def test_the_same_log_gives_the_same_bytes(studio: Path) -> None:
    """Written twice, a report is the same to the byte; its time is the last vote's, not the clock's."""
    first = promptlab.write_report(output="one.html")
    assert promptlab.write_report(output="two.html").as_of == first.as_of
    assert (studio / "one.html").read_bytes() == (studio / "two.html").read_bytes()
    with Log.open(studio / "promptlab.db", readonly=True) as log:
        assert first.as_of == log.value("SELECT max(at) FROM marks")


@pytest.mark.parametrize("size", ["250kB", "8MB"])
def test_it_keeps_below_its_size(made: Path, tmp_path: Path, size: str) -> None:
    """All pictures are there whatever the size; they are smaller where it is."""
    done = promptlab.write_report("last", tmp_path / "report.html", studio=made, size=size)
    assert done.bytes <= size_of(size)
    page = Page(done.path)
    assert done.images == 12
    assert "not in the store" not in page.text


def test_a_size_that_holds_nothing_is_said(new_studio: Callable[[dict[str, Any]], Path]) -> None:
    """Texts alone may be larger than the size: an error that says what to do, and no file."""
    folder = new_studio({"prompts": {name: f"a mug {name} " * 900 for name in "abcdef"}, "seeds": [1]})
    with pytest.raises(InputError, match=r"even with the smallest pictures.*\[?report-size"):
        promptlab.write_report(size="100kB")
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize(
    ("text", "size"), [("8MB", 8_000_000), ("500 kb", 500_000), ("1.5MiB", 1_572_864), (200_000, 200_000)]
)
def test_sizes(text: str | int, size: int) -> None:
    """A size is a number with or without a unit."""
    assert size_of(text) == size


@pytest.mark.parametrize("text", ["", "large", "8 XB", "-3MB", "99kB"])
def test_what_is_not_a_size(text: str) -> None:
    """Anything else is an error in a sentence."""
    with pytest.raises(InputError, match="size:"):
        size_of(text)


def test_without_votes_it_says_so_and_is_useful(unjudged: Path) -> None:
    """Nobody judged: the headline says it, nobody wins, and every picture and prompt is there."""
    made = promptlab.write_report()
    page = Page(made.path)
    assert not made.judged
    assert "Nobody has judged" in page.text
    assert 'id="winner"' not in page.html
    assert made.images == 3
    assert "a mug on a table" in page.text


def test_without_an_axis_the_pictures_stand_alone(new_studio: Callable[[dict[str, Any]], Path]) -> None:
    """One prompt, some seeds: nothing to compare, and all pictures are there."""
    new_studio({"prompt": "a mug on linen", "seeds": [1, 2]})
    made = promptlab.write_report()
    assert (made.by, made.images, made.judged) == (None, 2, False)
    assert made.headline.startswith("There is nothing to compare")


def test_a_catalogue_is_a_wall(new_studio: Callable[[dict[str, Any]], Path]) -> None:
    """Many items that nobody compared: every image with its item under it, one recipe, and nothing ranked."""
    items = [f"item {number}" for number in range(14)]
    new_studio({"prompt": "a {{ thing }}", "axes": {"thing": items}, "params": {"output_format": "jpg"}})
    made = promptlab.write_report()
    page = Page(made.path)
    assert (made.images, made.by, made.judged) == (14, None, False)
    assert "14 values of thing" in made.headline
    assert page.all("table") == [each for each in page.all("table") if "class" not in each]
    assert all(f"thing {item}" in page.text for item in items)
    assert "How one of them was made" in page.text
    assert promptlab.write_report(by="thing").by == "thing"


def test_an_open_vote_is_noted(studio: Path) -> None:
    """A report shows the tally of an open vote, so it notes who looked, once per person to the reader."""
    with Log.open(studio / "promptlab.db") as log:
        run_id = log.find_run("last").id
        poll = log.open_poll(run_id, "prompt", by="ada")
    made = promptlab.write_report(output="one.html")
    assert "In front while voting is open" in Page(made.path).text
    with Log.open(studio / "promptlab.db") as log:
        looks = list(log.rows('SELECT "by" FROM tally_views WHERE poll_id = ?', (poll.id,)))
    assert looks == [("ada",)]
    promptlab.write_report(output="two.html")
    assert (studio / "one.html").read_bytes() == (studio / "two.html").read_bytes()


def test_where_narrows_it(studio: Path) -> None:
    """Only the variants asked for are shown, and the report says which."""
    made = promptlab.write_report(where="place=home")
    page = Page(made.path)
    assert made.images == 6
    assert "only place=home" in " ".join(page.text.split())


@pytest.mark.parametrize(
    ("more", "code"),
    [({"by": "colour"}, "unknown-axis"), ({"where": "place=nowhere"}, "unknown-id"),
     ({"metric": "beauty"}, "no-such-metric"), ({"run": "nothing"}, "no-such-run"),
     ({"output": "report.docx"}, "report-format")],
)  # fmt: skip
def test_what_is_not_there_is_said(studio: Path, more: dict[str, Any], code: str) -> None:
    """An axis, an id, a metric or a run that is not there: an error with its code, and no file."""
    with pytest.raises(InputError) as error:
        promptlab.write_report(**more)
    assert code in [problem.code for problem in error.value.problems]
    assert not (studio / "report.html").exists()


def test_a_file_that_is_gone_is_said(studio: Path) -> None:
    """An image whose file was removed has a sentence in its place, never a broken picture."""
    removed = sorted((studio / "images").glob("??/*.jpg"))[0]
    removed.unlink()
    page = Page(promptlab.write_report().path)
    assert "its file is not in the store" in page.text
    assert all(each["src"].startswith("data:image/") for each in page.all("img"))


def test_failures_are_counted_beside_the_verdict(studio: Path) -> None:
    """What failed is counted by value and reason, and its cell says why."""
    connection = sqlite3.connect(studio / "promptlab.db")
    (failed,) = connection.execute(
        "SELECT g.id FROM generations g JOIN variants v ON v.id = g.variant_id WHERE v.name LIKE '%odd%' LIMIT 1"
    ).fetchone()
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute(
        "DELETE FROM votes WHERE left_image IN (SELECT id FROM images WHERE generation_id = ?)", (failed,)
    )
    connection.execute("DELETE FROM images WHERE generation_id = ?", (failed,))
    change = (
        "UPDATE generations SET status = 'failed', error_code = 'bad_hair', error_message = '<i>no</i>' WHERE id = ?"
    )
    connection.execute(change, (failed,))
    connection.commit()
    connection.close()
    text = " ".join(Page(promptlab.write_report().path).text.split())
    assert "failed: bad_hair" in text
    assert "1 failed: <i>no</i>" in text


def test_simulated_is_said_where_it_is(studio: Path) -> None:
    """Of the simulator's pictures the report says SIMULATED at its head; of a provider's it does not."""
    assert "SIMULATED" in Page(promptlab.write_report().path).text
    connection = sqlite3.connect(studio / "promptlab.db")
    connection.execute("UPDATE runs SET provider = 'kairval'")
    connection.execute("UPDATE generations SET provider = 'kairval', cost_source = 'table', cost_usd = 0.04")
    connection.commit()
    connection.close()
    made = promptlab.write_report()
    assert not made.simulated
    assert "SIMULATED" not in Page(made.path).text


def test_provenance_is_there(studio: Path) -> None:
    """Run id, experiment text, template sources, versions, schema and the hash of every picture."""
    made = promptlab.write_report()
    page = Page(made.path)
    with Log.open(studio / "promptlab.db", readonly=True) as log:
        hashes = {image.sha256 for image in log.images(made.run_id)}
        spec = log.find_run(made.run_id).spec_text
    assert made.run_id in page.text
    assert all(str(sha256) in page.text for sha256 in hashes)
    assert str(spec)[:60] in page.text
    assert "007_verdict" in page.text
    assert promptlab.__version__ in page.text


def test_another_file_is_not_replaced(studio: Path) -> None:
    """A file of somebody else stays, unless forced; an older report is replaced."""
    (studio / "report.html").write_text("<p>my page</p>")
    with pytest.raises(InputError, match="--force"):
        promptlab.write_report()
    assert (studio / "report.html").read_text() == "<p>my page</p>"
    promptlab.write_report(force=True)
    promptlab.write_report(title="again")
    assert "again" in (studio / "report.html").read_text()
    assert [path.name for path in studio.iterdir() if path.name.endswith(".part")] == []
