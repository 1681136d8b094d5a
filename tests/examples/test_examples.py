"""Every experiment of the example studio plans without a problem and runs on the simulator, rows and files in order."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

import promptlab
from promptlab import Generation, Image, Log, Options, Studio, Summary

ROOT = Path(__file__).parent.parent.parent
GUIDE = json.loads(
    """
{
  "model": "gpt-image-2",
  "prompt": "A modern minimalist workspace with a laptop, coffee cup, and succulent plant on a white desk, soft natural lighting, editorial photography style",
  "aspect_ratio": "16:9",
  "output_format": "png",
  "negative_prompt": "blurry, watermark, low quality"
}
"""  # noqa: E501
)
#: experiment → variants, requests, and how many of them a test sends
SIZES = {
    "ad_variants": (12, 24, 4),
    "guide_example": (1, 1, 1),
    "portrait": (5, 10, 4),
    "product_hero": (2, 6, 3),
    "retouch": (9, 9, 9),
    "shelf_photos": (6, 12, 4),
}


def run(studio: Path, name: str, limit: int | None = None) -> Summary:
    job = promptlab.prepare(studio / "experiments" / f"{name}.yaml", limit=limit)
    return promptlab.run_experiment(job, Options(thumbnails=False))


def rows(studio: Path, summary: Summary) -> tuple[list[Generation], list[Image]]:
    with Studio.open(studio).log(create=False) as log:
        return list(log.generations(summary.run_id)), list(log.images(summary.run_id))


def test_every_experiment_is_listed() -> None:
    """An example that this file does not run would never be run."""
    assert {path.stem for path in (ROOT / "experiments").glob("*.yaml")} == set(SIZES)


def test_every_template_is_used() -> None:
    """No template of the studio is left over: each belongs to an experiment or to another template."""
    texts = [path.read_text() for part in ("experiments", "templates") for path in (ROOT / part).glob("*.*")]
    for template in (ROOT / "templates").glob("*.j2"):
        assert any(template.name in text for text in texts), template


@pytest.mark.parametrize("name", SIZES)
def test_it_plans(name: str, studio: Path) -> None:
    """An example has the size that its comment says, and no warning but the guide's own missing seed."""
    job = promptlab.prepare(studio / "experiments" / f"{name}.yaml")
    found = promptlab.preview(job, None)
    assert (found.variants, found.requests) == SIZES[name][:2]
    assert [warning.code for warning in found.warnings] == (["not-repeatable"] if name == "guide_example" else [])
    assert job.experiment.description or name == "product_hero"


@pytest.mark.parametrize("name", SIZES)
def test_it_runs(name: str, studio: Path) -> None:
    """An example runs to its end: a completed row a request, an image row an image, each file equal to its sha256."""
    limit = SIZES[name][2]
    summary = run(studio, name, limit)
    generations, images = rows(studio, summary)
    assert (summary.status, summary.completed, summary.exit_code) == ("completed", limit, 0)
    assert [row.status for row in generations] == ["completed"] * limit
    assert len(images) == limit
    for image in images:
        assert image.path is not None
        file = studio / image.path
        assert file.parent == studio / "results" / name
        assert hashlib.sha256(file.read_bytes()).hexdigest() == image.sha256
        assert image.revised_prompt
        assert image.width
        assert image.height
        assert max(image.width, image.height) >= 1024


def test_a_second_run_sends_nothing(studio: Path) -> None:
    """What the log has already costs nothing, and the rows of the second run point at the first."""
    run(studio, "product_hero", 2)
    again = run(studio, "product_hero", 2)
    generations, _ = rows(studio, again)
    assert (again.cached, again.completed) == (2, 2)
    assert all(row.cached_from and not row.credits for row in generations)


def test_the_catalogue_follows_its_csv(studio: Path) -> None:
    """shelf_photos reads the shop's CSV: a new row is a new product, and the old ones stay answered."""
    run(studio, "shelf_photos")
    shop = studio / "experiments" / "data" / "shop.csv"
    shop.write_text(shop.read_text() + "B-410,bread bowl,wood,teapot.jpg\n")
    job = promptlab.prepare(studio / "experiments" / "shelf_photos.yaml")
    with job.studio.log() as log:
        found = promptlab.preview(job, log)
    assert (found.cached, found.to_send) == (12, 4)
    assert any(request.prompt.startswith("bread bowl, on wood,") for request in job.plan.requests())


def test_the_advertisement_says_its_offer(studio: Path) -> None:
    """ad_variants puts the offer in quotes in every prompt, which is what gets drawn as text."""
    job = promptlab.prepare(studio / "experiments" / "ad_variants.yaml")
    prompts = {request.prompt for request in job.plan.requests()}
    assert len(prompts) == 12
    assert all(re.search(r'"(HALF PRICE|NEW IN)"', prompt) for prompt in prompts)


