"""The pages in a real browser."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.browser

LOADED = "return Array.from(document.images).map(i => [i.complete, i.naturalWidth, i.getBoundingClientRect().top])"


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
    assert [cell.text for cell in driver.find_elements(By.CSS_SELECTOR, ".grid thead th")][1:] == ["warm", "cold"]
    driver.find_element(By.CSS_SELECTOR, ".grid td .thumb").click()
    assert driver.current_url.endswith(f"/image/{demo.image}")
