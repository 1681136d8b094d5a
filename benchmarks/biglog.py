"""A large log for benchmarks: `python benchmarks/biglog.py FILE [ROWS]` writes one, 200,000 generations by default.

Half of the generations are one run's; the others are spread over twenty runs of five days, on two providers. Among
them: a run of the simulator, one of `verify`, one hidden, one that copies from the cache; failures, unknown outcomes
that may have been billed, lost images, two images a call, seeds, negative prompts, marks. The same rows and seed give
the same log. No image files are made: hashes are those of made-up contents.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from promptlab.log import Log
from promptlab.model import Attempt, Generation, GenerationStatus, Image, Run, RunTemplate, TemplateFile, Variant

ROWS = 200_000
DAYS = ("2026-11-18", "2026-11-19", "2026-11-20", "2026-11-21", "2026-11-22")
STYLES = ("film", "ink", "clay", "pixel", "oil", "pastel", "neon", "linocut", "photo", "sketch")
LOOKS = ("warm", "cold", "morning", "night")
ITEMS = ("teapot", "bicycle", "lighthouse", "armchair", "greenhouse")
_TEXT = (
    "a quiet wide soft worn bright curved narrow glazed wooden ceramic paper linen brass copper shelf window table "
    "garden harbour market studio corner street shadow reflection steam rain dust flower ribbon book lamp kettle "
    "handle lid spout pattern border texture grain colour contrast depth light centred framed close low above beside"
)
WORDS = _TEXT.split()
CREDITS, USD = 4.0, 0.04
_CHUNK = 20_000


@dataclass(frozen=True, slots=True)
class Facts:
    """What a benchmark wants to know of the log: its largest run, and one generation and image of it."""

    path: Path
    largest: str
    generation: str
    image: str


def build(path: Path, rows: int = ROWS) -> Facts:
    """Write the log, as `promptlab run` would have; about 10,000 generations a second."""
    chance = random.Random(8)
    with Log.open(path) as log:
        # Nothing of it has to survive a power cut.
        log.execute("PRAGMA synchronous = OFF")
        variants = {name: _variants(log, name, path.parent) for name in ("shelf", "posters")}
        largest = None
        for run, count in _runs(rows):
            log.insert(run)
            template = f"template-{run.experiment}-{run.started_at[8:10]}"
            text = TemplateFile("hero.j2", f"a {{{{ item }}}} in {{{{ style }}}} style, version {template}")
            log.add_templates(run.id, [(RunTemplate(None, template, "hero.j2"), [text])])
            marked = _write(log, run, template, count, variants[run.experiment], chance)
            for mark in ("keep", "reject"):
                log.mark_images(marked[mark], mark, by="ana")
            _sum_up(log, run)
            largest = largest or run
        log.hide_run(_id("R", 3))
        log.refresh_sums()
        assert largest is not None
        found = log.execute(
            "SELECT g.id, i.id FROM generations g JOIN images i ON i.generation_id = g.id WHERE g.run_id = ? "
            "ORDER BY g.sequence LIMIT 1 OFFSET 1000",
            (largest.id,),
        ).fetchone()
        return Facts(path, largest.id, *found)


def _id(letter: str, number: int) -> str:
    return f"01{letter}{number:023d}"


def _variants(log: Log, experiment: str, studio: Path) -> list[Variant]:
    log.use_experiment(experiment, studio / f"{experiment}.yaml", "made for benchmarks", studio)
    cells = [{"style": style, "look": look, "item": item} for style in STYLES for look in LOOKS for item in ITEMS]
    found = [Variant(sha256(json.dumps(cell).encode()).hexdigest()[:12], cell) for cell in cells]
    log.add_variants(experiment, found)
    log.ensure_axes_view(experiment, ["style", "look", "item"])
    return found


def _runs(rows: int) -> Iterator[tuple[Run, int]]:
    """The runs with how many generations each has: the large one first, its copy from the cache last."""
    for number in range(21):
        provider = "simulator" if number == 5 else ("kairval", "openai")[number % 2]
        day = DAYS[number % len(DAYS)]
        run = Run(
            id=_id("R", number), kind="verify" if number == 7 else "run",
            experiment="posters" if number % 3 else "shelf",
            project=("spring", None)[number % 2], user=("ana", "ben")[number % 4 > 1], host="studio", provider=provider,
            base_url=f"https://api.{provider}.example", status="completed", started_at=f"{day}T{number:02}:00:00.000Z",
            ended_at=f"{day}T{number:02}:59:00.000Z", promptlab_version="0.1",
        )  # fmt: skip
        yield run, rows // 2 if number == 0 else rows // 40


def _write(
    log: Log, run: Run, template: str, count: int, variants: list[Variant], chance: random.Random
) -> dict[str, list[str]]:
    """The rows of one run, a chunk in a commit; gives the images to mark."""
    marked: dict[str, list[str]] = {"keep": [], "reject": []}
    if run.id == _id("R", 20):
        _copy(log, run, _id("R", 0), count)
        return marked
    chunk: list[Generation | Attempt | Image] = []
    for sequence in range(count):
        rows = _generation(run, template, sequence, variants[sequence % len(variants)], chance)
        chunk += rows
        for row in rows:
            if isinstance(row, Image) and row.status == "stored" and chance.random() < 0.01:
                marked[chance.choice(("keep", "reject"))].append(row.id)
        if len(chunk) >= _CHUNK:
            log.insert_many(chunk)
            chunk = []
    log.insert_many(chunk)
    return marked


def _generation(
    run: Run, template: str, sequence: int, variant: Variant, chance: random.Random
) -> list[Generation | Attempt | Image]:
    """One call with what was sent and what came: 3 % fail, 1 % are unknown, 0.5 % lost, a tenth has two images."""
    key = f"{int(run.id[3:]):03}{sequence:08}"
    text = " ".join(chance.choices(WORDS, k=24))
    at = f"{run.started_at[:14]}{sequence % 3600 // 60:02}:{sequence % 60:02}.{sequence % 1000:03}Z"
    dice = chance.random()
    status: GenerationStatus = (
        "failed" if dice < 0.03 else "unknown" if dice < 0.04 else "lost" if dice < 0.045 else "completed"
    )
    images = (2 if chance.random() < 0.1 else 1) if status == "completed" else 0
    paid = status in ("completed", "lost")
    simulated = run.provider == "simulator"
    shown = ", ".join(variant.axes.values())
    generation = Generation(
        id=_id("G", int(key)), run_id=run.id, sequence=sequence, experiment=run.experiment, variant_id=variant.id,
        template_id=template, provider=run.provider, model=f"{run.provider}-image-2", response_model="image-2-1",
        operation="generate", seed=sequence // 200, seed_index=sequence // 200, axis_values=json.dumps(variant.axes),
        prompt=f"{shown}: {text}", negative_prompt="text, watermark" if sequence % 4 == 0 else None,
        aspect_ratio="1:1", output_format="png", n=max(images, 1), defaulted='["aspect_ratio","output_format"]',
        request_hash=sha256(key.encode()).hexdigest(), status=status, provider_id=f"gen_{key}",
        response=json.dumps({"id": f"gen_{key}", "created": at, "model": "image-2-1", "usage": {"credits": CREDITS},
                             "data": [{"url": f"https://files.example/{key}/{p}.png"} for p in range(images)]}),
        credits=CREDITS * max(images, 1) if paid else None, cost_usd=USD * max(images, 1) if paid else None,
        cost_source=("simulated" if simulated else "response") if paid else None, attempts=1,
        error_code={"failed": "content_policy", "unknown": "timeout", "lost": "download"}.get(status),
        error_type="image_error" if status != "completed" else None,
        error_message="the request was refused" if status == "failed" else None,
        created_at=at, started_at=at, ended_at=at, latency_ms=3000 + sequence % 4000,
    )  # fmt: skip
    risk = status == "unknown"
    attempt = Attempt(
        id=_id("A", int(key)), generation_id=generation.id, number=1, idempotency_key=key, started_at=at, ended_at=at,
        status_code=None if risk else 400 if status == "failed" else 200, may_be_billed=risk,
        outcome="unknown" if risk else "rejected" if status == "failed" else "ok", request_id=f"req_{key}",
        credits_at_risk=CREDITS if risk else None, cost_usd_at_risk=USD if risk else None,
    )  # fmt: skip
    return [generation, attempt, *(_image(generation, variant, position, chance) for position in range(images))]


def _image(generation: Generation, variant: Variant, position: int, chance: random.Random) -> Image:
    content = sha256(f"{generation.id}{position}".encode()).hexdigest()
    name = f"{'-'.join(variant.axes.values())}_s{generation.seed}_d{generation.run_id[-3:]}_{position}.png"
    return Image(
        id=_id("I", int(generation.id[3:]) * 10 + position), generation_id=generation.id, position=position,
        revised_prompt=f"{generation.prompt}, {' '.join(chance.choices(WORDS, k=12))}", sha256=content,
        perceptual_hash=content[:16], bytes=1_400_000 + chance.randrange(200_000), width=1024, height=1024,
        format="png", path=f"results/{generation.experiment}/{name}",
    )  # fmt: skip


def _copy(log: Log, run: Run, of: str, count: int) -> None:
    """A run that was answered from the cache: the first results of another one, free of charge."""
    log.add_templates(
        run.id,
        [(RunTemplate(None, id_, path), []) for id_, path in log.rows(
            "SELECT template_id, path FROM run_templates WHERE run_id = ?", (of,))],
    )  # fmt: skip
    chunk: list[Generation | Attempt | Image] = []
    for paid in log.generations(of, statuses=("completed",)):
        if len(chunk) >= 2 * count:
            break
        id_ = _id("C", int(paid.id[3:]))
        chunk.append(
            replace(paid, id=id_, run_id=run.id, experiment=run.experiment, cached_from=paid.id, credits=0.0,
                    cost_usd=0.0, cost_source="cache", attempts=0, latency_ms=None)
        )  # fmt: skip
        for image in log.images_of([paid.id])[paid.id]:
            chunk.append(replace(image, id=_id("J", int(image.id[3:])), generation_id=id_))
    log.insert_many(chunk)


def _sum_up(log: Log, run: Run) -> None:
    """What a run writes at its end."""
    totals = log.totals(run.id)
    log.update(
        Run, run.id, planned=totals.generations, completed=totals.completed, cached=totals.cached,
        failed=totals.failed + totals.unknown + totals.lost, credits=totals.credits, cost_usd=totals.cost_usd,
    )  # fmt: skip


if __name__ == "__main__":
    print(build(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else ROWS))
