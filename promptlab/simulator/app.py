"""The Kairval API as an ASGI 3 application, wire format to the letter of the guide; no framework."""

from __future__ import annotations

import functools
import hashlib
import re
import secrets
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from promptlab.simulator import faults, loopback
from promptlab.simulator.account import Account
from promptlab.simulator.faults import Rule
from promptlab.simulator.image_urls import ImageFiles
from promptlab.simulator.jobs import JobQueue
from promptlab.simulator.orders import Order, read_order, revise
from promptlab.simulator.pictures.rng import digest
from promptlab.simulator.responses import ApiRefusal, Response, SimulatedReset, error_answer, json_answer
from promptlab.simulator.settings import SimulatorSettings

__all__ = ["App", "Counters", "create_app"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_ROUTES: dict[str, Literal["generate", "edit"]] = {"/v1/images/generate": "generate", "/v1/images/edit": "edit"}
_MAX_KEYS = 100_000


@dataclass(slots=True)
class Counters:
    """What happened so far, for tests to read.

    `requests` counts POSTs with a good key; `outcomes` all answers, by status as text, and resets by kind; `faults`
    the faults applied, by kind; `keys` POSTs and `works` generations done, by Idempotency-Key.
    """

    requests: int = 0
    images: int = 0
    credits: float = 0.0
    downloads: int = 0
    polls: int = 0
    most_at_once: int = 0
    webhooks_delivered: int = 0
    webhooks_failed: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
    works: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Call:
    """One HTTP request, read."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    origin: str

    @property
    def draw(self) -> int:
        """Which draw of an otherwise equal request this is, as our own client says; 0 where it says nothing."""
        told = self.headers.get("x-draw", "")
        return int(told) if re.fullmatch(r"[0-9]{1,9}", told) else 0


@dataclass(slots=True)
class _Remembered:
    """What an Idempotency-Key stands for; `answer` is None while it is in progress."""

    fingerprint: bytes
    answer: Response | None = None


class App:
    """The application. Create with `create_app`; call as ASGI 3; read `counters`."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self.settings = settings
        self.counters = Counters()
        self._accounts: dict[str, Account] = {}
        self._files = ImageFiles(settings.url_ttl_s, settings.clock, settings.fast)
        self._jobs = JobQueue(settings, self._count_webhook)
        self._remembered: OrderedDict[tuple[str, str], _Remembered] = OrderedDict()
        self._repeats: Counter[bytes] = Counter()
        self._number = 0
        Account(settings)  # an unknown plan or window is an error now, not at the first request

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one ASGI scope; only `http` and `lifespan` are spoken."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        cut = scope.get("state", {}).get("promptlab.cut")
        answer = await self._answer(scope, receive)
        if answer is None:
            if cut is None:
                raise SimulatedReset("the simulated connection was reset")
            cut(True)
            await receive()  # until the disconnect, so that the server does not answer for us
            return
        await faults.send_answer(answer, scope["method"], send, receive, cut)

    async def _answer(self, scope: MutableMapping[str, Any], receive: Receive) -> Response | None:
        """The answer, or None for a connection that breaks."""
        try:
            call = await self._read(scope, receive)
            answer = await self._route(call)
        except ApiRefusal as error:
            answer = error_answer(error)
        except SimulatedReset:
            self.counters.outcomes["reset"] += 1
            return None
        self.counters.outcomes[str(answer.status)] += 1
        if scope["path"].startswith("/v1/") and "X-RateLimit-Limit" not in answer.headers:
            account = self._account(_bearer(scope)) if self._is_known(_bearer(scope)) else Account(self.settings)
            rates = account.headers(self.settings.clock())
            answer = faults.with_rates(answer, rates)
        return answer

    async def _read(self, scope: MutableMapping[str, Any], receive: Receive) -> _Call:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise SimulatedReset("the client went away")
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self.settings.max_body:
                raise ApiRefusal(413, "request_too_large", "The request body is too large.", "invalid_request_error")
        origin = self.settings.public_url or f"{scope.get('scheme', 'http')}://{headers.get('host', 'simulator')}"
        return _Call(scope["method"], scope["path"], headers, bytes(body), origin.rstrip("/"))

    async def _route(self, call: _Call) -> Response:
        if call.path in _ROUTES:
            _allow(call, "POST")
            return await self._post(call, _ROUTES[call.path])
        if call.path.startswith("/v1/jobs/"):
            _allow(call, "GET")
            key = self._authorised(call)
            self.counters.polls += 1
            if self.settings.polls_count:
                self._account(key).take_request(self.settings.clock())
            return self._jobs.poll(key, call.path.removeprefix("/v1/jobs/"))
        if call.path.startswith("/files/"):
            _allow(call, "GET", "HEAD")
            self.counters.downloads += 1
            return await self._files.serve(call.path)
        raise ApiRefusal(404, "not_found", f"There is no {call.path[:80]!a}.", "invalid_request_error")

    # --- accounts -----------------------------------------------------------------------------------------------------

    def _is_known(self, key: str) -> bool:
        accepted = self.settings.accepted_keys
        return key in accepted if accepted is not None else re.fullmatch(r"kv_[!-~]+", key) is not None

    def _authorised(self, call: _Call) -> str:
        scheme, _, key = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self._is_known(key.strip()):
            said = "Invalid API key." if key else "No API key: send 'Authorization: Bearer kv_...'."
            raise ApiRefusal(401, "invalid_api_key", said, "authentication_error")
        return key.strip()

    def _account(self, key: str) -> Account:
        if key not in self._accounts:
            self._accounts[key] = Account(self.settings)
        return self._accounts[key]

    # --- POST ---------------------------------------------------------------------------------------------------------

    async def _post(self, call: _Call, operation: Literal["generate", "edit"]) -> Response:
        key = self._authorised(call)
        self.counters.requests += 1
        token = call.headers.get("idempotency-key", "")
        if token:
            self.counters.keys[token] += 1
        self._account(key).take_request(self.settings.clock())
        self._number += 1
        order = read_order(call.body, operation, self.settings.models, self.settings.asynchronous)
        rule = self.settings.faults.pick(self._number, operation)
        if rule:
            self.counters.faults[rule.kind] += 1
            faults.before_work(rule, self.settings.clock())
        if token and self.settings.honours_keys:
            answer = await self._once(call, key, token, order, rule)
        else:
            answer = await self._fulfil(call, key, token, order, rule)
        if rule:
            if rule.kind == "slow":
                await self.settings.sleep(rule.seconds)
            rates = self._account(key).headers(self.settings.clock())
            answer = faults.after_work(rule, answer, rates, self.settings.clock())
        return answer

    async def _once(self, call: _Call, key: str, token: str, order: Order, rule: Rule | None) -> Response:
        """The first answer to this Idempotency-Key, whoever asks again; 409 while it is made."""
        fingerprint = hashlib.sha256(f"{call.path}\n{call.draw}\n".encode() + call.body).digest()
        known = self._remembered.get((key, token))
        if known is not None:
            if known.fingerprint != fingerprint:
                message = "This Idempotency-Key was used with another request."
                raise ApiRefusal(422, "idempotency_key_reused", message, "invalid_request_error")
            if known.answer is None:
                message = "A request with this Idempotency-Key is in progress."
                raise ApiRefusal(409, "request_in_progress", message, "idempotency_error", {"Retry-After": "1"})
            return faults.with_rates(known.answer, {"Idempotent-Replayed": "true"})
        entry = self._remembered[(key, token)] = _Remembered(fingerprint)
        try:
            entry.answer = await self._fulfil(call, key, token, order, rule)
        finally:
            if entry.answer is None:  # refused or cancelled: nothing was made, so the key is free again
                del self._remembered[(key, token)]
        while len(self._remembered) > _MAX_KEYS:
            self._remembered.popitem(last=False)
        return entry.answer

    async def _fulfil(self, call: _Call, key: str, token: str, order: Order, rule: Rule | None) -> Response:
        account, price = self._account(key), order.n * self.settings.credits_per_image
        source, note = await self._source(order)
        account.admit(self.settings.clock(), price)
        self.counters.most_at_once = max(self.counters.most_at_once, account.active)

        async def work() -> dict[str, Any]:
            done = False
            try:
                late = rule.seconds if rule and rule.kind == "slow" and order.asynchronous else 0.0
                if self.settings.latency_s + late:
                    await self.settings.sleep(self.settings.latency_s + late)
                if rule and rule.kind == "job_failed":
                    raise ApiRefusal(500, "generation_failed", "The generation failed.", "server_error")
                body = self._make(call, order, source, rule, token, price)
                done = True
                return body
            finally:
                account.leave(price, done=done)

        headers = {"X-Simulator-Note": note} if note else {}
        if order.asynchronous:
            try:
                return self._jobs.submit(key, order.webhook_url, work)
            except ApiRefusal:
                account.leave(price, done=False)
                raise
        return json_answer(200, await work(), headers)

    async def _source(self, order: Order) -> tuple[Any, str | None]:
        """The source of an edit, and a note where its URL was not fetched; the internet is never asked."""
        if order.image is None:
            return None, None
        from promptlab.simulator.pictures.draw import SourceImage, decode

        data, note, words = order.image if isinstance(order.image, bytes) else None, None, ""
        if isinstance(order.image, str):
            data = await self._files.read(urlsplit(order.image).path)
            if data is None and loopback.is_loopback(order.image):
                try:
                    data = await loopback.get(order.image)
                except (OSError, ValueError) as error:
                    message = "The source image could not be fetched from its URL."
                    raise ApiRefusal(400, "image_unreachable", message, "invalid_request_error") from error
            if data is None:
                words = " ".join(re.findall(r"[a-z]+", unquote(urlsplit(order.image).path).lower()))
                note = "source image not fetched; a stand-in was drawn from the words of its URL"
        if data is not None:
            try:
                decode(data)
            except ValueError as error:
                raise ApiRefusal(400, "invalid_image", f"'image': {error}.", "invalid_request_error") from error
        return SourceImage(data, words), note

    def _make(
        self, call: _Call, order: Order, source: Any, rule: Rule | None, token: str, price: float
    ) -> dict[str, Any]:
        """Make the images and bill them; the sync body of the guide."""
        count = order.n
        if rule and rule.kind == "short":
            count = max(0, min(order.n, rule.keep if rule.keep is not None else order.n - 1))
        self.counters.images += count
        self.counters.credits += price
        if token:
            self.counters.works[token] += 1
        seed, data = self._seed(order, call.draw), []
        for position in range(count):
            path = self._files.add(self._drawing(order, source, seed, position), order.output_format, rule)
            data.append({"url": call.origin + path, "revised_prompt": revise(order.prompt, seed, position)})
        created = int(self.settings.clock())
        return {"id": f"gen_{secrets.token_hex(12)}", "model": order.model, "created": created, "data": data}

    def _seed(self, order: Order, draw: int) -> int:
        """The seed asked for, or one from the request itself (and from how often it came, with `vary_unseeded`).

        A later draw of the same request has its own seed, made from the first one's.
        """
        seed = order.seed if order.seed is not None else self._own_seed(order)
        return seed if draw == 0 else int.from_bytes(digest("draw", seed, draw)[:6], "big")

    def _own_seed(self, order: Order) -> int:
        image = order.image if isinstance(order.image, str) else hashlib.sha256(order.image or b"").hexdigest()
        name = digest("unseeded", order.operation, order.model, order.prompt, order.negative_prompt, image)
        repeat = self._repeats[name]
        if self.settings.vary_unseeded:
            self._repeats[name] += 1
        return int.from_bytes(digest(name.hex(), repeat)[:6], "big")

    def _drawing(self, order: Order, source: Any, seed: int, position: int) -> Callable[[], bytes]:
        from promptlab.simulator.pictures.compose import PictureRequest
        from promptlab.simulator.pictures.draw import draw

        recipe = PictureRequest(order.model, order.prompt, order.negative_prompt, order.aspect_ratio, seed, position)
        return functools.partial(
            draw, recipe, order.output_format, source=source, strength=order.strength, fast=self.settings.fast,
            fast_bytes=self.settings.fast_bytes,
        )  # fmt: skip

    def _count_webhook(self, delivered: bool) -> None:
        if delivered:
            self.counters.webhooks_delivered += 1
        else:
            self.counters.webhooks_failed += 1


def _allow(call: _Call, *methods: str) -> None:
    if call.method not in methods:
        raise ApiRefusal(
            405,
            "method_not_allowed",
            f"Use {' or '.join(methods)}.",
            "invalid_request_error",
            {"Allow": ", ".join(methods)},
        )


def _bearer(scope: MutableMapping[str, Any]) -> str:
    for name, value in scope["headers"]:
        if name.lower() == b"authorization":
            return str(value.decode("latin-1").partition(" ")[2].strip())
    return ""


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def create_app(settings: SimulatorSettings | None = None) -> App:
    """A simulated Kairval. ValueError for an unknown plan or window."""
    return App(settings or SimulatorSettings())
