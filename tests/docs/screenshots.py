"""The pictures of the pages in docs/images: `python tests/docs/screenshots.py [NAME …]` takes them again.

A studio is laid out in a folder that goes away, the examples are run with the simulator, people mark and vote, and each
page is photographed in headless Chromium. Needs Debian's chromium and chromedriver, and the dev extra. A page whose
route is not there yet is left out, and said.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptlab.browse.page_routes import ROUTES
from promptlab.log import Log
from promptlab.log.votes import Ballot, Comparison
from promptlab.model import new_id

ROOT = Path(__file__).parent.parent.parent
IMAGES = ROOT / "docs" / "images"
EXPERIMENTS = ("shelf_photos", "ad_variants", "portrait")
PEOPLE = ("ana", "ben", "zoe")
#: What a voter prefers, more or less: the worth of each prompt of ad_variants.
WORTH = {"cosy": 2.2, "street": 1.6, "nature": 1.3, "quiet": 1.0, "plain": 0.8, "bold": 0.4}
SERVER = """
import sys
from pathlib import Path
from promptlab.browse import serve
serve(Path("promptlab.db"), Path("images"), port=0, open_browser=False, user="ana",
      ready=lambda url: print(url, flush=True))
"""


@dataclass(frozen=True)
class Shot:
    """One picture: a page, how large, and what is done before it is taken."""

    page: str  # after /-/promptlab; {ads} and {shelf} are runs, {image} an image
    width: int = 1360
    height: int = 860
    dark: bool = False
    script: str = ""
    log: str = ""  # what is done to the log before: "close" the vote, or make it "paid"


SHOTS = {
    "comparison": Shot("/compare?run={ads}&by=prompt", script="document.querySelectorAll('#sheet a.thumb')[1].focus()"),
    "slider": Shot("/compare?run={shelf}&rows=item&columns=seed&scrub=look"),
    "gallery": Shot("/gallery"),
    "review": Shot("/review?run={shelf}"),
    "vote": Shot("/vote?run={ads}&by=prompt", script="document.querySelector('button.send')?.click()"),
    "ranking": Shot("/ranking?run={ads}&by=prompt", height=1180, log="close"),
    "pair": Shot("/pair?run={ads}&by=prompt&a=plain&b=cosy"),
    "image": Shot("/image/{image}"),
    "spend": Shot("/spend?by=experiment", log="paid"),
    "gallery-phone": Shot("/gallery?run={ads}", width=390, height=844, dark=True),
}


def main(names: list[str]) -> None:
    """Take these pictures, or all of them."""
    with tempfile.TemporaryDirectory() as folder:
        ids = lay_out(Path(folder))
        with server(Path(folder)) as url:
            for name in names or SHOTS:
                prepare(Path(folder), SHOTS[name].log, ids)
                with browser(touch=SHOTS[name].width < 820) as driver:
                    take(driver, url, name, SHOTS[name], ids)


def lay_out(studio: Path) -> dict[str, str]:
    """A studio with runs, marks and votes; gives the ids that addresses need."""
    for part in ("experiments", "templates"):
        shutil.copytree(ROOT / part, studio / part)
    (studio / "promptlab.yaml").write_text("", encoding="utf-8")
    for experiment in EXPERIMENTS:
        command = [sys.executable, "-m", "promptlab", "run", f"experiments/{experiment}.yaml", "--yes"]
        if experiment == "ad_variants":  # so many scenes bear an interval
            command += ["--seeds", "8"]
        subprocess.run(command, cwd=studio, check=True, stdout=subprocess.DEVNULL)
    with Log.open(studio / "promptlab.db") as log:
        ads, shelf = log.find_run("ad_variants").id, log.find_run("shelf_photos").id
        pictures = [image for (image,) in log.rows(_IMAGES, (shelf,))]
        log.mark_images(pictures[::3], "keep", by="ana", tags=["catalogue"])
        log.mark_images(pictures[4:5], "reject", by="ana", tags=["cropped"])
        vote(log, ads)
        return {"ads": ads, "shelf": shelf, "image": log.value(_IMAGES, (ads,))}


_IMAGES = """
    SELECT i.id FROM generations g JOIN images i ON i.generation_id = g.id
    WHERE g.run_id = ? AND i.status = 'stored' ORDER BY g.sequence, i.position
