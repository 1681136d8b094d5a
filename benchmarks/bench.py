"""All of promptlab's figures on this machine: `python benchmarks/bench.py [plan] [run] [wall] [pro] [pictures] ...`.

Without names everything but `pro` (a minute of waiting for a rate limit). Ratios are taken in one run, each side
measured several times in turn and the medians compared, since machines are noisy. Nothing here is a test.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from measure import Cost, measure

HERE = Path(__file__).parent
ROUNDS = 5
IMAGES = 1000
CONCURRENCY = 20


def main(names: list[str]) -> None:
    """Run the chosen benchmarks in a folder that goes away."""
    chosen = names or ["plan", "run", "cached", "wall", "pacing", "pictures"]
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen:
            print(f"\n{name}")
            globals()[f"bench_{name}"](Path(folder))


def say(what: str, figure: str) -> None:
    print(f"  {what:<62} {figure}")


@contextmanager
def server(*flags: str) -> Iterator[str]:
    """The loopback image API in a separate process; yields its URL."""
    process = subprocess.Popen([sys.executable, str(HERE / "server.py"), *flags], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.terminate()
        process.wait()


def studio(folder: Path, count: int = IMAGES, plan: str = "enterprise") -> Path:
    """A new studio with one experiment of `count` requests."""
    place = Path(tempfile.mkdtemp(dir=folder))
    (place / "experiments").mkdir()
    numbers = "\n".join(map(str, range(count)))
    (place / "experiments" / "numbers.txt").write_text(numbers)
    (place / "experiments" / "load.yaml").write_text(
        'prompt: "a teapot, number {{ i }}"\naxes: {i: {from: numbers.txt}}\nseeds: [1]\n'
    )
    (place / "promptlab.yaml").write_text(
        f"provider: kairval\nplan: {plan}\nplans: {{enterprise: {{concurrent: {CONCURRENCY}}}}}\n"
    )
    return place


def environment(url: str, place: Path) -> dict[str, str]:
    return {"KAIRVAL_BASE_URL": url, "KAIRVAL_API_KEY": "kv_benchmark", "PROMPTLAB_STATE": str(place / "state")}


def run(url: str, place: Path, *flags: str) -> Cost:
    command = ["promptlab", "run", "experiments/load.yaml", "--yes", *flags]
    return measure(command, cwd=place, env=environment(url, place))


def bench_plan(folder: Path) -> None:
    """Planned variants a second with ids, hashes and equal requests found; peak memory of the whole process."""
    say("the experiment", "4 axes, one-line prompt with 5 variables, no seeds")
    for count in (10_000, 1_000_000):
        costs = [measure([str(HERE / "plan.py"), str(count), str(folder)]) for _ in range(3)]
        ids, survey = (statistics.median(float(cost.output.split()[at]) for cost in costs) for at in (0, 1))
        say(f"{count:,} variants a second: with ids / surveyed; aim 50,000", f"{ids:,.0f} / {survey:,.0f}")
        say(f"{count:,} variants: peak memory of the process; aim 80 MB", f"{max(c.peak_mb for c in costs):.0f} MB")


def bench_run(folder: Path) -> None:
    """`promptlab run` beside the bare script, over loopback HTTP: 1,000 small images, then 300 of 1024 px."""
    beside_bare(folder, "images of 60 KB", IMAGES, ROUNDS, "--size", "60000")
    beside_bare(folder, "1024 px PNGs of 1.6 MB", 300, 3, "--side", "1024")


def beside_bare(folder: Path, what: str, count: int, rounds: int, *flags: str) -> None:
    """Both in turn against one server at the same concurrency. Decoding and thumbnails are children's CPU."""
    ours: list[Cost] = []
    bare: list[Cost] = []
    size = 0.0
    with server(*flags) as url:
        for _ in range(rounds):
            place = studio(folder, count)
            ours.append(run(url, place))
            bare.append(measure([str(HERE / "bare.py"), url, str(count), str(CONCURRENCY), str(place / "bare")]))
            size = log_size(place / "promptlab.db")
            shutil.rmtree(place)
    print(f"  {count:,} {what} at concurrency {CONCURRENCY}")
    for name, costs in (("promptlab run", ours), ("bare asyncio + httpx script", bare)):
        wall, cpu = (statistics.median(getattr(cost, field) for cost in costs) for field in ("wall", "cpu"))
        say(f"{name}: CPU / wall / peak memory", f"{cpu:.2f} s / {wall:.2f} s / {max(c.peak_mb for c in costs):.0f} MB")
    for field, aim in (("cpu", 1.3), ("wall", 1.5)):
        ratios = sorted(getattr(a, field) / getattr(b, field) for a, b in zip(ours, bare, strict=True))
        found = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        say(f"{field} ratio, median (min to max); aim {aim}", found)
    children = statistics.median(cost.children for cost in ours)
    say("fsync, full decode and thumbnails, in other processes: CPU an image", f"{children / count * 1000:.1f} ms")
    say("database per generation beyond texts, response and search index", f"{size:,.0f} bytes")


