"""Voting in a real browser: by key, on a phone, and without scripts."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from promptlab.log import Log
from promptlab.store import Store

pytestmark = pytest.mark.browser

SERVER = """
import sys
from pathlib import Path
from promptlab.browse import serve
serve(Path(sys.argv[1]), Path(sys.argv[2]), port=0, open_browser=False, ready=lambda url: print(url, flush=True))
"""
RUN = "01RUNRUNRUNRUNRUNRUNRUN00"
READY = (
    "return document.images.length > 1 && Array.from(document.images).every(i => i.complete && i.naturalWidth === 1024)"
)


@pytest.fixture
def studio(tmp_path: Path, writer_class: Any) -> Path:
    """Five styles at six seeds."""
    from PIL import Image as Picture

    folder = tmp_path / "studio"
    folder.mkdir()
    with Log.open(folder / "promptlab.db") as log:
        writer = writer_class(log, Store(folder / "images"), folder)
        run = writer.run(RUN, "ads", planned=30, completed=30)
        for number, (style, seed) in enumerate(itertools.product("abcde", range(6))):
            made = writer.generation(run, number, {"style": style}, seed=seed)
            out = folder / "picture.png"
            Picture.new("RGB", (64, 64), (number * 8, 120, 90)).save(out)
            writer.image(made, out.read_bytes())
    return folder


@pytest.fixture
def url(studio: Path) -> Iterator[str]:
    command = [sys.executable, "-c", SERVER, str(studio / "promptlab.db"), str(studio / "images")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


@pytest.fixture
def browser() -> Iterator[Callable[..., Any]]:
    """`browser(width, scripts=True)`: headless Chromium that sends no request elsewhere."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    opened: list[Any] = []

    def start(width: int = 1440, height: int = 900, *, scripts: bool = True) -> Any:
        options = Options()
        options.binary_location = "/usr/bin/chromium"
        for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-background-networking", "no-first-run"):
            options.add_argument(f"--{flag}")
        if not scripts:
            blocked = {"profile.managed_default_content_settings.javascript": 2}
            options.add_experimental_option("prefs", blocked)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        opened.append(driver)
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        return driver

    yield start
    for driver in opened:
        driver.quit()


