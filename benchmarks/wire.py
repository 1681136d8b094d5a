"""The client alone: `python benchmarks/wire.py BASE_URL COUNT CONCURRENCY` prints CPU seconds, ours and httpx's.

Both POST and then GET the image into a list, nothing else: what is left of a run's CPU when the log, files and pixels
are taken away. Ours makes a connection for each request (promptlab/http/transport.py says why), httpx keeps one for
each worker. In turn, three times each; the smallest counts.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable

import httpx

from promptlab.http import Call
from promptlab.http.client import Client

KEY = "kv_benchmark_0123456789"


class Chunks(list[bytes]):
    def write(self, data: bytes, /) -> None:
        self.append(data)


async def ours(base: str, jobs: list[int]) -> None:
    async with Client(base, authorization=f"Bearer {KEY}") as client:

        async def worker() -> None:
            while jobs:
                body = {"model": "gpt-image-2", "prompt": f"a teapot, number {jobs.pop()}"}
                call = Call("POST", "/v1/images/generate", json=body, headers={"Idempotency-Key": "0" * 32})
                answer = await client.send(call)
                await client.fetch(json.loads(answer.body)["data"][0]["url"], Chunks())

        await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))


async def bare(base: str, jobs: list[int]) -> None:
    async def worker() -> None:
        async with httpx.AsyncClient(timeout=600) as client:
            while jobs:
                body = {"model": "gpt-image-2", "prompt": f"a teapot, number {jobs.pop()}"}
                headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": "0" * 32}
                response = await client.post(f"{base}/v1/images/generate", json=body, headers=headers)
                _ = (await client.get(response.json()["data"][0]["url"])).content

    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))


def cpu(run: Callable[[str, list[int]], Awaitable[None]], base: str, count: int) -> float:
    start = time.process_time()
    asyncio.run(run(base, list(range(count))))  # type: ignore[arg-type]
    return time.process_time() - start


if __name__ == "__main__":
    BASE, COUNT, CONCURRENCY = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    found = [(cpu(ours, BASE, COUNT), cpu(bare, BASE, COUNT)) for _ in range(3)]
    print(*(min(column) for column in zip(*found, strict=True)))
