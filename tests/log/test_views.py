"""`gallery`, `variant_summary` and the marks they show."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptlab.errors import InputError
from promptlab.log import Log


def dicts(log: Log, sql: str) -> list[dict[str, Any]]:
    cursor = log.execute(sql)
    return [dict(zip([name for name, *_ in cursor.description], row, strict=True)) for row in cursor]


def test_gallery(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """One flat row an image, with what people look for."""
    run = rows.run(project="shop", user="anna")
    row = rows.generation(run, seed=7, axes={"style": "film", "look": "warm"})
    image = rows.image(row, revised_prompt="a shining teapot")
    lost = rows.image(row, position=1, status="lost", sha256=None)
    first, second = dicts(log, "SELECT * FROM gallery ORDER BY position")
    expected = {
        "image_id": image.id,
        "thumbnail": image.sha256,
        "experiment": "shelf",
        "variant": "style=film,look=warm",
        "template": "hero.j2",
        "seed": 7,
        "mark": None,
        "prompt": "a ceramic teapot",
        "revised_prompt": "a shining teapot",
        "simulated": 0,
        "cached": 0,
        "run_id": run.id,
        "project": "shop",
        "user": "anna",
        "axes": '{"style":"film","look":"warm"}',
        "generation_id": row.id,
        "paid_image_id": image.id,
    }
    assert expected.items() <= first.items()
    assert (second["image_id"], second["thumbnail"], second["status"]) == (lost.id, None, "lost")


def test_no_verification(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """Rows of `verify` runs are in neither view."""
    rows.generation(rows.run(kind="verify"), images=1)
    assert dicts(log, "SELECT * FROM gallery") == dicts(log, "SELECT * FROM variant_summary") == []


class TestMarks:
    """A mark belongs to the paid image; copies show it."""

    @pytest.fixture
    def pair(self, rows) -> tuple[list[str], list[str]]:  # type: ignore[no-untyped-def]
        """The images of a paid generation, and those of its copy in a later run."""
        paid = rows.generation(rows.run(), sequence=1)
        copy = rows.generation(rows.run(), sequence=1, cached_from=paid.id, cost_source="cache", credits=0.0)
        both = [[rows.image(row, position=position).id for position in (0, 1)] for row in (paid, copy)]
        return both[0], both[1]

    def test_on_a_copy(self, log: Log, pair: tuple[list[str], list[str]]) -> None:
        """Marking a copy marks the paid image, once, and all copies of that place show it."""
        paid, copy = pair
        assert log.set_marks([copy[1], paid[1]], "keep", by="anna", tags=["cover", "grün"], note="yes") == 1
        assert list(log.rows("SELECT image_id, mark FROM marks")) == [(paid[1], "keep")]
        marks = {
            row["image_id"]: (row["mark"], row["tags"], row["note"]) for row in dicts(log, "SELECT * FROM gallery")
        }
        kept = ("keep", '["cover", "grün"]', "yes")
        assert marks == {paid[0]: (None,) * 3, copy[0]: (None,) * 3, paid[1]: kept, copy[1]: kept}

    def test_again(self, log: Log, pair: tuple[list[str], list[str]]) -> None:
        """A user has one mark per image, whose note stays; the latest user's is shown; None takes it away."""
        (image, _), _ = pair
        log.set_marks([image], "keep", by="anna", note="sharp")
        log.set_marks([image], "reject", by="anna")
        assert list(log.rows('SELECT mark, note FROM marks WHERE "by" = ?', ("anna",))) == [("reject", "sharp")]
        log.execute("UPDATE marks SET at = '2000-01-01T00:00:00.000Z'")
        log.set_marks([image], "keep", by="ben")
        assert log.value("SELECT mark FROM gallery WHERE image_id = ?", (image,)) == "keep"
        assert log.set_marks([image], None, by="ben") == 1
        assert log.value("SELECT mark FROM gallery WHERE image_id = ?", (image,)) == "reject"

    def test_unknown_image(self, log: Log, pair: tuple[list[str], list[str]]) -> None:
        """An image that is not there is an input error, and nothing is marked."""
        with pytest.raises(InputError, match="the log has no image 01X"):
            log.set_marks([pair[0][0], "01X"], "keep", by="anna")
        assert log.value("SELECT count(*) FROM marks") == 0

    def test_marked(self, log: Log, rows, pair: tuple[list[str], list[str]]) -> None:  # type: ignore[no-untyped-def]
        """The kept images of a run are found, also where the run only has copies of them."""
        _, copy = pair
        log.set_marks([copy[0]], "keep", by="anna")
        run_id = log.value("SELECT run_id FROM gallery WHERE image_id = ?", (copy[0],))
        sql = "SELECT image_id, mark FROM gallery WHERE run_id = ? AND mark IS NOT NULL"
        assert list(log.rows(sql, (run_id,))) == [(copy[0], "keep")]

    def test_match(self, log: Log, rows) -> None:  # type: ignore[no-untyped-def]
        """Images are named by globs over ids, hashes, variants and file names; one without a match is an error."""
        run = rows.run()
        film = rows.image(rows.generation(run, variant_id="v1"), path="results/shelf/style-film_s1.webp")
        photo = rows.image(
            rows.generation(run, variant_id="v2", axes={"style": "photo"}, provider_id="gen_9"),
            path="results/shelf/p.webp",
        )
        for pattern in (
            "*film*",
            film.id,
            film.id.lower(),
            "v1",
            "style=film",
            "style-film_s1.webp",
            film.path,
            film.generation_id,
        ):
            assert log.match_images(run.id, [pattern]) == [film.id], pattern
        assert log.match_images(run.id, ["gen_9"]) == [photo.id]
        assert log.match_images(run.id, ["*.webp", "v1"]) == [film.id, photo.id]
        with pytest.raises(InputError, match=r"'\*.png' names no image of run"):
            log.match_images(run.id, ["v1", "*.png"])


