"""The pages in a real browser."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.browser

SERVER = """
import sys
from pathlib import Path
from promptlab.browse import serve
serve(Path(sys.argv[1]), Path(sys.argv[2]), port=0, open_browser=False, ready=lambda url: print(url, flush=True))
"""
LOADED = "return Array.from(document.images).map(i => [i.complete, i.naturalWidth, i.getBoundingClientRect().top])"


@pytest.fixture
def url(demo: Any) -> Iterator[str]:
    """The address of a server over the demo's log."""
    command = [sys.executable, "-c", SERVER, str(demo.db), str(demo.images)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


@pytest.fixture
def driver() -> Iterator[Any]:
    """Headless Chromium that sends no request elsewhere."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-background-networking", "no-first-run"):
        options.add_argument(f"--{flag}")
    options.add_argument("--window-size=1400,1000")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


def test_pictures_load(url: str, driver: Any, demo: Any) -> None:
    """On the runs page, side by side, on an image's page and in the gallery the pictures really load."""
    from selenium.webdriver.support.ui import WebDriverWait

    pages = ["?experiment=shelf_photos", f"/compare?run={demo.shelf}&by=style", f"/image/{demo.image}"]
    addresses = [url + page for page in pages] + [url.replace("/-/promptlab", "/promptlab/gallery")]
    for address in addresses:
        driver.get(address)

        def loaded(driver: Any) -> list[Any]:
            found = [one for one in driver.execute_script(LOADED) if one[2] < 1000]
            return found if found and all(complete for complete, _, _ in found) else []

        found = WebDriverWait(driver, 20).until(loaded)
        assert len(found) >= 1
        assert all(width > 0 for _, width, _ in found), address
    problems = [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert [entry for entry in problems if "favicon" not in entry["message"]] == []


def test_a_click_leads_to_the_image(url: str, driver: Any, demo: Any) -> None:
    """From the runs to the grid to one image, by clicking."""
    from selenium.webdriver.common.by import By

    driver.get(url + "?experiment=shelf_photos")
    driver.find_element(By.CSS_SELECTOR, f"#run-{demo.shelf} .button").click()
    assert [cell.text for cell in driver.find_elements(By.CSS_SELECTOR, ".grid thead th")][1:] == [
        "film",
        "studio",
        "ink",
    ]
    driver.find_element(By.CSS_SELECTOR, ".grid td summary").click()
    assert driver.find_element(By.CSS_SELECTOR, ".grid td ins").text == "hand-thrown"
    driver.find_element(By.CSS_SELECTOR, ".grid td .thumb").click()
    assert driver.current_url.endswith(f"/image/{demo.image}")
