"""A small log that tests may write to, and a browser of sorts: it keeps cookies and sends what a page's form sends."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from promptlab.log import Log
from promptlab.model import Image

JSON = {"accept": "application/json"}
Fields = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True)
class Shop:
    """A log of one run: items × looks × seeds, `n` images each, no image files unless made."""

    db: Path
    images: Path
    run: str
    ids: list[str]

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.db) as connection:
            return connection.execute(sql, values).fetchall()

    def marks(self) -> list[tuple[Any, ...]]:
        """Whose mark is on which image."""
        return self.rows('SELECT image_id, "by", mark FROM marks ORDER BY image_id, "by"')

    def events(self) -> int:
        return int(self.rows("SELECT count(*) FROM mark_events")[0][0])


def make_shop(
    folder: Path,
    writer_class: Any,
    *,
    items: int = 3,
    looks: Sequence[str] = ("warm", "cold"),
    seeds: int = 2,
    n: int = 1,
) -> Shop:
    """Write the log; categories alternate, so that row fields can be filtered."""
    db = folder / "promptlab.db"
    ids: list[str] = []
    with Log.open(db) as log:
        writer = writer_class(log, None, folder)
        run = writer.run("01SHOP0000000000000000RUN1", "shop", planned=items * len(looks) * seeds)
        with log.transaction():
            sequence = 0
            for item in range(items):
                row = {"name": f"Item <{item}>", "category": "shoes" if item % 2 else "bags & more"}
                for look in looks:
                    for seed in range(seeds):
                        axes = {"item": f"P-{item:04}", "look": look}
                        values = json.dumps({"item": row, "look": f"{look} light"})
                        made = writer.generation(run, sequence, axes, seed=seed + 11, axis_values=values, n=n)
                        for position in range(n):
                            id_ = f"01I{sequence:021}{position:02}"
                            digest = sha256(id_.encode()).hexdigest()
                            log.insert(Image(id=id_, generation_id=made.id, position=position, sha256=digest,
                                             format="png", width=64, height=64, path=f"results/{id_}.png"))  # fmt: skip
                            ids.append(id_)
                        sequence += 1
    return Shop(db, folder / "images", run.id, ids)


class Browser:
    """What a browser does with the app: one cookie jar, the headers that it adds, and the token of a page's form."""

    def __init__(self, site: Any, *, app: Any = None, host: str = "localhost:8001") -> None:
        import httpx

        self.site = site
        transport = httpx.ASGITransport(app=app or site.app())
        self.client = httpx.AsyncClient(transport=transport, base_url=f"http://{host}")
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(site.invoke_startup())
        self.token = ""

    def close(self) -> None:
        self.loop.run_until_complete(self.client.aclose())
        self.loop.close()

    def get(self, path: str, **more: Any) -> Any:
        answer = self.loop.run_until_complete(self.client.get(path, **more))
        if found := re.search(r'name="csrftoken" value="([^"]+)"', answer.text):
            self.token = found[1]
        return answer

    def post(self, path: str, fields: Fields, *, headers: Mapping[str, str] | None = None, **more: Any) -> Any:
        """As a script of a page sends it; header values of None are left out."""
        origin = str(self.client.base_url).rstrip("/")
        sent = {**JSON, "sec-fetch-site": "same-origin", "origin": origin, **(headers or {})}
        data = {"csrftoken": self.token, **fields}
        kept = {name: value for name, value in sent.items() if value is not None}
        return self.loop.run_until_complete(self.client.post(path, data=data, headers=kept, **more))


@contextmanager
def visitors() -> Iterator[Callable[..., Browser]]:
    """`visit(site, name=…)`: a browser with the form of the page where one says a name, closed in the end."""
    opened: list[Browser] = []

    def visit(site: Any, *, name: str | None = None, **more: Any) -> Browser:
        browser = Browser(site, **more)
        opened.append(browser)
        browser.get("/-/promptlab/name")
        if name is not None:
            browser.client.cookies.set("promptlab_name", quote(name))
        return browser

    try:
        yield visit
    finally:
        for browser in opened:
            browser.close()
