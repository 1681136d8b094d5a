"""The client of one run: sends calls, fetches images; never retries, never follows a POST's redirect.

What to do about an error is retry_policy.py's; this only says what happened, and above all whether anything was sent.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

from promptlab.http.address import Origin, Proxies, Url, is_public, join, literal, normalise_base, parse_url
from promptlab.http.connection import (
    BadAnswer,
    Broken,
    Incoming,
    Network,
    NotConnected,
    Outgoing,
    Refused,
    Route,
    SystemNetwork,
    TooSlow,
    Unwritable,
    exchange,
    tls_context,
)
from promptlab.http.download import Intake, encoded_body, hop, of_status, refuse_private, target_of
from promptlab.http.masking import Mask
from promptlab.http.messages import (
    IN_PROCESS,
    Answer,
    Base64Text,
    Call,
    DownloadError,
    DownloadLimits,
    Fetched,
    SendError,
    Sink,
    json_pieces,
)

__all__ = ["Client"]

_WRITE_S = 120.0
#: From the first byte of a request to the last of its answer: a server that drips a byte now and then ends here.
#: Images take minutes (the guide's longest, two); a gateway may send white space to keep proxies awake meanwhile.
_ANSWER_S = 900.0
_DRAIN = "the answer is larger than {:,} bytes"


class Client:
    """HTTP to one API, as an async context manager; one a run, shared by its workers.

    Each request has a connection of its own (`connection` says why). `app` is an ASGI application that answers in this
    process instead of a network. `read_timeout` is for silence, `total_timeout` for the whole of an answer.
    `authorities` is a file or folder of certificates to trust instead of the built-in ones. `network` and `context`
    (TLS) are for tests. Raises ValueError for a bad base URL or Authorization.
    """

    def __init__(
        self,
        base_url: str,
        *,
        authorization: str | None = None,
        app: Any = None,
        user_agent: str = "promptlab",
        read_timeout: float = 600.0,
        connect_timeout: float = 10.0,
        total_timeout: float = _ANSWER_S,
        max_body: int = 200 * 1024 * 1024,
        proxies: Proxies | None = None,
        authorities: str | None = None,
        network: Network | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        if authorization is not None and not re.fullmatch(r"[\x21-\x7e]+( [\x21-\x7e]+)*", authorization):
            raise ValueError("the API key holds characters that no header can carry")  # and is not shown
        base = parse_url(normalise_base(IN_PROCESS if app is not None else base_url))
        self._origin = base.origin
        self._prefix = base.path.rstrip("/")
        self._authorization = authorization
        self._mask = Mask(authorization.rsplit(" ", 1)[-1] if authorization else "")
        self._app = app
        self._agent = user_agent
        self._read = read_timeout
        self._connect = connect_timeout
        self._total = total_timeout
        self._max_body = max_body
        self._proxies = proxies or Proxies()
        self._authorities = authorities
        self._network = network or SystemNetwork()
        self._context = context
        self._trusted: str | None = None
        self._trust_known = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(0)  # lets the event loop finish closing the sockets

    # --- calls of the API ---------------------------------------------------------------------------------------

    async def send(self, call: Call, *, left: Callable[[], object] | None = None) -> Answer:
        """One call, one answer, whatever its status; SendError if there is no complete answer. Sends at most once.

        `left` is called when the request has left this machine, which a new connection may delay.
        """
        started = time.perf_counter()
        total = self._total if call.timeout_s is None else min(self._total, 3 * call.timeout_s)
        request = self._request(call, left)
        try:
            async with asyncio.timeout(total):
                answer = await self._exchange(request)
                try:
                    body = await self._body(answer)
                finally:
                    await answer.aclose()
        except (NotConnected, Unwritable, Broken, OSError, TimeoutError) as error:
            raise self._send_error(error) from None  # the cause may quote a header
        elapsed = int((time.perf_counter() - started) * 1000)
        # What is read here ends in the log, should a server repeat the key in it.
        return Answer(answer.status, self._mask.headers(answer.headers), self._mask.body(body), elapsed)

    def _request(self, call: Call, left: Callable[[], object] | None) -> Outgoing:
        headers: dict[str, str] = {}
        if self._authorization is not None:
            headers["Authorization"] = self._authorization
        body: bytes | Iterator[bytes] = b""
        if call.json is not None:
            headers["Content-Type"] = "application/json"
            if any(isinstance(value, Base64Text) for value in call.json.values()):
                size, body = json_pieces(call.json)
            else:
                body = json.dumps(call.json, separators=(",", ":"), allow_nan=False).encode()
                size = len(body)
        elif call.files or call.data:
            headers["Content-Type"], size, body = _multipart(call)
        else:
            size = 0
        headers |= {"Accept": "application/json", "User-Agent": self._agent, **call.headers}
        if size or call.method == "POST":
            headers["Content-Length"] = str(size)
        read = self._read if call.timeout_s is None else call.timeout_s
        return Outgoing(call.method, self._target(call.path), headers, body, self._connect, read, _WRITE_S, left)

    def _target(self, path: str) -> Url:
        """The URL of a call; the key never leaves the base URL's origin."""
        if path.startswith("/") and not path.startswith("//"):
            return Url(self._origin, self._prefix + path)
        try:
            target = join(Url(self._origin, self._prefix + "/"), path)
        except ValueError as error:
            raise SendError(f"not sent: {error}", sent=False) from error
        if target.origin != self._origin:
            message = f"not sent: {target.origin} is not the API's own origin, {self._origin}"
            raise SendError(message, sent=False)
        return target

    async def _body(self, answer: Incoming) -> bytes:
        chunks, size = [], 0
        while chunk := await answer.read():
            size += len(chunk)
            if size > self._max_body:
                raise SendError(_DRAIN.format(self._max_body), sent=True)
            chunks.append(chunk)
        try:
            return encoded_body(answer.headers.get("content-encoding", ""), chunks, self._max_body)
        except DownloadError as error:
            message = _DRAIN.format(self._max_body) if error.kind == "too_large" else error.message
            raise SendError(f"{self._origin.host}: {message}", sent=True) from None

    def _send_error(self, error: BaseException) -> SendError:
        """What a failed send means; its text may quote what the server said."""
        found = _send_error(error, self._origin)
        return SendError(self._mask.text(found.message), sent=found.sent, lasting=found.lasting)

    # --- images -------------------------------------------------------------------------------------------------

    async def fetch(self, url: str, sink: Sink, *, limits: DownloadLimits | None = None) -> Fetched:
        """Stream an image into `sink`, under the guard; DownloadError says what is wrong and if to try again."""
        limits = limits or DownloadLimits()
        started = time.perf_counter()
        trusted = await self._trusted_host()
        target = target_of(url, trusted)
        try:
            async with asyncio.timeout(limits.total_s):
                for _ in range(limits.redirects + 1):
                    found = await self._get(target, sink, limits, trusted)
                    if not isinstance(found, Url):
                        size, kind = found
                        return Fetched(size, kind, int((time.perf_counter() - started) * 1000))
                    target = found
        except TimeoutError:
            message = f"{target.origin.host}: not complete after {limits.total_s:g} s"
            raise DownloadError("cut", message, retryable=True) from None
        message = f"more than {limits.redirects} redirects, the last to {target.origin}"
        raise DownloadError("refused", message, retryable=False)

    async def _get(
        self, target: Url, sink: Sink, limits: DownloadLimits, trusted: str | None
    ) -> Url | tuple[int, str | None]:
        """One hop: the next one's target, or the bytes written and their content type."""
        if target.origin.host != trusted and self._app is not None:
            raise DownloadError("refused", "the simulator in this process names a foreign host", retryable=False)
        try:
            answer = await self._exchange(self._download(target, limits), guarded=target.origin.host != trusted)
            try:
                following = hop(target, answer.status, answer.headers, trusted)
                if following is not None:
                    return following
                error = of_status(answer.status, answer.headers, target.origin, time.time())
                if error is not None:
                    raise error
                intake = Intake(answer.headers, sink, limits)
                while chunk := await answer.read():
                    intake.take(chunk)
                return intake.finish(), answer.headers.get("content-type")
            finally:
                await answer.aclose()
        except Refused as refused:
            raise DownloadError("refused", str(refused), retryable=False) from None
        except (NotConnected, Unwritable, Broken, ConnectionError) as error:
            failed = _download_error(error, target.origin)
            raise DownloadError(failed.kind, self._mask.text(failed.message), retryable=True) from None

    def _download(self, target: Url, limits: DownloadLimits) -> Outgoing:
        headers = {"Accept": "image/*, */*;q=0.5", "Accept-Encoding": "identity", "User-Agent": self._agent}
        if self._authorization is not None and target.origin == self._origin:
            headers["Authorization"] = self._authorization
        return Outgoing("GET", target, headers, b"", self._connect, limits.read_s, limits.read_s)

    async def _trusted_host(self) -> str | None:
        """The base URL's host if it is on this machine or a private network, looked up once."""
        if not self._trust_known:
            self._trusted = self._origin.host if self._app is not None or await self._is_local() else None
            self._trust_known = True
        return self._trusted

    async def _is_local(self) -> bool:
        host = self._origin.host
        if literal(host) is not None:
            return not is_public(host)
        try:
            addresses = await self._network.resolve(host, self._origin.port)
        except (OSError, UnicodeError):
            return False
        return bool(addresses) and not any(is_public(address) for address in addresses)

    # --- connections --------------------------------------------------------------------------------------------

    async def _exchange(self, request: Outgoing, *, guarded: bool = False) -> Incoming:
        """Send on a connection of its own; the answer has its body unread, and is closed by the caller."""
        if self._app is not None:
            from promptlab.http.httpx_transport import in_process, through_httpx

            return await through_httpx(in_process(self._app), request)
        origin = request.target.origin
        guard = _refuse_private if guarded else None
        return await exchange(Route(origin, self._network, guard, self._proxies.of(origin), self._trust), request)

    def _trust(self) -> ssl.SSLContext:
        return self._context or tls_context(self._authorities)


