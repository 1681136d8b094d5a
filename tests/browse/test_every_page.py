"""Every page in a real browser: on wide, middle and narrow screens, light and dark, with scripts and without.

PAGES is the one list of pages. A page that is added to `page_routes.ROUTES` has to be added here, or named in
NOT_PAGES: `test_every_route_is_listed` says which is missing.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from promptlab.browse.page_routes import ROUTES

#: Name → address after /-/promptlab, or from the root where it starts with `//`; `{shelf}` and others are the demo's.
PAGES = {
    "runs": "",
    "runs of an experiment": "?experiment=shelf_photos",
    "grid": "/compare?run={shelf}&by=style",
    "grid of two axes": "/compare?run={shelf}&rows=look&columns=style",
    "grid of seeds": "/compare?run={shelf}&rows=style&columns=seed",
    "grid with prompts": "/compare?run={evil}&prompts=1",
    "grid of variants": "/compare?run={shelf}&by=variant",
    "grid of four": "/compare?run={shelf}&rows=style&columns=look&scrub=none",
    "grid without seeds": "/compare?run={unseeded}",
    "grid of nothing": "/compare?run={shelf}&by=style&axis.look=nowhere",
    "gallery": "/gallery",
    "gallery of a run": "/gallery?run={shelf}&axis.look=warm&size=5",
    "gallery of nothing": "/gallery?q=nothing+has+these+words",
    "image": "/image/{image}",
    "no such run": "/compare?run=nowhere",
    "review": "/review?run={shelf}",
    "vote": "/vote?run={shelf}&by=style",
    "ranking": "/ranking?run={shelf}&by=style",
    "votes between two": "/ranking/votes?run={shelf}&by=style&value=film&other=ink",
    "pair": "/pair?run={shelf}&by=style",
    "spend": "/spend",
    "all data": "//promptlab",
    "a table": "//promptlab/gallery",
    "a wide table": "//promptlab/generations?_facet=status",
    "a row": "//promptlab/runs/{shelf}",
    "a query": "//promptlab/failures?_hide_sql=1&run=&experiment=",
    "own SQL": "//promptlab?sql=select+*+from+images+limit+3",
}
#: Routes that are no pages: files, data, what only takes a form, and the answer to everything else.
NOT_PAGES = (
    r"\.json", r"\.csv", r"\.svg", "/file/", "/thumbnail/", "/download/", "/static/", "/compare/about/",
    "/mark", "/pick", "/review/release", "/vote/", "/ballot/", "/name", r"promptlab/\.\*",
)  # fmt: skip
WIDTHS = (1440, 820, 390)
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
AXE = """
const done = arguments[arguments.length - 1];
axe.run(document, {runOnly: {type: 'tag', values: arguments[0]}, resultTypes: ['violations']}).then(
  found => done(found.violations.map(v => v.id + ': ' + v.nodes.slice(0, 4).map(n => n.html + ' ' + n.failureSummary))),
  problem => done(['axe: ' + problem]));
"""
WIDER = """
const width = document.documentElement.clientWidth;
return Array.from(document.body.querySelectorAll('*')).filter(each => {
  const box = each.getBoundingClientRect();
  if (box.right <= width + 1 || !box.width || !box.height) { return false; }
  for (let up = each.parentElement; up; up = up.parentElement) {
    if (/auto|scroll|hidden/.test(getComputedStyle(up).overflowX)) { return false; }
  }
  return true;
}).slice(0, 5).map(each => each.outerHTML.slice(0, 160));
"""


def address(url: str, demo: Any, page: str) -> str:
    """Where a page is; a page of a branch that is not merged yet is skipped, and says so."""
    path = PAGES[page].format(shelf=demo.shelf, evil=demo.evil, unseeded=demo.unseeded, image=demo.image)
    if path.startswith("//"):
        return url.removesuffix("/-/promptlab") + path[1:]
    plain = "/-/promptlab" + path.split("?")[0]
    if not any(re.match(pattern, plain) for pattern, _ in ROUTES[:-1]):
        pytest.skip(f"there is no route to {plain} yet")
    return url + path


def look(driver: Any, width: int, dark: bool, *, scripts: bool = True) -> None:
    """Make the browser's window this wide, in this scheme."""
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})


