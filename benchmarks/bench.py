"""All of promptlab's figures on this machine: `python benchmarks/bench.py [NAME ...]`.

The names: start, plan, prompts, run, cached, wall, wire, pacing, pictures, pro, log and pages. Without one, everything
but `pro` (a minute of waiting for a rate limit), `log` and `pages` (a log of 200,000 generations takes a minute to
write; `log pages 1000000` writes one of a million). Ratios are taken in one run, each side measured several times in
turn and the medians compared, since machines are noisy. Nothing here is a test.
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
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import biglog
from measure import Cost, measure

if TYPE_CHECKING:
    from promptlab.pacing import KeyLimits

HERE = Path(__file__).parent
USUAL = ["start", "plan", "prompts", "run", "cached", "wall", "wire", "pacing", "pictures"]
ROUNDS = 5
IMAGES = 1000
CONCURRENCY = 20


def main(names: list[str]) -> None:
    """Run the chosen benchmarks in a folder that goes away."""
    chosen = [name for name in names if not name.isdecimal()] or USUAL
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
    """Planned variants a second with ids, hashes and equal requests found; peak memory beside an empty Python's."""
    say("the experiment", "4 axes, one-line prompt with 5 variables, no seeds")
    (folder / "empty.py").write_text("")
    empty = min(measure([str(folder / "empty.py")]).peak_mb for _ in range(3))
    for count in (10_000, 1_000_000):
        costs = [measure([str(HERE / "plan.py"), str(count), str(folder)]) for _ in range(3)]
        figures = [[float(figure) for figure in cost.output.split()] for cost in costs]
        ids, survey = (statistics.median(each[at] for each in figures) for at in (0, 1))
        say(f"{count:,} variants a second: with ids / surveyed; aim 90,000", f"{ids:,.0f} / {survey:,.0f}")
        ids, survey = (max(each[at] for each in figures) - empty for at in (2, 3))
        say(f"{count:,} variants: peak over an empty Python; aim 40 MB", f"{ids:.0f} MB / {survey:.0f} MB")


def bench_start(folder: Path) -> None:
    """What a short command costs: CPU of the whole process, its start and end included, beside an empty Python."""
    place, program = folder / "start", str(Path(sys.executable).with_name("promptlab"))  # as pip installs it
    subprocess.run([sys.executable, "-m", "promptlab", "init", str(place)], check=True, capture_output=True)
    commands = {
        "an empty Python": ["-c", ""],
        "--version": [program, "--version"],
        "--help; aim 4 times": [program, "--help"],
        "plan, a small experiment; aim 17 times (0.35 s for 0.02 s)": [program, "plan", "product_hero"],
        "plan, the example of 40 rows": [program, "plan", "shelf_photos"],
    }
    say("CPU of the whole process / times an empty Python", "least of 9 rounds")
    least = dict.fromkeys(commands, float("inf"))
    for _ in range(9):  # in turn, and the least of each: what else runs on the machine only ever adds
        for name, words in commands.items():
            least[name] = min(least[name], cpu_of([sys.executable, *words], place))
    for name, cpu in least.items():
        say(name, f"{cpu:.3f} s / {cpu / least['an empty Python']:.1f}")


def cpu_of(command: list[str], folder: Path) -> float:
    """CPU seconds of a command that has to succeed, as the system counts them when it has ended."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed ({process.returncode})")
    return usage.ru_utime + usage.ru_stime


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


def bench_prompts(folder: Path) -> None:
    """What templates cost: imports, the first load with the sandbox's own test, and each prompt of a product."""
    costs = [measure([str(HERE / "prompts.py")]).output.split() for _ in range(ROUNDS)]
    jinja, imports, load = (min(float(cost[at]) for cost in costs) for at in (0, 1, 2))
    plain, tagged = (max(float(cost[at]) for cost in costs) for at in (3, 4))
    say("import of jinja2 / of promptlab.prompts after it", f"{jinja:.0f} ms / {imports:.0f} ms")
    say("the first template, with the sandbox's own test", f"{load:.0f} ms")
    say("prompts a second: of plain places / with a tag", f"{plain:,.0f} / {tagged:,.0f}")


