"""What scripts do on the gallery and the grid: keys, the slider, picks, live runs; and the same without them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from promptlab.log import Log

pytestmark = pytest.mark.browser

SERVER = """
import sys
from pathlib import Path
from promptlab.browse import serve
serve(Path(sys.argv[1]), Path(sys.argv[2]), port=0, open_browser=False, user="zoe",
      ready=lambda url: print(url, flush=True))
"""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, make: Callable[..., Any]) -> Any:
    """A demo studio of our own, since these tests write."""
    return make(tmp_path_factory.mktemp("written"))


@pytest.fixture(scope="module")
def address(studio: Any) -> Iterator[str]:
    """The address of a server over it."""
    command = [sys.executable, "-c", SERVER, str(studio.db), str(studio.images)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def until(driver: Any, script: str, wanted: Any) -> None:
    """Wait until a script answers this."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 20).until(lambda driver: driver.execute_script(script) == wanted, f"{script} → {wanted}")


def keys(driver: Any, *pressed: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(driver).send_keys(*pressed).perform()


def marks(studio: Any) -> dict[str, str]:
    """The marks of the person at the browser: image → mark."""
    with Log.open(studio.db) as log:
        return dict(log.rows("SELECT image_id, mark FROM marks WHERE \"by\" = 'zoe'"))


FOCUSED = "const at = document.activeElement.closest('[data-image]'); return at && at.dataset.image"


def test_keep_and_reject_by_key(address: str, driver: Any, studio: Any) -> None:
    """Arrow keys move, k keeps, x rejects, u takes back: on the picture at once, and in the log."""
    from selenium.webdriver.common.keys import Keys

    driver.get(f"{address}/gallery?run={studio.shelf}&axis.style=ink")
    tiles = driver.execute_script("return Array.from(document.querySelectorAll('[data-image]'), t => t.dataset.image)")
    keys(driver, Keys.ARROW_RIGHT)
    assert driver.execute_script(FOCUSED) == tiles[0]
    keys(driver, Keys.ARROW_RIGHT)
    assert driver.execute_script(FOCUSED) == tiles[1]
    said = "return document.querySelector('[data-said]').textContent"
    keys(driver, "k")
    until(driver, said, "Kept.")
    assert driver.execute_script("return document.activeElement.closest('[data-image]').className") == "tile keep"
    keys(driver, Keys.ARROW_LEFT, "x")
    until(driver, said, "Rejected.")
    assert marks(studio) == {tiles[1]: "keep", tiles[0]: "reject"}
    keys(driver, "u")
    until(driver, said, "Taken back.")
    assert marks(studio) == {tiles[1]: "keep"}
    keys(driver, Keys.ARROW_RIGHT, "k")
    until(driver, said, "Mark taken away.")
    assert marks(studio) == {}


def test_keep_without_scripts(address: str, driver: Any, studio: Any) -> None:
    """The same by a button, and the page comes back as it was asked for."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver.get(f"{address}/gallery?run={studio.shelf}&axis.style=studio&size=2")
        tile = driver.find_element(By.CSS_SELECTOR, "[data-image]")
        image = tile.get_dom_attribute("data-image")
        button = tile.find_element(By.CSS_SELECTOR, "button.k")
        button.send_keys(" ")
        WebDriverWait(driver, 20).until(lambda driver: marks(studio) == {image: "keep"})
        WebDriverWait(driver, 20).until(lambda driver: driver.current_url.endswith("axis.style=studio&size=2"))
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_size_is_in_the_address(address: str, driver: Any) -> None:
    """The slider changes the pictures at once, and the address and the links say it too."""
    from selenium.webdriver.common.keys import Keys

    driver.get(f"{address}/gallery")
    driver.find_element("css selector", "[data-sizer]").send_keys(Keys.ARROW_RIGHT)
    until(driver, "return document.querySelector('.wall').className", "wall size4")
    assert driver.current_url.endswith("/gallery?size=4")
    assert "size=4" in driver.find_element("css selector", ".facets li a").get_attribute("href")


def test_the_slider_changes_every_picture_in_place(address: str, driver: Any, studio: Any) -> None:
    """An arrow on the slider: other pictures in the same cells, the address follows, the page stays."""
    from selenium.webdriver.common.keys import Keys

    pictures = "return Array.from(document.querySelectorAll('#sheet [data-image] img'), i => i.getAttribute('src'))"
    driver.get(f"{address}/compare?run={studio.shelf}&rows=style&columns=look&scrub=seed&axis.seed=11")
    driver.execute_script("window.same = true")
    before = driver.execute_script(pictures)
    slide = driver.find_element("css selector", "[data-slide]")
    slide.send_keys(Keys.ARROW_RIGHT)
    until(driver, "return document.querySelector('[data-shown]').textContent", "12")
    until(driver, "return document.getElementById('sheet').className", "")
    after = driver.execute_script(pictures)
    assert len(before) == len(after) == 5  # of six, one has no picture: another one at each seed
    assert set(before).isdisjoint(after)
    assert "axis.seed=12" in driver.current_url
    assert driver.execute_script("return window.same")
    slide.send_keys(Keys.ARROW_LEFT)
    until(driver, "return document.querySelector('[data-shown]').textContent", "11")
    until(driver, pictures, before)
    driver.get(driver.current_url)
    assert driver.execute_script(pictures) == before


def test_the_slider_is_links_without_scripts(address: str, driver: Any, studio: Any) -> None:
    """Without scripts each value is a link, and so are one back and one on."""
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver.get(f"{address}/compare?run={studio.shelf}&rows=style&columns=look")
        driver.find_element("css selector", ".scrub a[rel=next]").click()
        assert "axis.seed=12" in driver.current_url
        assert driver.find_element("css selector", ".stops a[aria-current]").text == "12"
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_what_a_picture_is_comes_with_focus(address: str, driver: Any, studio: Any) -> None:
    """Prompt, revised prompt and cost are told when a picture is come to, by mouse or by keyboard, and not before."""
    from selenium.webdriver.common.keys import Keys

    driver.get(f"{address}/compare?run={studio.shelf}&by=style")
    assert driver.execute_script("return document.getElementById('about').hidden")
    driver.execute_script("document.querySelector('#sheet a.thumb').focus()")
    until(
        driver,
        "return document.querySelector('#about ins') && document.querySelector('#about ins').textContent",
        "hand-thrown",
    )
    assert "~$0.04" in driver.find_element("id", "about").text
    keys(driver, Keys.ESCAPE)
    until(driver, "return document.getElementById('about').hidden", True)


def test_other_rows_by_choosing(address: str, driver: Any, studio: Any) -> None:
    """Rows and columns are chosen from lists, and the address says which."""
    from selenium.webdriver.support.ui import Select, WebDriverWait

    driver.get(f"{address}/compare?run={studio.shelf}")
    Select(driver.find_element("name", "rows")).select_by_value("style")
    WebDriverWait(driver, 20).until(lambda driver: "rows=style" in driver.current_url)
    heads = [each.text for each in driver.find_elements("css selector", ".grid .seed")]
    assert heads == ["film", "studio", "ink"]


def test_a_running_run_shows_new_pictures_by_itself(
    address: str, driver: Any, studio: Any, writer_class: Any, draw_teapot: Any
) -> None:
    """What arrives while a page is open is on it without anybody doing anything, and the focus stays."""
    from promptlab.store import Store

    count = "return document.querySelectorAll('[data-image]').length"
    for path in (f"/compare?run={studio.running}&by=look", f"/gallery?run={studio.running}"):
        driver.get(address + path)
        before = driver.execute_script(count)
        driver.execute_script("document.querySelector('[data-image] a.thumb').focus()")
        focused = driver.execute_script(FOCUSED)
        with Log.open(studio.db) as log:
            writer = writer_class(log, Store(studio.images), studio.folder)
            run = log.run(studio.running)
            made = writer.generation(run, 10 + len(path), {"look": "cold"}, seed=20 + len(path))
            writer.image(made, draw_teapot("ink", "cold", 20 + len(path)))
        until(driver, count, before + 1)
        assert driver.execute_script(FOCUSED) == focused