def axe() -> str:
    """axe-core, as it comes with a package of the dev extra."""
    found = find_spec("axe_core_python")
    assert found is not None
    assert found.origin is not None
    return (Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8")


def test_every_route_is_listed() -> None:
    """No page is forgotten: each route is one of PAGES, or is named as none."""
    paths = ["/-/promptlab" + re.sub(r"{\w+}", "A" * 26, path).split("?")[0] for path in PAGES.values()]
    for pattern, _ in ROUTES:
        if not any(re.search(part, pattern.replace("\\.", ".")) for part in NOT_PAGES):
            assert any(re.match(pattern, path) for path in paths), f"add {pattern} to PAGES"


@pytest.mark.browser
@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_accessible(url: str, driver: Any, demo: Any, page: str) -> None:
    """WCAG AA by axe-core, no horizontal scroll and no error, at three widths, light and dark."""
    for width in WIDTHS:
        for dark in (False, True):
            look(driver, width, dark)
            driver.get(address(url, demo, page))
            where = f"{page} at {width} px, {'dark' if dark else 'light'}"
            assert driver.execute_script("return document.documentElement.scrollWidth") <= width, (
                where,
                driver.execute_script(WIDER),
            )
            driver.execute_script(axe())
            assert driver.execute_async_script(AXE, RULES) == [], where
    problems = [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert [entry for entry in problems if "favicon" not in entry["message"] and " 404 " not in entry["message"]] == []


@pytest.mark.browser
@pytest.mark.parametrize("page", PAGES)
def test_a_page_fits_without_scripts(url: str, driver: Any, demo: Any, page: str) -> None:
    """Without scripts too, no page scrolls sideways or is taller than a person scrolls."""
    try:
        for width in WIDTHS:
            look(driver, width, False, scripts=False)
            driver.get(address(url, demo, page))
            size = driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
            assert size["width"] <= width, (page, width)
            assert size["height"] < 20_000, (page, width)
    finally:
        look(driver, 1440, False)


@pytest.mark.browser
@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_used_by_keyboard(url: str, driver: Any, demo: Any, page: str) -> None:
    """Tab comes to every link, button and field that is seen, and shows where it is.

    Only what has a key of its own is left out: the buttons on a picture (k and x).
    """
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    look(driver, 1440, False)
    driver.get(address(url, demo, page))
    count = driver.execute_script("""
        window.seen = new Set(); window.unseen = [];
        const there = each => each.getClientRects().length && getComputedStyle(each).visibility === 'visible' &&
          !each.disabled && !each.closest('.judge, .CodeMirror, .cm-editor, details:not([open]) > :not(summary)');
        window.wanted = Array.from(document.querySelectorAll('a[href], button, input, select, textarea, summary'))
          .filter(each => there(each) && each.type !== 'hidden');
        document.addEventListener('focusin', event => {
          window.seen.add(event.target);
          const style = getComputedStyle(event.target);
          if (style.outlineStyle === 'none' && style.boxShadow === 'none') {
            window.unseen.push(event.target.outerHTML);
          }
        });
        return window.wanted.length;
    """)
    if page == "a row" or "SQL" in page or page == "all data":  # an editor takes the Tab key for itself
        driver.execute_script("document.querySelectorAll('.CodeMirror, .cm-editor').forEach(each => each.remove())")
    ActionChains(driver).send_keys(Keys.TAB * min(2 * count + 20, 700)).perform()
    missed = driver.execute_script("""
        const radios = each => each.type === 'radio';
        return window.wanted.filter(each => each.isConnected && !window.seen.has(each) && !radios(each))
          .map(each => each.outerHTML.slice(0, 200));
    """)
    assert missed == []
    assert driver.execute_script("return window.unseen.slice(0, 3)") == []
