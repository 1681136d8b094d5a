"""An offline ballot in a real browser, opened from the disk, with the network cut."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture

import promptlab
from promptlab.log import Log
from promptlab.model import Generation, Image, Run, RunTemplate, TemplateFile, Variant
from promptlab.plan.identity import variant_id
from promptlab.store import Store

pytestmark = pytest.mark.browser

RUN = "01RUNRUNRUNRUNRUNRUNRUN00"
LOADED = "return Array.from(document.images).map(i => i.complete && i.naturalWidth)"


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five styles at three seeds."""
    monkeypatch.setenv("PROMPTLAB_STATE", str(tmp_path / "state"))
    folder = tmp_path / "studio"
    folder.mkdir()
    store, at = Store(folder / "images"), "2026-11-22T10:00:00.000Z"
    with Log.open(folder / "promptlab.db") as log:
        log.use_experiment("ads", None, None, folder)
        log.insert(Run(id=RUN, experiment="ads", provider="kairval", started_at=at, promptlab_version="1"))
        log.add_templates(RUN, [(RunTemplate(None, "t" * 64, "hero.j2"), [TemplateFile("hero.j2", "x")])])
        for number, (style, seed) in enumerate(itertools.product("abcde", (1, 2, 3))):
            axes = {"style": style}
            log.add_variants("ads", [Variant(variant_id(axes), axes)])
            id_ = f"G{number:025d}"
            log.insert(Generation(
                id=id_, run_id=RUN, sequence=number, experiment="ads", variant_id=variant_id(axes), seed=seed,
                template_id="t" * 64, provider="kairval", model="m", operation="generate", prompt="x",
                request_hash=id_, status="completed", created_at=at,
            ))  # fmt: skip
            out = io.BytesIO()
            Picture.new("RGB", (64, 64), (10 * number, 90, 90)).save(out, "PNG")
            with store.part() as part:
                part.write(out.getvalue())
                sha256 = store.put_new(part, "png").sha256
            log.insert(Image(id=f"I{number:025d}", generation_id=id_, position=0, sha256=sha256, width=64, height=64))
    return folder


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Any]:
    """Headless Chromium without a network, that saves files."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-background-networking", "no-first-run"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    driver.execute_cdp_cmd("Network.enable", {})
    cut = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", cut)
    driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path / "saved")}
    )
    yield driver
    driver.quit()


def voters(studio: Path) -> dict[str, int]:
    (summary,) = promptlab.votes(RUN, studio=studio)
    return dict(summary.ballots)


def test_a_pair_ballot_offline(studio: Path, driver: Any, tmp_path: Path) -> None:
    """Every picture of every pair shows; votes outlive a reload, can be undone, and come back as a file and as text."""
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    path = studio / "ballot.html"
    done = promptlab.write_ballot(RUN, "style", path, pairs=8, studio=studio)
    assert done.ballots == 8
    driver.get(path.as_uri())
    body = driver.find_element("tag name", "body")
    for key in (Keys.ARROW_LEFT, Keys.ARROW_RIGHT, "t", "b", "s", Keys.ARROW_LEFT):
        WebDriverWait(driver, 10).until(lambda driver: driver.execute_script(LOADED) == [768, 768])
        body.send_keys(key)
    body.send_keys("u")
    assert driver.find_element("id", "progress").text == "4 of 8 pairs judged"
    driver.refresh()
    assert driver.find_element("id", "progress").text == "4 of 8 pairs judged"
    body = driver.find_element("tag name", "body")
    for _ in range(3):
        WebDriverWait(driver, 10).until(lambda driver: driver.execute_script(LOADED) == [768, 768])
        body.send_keys("t")
    assert driver.find_element("id", "endtitle").text == "Finished for now"
    driver.find_element("id", "save").click()
    assert "name first" in driver.find_element("id", "told").text
    driver.find_element("id", "voter").send_keys('Änna "<b>"')
    driver.find_element("id", "save").click()
    saved = tmp_path / "saved"
    WebDriverWait(driver, 10).until(lambda driver: list(saved.glob("votes-*.json")))
    (file,) = saved.glob("votes-*.json")
    driver.find_element("id", "copy").click()
    copied = studio / "copied.json"
    copied.write_text(driver.find_element("id", "text").get_attribute("value"), encoding="utf-8")
    first, again = promptlab.import_votes([file, copied], studio=studio)
    assert (first.new, first.already, again.new, again.already) == (7, 0, 0, 7)
    assert voters(studio) == {'Änna "<b>"': 7}
    assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_four_at_a_time_offline(studio: Path, driver: Any) -> None:
    """The best, then the worst, by key or by clicking; every ballot shows its four pictures."""
    from selenium.webdriver.support.ui import WebDriverWait

    path = studio / "ballot.html"
    promptlab.write_ballot(RUN, "style", path, pairs=3, kind="best_worst", studio=studio)
    driver.get(path.as_uri())
    for keys in ("13", "41", "t"):
        WebDriverWait(driver, 10).until(lambda driver: driver.execute_script(LOADED) == [768] * 4)
        if keys == "41":
            for place in keys:
                driver.find_elements("css selector", ".shown")[int(place) - 1].click()
        else:
            driver.find_element("tag name", "body").send_keys(keys)
    assert driver.find_element("id", "endtitle").text == "Thank you"
    driver.find_element("id", "voter").send_keys("ben")
    driver.find_element("id", "copy").click()
    text = driver.find_element("id", "text").get_attribute("value")
    assert [(vote["outcome"], vote.get("best"), vote.get("worst")) for vote in json.loads(text)["votes"]] == [
        ("best", 0, 2), ("best", 3, 0), ("tie", None, None),
    ]  # fmt: skip
    (studio / "votes.json").write_text(text, encoding="utf-8")
    (done,) = promptlab.import_votes([studio / "votes.json"], studio=studio)
    assert (done.new, voters(studio)) == (3, {"ben": 3})


@pytest.mark.parametrize("width", [1440, 820, 390])
@pytest.mark.parametrize("kind", ["pair", "best_worst"])
def test_it_fits_every_screen(studio: Path, driver: Any, width: int, kind: Any) -> None:
    """Never wider than the screen, and all answers in reach on a phone."""
    path = studio / "ballot.html"
    promptlab.write_ballot(RUN, "style", path, pairs=2, kind=kind, studio=studio)
    height = 844 if width < 500 else 900
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get(path.as_uri())
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    for button in driver.find_elements("css selector", "#answers button"):
        assert button.rect["y"] + button.rect["height"] <= height
        assert button.rect["height"] >= 44