"""


def vote(log: Log, run: str) -> None:
    """Each person votes on every scene, six pairs each, as WORTH has it."""
    chance = random.Random(3)
    sql = """
        SELECT i.id, v.axes ->> 'prompt', v.axes ->> 'offer' || g.seed FROM generations g
        JOIN images i ON i.generation_id = g.id
        JOIN variants v ON v.experiment = g.experiment AND v.id = g.variant_id WHERE g.run_id = ?
    """
    scenes: dict[str, list[tuple[str, str]]] = {}
    for image, prompt, scene in log.rows(sql, (run,)):
        scenes.setdefault(scene, []).append((image, prompt))
    poll = log.open_poll(run, "prompt", by=PEOPLE[0])
    for person in PEOPLE:
        for pictures in scenes.values():
            for _ in range(6):
                (left, one), (right, other) = chance.sample(pictures, 2)
                wins = chance.random() < WORTH[one] / (WORTH[one] + WORTH[other])
                pair = Comparison(left, right, "tie" if chance.random() < 0.1 else "left" if wins else "right")
                log.cast(Ballot(new_id(), poll.id, "pair", person, (pair,)))


def prepare(studio: Path, what: str, ids: dict[str, str]) -> None:
    """Close the vote, or have it that all was made by Kairval and paid."""
    with Log.open(studio / "promptlab.db") as log:
        if what == "close":
            for poll in log.polls(ids["ads"]):
                log.close_poll(poll.id)
        if what == "paid":
            log.execute("UPDATE runs SET provider = 'kairval'")
            log.execute(
                "UPDATE generations SET provider = 'kairval', cost_source = 'table', cost_usd = 0.01 * credits "
                "WHERE cached_from IS NULL"
            )
            log.refresh_sums()


@contextmanager
def server(studio: Path) -> Iterator[str]:
    """The address of a server over the studio."""
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, cwd=studio, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


@contextmanager
def browser(*, touch: bool) -> Iterator[Any]:
    """Headless Chromium, which has a mouse only if it is told so."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-background-networking", "hide-scrollbars"):
        options.add_argument(f"--{flag}")
    if not touch:
        mouse = "primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4"
        options.add_argument(f"--blink-settings={mouse}")
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        yield driver
    finally:
        driver.quit()


def take(driver: Any, url: str, name: str, shot: Shot, ids: dict[str, str]) -> None:
    """Photograph one page, once its pictures are there."""
    page = shot.page.format(**ids)
    if not any(re.match(pattern, "/-/promptlab" + page.split("?")[0]) for pattern, _ in ROUTES[:-1]):
        print(f"{name}: there is no route to {page}", file=sys.stderr)
        return
    size = {"width": shot.width, "height": shot.height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if shot.dark else "light"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    driver.get(url + page)
    loaded = "return Array.from(document.images).every(i => i.complete || i.getBoundingClientRect().top > innerHeight)"
    deadline = time.monotonic() + 20
    while not driver.execute_script(loaded) and time.monotonic() < deadline:
        time.sleep(0.2)
    if shot.script:
        driver.execute_script(shot.script)
    time.sleep(1)
    path = IMAGES / f"{name}.png"
    driver.save_screenshot(str(path))
    squeeze(path)
    print(path.relative_to(ROOT))


def squeeze(path: Path) -> None:
    """The same picture with 256 colours: a third of the bytes."""
    from PIL import Image

    with Image.open(path) as image:
        whole = image.convert("RGB")
    small = whole.quantize(palette=whole.quantize(256), dither=Image.Dither.FLOYDSTEINBERG)
    small.save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
