"""Compare two and the image page in a real browser: what their scripts do, and that nothing needs them."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image as Picture
from PIL import ImageChops, ImageStat

from promptlab.store import Store

pytestmark = pytest.mark.browser

STATE = """
const stage = document.querySelector('.stage');
return {view: stage.className.match(/view-(\\w+)/)[1], zoom: Number(stage.style.getPropertyValue('--z')),
  x: parseFloat(stage.style.getPropertyValue('--x')), edge: stage.style.getPropertyValue('--edge'),
  mix: Number(stage.style.getPropertyValue('--mix')), pair: document.querySelector('#pair').dataset.number,
  said: document.querySelector('.slide output').textContent, address: location.href};
"""


@pytest.fixture(scope="module")
def url(demo: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `promptlab browse` over a copy of the demo's log, which these tests write to."""
    folder = tmp_path_factory.mktemp("own")
    shutil.copy(demo.db, folder / "promptlab.db")
    (folder / "images").symlink_to(demo.images, target_is_directory=True)
    command = [sys.executable, "-m", "promptlab", "browse", "--no-open", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[0]
        process.terminate()


@pytest.fixture
def keys(driver: Any) -> Callable[..., None]:
    """Press keys, wherever the focus is."""
    from selenium.webdriver.common.action_chains import ActionChains

    return lambda *pressed: ActionChains(driver).send_keys(*pressed).perform()


@pytest.fixture
def until(driver: Any) -> Callable[[Callable[[], Any]], Any]:
    """Wait until something is true."""
    from selenium.webdriver.support.ui import WebDriverWait

    return lambda check: WebDriverWait(driver, 20).until(lambda _: check())


@pytest.fixture
def pair(url: str, driver: Any, demo: Any, until: Any) -> Iterator[Callable[[], Any]]:
    """The page of film and ink, loaded; gives its state when called."""
    driver.get(f"{url}/pair?run={demo.shelf}&by=style&a=film&b=ink")
    loaded = "return Array.from(document.querySelectorAll('.stage img')).every(i => i.complete && i.naturalWidth > 0)"
    until(lambda: driver.execute_script(loaded))
    yield lambda: driver.execute_script(STATE)
    problems = [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert [entry for entry in problems if "favicon" not in entry["message"]] == []


def test_views_by_key(driver: Any, pair: Any, keys: Any, until: Any) -> None:
    """1 to 4 choose the view, brackets move its slider, and the address says what is shown."""
    assert pair()["view"] == "side"
    keys("2", "]", "]")
    assert (pair()["view"], pair()["edge"]) == ("slider", "60%")
    keys("3", "[")
    assert (pair()["view"], pair()["mix"]) == ("overlay", 0.45)
    keys("4")
    until(lambda: "of the pixels differ" in pair()["said"])
    assert "view=difference" in pair()["address"]
    canvas = driver.find_element("css selector", ".stage canvas")
    assert canvas.is_displayed()
    assert "The difference" in canvas.get_attribute("aria-label")


def test_the_difference_is_counted(url: str, driver: Any, demo: Any, until: Any) -> None:
    """What the page says of the pixels is what the two files are, counted another way."""
    driver.get(f"{url}/pair?run={demo.shelf}&by=style&a=film&b=studio&view=difference")
    until(lambda: "of the pixels differ" in driver.execute_script(STATE)["said"])
    said = driver.execute_script(STATE)["said"]
    names = [image.get_attribute("src")[-64:] for image in driver.find_elements("css selector", ".stage img")]
    one, other = (Picture.open(io.BytesIO(Store(demo.images).get(name))).convert("RGB") for name in names)
    difference = ImageChops.difference(one, other)
    largest = ImageChops.lighter(ImageChops.lighter(*difference.split()[:2]), difference.split()[2]).histogram()
    assert said.startswith(f"{100 * sum(largest[17:]) / sum(largest):.1f} % of the pixels differ, ")
    assert f"{sum(ImageStat.Stat(difference).mean) / 3:.1f} of 255 on average" in said


def test_zoom_is_one_for_both_and_arrows_move_it(driver: Any, pair: Any, keys: Any) -> None:
    """+ and − zoom both pictures alike; then the arrows move them, and 0 puts them back."""
    from selenium.webdriver.common.keys import Keys

    keys("+", "+", "+", Keys.ARROW_RIGHT)
    state = pair()
    assert state["zoom"] == pytest.approx(1.25**3)
    assert state["x"] == -60
    assert state["pair"] == "1"
    shown = "return Array.from(document.querySelectorAll('.stage img')).map(i => getComputedStyle(i).transform)"
    one, other = driver.execute_script(shown)
    assert one == other
    assert one.startswith("matrix(1.95")
    keys("0")
    assert (pair()["zoom"], pair()["x"]) == (1, 0)


def test_the_wheel_and_a_drag(driver: Any, pair: Any) -> None:
    """The wheel zooms below the pointer, a drag moves the pictures; in the slider it moves the edge."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    stage = driver.find_element("css selector", ".stage")
    ActionChains(driver).scroll_from_origin(ScrollOrigin.from_element(stage), 0, -300).perform()
    assert pair()["zoom"] > 2
    before = pair()["x"]
    ActionChains(driver).drag_and_drop_by_offset(stage, 40, 0).perform()
    assert pair()["x"] == pytest.approx(before + 40, abs=2)
    driver.find_element("css selector", "[data-zoom=fit]").click()
    driver.find_element("css selector", "[data-view=slider]").click()
    ActionChains(driver).drag_and_drop_by_offset(stage, 100, 0).perform()
    assert float(pair()["edge"].rstrip("%")) > 52


def test_the_next_pair_by_arrow_and_back(driver: Any, pair: Any, keys: Any, until: Any) -> None:
    """Arrows go through the pairs without loading the page anew; the view stays, and Back goes back."""
    from selenium.webdriver.common.keys import Keys

    driver.execute_script("window.same = true")
    keys("2", Keys.ARROW_RIGHT)
    until(lambda: pair()["pair"] == "2")
    assert pair()["view"] == "slider"
    assert "pair=2" in pair()["address"]
    keys("n")
    until(lambda: pair()["pair"] == "3")
    keys(Keys.ARROW_LEFT)
    until(lambda: pair()["pair"] == "2")
    driver.back()
    until(lambda: pair()["pair"] == "3")
    assert driver.execute_script("return window.same")


def test_the_image_page_by_keys(url: str, driver: Any, demo: Any, keys: Any, until: Any) -> None:
    """k, x and u mark without leaving the page; arrows lead on and back."""
    from selenium.webdriver.common.keys import Keys

    driver.get(f"{url}/image/{demo.image}")
    marks = lambda: driver.execute_script("return document.querySelector('#marks').textContent.trim()")  # noqa: E731
    assert marks() == "kept"
    keys("x")
    until(lambda: marks() == "rejected")
    keys("k")
    until(lambda: marks() == "kept")
    first = driver.current_url
    keys(Keys.ARROW_RIGHT)
    until(lambda: driver.current_url != first)
    assert marks() == ""
    until(lambda: driver.find_elements("css selector", "a[rel=prev]"))
    keys(Keys.ARROW_LEFT)
    until(lambda: driver.current_url == first)
    assert marks() == "kept"


def test_copying_needs_no_permission(url: str, driver: Any, demo: Any, until: Any) -> None:
    """Where the clipboard is refused, the text is selected; where it works, it says so."""
    driver.get(f"{url}/image/{demo.image}")
    refuse = "Object.defineProperty(navigator, 'clipboard', {value: {writeText: () => Promise.reject()}});"
    driver.execute_script(refuse + "document.execCommand = () => false")
    button = driver.find_element("css selector", "button[data-copy=command]")
    button.click()
    until(lambda: "Selected" in button.text)
    assert driver.execute_script("return String(getSelection())").startswith("promptlab run ")


def test_without_scripts(url: str, driver: Any, demo: Any) -> None:
    """With scripts off, views and pairs are links, marks are forms, and what needs a script is not offered."""
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver.get(f"{url}/pair?run={demo.shelf}&by=style&a=film&b=ink")
        driver.find_element("css selector", "[data-view=overlay]").click()
        assert "view=overlay" in driver.current_url
        pane = driver.find_element("css selector", ".stage.view-overlay .pane.b")
        assert pane.value_of_css_property("opacity") == "0.5"
        driver.find_element("css selector", "a[rel=next]").click()
        assert "pair=2" in driver.current_url
        assert not driver.find_element("css selector", ".zoom").is_displayed()
        driver.get(f"{url}/image/{demo.image}")
        assert not any(button.is_displayed() for button in driver.find_elements("css selector", "button.copy"))
        driver.find_element("css selector", ".marking .keep").click()
        assert demo.image in driver.current_url
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
