"""The Markdown report: texts that Markdown shows as they are, and pictures in a folder beside it."""

from __future__ import annotations

import html
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

import promptlab
from promptlab.errors import InputError
from promptlab.report.markdown import fenced, plain

markdown_it = pytest.importorskip("markdown_it")
PARSER = markdown_it.MarkdownIt("commonmark").enable("table").enable("strikethrough")
SIGNS = st.sampled_from(list("*_`~[]()<>&|\\#+-=!.1)\"'$@:/ ab\n\u05e9"))
BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def shown(text: str) -> str:
    """What a reader of the rendered Markdown sees; AssertionError for any markup in it."""
    rendered = PARSER.render(text)
    inner = re.sub(r"^<p>|</p>\n?$", "", rendered)
    assert "<" not in inner, rendered
    return html.unescape(inner)


@given(st.lists(SIGNS).map("".join) | st.text(st.characters(codec="utf-8", exclude_characters=BIDI + "\0\r")))
def test_a_text_reads_as_it_is(text: str) -> None:
    """Any text, rendered, is that text again on one line, and no markup."""
    expected = " ".join(text.split())
    assert shown(plain(text)) == expected if expected else plain(text) == ""


@given(st.lists(SIGNS).map("".join))
def test_a_text_stays_in_its_cell(text: str) -> None:
    """In a table a text neither ends its cell nor its row."""
    rendered = PARSER.render(f"| a | b |\n| --- | --- |\n| {plain(text)} | end |\n")
    cells = re.findall(r"<td>(.*?)</td>", rendered)
    assert [html.unescape(cell) for cell in cells] == [" ".join(text.split()), "end"]


@given(st.text(st.characters(codec="utf-8", exclude_characters=BIDI + "\0\r\t\v\f\x1c\x1d\x1e\x85\u2028\u2029")))
def test_a_prompt_stays_in_its_block(text: str) -> None:
    """Whatever a prompt holds, fences of its own included, the block around it ends where it should."""
    tokens = PARSER.parse(f"{fenced(text)}\n\nafter")
    assert [token.type for token in tokens if token.level == 0] == ["fence", "paragraph_open", "paragraph_close"]
    assert tokens[0].content.rstrip("\n") == text.rstrip("\n")


def test_marks_that_turn_the_writing_are_spelled_out() -> None:
    """An override can't turn what follows it: it is shown by its number."""
    assert plain("a\u202eb") == "a⟨U+202E⟩b"
    assert "\u202e" not in fenced("a\u202eb")


def test_a_report_in_markdown(studio: Path, evil: str) -> None:
    """The verdict first, hostile texts as texts, and every picture a file beside it."""
    made = promptlab.write_report(output="out/my report.md", title=evil)
    text = (studio / "out" / "my report.md").read_text()
    assert text.splitlines()[1].startswith(f"# {made.headline.split(',')[0]}")
    rendered = PARSER.render(text)
    assert re.findall(r"<(script|b|i|img src=\"x\")\b", rendered) == []
    sources = re.findall(r'<img src="([^"]*)"', rendered)
    assert len(sources) >= 12 + 3
    assert made.folder is not None
    assert all((studio / "out" / unquote(source)).is_file() for source in sources)
    assert evil.replace("\u202e", "⟨U+202E⟩") in html.unescape(rendered)


def test_it_is_written_again(studio: Path) -> None:
    """The same log gives the same files; a folder of somebody else's is not replaced."""
    promptlab.write_report(output="r.md")
    before = {path.name: path.read_bytes() for path in (studio / "r_files").iterdir()}
    promptlab.write_report(output="r.md")
    assert {path.name: path.read_bytes() for path in (studio / "r_files").iterdir()} == before
    (studio / "s_files").mkdir()
    (studio / "s_files" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="--force"):
        promptlab.write_report(output="s.md")
    assert (studio / "s_files" / "mine.txt").read_text() == "mine"
