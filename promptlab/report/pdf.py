"""A report as PDF: its HTML, printed by this machine's Chromium, without a network and without the user's profile."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from promptlab.environ import without_keys
from promptlab.errors import InputError, PromptlabError
from promptlab.store.whole import whole_file

__all__ = ["BROWSERS", "find_browser", "is_ours", "write"]

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
_TIMEOUT_S: Final = 120.0
_SIGN: Final = b"%promptlab report"
#: Nothing is loaded (the page's policy forbids it), nothing is asked of Google, nothing of the user's profile is used.
_FLAGS: Final = (
    "--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--no-default-browser-check",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--disable-sync",
    "--disable-breakpad", "--metrics-recording-only", "--password-store=basic", "--use-mock-keychain",
    "--proxy-server=127.0.0.1:9", "--proxy-bypass-list=<-loopback>", "--no-pdf-header-footer",
    "--run-all-compositor-stages-before-draw",
)  # fmt: skip


def find_browser() -> str:
    """The path of a Chromium or Chrome; InputError says what to do where there is none."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        message = "a .pdf needs Chromium or Chrome on the PATH, and there is none; install one, or write report.html"
        raise InputError(f"{message} and print it from any browser", code="no-browser")
    return found


def write(html: str, target: Path) -> None:
    """Print a page. InputError where there is no browser, PromptlabError where it fails or takes over two minutes."""
    browser = find_browser()
    with tempfile.TemporaryDirectory(prefix="promptlab-report-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        page, printed = folder / "report.html", folder / "report.pdf"
        page.write_text(html, encoding="utf-8")
        said = _print(browser, folder, page, printed)
        if not printed.is_file() or not printed.read_bytes().startswith(b"%PDF"):
            last = said.strip().splitlines()[-1:] or ["it said nothing"]
            raise PromptlabError(f"{browser} did not print the report: {last[0][:300]}; report.html works everywhere")
        data = printed.read_bytes()
    with whole_file(target) as file:
        file.write(data + b"\n" + _SIGN + b"\n")


def _print(browser: str, folder: Path, page: Path, printed: Path) -> str:
    """Run the browser, and end it with everything that it started; what it said."""
    flags = [*_FLAGS, f"--user-data-dir={folder / 'profile'}", f"--print-to-pdf={printed}"]
    if _needs_no_sandbox():
        flags.append("--no-sandbox")
    process = subprocess.Popen(  # noqa: S603  a browser found on the PATH, and arguments of ours
        [browser, *flags, page.as_uri()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=without_keys(os.environ) | {"HOME": str(folder)},
        start_new_session=True,
    )
    try:
        out, _ = process.communicate(timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        message = f"{browser} took longer than {_TIMEOUT_S:.0f} s to print the report; report.html works everywhere"
        raise PromptlabError(message) from error
    finally:
        if process.poll() is None:
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)  # its helpers too
            else:
                process.kill()
            process.communicate()
    return out.decode("utf-8", "replace")


def _needs_no_sandbox() -> bool:
    """Chromium refuses to run as root with its sandbox; the page is ours, and its policy lets it do nothing."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def is_ours(path: Path) -> bool:
    """Whether a PDF was written here."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 200))
        return _SIGN in file.read()