def test_the_portrait_uses_base_and_macro(studio: Path) -> None:
    """portrait's prompt comes from three files, and its negatives from base, template and one axis value."""
    job = promptlab.prepare(studio / "experiments" / "portrait.yaml")
    (template,) = job.plan.templates.values()
    assert {file.path for file in template.files} == {"portrait.j2", "_photo_base.j2", "_lib.j2"}
    found = {request.variant.name: request for request in job.plan.requests()}
    assert found["crop=close,light=golden"].prompt == (
        "close-up portrait of a young fisherwoman with a cat, by the sea, golden hour, sharp focus, editorial "
        "portrait photography"
    )
    negative = "blurry, watermark, low quality, deformed, extra fingers, text artefacts"
    assert found["crop=half,light=window"].negative_prompt == negative
    assert found["crop=half,light=lantern"].negative_prompt == f"{negative}, daylight"
    assert "crop=close,light=lantern" not in found


def test_the_retouching_edits_the_bundled_photos(studio: Path) -> None:
    """retouch edits a photo per row at three strengths; the source's hash is in the log and the pictures differ."""
    summary = run(studio, "retouch")
    generations, images = rows(studio, summary)
    photos = {hashlib.sha256(file.read_bytes()).hexdigest() for file in (ROOT / "experiments/photos").iterdir()}
    assert {row.source_image for row in generations} == photos
    assert {row.operation for row in generations} == {"edit"}
    assert sorted({row.strength for row in generations if row.strength}) == [0.3, 0.6, 0.9]
    assert len({image.sha256 for image in images}) == 9


def test_the_bundled_photos_are_small() -> None:
    """Three photos, each a JPEG of at most 80 KB, so that the wheel stays small."""
    photos = sorted((ROOT / "experiments" / "photos").iterdir())
    assert [photo.name for photo in photos] == ["stool.jpg", "teapot.jpg", "vase.jpg"]
    assert all(photo.stat().st_size <= 80_000 and photo.read_bytes()[:2] == b"\xff\xd8" for photo in photos)


def test_the_guide_example_is_the_guides_request(studio: Path) -> None:
    """guide_example puts the guide's first JSON on the wire, to the letter: no field more, none less, same types."""
    job = promptlab.prepare(
        studio / "experiments" / "guide_example.yaml", provider="kairval", environ={"KAIRVAL_API_KEY": "kv_example"}
    )
    (request,) = job.plan.requests()
    call = job.endpoint.provider.encode(request, image=None, asynchronous=False, webhook_url=None).call
    assert (call.method, call.path) == ("POST", "/v1/images/generate")
    assert call.json == GUIDE
    assert list(call.json or {}) == list(GUIDE)


def test_the_guide_example_over_http(studio: Path) -> None:
    """Over real HTTP the server receives the guide's JSON as its whole body, and the answer becomes one image."""
    app = promptlab.create_app(promptlab.SimulatorSettings())
    bodies: list[bytes] = []

    async def spy(scope, receive, send):  # type: ignore[no-untyped-def]
        async def heard():  # type: ignore[no-untyped-def]
            message = await receive()
            if scope.get("method") == "POST":
                bodies.append(message.get("body", b""))
            return message

        await app(scope, heard, send)

    with promptlab.running(spy) as url:  # type: ignore[arg-type]
        environ = {"KAIRVAL_API_KEY": "kv_example", "KAIRVAL_BASE_URL": url, "PROMPTLAB_STATE": str(studio / "state")}
        path = studio / "experiments" / "guide_example.yaml"
        job = promptlab.prepare(path, provider="kairval", environ=environ)
        summary = promptlab.run_experiment(job, Options(thumbnails=False, yes=True))
    assert summary.completed == 1
    assert json.loads(b"".join(bodies)) == GUIDE


def test_the_key_is_written_nowhere(studio: Path) -> None:
    """After a run with a key, no file of the studio holds it."""
    app = promptlab.create_app(promptlab.SimulatorSettings(fast=True))
    key = "kv_a_key_nobody_should_find"
    with promptlab.running(app) as url:
        environ = {"KAIRVAL_API_KEY": key, "KAIRVAL_BASE_URL": url, "PROMPTLAB_STATE": str(studio / "state")}
        job = promptlab.prepare(studio / "experiments" / "product_hero.yaml", provider="kairval", environ=environ)
        promptlab.run_experiment(job, Options(thumbnails=False, yes=True))
    files = [file for file in studio.rglob("*") if file.is_file()]
    assert any(file.name == "promptlab.db" for file in files)
    assert not [file for file in files if key.encode() in file.read_bytes()]


def test_log_is_open_to_plain_sql(studio: Path) -> None:
    """A run's axes are columns of its own view."""
    run(studio, "shelf_photos", 2)
    with Studio.open(studio).log(create=False) as log:
        assert isinstance(log, Log)
        found = [tuple(row) for row in log.rows("SELECT item, look FROM axes_shelf_photos LIMIT 1")]
    assert found == [("T-100", "morning")]
