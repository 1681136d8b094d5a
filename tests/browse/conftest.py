"""A studio with a log and pictures, made through the Log and the Store as a run makes them."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from PIL import Image as Picture
from PIL import ImageDraw

from promptlab.log import Log
from promptlab.model import Attempt, Generation, Image, InputFile, Run, RunTemplate, TemplateFile, Variant
from promptlab.plan.identity import variant_id
from promptlab.store import Store

T = TypeVar("T")
STYLES = {"film": "35 mm film, visible grain", "studio": "studio strobe, seamless paper", "ink": "ink and wash drawing"}
LOOKS = {"warm": ((236, 190, 130), (176, 92, 58)), "cold": ((172, 200, 222), (70, 104, 150))}
SEEDS = (11, 12, 13)
EVIL = '<script>alert("x")</script> & "quoted" \'prompt\''
TEMPLATE = "{# hero #}\nA ceramic teapot on linen, {{ style }}, {{ look }} light\n"


@dataclass(frozen=True)
class Demo:
    """The paths of the demo studio, and some ids in it."""

    folder: Path
    db: Path
    images: Path
    shelf: str
    cached: str
    evil: str
    unseeded: str
    running: str
    image: str  # an image of the shelf run, with a rewritten prompt
    sha256: str


def draw(style: str, look: str, seed: int, size: tuple[int, int] = (480, 480)) -> bytes:
    """A teapot of sorts: the look colours it, the style renders it, the seed places it."""
    chance = random.Random(f"{style}{look}{seed}")
    light, dark = LOOKS[look]
    if style == "ink":
        light, dark = (244, 240, 230), (52, 50, 60)
    picture = Picture.new("RGB", size, light)
    pen = ImageDraw.Draw(picture)
    width, height = size
    table = int(height * (0.66 + chance.random() * 0.08))
    pen.rectangle((0, table, width, height), fill=tuple(max(0, c - 40) for c in light))
    x, y, r = width * (0.42 + chance.random() * 0.16), table - height * 0.13, width * (0.16 + chance.random() * 0.05)
    fill = light if style == "ink" else dark
    line: dict[str, Any] = {"outline": dark, "width": 5 if style == "ink" else 1}
    pen.ellipse((x + r * 0.7, y - r * 0.6, x + r * 1.6, y + r * 0.5), outline=dark, width=14)
    pen.polygon(
        (x - r * 0.8, y + r * 0.3, x - r * 1.8, y - r * 0.5, x - r * 1.6, y - r * 0.6, x - r * 0.6, y - r * 0.2),
        fill=dark,
    )
    pen.ellipse((x - r, y - r * 0.85, x + r, y + r), fill=fill, **line)
    pen.ellipse((x - r * 0.16, y - r * 1.15, x + r * 0.16, y - r * 0.82), fill=dark)
    if style == "studio":
        pen.ellipse((x - r * 0.6, y - r * 0.6, x - r * 0.25, y - r * 0.1), fill=(255, 255, 255))
    if style == "film":
        for _ in range(2500):
            at = (chance.randrange(width), chance.randrange(height))
            pen.point(
                at,
                fill=tuple(
                    min(255, max(0, c + chance.randint(-45, 45))) for c in cast("tuple[int, ...]", picture.getpixel(at))
                ),
            )
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def id_of(*parts: object) -> str:
    """A stable id that looks like one."""
    return sha256("/".join(map(str, parts)).encode()).hexdigest()[:26].upper()


@dataclass
class Writer:
    """Writes runs into one log and one store."""

    log: Log
    store: Store
    studio: Path
    variant_id: Callable[[Mapping[str, str]], str] = variant_id

    def run(self, id: str, experiment: str, **more: Any) -> Run:
        values: dict[str, Any] = {"provider": "kairval", "user": "ana", "plan": "pro", "git_branch": "main"}
        values |= {"git_commit": "4f1c2d3e" * 5, "status": "completed", "started_at": "2026-11-20T10:00:00.000Z"}
        values |= {"ended_at": "2026-11-20T10:03:12.000Z", "promptlab_version": "0.1.0", "git_dirty": False} | more
        self.log.use_experiment(
            experiment, self.studio / f"experiments/{experiment}.yaml", "For the tests", self.studio
        )
        run = Run(id=id, experiment=experiment, **values)
        self.log.insert(run)
        used = RunTemplate(value=None, template_id="t" * 64, path="hero.j2", git_commit="4f1c2d3e" * 5, git_dirty=True)
        self.log.add_templates(id, [(used, [TemplateFile("hero.j2", TEMPLATE), TemplateFile("base.j2", "{# base #}")])])
        self.log.add_inputs(id, [InputFile(f"{experiment}.yaml", "spec", "0" * 64, "name: x")])
        return run

    def generation(self, run: Run, sequence: int, axes: dict[str, str], **more: Any) -> Generation:
        variant = Variant(self.variant_id(axes), axes)
        self.log.add_variants(run.experiment, [variant])
        style, look = STYLES.get(axes.get("style", ""), "plain"), axes.get("look", "soft")
        values: dict[str, Any] = {
            "prompt": f"A ceramic teapot on linen, {style}, {look} light",
            "negative_prompt": "text, watermark",
            "status": "completed",
            "axis_values": json.dumps({"style": STYLES.get(axes.get("style", ""), "")}),
            "params": json.dumps({"quality": "high"}),
            "aspect_ratio": "1:1",
            "defaulted": json.dumps(["aspect_ratio", "n"]),
            "dropped": json.dumps(["style"]),
            "credits": 4.0,
            "cost_usd": 0.04,
            "cost_source": "simulated" if run.provider == "simulator" else "table",
            "attempts": 1,
            "latency_ms": 8200,
            "created_at": run.started_at,
            "started_at": run.started_at,
            "ended_at": run.started_at,
            "operation": "generate",
            "model": "gpt-image-2",
            "response": json.dumps({"created": 1, "data": [{"url": "https://example.invalid/a.png"}]}),
        } | more
        id = id_of("g", run.id, sequence)
        made = Generation(
            id=id,
            run_id=run.id,
            sequence=sequence,
            experiment=run.experiment,
            variant_id=variant.id,
            template_id="t" * 64,
            provider=run.provider,
            request_hash=sha256(f"{variant.id}{values.get('seed')}{values['prompt']}".encode()).hexdigest(),
            **values,
        )
        self.log.insert(made)
        return made

    def image(self, generation: Generation, data: bytes, position: int = 0, **more: Any) -> Image:
        with self.store.part() as part:
            part.write(data)
            stored = self.store.put_new(part, "png")
        width, height = Picture.open(io.BytesIO(data)).size
        image = Image(
            id=id_of("i", generation.id, position),
            generation_id=generation.id,
            position=position,
            sha256=stored.sha256,
            bytes=len(data),
            width=width,
            height=height,
            format="png",
            path=f"results/{generation.experiment}/{generation.id}_{position}.png",
            **more,
        )
        self.log.insert(image)
        return image


def make_shelf(writer: Writer) -> tuple[Run, list[Generation], list[Image]]:
    """style × look × seed, paid; one failed, one of unknown outcome, one kept, one rejected."""
    run = writer.run(id_of("shelf"), "shelf_photos", planned=18, completed=16, failed=1, credits=64.0, cost_usd=0.64)
    generations, images = [], []
    for sequence, (style, look, seed) in enumerate(itertools.product(STYLES, LOOKS, SEEDS)):
        more: dict[str, Any] = {"seed": seed, "seed_index": SEEDS.index(seed)}
        if sequence == 4:
            more |= {"status": "failed", "error_code": "content_policy", "cost_usd": None, "credits": None}
            more |= {"error_message": "The prompt was refused: try other words.", "cost_source": None}
        if sequence == 9:
            more |= {"status": "unknown", "cost_usd": None, "credits": None, "cost_source": None}
            more |= {"error_message": "The connection broke after the request was sent."}
        generation = writer.generation(run, sequence, {"style": style, "look": look}, **more)
        generations.append(generation)
        writer.log.insert(make_attempt(generation))
        if generation.status == "completed":
            words = f"A hand-thrown ceramic teapot resting on washed linen, {STYLES[style]}, {look} light "
            words += "from the left, shallow depth of field"
            data = draw(style, look, seed, (480, 320) if style == "ink" else (480, 480))
            images.append(writer.image(generation, data, revised_prompt=words))
    writer.log.ensure_axes_view("shelf_photos", ("style", "look"))
    return run, generations, images


def make_attempt(generation: Generation) -> Attempt:
    """The one attempt of a generation; one of unknown outcome may be billed."""
    unknown = generation.status == "unknown"
    return Attempt(
        id=id_of("a", generation.id),
        generation_id=generation.id,
        number=1,
        idempotency_key=id_of("k", generation.id),
        started_at=generation.created_at,
        status_code=None if unknown else 200 if generation.status == "completed" else 400,
        outcome={"completed": "ok", "failed": "rejected"}.get(generation.status, "unknown"),
        may_be_billed=unknown,
        credits_at_risk=4.0 if unknown else None,
        cost_usd_at_risk=0.04 if unknown else None,
    )


def make_demo(folder: Path) -> Demo:
    """A studio that shows every state a page can show."""
    db, images = folder / "promptlab.db", folder / "images"
    with Log.open(db) as log:
        writer = Writer(log, Store(images), folder)
        shelf, generations, pictures = make_shelf(writer)
        log.set_marks([pictures[0].id], "keep", by="ana", tags=["cover"], note="the one")
        log.set_marks([pictures[3].id], "reject", by="ana")
        at: dict[str, Any] = {"started_at": "2026-11-21T09:00:00.000Z", "ended_at": "2026-11-21T09:00:01.200Z"}
        cached = writer.run(id_of("cached"), "shelf_photos", planned=3, completed=3, cached=3, cost_usd=0.0, **at)
        for sequence, paid in enumerate(generations[:3]):
            copy = writer.generation(
                cached, sequence, {"style": "film", "look": "warm"}, seed=paid.seed, cached_from=paid.id,
                cost_usd=0.0, credits=0.0, cost_source="cache", attempts=0, latency_ms=None,
            )  # fmt: skip
            writer.image(copy, draw("film", "warm", paid.seed or 0))
        at = {"started_at": "2026-11-22T08:00:00.000Z", "ended_at": "2026-11-22T08:00:04.000Z"}
        evil = writer.run(id_of("evil"), "try", provider="simulator", base_url="simulator:", planned=4, plan=None, **at)
        for sequence, (name, seed) in enumerate(itertools.product(("a", "b"), SEEDS[:2])):
            text = EVIL if name == "a" else "A ceramic teapot, hard flash"
            made = writer.generation(evil, sequence, {"prompt": name}, seed=seed, prompt=text, negative_prompt=EVIL)
            writer.image(made, draw("studio", "cold" if name == "a" else "warm", seed), revised_prompt=EVIL + " more")
        at = {"started_at": "2026-11-22T09:00:00.000Z", "ended_at": None}
        unseeded = writer.run(id_of("unseeded"), "draws", planned=4, status="interrupted", **at)
        for sequence, (style, number) in enumerate(itertools.product(("film", "ink"), range(2))):
            made = writer.generation(unseeded, sequence, {"style": style}, draw=number, n=2)
            writer.image(made, draw(style, "warm", number))
            writer.image(made, draw(style, "cold", number), 1)
        at = {"started_at": "2026-11-22T10:00:00.000Z", "ended_at": None}
        running = writer.run(id_of("running"), "live", planned=10, status="running", **at)
        made = writer.generation(running, 0, {"look": "warm"}, seed=11)
        writer.image(made, draw("film", "warm", 99))
        writer.generation(running, 1, {"look": "cold"}, seed=11, status="in_flight", cost_usd=None, credits=None)
        log.ensure_axes_view("try", ("prompt",))
    first = pictures[0]
    assert first.sha256 is not None
    ids = (shelf.id, cached.id, evil.id, unseeded.id, running.id)
    return Demo(folder, db, images, *ids, first.id, first.sha256)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demo studio; tests only read it."""
    return make_demo(tmp_path_factory.mktemp("studio"))