def test_variant_summary(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """Per variant, template and values: results once however often they are copied, failures, costs, marks."""
    run = rows.run()
    paid = rows.generation(run, images=2, credits=50.0, cost_usd=0.75, latency_ms=100, axis_values="{}")
    rows.generation(run, images=1, credits=50.0, cost_usd=0.75, latency_ms=300, axis_values="{}")
    rows.generation(run, status="failed", axis_values="{}")
    rows.generation(run, status="unknown", axis_values="{}")
    rows.generation(run, status="planned", axis_values="{}")
    copy = rows.generation(rows.run(), images=2, cached_from=paid.id, credits=0.0, cost_usd=0.0, axis_values="{}")
    rows.generation(run, template_id="t2", axis_values="{}")
    rows.generation(run, axis_values='{"style":"new"}')
    kept, rejected = [image.id for image in log.images_of([copy.id])[copy.id]]
    log.set_marks([kept], "keep", by="anna")
    log.set_marks([rejected], "reject", by="anna")
    summary = dicts(log, "SELECT * FROM variant_summary ORDER BY template_id, axis_values DESC")
    assert [(row["template_id"], row["axis_values"]) for row in summary] == [
        ("t1", "{}"),
        ("t1", '{"style":"new"}'),
        ("t2", "{}"),
    ]
    expected = {
        "variant": "style=film",
        "generations": 4,
        "images": 3,
        "completed": 2,
        "failed": 1,
        "unknown": 1,
        "cached": 1,
        "kept": 1,
        "rejected": 1,
        "credits": 100.0,
        "cost_usd": 1.5,
        "mean_latency_ms": 200.0,
        "simulated": 0,
    }
    assert expected.items() <= summary[0].items(), json.dumps(summary[0])


def test_summary_of_copies(log: Log, rows) -> None:  # type: ignore[no-untyped-def]
    """An experiment that only took results of another one has them in its summary, at no cost."""
    paid = rows.generation(rows.run(experiment="first"), images=1, credits=50.0)
    rows.generation(rows.run(experiment="second"), images=1, cached_from=paid.id, credits=0.0)
    summary = {
        row["experiment"]: (row["images"], row["completed"], row["credits"])
        for row in dicts(log, "SELECT * FROM variant_summary")
    }
    assert summary == {"first": (1, 1, 50.0), "second": (1, 1, 0.0)}
