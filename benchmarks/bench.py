"""All of promptlab's figures on this machine: `python benchmarks/bench.py [NAME ...]`.

The names: plan, run, cached, wall, pro, pacing, log, pages. Without one, everything but `pro` (a minute of waiting for
a rate limit), `log` and `pages` (a log of 200,000 generations takes a minute to write; `log pages 1000000` writes one
of a million). Ratios are taken in one run, each side measured several times in turn and the medians compared, since
machines are noisy. Nothing here is a test.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import biglog
from measure import Cost, measure

HERE = Path(__file__).parent
ROUNDS = 5
IMAGES = 1000
CONCURRENCY = 20


def main(names: list[str]) -> None:
    """Run the chosen benchmarks in a folder that goes away."""
    chosen = [name for name in names if not name.isdecimal()] or ["plan", "run", "cached", "wall", "pacing"]
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
    """`promptlab run` beside the bare script, over loopback HTTP: 1,000 images of 60 KB at concurrency 20."""
    ours: list[Cost] = []
    bare: list[Cost] = []
    with server("--size", "60000") as url:
        for _ in range(ROUNDS):
            place = studio(folder)
            ours.append(run(url, place))
            bare.append(measure([str(HERE / "bare.py"), url, str(IMAGES), str(CONCURRENCY), str(place / "bare")]))
            size = log_size(place / "promptlab.db")
            shutil.rmtree(place)
    for name, costs in (("promptlab run", ours), ("bare asyncio + httpx script", bare)):
        wall, cpu = (statistics.median(getattr(cost, field) for cost in costs) for field in ("wall", "cpu"))
        say(f"{name}: CPU / wall / peak memory", f"{cpu:.2f} s / {wall:.2f} s / {max(c.peak_mb for c in costs):.0f} MB")
    ratios = sorted(a.cpu / b.cpu for a, b in zip(ours, bare, strict=True))
    say(
        "CPU ratio, median (min to max); aim 1.2",
        f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
    )
    say(
        "thumbnails and full decode, in a separate process",
        f"{statistics.median(c.children for c in ours):.2f} s CPU",
    )
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


COMMANDS = (["usage"], ["usage", "--by", "template"], ["show", "last"], ["show", "LARGEST"], ["runs"])
QUERIES = (
    "SELECT * FROM spending",
    "SELECT * FROM variant_summary",
    "SELECT * FROM gallery ORDER BY created_at DESC LIMIT 100",
    "SELECT mark, count(*) FROM gallery WHERE experiment = 'shelf' GROUP BY 1",
    "SELECT count(*) FROM gallery WHERE generation_rowid IN "
    "(SELECT rowid FROM generations_fts WHERE generations_fts MATCH 'kettle AND brass')",
)


@cache
def large_log(folder: Path) -> tuple[int, biglog.Facts]:
    """The large log, written once: how many generations it has, and what is where in it."""
    rows = next((int(name) for name in sys.argv if name.isdecimal()), biglog.ROWS)
    start = time.process_time()
    facts = biglog.build(folder / "promptlab.db", rows)
    say(f"{rows:,} generations: to write them, CPU", f"{time.process_time() - start:.0f} s")
    say("the file", f"{facts.path.stat().st_size / 1e6:,.0f} MB")
    return rows, facts


def bench_log(folder: Path) -> None:
    """What is read from a large log: whole commands, the views for people, and search."""
    rows, facts = large_log(folder)
    aim = 0.5 * (1 if rows <= biglog.ROWS else 2)
    for command in COMMANDS:
        words = [facts.largest if word == "LARGEST" else word for word in command]
        costs = [measure(["promptlab", *words, "--db", str(facts.path)], cwd=folder) for _ in range(3)]
        wall, cpu = min(cost.wall for cost in costs), min(cost.cpu for cost in costs)
        say(f"promptlab {' '.join(command)}: wall / CPU; aim {aim} s", f"{wall:.2f} s / {cpu:.2f} s")
    for sql in QUERIES:
        with sqlite3.connect(facts.path) as db:
            took = []
            for _ in range(3):
                start = time.process_time()
                db.execute(sql).fetchall()
                took.append(time.process_time() - start)
        say(sql if len(sql) < 62 else f"{sql[:59]}...", f"{min(took):.3f} s")
        db.close()


#: Page → its aim in seconds and kB (0: none), at 200,000 generations.
PAGES = {
    "/-/promptlab": (0.5, 0),
    "/-/promptlab?experiment=shelf": (0.5, 0),
    "/-/promptlab/compare?run={largest}": (0.15, 500),
    "/-/promptlab/compare?run={largest}&by=style&page=200": (0.15, 500),
    "/-/promptlab/compare?run={largest}&by=variant&prompts=1": (0.15, 500),
    "/-/promptlab/compare?run={largest}&by=look&axis.style=neon": (0.15, 500),
    "/-/promptlab/image/{image}": (0.15, 500),
    "/promptlab/gallery?run_id={largest}": (0.5, 0),
    "/promptlab/gallery?_search=kettle+brass": (0.5, 0),
    "/promptlab/gallery?_next=1000": (0.5, 0),
}


def bench_pages(folder: Path) -> None:
    """The pages of `promptlab browse` over a large log, and every table's; in this process, without a browser.

    The least of several, wall time and CPU: what a page takes on a machine that has nothing else to do.
    """
    import asyncio

    from promptlab.browse import build_datasette
    from promptlab.browse.canned_queries import QUERIES

    rows, facts = large_log(folder)
    scale = 1 if rows <= biglog.ROWS else 2
    site = build_datasette(facts.path, folder / "images")
    with sqlite3.connect(facts.path) as db:
        sql = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE '%@_fts%' ESCAPE '@'"
        tables = [name for (name,) in db.execute(sql) if not name.startswith("sqlite_")]
    db.close()
    pages = {page.format(largest=facts.largest, image=facts.image): aim for page, aim in PAGES.items()}
    pages |= {f"/promptlab/{name}": (0.5, 0) for name in [*tables, *QUERIES]}

    async def ask(page: str) -> tuple[float, float, int]:
        wall, cpu = [], []
        for _ in range(ROUNDS):
            start, used = time.perf_counter(), time.process_time()
            answer = await site.client.get(page)
            wall.append(time.perf_counter() - start)
            cpu.append(time.process_time() - used)
            if answer.status_code != 200:
                say(page, f"answered {answer.status_code}")
        return min(wall), min(cpu), len(answer.content)

    async def ask_all() -> None:
        await site.invoke_startup()
        for page, (aim, most) in pages.items():
            wall, cpu, size = await ask(page)
            aims = f"aim {aim * scale:g} s" + (f", {most} kB" if most else "")
            say(
                page.replace(facts.largest, "…").replace(facts.image, "…"),
                f"{wall:.3f} s / {cpu:.3f} s CPU, {size / 1000:.0f} kB; {aims}",
            )

    asyncio.run(ask_all())


if __name__ == "__main__":
    os.environ.pop("KAIRVAL_PLAN", None)
    main(sys.argv[1:])