def log_size(path: Path) -> float:
    """Bytes a generation of everything but prompts, raw responses and the search index."""
    db = sqlite3.connect(path)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    pages, page = db.execute("PRAGMA page_count").fetchone()[0], db.execute("PRAGMA page_size").fetchone()[0]
    texts = db.execute(
        "SELECT total(length(CAST(prompt AS BLOB)) + ifnull(length(CAST(negative_prompt AS BLOB)), 0)"
        " + ifnull(length(CAST(response AS BLOB)), 0)) FROM generations"
    ).fetchone()[0]
    texts += db.execute("SELECT total(length(CAST(revised_prompt AS BLOB))) FROM images").fetchone()[0]
    search = 0
    for name in ("generations_fts", "images_fts"):
        search += db.execute(f"SELECT total(length(block)) FROM {name}_data").fetchone()[0]
    count = db.execute("SELECT count(*) FROM generations").fetchone()[0]
    db.close()
    return (pages * page - texts - search) / count


def bench_cached(folder: Path) -> None:
    """A second run of 1,000 requests, all in the log: sends nothing."""
    with server("--size", "6000") as url:
        place = studio(folder)
        run(url, place, "--no-thumbnails")
        costs = [run(url, place) for _ in range(ROUNDS)]
    wall, cpu = (statistics.median(getattr(cost, field) for cost in costs) for field in ("wall", "cpu"))
    say("1,000 cached requests: wall / CPU; aim 0.7 s", f"{wall:.2f} s / {cpu:.2f} s")


def bench_wall(folder: Path) -> None:
    """1,000 requests of 200 ms at concurrency 20: how near the wall time is to the ideal 10 s, start-up included."""
    with server("--latency", "0.2", "--size", "6000") as url:
        costs = [run(url, studio(folder)) for _ in range(3)]
    ideal = IMAGES / CONCURRENCY * 0.2
    wall = statistics.median(cost.wall for cost in costs)
    say(
        "1,000 × 200 ms at concurrency 20: wall / ideal; aim 1.14", f"{wall:.2f} s / {ideal:.1f} s = {wall / ideal:.3f}"
    )


def bench_pro(folder: Path) -> None:
    """240 requests under Pro's 120 a minute."""
    with server("--size", "6000", "--limit", "120") as url:
        cost = run(url, studio(folder, 240, "pro"))
    say("240 requests under Pro: wall / ideal 60 s; aim 1.05", f"{cost.wall:.1f} s = {cost.wall / 60:.3f}")


def bench_pacing(folder: Path) -> None:
    """What leave to send costs: one transaction on the file that all processes of a key share."""
    from promptlab.pacing import Lease, Limits, Pacer

    with Pacer.open(folder / "state", "benchmark", Limits(requests=10_000_000, window_s=60, concurrent=20)) as pacer:
        took = []
        for _ in range(5000):
            start = time.perf_counter()
            lease = pacer.try_acquire()
            took.append(time.perf_counter() - start)
            assert isinstance(lease, Lease)
            pacer.release(lease)
    say("an acquire: median / mean", f"{statistics.median(took) * 1e6:.0f} µs / {statistics.mean(took) * 1e6:.0f} µs")


def bench_pictures(folder: Path) -> None:
    """What one 1024 px image costs the low-priority processes, and what durability costs the run's process."""
    import io

    from PIL import Image
    from server import photo

    from promptlab.store.decode import decode_file

    def encoded(picture: Image.Image, format: str, **options: int) -> bytes:
        file = io.BytesIO()
        picture.save(file, format, **options)
        return file.getvalue()

    def load() -> None:
        Image.open(io.BytesIO(data)).load()

    data = b"".join(photo(1024))
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
    noise = Image.frombytes("RGB", (1024, 1024), os.urandom(3 * 1024 * 1024))
    pictures = {"photo": encoded(opened, "PNG"), "noise": encoded(noise, "PNG")}
    pictures |= {"photo as JPEG": encoded(opened, "JPEG", quality=90), "photo as WebP": encoded(opened, "WEBP")}
    path, thumbnail = folder / "image", folder / "thumbnail"
    for name, data in pictures.items():
        path.write_bytes(data)
        whole, alone = least_cpu(lambda: decode_file(path, thumbnail)), least_cpu(load)
        size = next(folder.glob("thumbnail.*")).stat().st_size
        say(
            f"1024 px {name}: CPU, Pillow's load() alone, thumbnail; aim 12 ms in all",
            f"{whole * 1e3:.1f} ms, {alone * 1e3:.1f} ms, {size / 1e3:.1f} KB",
        )
    asyncio.run(_keep_many(folder))


def least_cpu(work: Callable[[], object]) -> float:
    """The least CPU time of several: neighbours on the machine can only add to it."""
    took = []
    for _ in range(9):
        start = time.process_time()
        work()
        took.append(time.process_time() - start)
    return min(took)


async def _keep_many(folder: Path, count: int = 400) -> None:
    from promptlab.store import Store
    from promptlab.store.background import Keeper

    store = Store(folder / "images")
    numbers = iter(range(count))
    body = os.urandom(60_000)

    async def worker() -> None:
        for number in numbers:
            part = store.part()
            part.write(body + number.to_bytes(4, "big"))
            await keeper.put_new(part, "png")

    wall, cpu = time.perf_counter(), time.process_time()
    async with Keeper(store) as keeper:
        await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
        cpu = time.process_time() - cpu
        wall = time.perf_counter() - wall
    say(
        f"a 60 KB image kept durably, {CONCURRENCY} at a time: CPU here / images a second",
        f"{cpu / count * 1e3:.2f} ms / {count / wall:,.0f}",
    )


if __name__ == "__main__":
    os.environ.pop("KAIRVAL_PLAN", None)
    main(sys.argv[1:])