@pytest.fixture(scope="session")
def make() -> Callable[[Path], Demo]:
    """For tests that write into a demo studio of their own."""
    return make_demo


@pytest.fixture(scope="session")
def draw_teapot() -> Callable[..., bytes]:
    """A picture for such a studio."""
    return draw


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new log, without a row."""
    path = tmp_path_factory.mktemp("empty") / "promptlab.db"
    Log.open(path).close()
    return path


@pytest.fixture
def connection(demo: Demo) -> Iterator[sqlite3.Connection]:
    """A plain connection to the demo's log."""
    connection = sqlite3.connect(demo.db)
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def get() -> Callable[..., Any]:
    """`get(datasette, path)`: one request to a Datasette in this process."""

    def request(datasette: Any, path: str, **more: Any) -> Any:
        async def ask() -> Any:
            await datasette.invoke_startup()
            return await datasette.client.get(path, **more)

        return run(ask())

    def run(task: Coroutine[Any, Any, T]) -> T:
        return asyncio.run(task)

    return request


@pytest.fixture(scope="session")
def writer_class() -> type[Writer]:
    """For tests that write a log of their own."""
    return Writer


# --- a real browser -----------------------------------------------------------------------------------------------

SERVER = """
import sys
from pathlib import Path
from promptlab.browse import serve
serve(Path(sys.argv[1]), Path(sys.argv[2]), port=0, open_browser=False, ready=lambda url: print(url, flush=True))
"""


@pytest.fixture(scope="module")
def url(demo: Any) -> Iterator[str]:
    """The address of a server over the demo's log."""
    command = [sys.executable, "-c", SERVER, str(demo.db), str(demo.images)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    """Headless Chromium that sends no request elsewhere."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-background-networking", "no-first-run"):
        options.add_argument(f"--{flag}")
    options.add_argument("--window-size=1400,1000")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    yield driver
    driver.quit()
