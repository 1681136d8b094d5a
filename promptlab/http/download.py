"""Guarded downloads: what a URL from a response may make this machine do (PROVIDERS.md section 2).

https only, every hop's every address public and the one connected to, three redirects, bytes and seconds capped,
the length checked. Where the user's own base URL is local, downloads from that same host may be http and private.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from promptlab.http.address import Origin, Url, is_public, join, parse_url, without_query
from promptlab.http.messages import DownloadError, DownloadLimits, Sink
from promptlab.http.waits import parse_wait

__all__ = ["Intake", "decode_data_url", "encoded_body", "hop", "of_status", "refuse_private", "target_of"]

_REDIRECTS = (301, 302, 303, 307, 308)
_GONE = (403, 404, 410)  # an expired signature is a 403 at every large storage
_AGAIN = (408, 421, 425, 429)


def target_of(url: str, trusted_host: str | None) -> Url:
    """Parse a result's URL and hold it to the scheme rule; `trusted_host` is the user's own local host, if any."""
    try:
        return _checked(parse_url(url), trusted_host)
    except ValueError as error:
        raise DownloadError("refused", f"{error} ({_site(url)})", retryable=False) from error


def _site(url: str) -> str:
    """Scheme and host of a URL for messages: what is wrong with a hundred images of one host is one reason."""
    shown = without_query(url)
    scheme, separator, rest = shown.partition("://")
    return f"{scheme}://{rest.split('/', 1)[0]}" if separator else shown or "an empty URL"


def hop(target: Url, status: int, headers: Mapping[str, str], trusted_host: str | None) -> Url | None:
    """Where a redirect leads, held to the same rules; None if the answer is not a redirect."""
    if status not in _REDIRECTS:
        return None
    location = headers.get("location")
    if not location:
        message = f"HTTP {status} from {target.origin.host} without a Location"
        raise DownloadError("status", message, retryable=False)
    try:
        return _checked(join(target, location), trusted_host)
    except ValueError as error:
        message = f"{target.origin.host} redirects to {_site(location)}: {error}"
        raise DownloadError("refused", message, retryable=False) from error


def _checked(target: Url, trusted_host: str | None) -> Url:
    if target.origin.scheme != "https" and target.origin.host != trusted_host:
        raise ValueError("images are only fetched over https")
    return target


def refuse_private(host: str, addresses: list[str]) -> str | None:
    """Why a host's addresses must not be connected to, or None if all of them are public."""
    for address in addresses:
        if not is_public(address):
            return f"{host} is at {address}, which is not a public address"
    return None


def of_status(status: int, headers: Mapping[str, str], origin: Origin, now: float) -> DownloadError | None:
    """The error that a download's status means, or None for 200."""
    if status == 200:
        return None
    message = f"HTTP {status} from {origin.host}"
    if status in _GONE:
        return DownloadError("gone", f"{message}: the URL has expired or is not there", retryable=False)
    wait = parse_wait(headers, None, now, limited=status == 429)
    again = status in _AGAIN or status >= 500
    return DownloadError("status", message, retryable=again, wait_s=wait.seconds if wait and again else None)


@dataclass(slots=True)
class _Inflater:
    """Undoes a Content-Encoding that was sent although none was asked for, in bounded steps: no bomb goes off."""

    machine: zlib._Decompress
    sink: Sink
    left: int

    def feed(self, data: bytes) -> int:
        """Write what `data` decodes to; the number of bytes. Raises DownloadError past the bytes that are left."""
        written = 0
        while data:
            out = self.machine.decompress(data, 256 * 1024)
            self.left -= len(out)
            written += len(out)
            if self.left < 0:
                raise _too_large()
            self.sink.write(out)
            data = self.machine.unconsumed_tail
        return written