def bench_pro(folder: Path) -> None:
    """240 requests under Pro's 120 a minute."""
    with server("--size", "6000", "--limit", "120") as url:
        cost = run(url, studio(folder, 240, "pro"))
    say("240 requests under Pro: wall / ideal 60 s; aim 1.05", f"{cost.wall:.1f} s = {cost.wall / 60:.3f}")


def bench_wire(folder: Path) -> None:
    """The client alone beside httpx's: POST and GET of 60 KB, 1,000 times over 20 connections."""
    with server("--size", "60000") as url:
        cost = measure([str(HERE / "wire.py"), url, str(IMAGES), str(CONCURRENCY)])
    ours, bare = map(float, cost.output.split())
    say("the client alone: CPU of ours / of httpx, one client for each worker", f"{ours:.2f} s / {bare:.2f} s")
    say("CPU ratio; aim 0.5", f"{ours / bare:.2f}")


def bench_pacing(folder: Path) -> None:
    """What leave to send costs: statements on the file that all processes of a key share, and CPU."""
    from promptlab.pacing import KeyLimits

    for name, limits, told in (
        ("jobs at once", KeyLimits(concurrent=CONCURRENCY), False),
        ("rate, day and headers", KeyLimits(requests=10_000_000, concurrent=CONCURRENCY, daily=10_000_000), True),
    ):
        statements, cpu = asyncio.run(_paced(folder / name, limits, told))
        say(f"{name}: statements per generation; aim 3", f"{statements:.1f}")
        say(f"{name}: CPU per generation", f"{cpu * 1e6:.0f} µs")


async def _paced(folder: Path, limits: KeyLimits, told: bool) -> tuple[float, float]:
    """Statements and CPU seconds per generation, where 20 workers hold each slot for a moment."""
    from promptlab.pacing.pacer import Pacer

    jobs, statements = list(range(IMAGES)), 0

    def count(text: str) -> None:
        nonlocal statements
        statements += 1

    with Pacer.open(folder, "benchmark", limits) as pacer:
        pacer._ledger._db.set_trace_callback(count)

        async def worker() -> None:
            while jobs:
                jobs.pop()
                lease = await pacer.acquire()
                await asyncio.sleep(0.01)
                if told:
                    pacer.learn(limit=limits.requests, remaining=1000, lease=lease)
                pacer.release(lease)

        start = time.process_time()
        await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
        return statements / IMAGES, (time.process_time() - start) / IMAGES


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


#: Page → its aim in seconds and kB (0: none), at 200,000 generations.
PAGES = {
    "/-/promptlab": (0.5, 0),
    "/-/promptlab?experiment=shelf": (0.5, 0),
    "/-/promptlab/compare?run={largest}": (0.15, 500),
    "/-/promptlab/compare?run={largest}&by=style&page=200": (0.1, 500),
    "/-/promptlab/compare?run={largest}&by=variant&prompts=1": (0.15, 500),
    "/-/promptlab/compare?run={largest}&by=look&axis.style=neon": (0.1, 500),
    "/-/promptlab/compare?run={largest}&rows=style&columns=look": (0.15, 500),
    "/-/promptlab/compare?run={largest}&rows=style&columns=look&scrub=item&axis.item=armchair": (0.1, 500),
    "/-/promptlab/compare?run={largest}&rows=style&columns=item&scrub=seed&axis.seed=7": (0.1, 500),
    "/-/promptlab/compare?run={largest}&rows=style&columns=seed&scrub=look&axis.look=cold": (0.1, 500),
    "/-/promptlab/compare/about/{image}": (0.1, 500),
    "/-/promptlab/gallery": (0.5, 500),
    "/-/promptlab/gallery?run={largest}": (0.5, 500),
    "/-/promptlab/gallery?run={largest}&size=1": (0.5, 500),
    "/-/promptlab/gallery?run={largest}&axis.look=warm": (0.1, 500),
    "/-/promptlab/gallery?run={largest}&axis.look=warm&mark=unmarked": (0.1, 500),
    "/-/promptlab/gallery?mark=keep": (0.5, 500),
    "/-/promptlab/gallery?experiment=posters": (0.5, 500),
    "/-/promptlab/gallery?q=kettle+brass": (0.5, 500),
    "/-/promptlab/gallery.csv?run={largest}": (0.5, 0),
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