def begin(driver: Any, url: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    driver.get(f"{url}/vote?run={RUN}&by=style")
    driver.find_element("css selector", "button.send").click()
    WebDriverWait(driver, 20).until(lambda driver: driver.find_elements("name", "token"))


def token(driver: Any) -> str:
    return str(driver.find_element("name", "token").get_attribute("value"))


def press(driver: Any, *keys: str) -> None:
    """Press keys of which the last one is answered with other pictures."""
    from selenium.webdriver.support.ui import WebDriverWait

    before = token(driver)
    for key in keys:
        driver.find_element("tag name", "body").send_keys(key)
    WebDriverWait(driver, 20).until(lambda driver: token(driver) != before and driver.execute_script(READY))
    WebDriverWait(driver, 20).until(
        lambda driver: "waiting" not in driver.find_element("id", "ballot").get_attribute("class")
    )


def counts(driver: Any, expected: str) -> None:
    """Wait until the page says that so many ballots are one's own; it may be loading."""
    from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
    from selenium.webdriver.support.ui import WebDriverWait

    wait = WebDriverWait(driver, 20, ignored_exceptions=[NoSuchElementException, StaleElementReferenceException])
    wait.until(lambda driver: driver.find_element("id", "yours").text == expected)


def outcomes(studio: Path) -> list[str]:
    with Log.open(studio / "promptlab.db", create=False) as log:
        return [ballot.comparisons[0].outcome for ballot in log.ballots(RUN)]


def test_by_key_alone(studio: Path, url: str, browser: Callable[..., Any]) -> None:
    """Left, right, tie, both bad, undo and skip; each is saved before the next pictures are there."""
    from selenium.webdriver.common.keys import Keys

    driver = browser()
    begin(driver, url)
    said: list[str] = []
    for key, outcome in ((Keys.ARROW_LEFT, "left"), (Keys.ARROW_RIGHT, "right"), ("t", "tie"), ("b", "bad")):
        press(driver, key)
        said.append(outcome)
        assert outcomes(studio) == said
    press(driver, "u")
    assert outcomes(studio) == said[:3]
    assert driver.find_element("id", "said").text == "Taken back: judge it again."
    press(driver, "s")
    assert driver.find_element("id", "yours").text == "3"
    assert outcomes(studio) == said[:3]
    driver.find_element("css selector", "button.shown[value=right]").click()
    counts(driver, "4")
    assert outcomes(studio) == [*said[:3], "right"]
    problems = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert [problem for problem in problems if "favicon" not in problem] == []


def test_best_and_worst_by_key(studio: Path, url: str, browser: Callable[..., Any]) -> None:
    """Two keys: the best, then the worst; u takes back the first one while the second is not pressed."""
    driver = browser()
    begin(driver, url)
    driver.find_element("link text", "Vote on four at a time").click()
    body = driver.find_element("tag name", "body")
    body.send_keys("2")
    assert len(driver.find_elements("css selector", ".is-best")) == 1
    body.send_keys("u")
    assert driver.find_elements("css selector", ".is-best") == []
    press(driver, "3", "1")
    assert driver.find_element("id", "said").text == "Saved: 3 is the best, 1 the worst."
    with Log.open(studio / "promptlab.db", create=False) as log:
        (ballot,) = log.ballots(RUN)
    assert (ballot.kind, len(ballot.comparisons)) == ("best_worst", 5)


@pytest.mark.parametrize("kind", ["pair", "best_worst"])
def test_without_scripts(studio: Path, url: str, browser: Callable[..., Any], kind: str) -> None:
    """The page is a form: it votes, undoes, skips and closes."""
    from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
    from selenium.webdriver.support.ui import WebDriverWait

    driver = browser(scripts=False)
    driver.get(f"{url}/vote?run={RUN}&by=style")
    driver.find_element("css selector", f"input[name=kind][value={kind}]").click()
    driver.find_element("css selector", "button.send").click()
    for expected in ("1", "2"):
        if kind == "pair":
            driver.find_element("css selector", "button.shown[value=left]").click()
        else:
            driver.find_element("css selector", "input[name=best][value='1']").click()
            driver.find_element("css selector", "input[name=worst][value='3']").click()
            driver.find_element("css selector", "button.send").click()
        counts(driver, expected)
    driver.find_element("css selector", "#undo button").click()
    counts(driver, "1")
    before = token(driver)
    driver.find_element("css selector", "#skip button").click()
    WebDriverWait(driver, 20, ignored_exceptions=[NoSuchElementException, StaleElementReferenceException]).until(
        lambda driver: token(driver) != before
    )
    assert outcomes(studio) == ["left"]
    driver.find_element("link text", "How does it stand?").click()
    driver.find_element("css selector", ".go button").click()
    assert "The vote is open" in driver.find_element("css selector", ".headline").text


@pytest.mark.parametrize("width", [1440, 820, 390])
def test_it_fits(url: str, browser: Callable[..., Any], width: int) -> None:
    """No page is wider than the screen; on a phone every answer is large enough for a thumb."""
    driver = browser(width, 844 if width < 500 else 900)
    pages = [f"{url}/vote?run={RUN}", f"{url}/vote?run={RUN}&by=style"]
    for page in pages:
        driver.get(page)
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    driver.find_element("css selector", "button.send").click()
    tally = driver.find_element("link text", "How does it stand?").get_attribute("href")
    for page in (driver.current_url, f"{driver.current_url}&kind=best_worst", tally):
        driver.get(page)
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        for button in driver.find_elements("css selector", ".answers button, .choice label, button.shown"):
            assert button.size["height"] >= 44 or not button.is_displayed()
