"""The review queue in a real browser, by key presses."""

from __future__ import annotations

import io
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture

from promptlab.log import Log
from promptlab.model import Image
from promptlab.store import Store

pytestmark = pytest.mark.browser

SERVER = """
import sys
from pathlib import Path
from promptlab.browse import serve
serve(Path(sys.argv[1]), Path(sys.argv[2]), port=int(sys.argv[3]), user="ada", open_browser=False,
      ready=lambda url: print(url, flush=True))
"""
#: How many full pictures the browser has fetched.
LOADED = "return performance.getEntriesByType('resource').filter(e => e.name.includes('/file/')).length"


@dataclass
class Studio:
    """A log of eight pictures in four variants, and a server that can be stopped and started again."""

    db: Path
    images: Path
    ids: list[str]
    process: subprocess.Popen[str] | None = None
    url: str = ""
    port: int = 0

    def start(self) -> None:
        command = [sys.executable, "-c", SERVER, str(self.db), str(self.images), str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        self.port = int(self.url.split(":")[2].split("/")[0])

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def marks(self) -> dict[str, str]:
        with sqlite3.connect(self.db) as connection:
            return dict(connection.execute("SELECT image_id, mark FROM marks"))

    def value(self, sql: str) -> Any:
        with sqlite3.connect(self.db) as connection:
            return connection.execute(sql).fetchone()[0]


@pytest.fixture
def studio(tmp_path: Path, writer_class: Any) -> Iterator[Studio]:
    """Products in two looks, two seeds each, with picture files."""
    db, images, ids = tmp_path / "promptlab.db", tmp_path / "images", []
    store = Store(images)
    with Log.open(db) as log:
        writer = writer_class(log, store, tmp_path)
        run = writer.run("01SHOP0000000000000000RUN1", "shop", planned=8)
        for sequence in range(8):
            axes = {"item": f"P-{sequence // 4}", "look": ("warm", "cold")[sequence // 2 % 2]}
            made = writer.generation(run, sequence, axes, seed=sequence % 2)
            out = io.BytesIO()
            Picture.new("RGB", (640, 640), (30 * sequence, 90, 200 - 20 * sequence)).save(out, "PNG")
            with store.part() as part:
                part.write(out.getvalue())
                stored = store.put_new(part, "png")
            ids.append(f"01I{sequence:023}")
            log.insert(Image(id=ids[-1], generation_id=made.id, position=0, sha256=stored.sha256, format="png",
                             width=640, height=640))  # fmt: skip
    studio = Studio(db, images, ids)
    studio.start()
    yield studio
    studio.stop()


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
    options.add_argument("--window-size=1440,900")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


@pytest.fixture
def wait(driver: Any) -> Callable[[Callable[[], Any]], Any]:
    """Wait until something is so."""
    from selenium.webdriver.support.ui import WebDriverWait

    def until(so: Callable[[], Any]) -> Any:
        return WebDriverWait(driver, 20, poll_frequency=0.05).until(lambda _: so())

    return until


def open_queue(driver: Any, studio: Studio, wait: Any, query: str = "") -> None:
    driver.get(f"{studio.url}/review?run=last{query}")
    wait(lambda: driver.execute_script("return document.getElementById('review').dataset.ready"))
    wait(lambda: driver.execute_script(LOADED) >= 2)


def press(driver: Any, *keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    for key in keys:
        ActionChains(driver).send_keys(key).perform()


def shown(driver: Any) -> str:
    found = driver.execute_script("return (document.querySelector('#step article') || {dataset: {}}).dataset.key || ''")
    return str(found)


def state(driver: Any) -> str:
    return str(driver.execute_script("return document.getElementById('state').textContent"))


def saved(driver: Any) -> bool:
    return state(driver) == "All saved"


def severe(driver: Any) -> list[str]:
    return [each["message"] for each in driver.get_log("browser")
            if each["level"] == "SEVERE" and "favicon" not in each["message"]]  # fmt: skip


def test_a_run_is_judged_by_keys(driver: Any, studio: Studio, wait: Any) -> None:
    """k keeps and x rejects and the next picture is there at once; arrows look; u takes back; the counts follow."""
    from selenium.webdriver.common.keys import Keys

    open_queue(driver, studio, wait)
    assert shown(driver) == studio.ids[0]
    press(driver, "k")
    assert shown(driver) == studio.ids[1]  # without a wait
    press(driver, "x", Keys.ARROW_RIGHT)
    assert shown(driver) == studio.ids[3]
    press(driver, "k")
    wait(lambda: saved(driver))
    assert studio.marks() == {studio.ids[0]: "keep", studio.ids[1]: "reject", studio.ids[3]: "keep"}
    press(driver, Keys.ARROW_LEFT)
    assert shown(driver) == studio.ids[3]
    assert driver.execute_script("return document.querySelector('.full .mark').textContent") == "kept"
    press(driver, "u")
    wait(lambda: saved(driver) and studio.ids[3] not in studio.marks())
    assert shown(driver) == studio.ids[3]
    press(driver, "x")
    wait(lambda: saved(driver))
    wait(lambda: driver.execute_script("return document.querySelector('[data-count=judged]').textContent") == "3")
    assert severe(driver) == []


def test_the_next_pictures_are_there_already(driver: Any, studio: Studio, wait: Any) -> None:
    """The pictures that come next are loaded before they are asked for, at full size."""
    open_queue(driver, studio, wait)
    wait(lambda: driver.execute_script(LOADED) >= 6)
    press(driver, "k")
    ready = "var i = document.querySelector('.full img'); return i.complete && i.naturalWidth === 640"
    assert driver.execute_script(ready)


def test_one_to_nine_choose_the_best(driver: Any, studio: Studio, wait: Any) -> None:
    """2 keeps the second picture of the variant and rejects the other, in one command that u takes back."""
    open_queue(driver, studio, wait)
    press(driver, "2")
    assert shown(driver) == studio.ids[2]  # the next that is not judged
    wait(lambda: saved(driver))
    assert studio.marks() == {studio.ids[0]: "reject", studio.ids[1]: "keep"}
    assert studio.value("SELECT count(DISTINCT batch) FROM mark_events") == 1
    press(driver, "u")
    wait(lambda: studio.marks() == {})
    open_queue(driver, studio, wait, "&view=row&by=look")
    press(driver, "1")
    wait(lambda: saved(driver))
    assert studio.marks() == {studio.ids[0]: "keep", studio.ids[2]: "reject"}
    press(driver, "k")
    wait(lambda: saved(driver))
    assert studio.marks() | {studio.ids[1]: "keep", studio.ids[3]: "keep"} == studio.marks()


def test_tags_by_key(driver: Any, studio: Studio, wait: Any) -> None:
    """t opens the tags; a typed one becomes a chip, which the next picture has under 1."""
    from selenium.webdriver.common.keys import Keys

    open_queue(driver, studio, wait)
    press(driver, "t", Keys.TAB, "blurred, dark", Keys.ENTER, "x")
    wait(lambda: saved(driver))
    assert studio.value("SELECT tags FROM marks") == '["blurred", "dark"]'
    open_queue(driver, studio, wait)
    press(driver, "t", "1", Keys.ESCAPE, "x")
    wait(lambda: saved(driver))
    assert studio.value("SELECT tags FROM marks ORDER BY at DESC") == '["blurred"]'
    assert studio.value("SELECT count(*) FROM marks") == 2


def test_nothing_is_called_saved_before_it_is(driver: Any, studio: Studio, wait: Any) -> None:
    """Without a server judging goes on and the page says that nothing is saved; nothing of it is lost over a reload,
    and when the server is back everything is written once."""
    open_queue(driver, studio, wait)
    wait(lambda: driver.execute_script(LOADED) >= 6)
    studio.stop()
    press(driver, "k", "x", "k")
    problem = "return document.getElementById('problem').textContent"
    wait(lambda: "3 judgements kept in this browser" in driver.execute_script(problem))
    assert state(driver) == "3 judgements not saved yet"
    assert shown(driver) == studio.ids[3]
    assert studio.marks() == {}
    studio.start()
    driver.get(f"{studio.url}/review?run=last")
    wait(lambda: len(studio.marks()) == 3)
    wait(lambda: driver.execute_script("return Object.keys(localStorage).length") == 0)
    assert studio.marks() == {studio.ids[0]: "keep", studio.ids[1]: "reject", studio.ids[2]: "keep"}
    assert studio.value("SELECT count(*) FROM mark_events") == 3


def test_a_server_that_was_started_again_is_written_to(driver: Any, studio: Studio, wait: Any) -> None:
    """Its tokens are new; the open page asks for one and goes on."""
    open_queue(driver, studio, wait)
    press(driver, "k")
    wait(lambda: saved(driver))
    studio.stop()
    studio.start()
    press(driver, "x")
    wait(lambda: len(studio.marks()) == 2)
    wait(lambda: saved(driver))


def test_all_judged_by_keys_ends(driver: Any, studio: Studio, wait: Any) -> None:
    """After the last one the page says that all are judged."""
    open_queue(driver, studio, wait)
    press(driver, *"kxkxkxkx")
    wait(lambda: "All 8 are judged" in driver.page_source)
    assert len(studio.marks()) == 8


def test_new_pictures_come_by_themselves(driver: Any, studio: Studio, wait: Any) -> None:
    """Where all were judged, one that a run makes now, or that somebody gave back, is shown without a reload."""
    with Log.open(studio.db) as log:
        log.mark_images(studio.ids, "keep", by="ben")
        driver.get(f"{studio.url}/review?run=last")
        wait(lambda: "All 8 are judged" in driver.page_source)
        wait(lambda: driver.execute_script("return document.getElementById('review').dataset.ready"))
        log.undo_marks(by="ben")
        log.mark_images(studio.ids[1:], "keep", by="ben")
    driver.execute_script("window.dispatchEvent(new Event('online'))")  # as the page does every forty seconds
    wait(lambda: shown(driver) == studio.ids[0])
    press(driver, "x")
    wait(lambda: studio.value("SELECT count(*) FROM marks") == 8)


def test_a_shared_link_in_a_browser(driver: Any, studio: Studio, wait: Any) -> None:
    """Opened by itself or clicked on another site, the link leads in; the address loses its token, the name is asked
    once, and two people judge different pictures."""
    from selenium.webdriver.common.by import By

    studio.stop()
    shared = SERVER.replace("serve(", "from promptlab.browse import hosts\nhosts.is_loopback = lambda _: False\nserve(")
    script = shared.replace(
        "open_browser=False,", "open_browser=False, invite=lambda links: print(*links, flush=True),"
    )
    command = [sys.executable, "-c", script, str(studio.db), str(studio.images), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            link = process.stdout.readline().strip()
            driver.get(f"data:text/html,<a href='{link}'>look</a>")
            driver.find_element(By.TAG_NAME, "a").click()
            wait(lambda: "What is your name?" in driver.page_source)
            assert "token" not in driver.current_url
            seen = str(driver.execute_script("return document.cookie + document.referrer"))
            assert "promptlab_key" not in seen
            assert link.partition("token=")[2] not in seen + driver.page_source
            driver.find_element(By.ID, "name").send_keys("Ben\n")
            wait(lambda: "/name" not in driver.current_url)
            page = link.partition("?")[0]
            driver.get(f"{page}/review?run=last")
            wait(lambda: driver.execute_script("return document.getElementById('review').dataset.ready"))
            press(driver, "k")
            wait(lambda: saved(driver))
            with sqlite3.connect(studio.db) as log:
                assert log.execute('SELECT "by" FROM marks').fetchall() == [("Ben",)]
            driver.delete_all_cookies()
            driver.get(f"{page}/review?run=last")
            assert "open the link with its token" in driver.page_source
            driver.get(link.replace("?", "/review?"))
            wait(lambda: "What is your name?" in driver.page_source)
        finally:
            process.kill()


@pytest.mark.parametrize("width", [1440, 820, 390])
@pytest.mark.parametrize("script", [True, False])
def test_no_page_scrolls_sideways(driver: Any, studio: Studio, wait: Any, width: int, script: bool) -> None:
    """At every width, with and without a script; the phone has two big buttons within reach."""
    from selenium.webdriver.common.by import By

    metrics = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not script})
    for query in ("", "&view=row", "&view=cell", "&axis.look=cold"):
        driver.get(f"{studio.url}/review?run=last{query}")
        assert driver.find_element(By.TAG_NAME, "html").rect["width"] <= width
        tallest = driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        assert tallest["width"] <= width
        for name in ("keep", "reject"):
            button = driver.find_element(By.CSS_SELECTOR, f".keepreject button.{name}").rect
            if width < 500:
                assert button["height"] >= 48
                assert button["width"] >= 110
                assert 600 < button["y"] < 844
    driver.find_element(By.CSS_SELECTOR, ".keepreject button.keep").click()
    wait(lambda: len(studio.marks()) == 1)
