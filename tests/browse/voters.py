"""A studio to vote in, and browsers that vote in it: what tests of votes and picks share."""

from __future__ import annotations

import asyncio
import io
import itertools
import re
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image as Picture

from promptlab.browse import polls
from promptlab.log import Log
from promptlab.model import Image
from promptlab.store import Store

STYLES = ("filmstock", "inkwash", "neonglow", "chalkdust", "pastelly")
LOOKS = ("warmlight", "coldlight")
SEEDS = (11, 12)
#: Every style has its own format, size and noise: whatever a page lets through of these would tell it.
KINDS = {
    "filmstock": ("png", 256),
    "inkwash": ("webp", 96),
    "neonglow": ("jpg", 160),
    "chalkdust": ("png", 64),
    "pastelly": ("webp", 512),
}
LOCAL = {"origin": "http://localhost", "sec-fetch-site": "same-origin", "accept": "application/json"}


def draw(style: str, look: str, seed: int) -> bytes:
    """A picture whose bytes differ in everything between styles; the colour of its middle tells which it is."""
    format, side = KINDS[style]
    picture = Picture.new("RGB", (side, side), colour_of(style))
    corner = Picture.new("RGB", (side // 8, side // 8), (seed * 10 % 256, 90 if look == "warmlight" else 200, 30))
    picture.paste(corner, (0, 0))
    out = io.BytesIO()
    exif = Picture.Exif()
    exif[0x010E] = f"{style} {look}"
    picture.save(out, {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}[format], exif=exif)
    return out.getvalue()


def colour_of(style: str) -> tuple[int, int, int]:
    place = STYLES.index(style)
    return (40 + 40 * place, 220 - 40 * place, 120)


def make_studio(folder: Path, writer_class: Any) -> Path:
    """A studio with one run: style by look by seed."""
    folder.mkdir()
    store = Store(folder / "images")
    with Log.open(folder / "promptlab.db") as log:
        writer = writer_class(log, store, folder)
        run = writer.run("01RUNRUNRUNRUNRUNRUNRUN00", "secretads", planned=20, completed=20)
        for number, (style, look, seed) in enumerate(itertools.product(STYLES, LOOKS, SEEDS)):
            made = writer.generation(run, number, {"style": style, "look": look}, seed=seed, prompt=f"{style} teapot")
            data = draw(style, look, seed)
            with store.part() as part:
                part.write(data)
                stored = store.put_new(part, KINDS[style][0])
            side = KINDS[style][1]
            log.insert(Image(
                id=f"I{number:025d}", generation_id=made.id, position=0, sha256=stored.sha256, bytes=len(data),
                width=side, height=side, format=KINDS[style][0],
            ))  # fmt: skip
    return folder


@dataclass
class Studio:
    """A copy of it for one test, and its Datasette."""

    folder: Path
    datasette: Any
    run: str = "01RUNRUNRUNRUNRUNRUNRUN00"

    def log(self) -> Log:
        return Log.open(self.folder / "promptlab.db", create=False)

    def counts(self) -> tuple[int, int, int, int]:
        """Everything that voting writes."""
        with self.log() as log:
            tables = ("polls", "ballots", "votes", "tally_views")
            polls, ballots, votes, looks = (log.value(f"SELECT count(*) FROM {name}") for name in tables)
            return polls, ballots, votes, looks

    def image(self, style: str, look: str = "warmlight", seed: int = 11) -> str:
        number = list(itertools.product(STYLES, LOOKS, SEEDS)).index((style, look, seed))
        return f"I{number:025d}"


@dataclass
class Voter:
    """A browser: its name, its cookies, and the page it has open."""

    studio: Studio
    name: str = "ana"
    cookies: dict[str, str] = field(default_factory=dict)
    csrf: str = ""
    poll: str = ""

    def __post_init__(self) -> None:
        self.cookies["promptlab_name"] = self.name

    async def get(self, path: str, **more: Any) -> Any:
        answer = await self.studio.datasette.client.get(f"/-/promptlab/{path}", cookies=self.cookies, **more)
        self.cookies |= dict(answer.cookies)
        if found := re.search(r'name="csrftoken" value="([^"]+)"', answer.text):
            self.csrf = found[1]
        if found := re.search(r'name="poll" value="([^"]+)"', answer.text):
            self.poll = found[1]
        return answer

    async def post(self, path: str, headers: Any = None, cookies: Any = None, **data: Any) -> Any:
        fields = {"csrftoken": self.csrf, "poll": self.poll} | data
        return await self.studio.datasette.client.post(
            f"/-/promptlab/{path}", data=fields, headers=LOCAL | (headers or {}), cookies=cookies or self.cookies
        )

    async def start(self, by: str = "style", kind: str = "pair", goal: str = "best", **more: str) -> None:
        await self.get(f"vote?run={self.studio.run}&by={by}")
        answer = await self.post("vote/start", run=self.studio.run, by=by, goal=goal, kind=kind, **more)
        assert answer.status_code == 200, answer.text
        self.poll = answer.json()["poll"]

    async def next(self, kind: str = "pair") -> Any:
        return (await self.get(f"vote.json?poll={self.poll}&kind={kind}")).json()

    async def vote(self, outcome: str = "left", **more: str) -> Any:
        found = await self.next()
        return (await self.post("vote/cast", token=found["token"], outcome=outcome, **more)).json()


def run(check: Awaitable[Any]) -> Any:
    return asyncio.run(check)  # type: ignore[arg-type]


def pictures(body: bytes) -> str:
    """Which style a picture shows, as an eye would tell it."""
    middle = Picture.open(io.BytesIO(body)).convert("RGB").getpixel((48, 48))
    assert isinstance(middle, tuple)
    return min(STYLES, key=lambda style: sum(abs(a - b) for a, b in zip(middle, colour_of(style), strict=True)))


def pictures_of(token: str) -> frozenset[str]:
    ticket = polls.tickets.get(token)
    assert ticket is not None
    return frozenset(each.image_id for each in ticket.shown.pictures)
