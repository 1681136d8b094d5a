"""The script a good engineer writes in an hour: what promptlab's `run` is measured against.

`python benchmarks/bare.py BASE_URL COUNT CONCURRENCY FOLDER`: asyncio and httpx, one client per worker; for each image
POST, download, write, sha256, one row in SQLite. No retries, no attempts, no checks, no resume.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import sys
from pathlib import Path

import httpx


async def worker(base: str, jobs: list[int], folder: Path, db: sqlite3.Connection) -> None:
    async with httpx.AsyncClient(timeout=600) as client:
        while jobs:
            number = jobs.pop()
            body = {
                "model": "gpt-image-2",
                "prompt": f"a teapot, number {number}",
                "output_format": "png",
                "seed": number,
            }
            response = await client.post(
                f"{base}/v1/images/generate", json=body, headers={"Authorization": "Bearer kv_x"}
            )
            reply = response.json()
            image = (await client.get(reply["data"][0]["url"])).content
            digest = hashlib.sha256(image).hexdigest()
            (folder / f"{digest}.png").write_bytes(image)
            with db:
                db.execute(
                    "INSERT INTO results VALUES (?, ?, ?, ?, ?)",
                    (reply["id"], body["prompt"], number, reply["data"][0]["revised_prompt"], digest),
                )


async def main(base: str, count: int, concurrency: int, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(folder / "bare.db")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute(
        "CREATE TABLE results (id TEXT PRIMARY KEY, prompt TEXT, seed INTEGER, revised_prompt TEXT, sha256 TEXT)"
    )
    jobs = list(range(count))
    await asyncio.gather(*(worker(base, jobs, folder, db) for _ in range(concurrency)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
