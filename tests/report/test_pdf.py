"""The PDF report: printed by Chromium where there is one, a sentence where there is none."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

import promptlab
from promptlab.errors import InputError, PromptlabError
from promptlab.log import Log
from promptlab.report import pdf


@pytest.mark.browser
def test_a_report_is_printed(studio: Path) -> None:
    """A PDF with the pictures in it, known as ours, so that it is replaced the next time; nothing is left behind."""
    made = promptlab.write_report(output="report.pdf")
    data = made.path.read_bytes()
    assert data.startswith(b"%PDF")
    with Log.open(studio / "promptlab.db", readonly=True) as log:
        different = {image.sha256 for image in log.images(made.run_id)}
    assert data.count(b"/Subtype /Image") >= len(different) > 8  # Chromium keeps what is shown twice once
    assert pdf.is_ours(made.path)
    promptlab.write_report(output="report.pdf")
    assert sorted(path.name for path in studio.iterdir() if "report" in path.name) == ["report.pdf"]


def test_without_a_browser_it_is_said(studio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No Chromium on the PATH: an error that says what to do, and no file."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match=r"needs Chromium or Chrome.*report\.html"):
        promptlab.write_report(output="report.pdf")
    assert not (studio / "report.pdf").exists()


def fake_browser(folder: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program called chromium, alone on the PATH."""
    folder.mkdir()
    script = folder / "chromium"
    script.write_text(f"#!{sys.executable}\nimport sys, time\n{code}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    assert shutil.which("chromium") == str(script)


def test_a_browser_that_fails_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the browser said last is in the error, and an older PDF stays."""
    fake_browser(tmp_path / "bin", "sys.exit('no display for me')", monkeypatch)
    target = tmp_path / "report.pdf"
    target.write_bytes(b"%PDF old\n%promptlab report\n")
    with pytest.raises(PromptlabError, match="no display for me"):
        pdf.write("<p>x</p>", target)
    assert target.read_bytes().startswith(b"%PDF old")


def test_a_browser_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser that does not end is killed, with the time in the error."""
    fake_browser(tmp_path / "bin", "time.sleep(600)", monkeypatch)
    monkeypatch.setattr(pdf, "_TIMEOUT_S", 0.3)
    with pytest.raises(PromptlabError, match="took longer than"):
        pdf.write("<p>x</p>", tmp_path / "report.pdf")
    assert not (tmp_path / "report.pdf").exists()


def test_the_browser_gets_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The browser's environment holds no key, its profile is in a folder of its own, and no proxy leads out."""
    code = (
        "import os\ntarget = [word for word in sys.argv if word.startswith('--print-to-pdf=')][0].partition('=')[2]\n"
        "open(target, 'w').write('%PDF ' + repr(sys.argv) + repr(dict(os.environ)))"
    )
    fake_browser(tmp_path / "bin", code, monkeypatch)
    monkeypatch.setenv("KAIRVAL_API_KEY", "kv_secret_value")
    pdf.write("<p>x</p>", tmp_path / "report.pdf")
    said = (tmp_path / "report.pdf").read_text()
    assert "kv_secret_value" not in said
    assert "--user-data-dir=" in said
    assert "--proxy-server=127.0.0.1:9" in said