def _refuse_private(host: str, addresses: list[str]) -> None:
    """The guard of a download from a host that nobody named."""
    problem = refuse_private(host, addresses)
    if problem is not None:
        raise Refused(problem)


def _multipart(call: Call) -> tuple[str, int, Iterator[bytes]]:
    """A form's content type, length and body, as httpx writes it."""
    import httpx

    files = [(part.name, (part.filename, part.content, part.content_type)) for part in call.files or ()]
    form = httpx.Request("POST", IN_PROCESS, data=call.data, files=files or None)
    assert isinstance(form.stream, httpx.SyncByteStream)
    return form.headers["Content-Type"], int(form.headers["Content-Length"]), iter(form.stream)


def _send_error(error: BaseException, origin: Origin) -> SendError:
    """What a failed send means: only failing to connect proves that nothing was sent."""
    if isinstance(error, NotConnected):
        return SendError(f"not sent: {error or 'no connection'}", sent=False, lasting=error.lasting)
    if isinstance(error, Unwritable):
        return SendError("the request could not be written as HTTP", sent=True)  # its text may quote a header
    if isinstance(error, (TooSlow, TimeoutError)):
        return SendError(
            f"{origin.host} did not answer in time: {str(error) or 'the whole answer took too long'}", sent=True
        )
    return SendError(f"{origin.host} broke off: {error or type(error).__name__}", sent=True)


def _download_error(error: Exception, origin: Origin) -> DownloadError:
    if isinstance(error, BadAnswer):
        return DownloadError("cut", f"{origin.host} broke off: {error}", retryable=True)
    return DownloadError("network", f"{origin.host}: {error or type(error).__name__}", retryable=True)