class Intake:
    """Takes a body's bytes into a sink and holds them to the limits: cap, declared length, encoding, pace."""

    def __init__(
        self,
        headers: Mapping[str, str],
        sink: Sink,
        limits: DownloadLimits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        declared = headers.get("content-length", "")
        self._declared = int(declared) if re.fullmatch(r"[0-9]{1,18}", declared) else None
        if self._declared is not None and self._declared > limits.max_bytes:
            raise _too_large(self._declared)
        self._limits = limits
        self._clock = clock
        self._began = clock()
        self._sink = sink
        self._inflater = _inflater(headers.get("content-encoding", ""), sink, limits.max_bytes)
        self._raw = 0
        self.written = 0

    def take(self, chunk: bytes) -> None:
        """The next bytes as they came off the wire."""
        self._raw += len(chunk)
        if self._raw > self._limits.max_bytes:
            raise _too_large()
        seconds = self._clock() - self._began
        if seconds > self._limits.grace_s and self._raw < seconds * self._limits.min_rate:
            message = f"too slow: {self._raw:,} bytes in {seconds:.0f} s"
            raise DownloadError("cut", message, retryable=True)
        if self._inflater is None:
            self._sink.write(chunk)
            self.written += len(chunk)
            return
        try:
            self.written += self._inflater.feed(chunk)
        except zlib.error as error:
            raise DownloadError("cut", "the compressed body is damaged", retryable=True) from error

    def finish(self) -> int:
        """All bytes came: check them against what was declared; the bytes written."""
        if self._declared is not None and self._raw != self._declared:
            message = f"cut short: {self._raw:,} of {self._declared:,} bytes came"
            raise DownloadError("cut", message, retryable=True)
        if self._inflater is not None and not self._inflater.machine.eof:
            raise DownloadError("cut", "cut short: the compressed body has no end", retryable=True)
        if self.written == 0:
            raise DownloadError("cut", "the body is empty", retryable=True)
        return self.written


def _inflater(encoding: str, sink: Sink, left: int) -> _Inflater | None:
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return None
    if name in ("gzip", "x-gzip", "deflate"):
        return _Inflater(zlib.decompressobj(zlib.MAX_WBITS | 32), sink, left)  # | 32: gzip or zlib by its header
    raise DownloadError("refused", f"Content-Encoding {name[:20]!r} was not asked for", retryable=False)


def encoded_body(encoding: str, chunks: Sequence[bytes], cap: int) -> bytes:
    """A whole body without its Content-Encoding; DownloadError where it is damaged, unknown, or larger than `cap`."""
    out = _Chunks()
    inflater = _inflater(encoding, out, cap)
    if inflater is None:
        return b"".join(chunks)
    try:
        for chunk in chunks:
            inflater.feed(chunk)
    except zlib.error as error:
        raise DownloadError("cut", "the compressed body is damaged", retryable=False) from error
    if not inflater.machine.eof:
        raise DownloadError("cut", "the compressed body has no end", retryable=False)
    return b"".join(out)


class _Chunks(list[bytes]):
    """A sink in memory."""

    def write(self, data: bytes, /) -> None:
        self.append(data)


def _too_large(declared: int | None = None) -> DownloadError:
    said = "" if declared is None else f": {declared:,} bytes"
    return DownloadError("too_large", f"larger than an image may be{said}", retryable=False)


def decode_data_url(url: str, cap: int = 64 * 1024 * 1024) -> bytes:
    """The bytes of a `data:` URL (RFC 2397) or of plain Base64, at most `cap`; DownloadError otherwise."""
    body, is_base64 = url, True
    if url[:5].lower() == "data:":
        head, comma, body = url.partition(",")
        if not comma:
            raise DownloadError("refused", "a data: URL without data", retryable=False)
        is_base64 = head.lower().rstrip().endswith(";base64")
    if len(body) > cap * 2:
        raise _too_large()
    try:
        data = decode_base64(body) if is_base64 else unquote_to_bytes(body)
    except (ValueError, binascii.Error) as error:
        raise DownloadError("refused", "the Base64 data is damaged", retryable=False) from error
    if len(data) > cap:
        raise _too_large(len(data))
    if not data:
        raise DownloadError("refused", "the data is empty", retryable=False)
    return data


def decode_base64(text: str) -> bytes:
    """Base64 as servers write it: standard or URL-safe, with or without padding, line breaks or percent signs."""
    if "%" in text:
        text = unquote_to_bytes(text).decode("ascii")
    compact = re.sub(r"[ \t\r\n]", "", text) if re.search(r"\s", text) else text
    compact = compact.rstrip("=")
    return base64.b64decode(compact.translate(_URL_SAFE) + "=" * (-len(compact) % 4), validate=True)


_URL_SAFE = str.maketrans("-_", "+/")
