"""An image is found by its file's name to the letter: no sign in it is a wildcard."""

from __future__ import annotations

from typing import Any

import pytest

from promptlab.errors import InputError
from promptlab.log import Log


def test_no_sign_of_a_file_name_is_a_wildcard(log: Log, rows: Any) -> None:
    """`_` and `%` in a name mean themselves; a name that fits only as a pattern is not a name."""
    run = rows.run()
    for name in ("mugXred.png", "mug_red.png"):
        rows.image(rows.generation(run), path=f"results/shelf/{name}")
    found = log.generation_of_image("mug_red.png")
    assert found is not None
    assert log.images_of([found.id])[found.id][0].path == "results/shelf/mug_red.png"
    assert log.generation_of_image("mug%.png") is None
    assert log.generation_of_image("ug_red.png") is None


@pytest.mark.parametrize("name", ["a[1]_0.png", "a?.png", "a*.png", "results/shelf/a[1]_0.png"])
def test_marks_take_a_name_with_signs_of_a_pattern(log: Log, rows: Any, name: str) -> None:
    """A file name with brackets or stars names its image when it is written out."""
    run = rows.run()
    image = rows.image(rows.generation(run), path=f"results/shelf/{name.rpartition('/')[2]}")
    rows.image(rows.generation(run), path="results/shelf/b.png")
    assert log.match_images(run.id, [name]) == [image.id]
    with pytest.raises(InputError):
        log.match_images(run.id, ["c[1].png"])
