"""The report in a real browser, with the network cut: 100 % of its pictures, no scrolling sideways, nothing runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import promptlab

pytestmark = pytest.mark.browser

BROKEN = "return Array.from(document.images).filter(i => !i.complete || !i.naturalWidth).map(i => i.alt)"
WIDER = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    """Headless Chromium that reaches nothing: its proxy is a port on which nobody listens."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-background-networking", "no-first-run"):
        options.add_argument(f"--{flag}")
    options.add_argument("--proxy-server=127.0.0.1:9")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    driver.execute_cdp_cmd("Network.enable", {})
    driver.execute_cdp_cmd(
        "Network.emulateNetworkConditions",
        {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0},
    )
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def address(made: Path, evil: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report on the disk."""
    target = tmp_path_factory.mktemp("sent") / "report.html"
    return promptlab.write_report("last", target, studio=made, title=evil).path.as_uri()


def show(driver: Any, address: str, width: int, scheme: str) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    driver.get(address)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 820, 390])
def test_it_opens_offline(driver: Any, address: str, width: int, scheme: str) -> None:
    """Every picture is drawn, nothing is wider than the screen, and the console has no error."""
    show(driver, address, width, scheme)
    assert driver.execute_script("return document.images.length") > 12
    assert driver.execute_script(BROKEN) == []
    assert driver.execute_script(WIDER) <= 0
    assert [entry["message"] for entry in driver.get_log("browser")] == []


def test_nothing_is_asked_of_a_network(driver: Any, address: str) -> None:
    """The only address that the page loads from is its own file; pictures are data."""
    driver.get_log("performance")
    show(driver, address, 1440, "light")
    import json

    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith(("data:", "file:"))] == []


def test_a_prompt_is_copied(driver: Any, address: str) -> None:
    """The button under the winner's prompt puts the prompt on the clipboard."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    show(driver, address, 1440, "light")
    permissions = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    driver.execute_cdp_cmd("Browser.grantPermissions", permissions)
    button = driver.find_element(By.CSS_SELECTOR, "#winner button.copy")
    assert button.text == "Copy the prompt"
    button.click()
    WebDriverWait(driver, 10).until(lambda _: button.text == "Copied")
    copied = driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert copied == driver.find_element(By.CSS_SELECTOR, "#winner pre.words").text


def test_without_scripts_it_is_whole(driver: Any, address: str) -> None:
    """With scripts off everything is there but the copy buttons."""
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        show(driver, address, 390, "light")
        source = driver.page_source
        assert source.count("<img") > 12
        assert 'class="copy"' not in source
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_hostile_texts_do_nothing(driver: Any, address: str, evil: str) -> None:
    """A prompt that is a script is shown, and opens no dialogue; titles read as written."""
    show(driver, address, 1440, "light")
    assert driver.execute_script("return document.querySelector('.kicker strong').textContent") == evil
    assert driver.execute_script("return document.querySelectorAll('main script, main b').length") == 0
