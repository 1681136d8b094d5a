"""The bytes of one connection: an asyncio protocol that never loses what has come.

asyncio's own StreamReader throws its buffer away when the connection breaks, so that a server which answers 413 and
closes while a large body is still being sent would never be heard.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from typing import cast

import httpx

__all__ = ["ByteStream", "reason"]

#: Bytes taken in before the server has to wait for a reader.
_FULL = 512 * 1024
_PIECE = 256 * 1024
#: A final answer that is not a success, after any interim ones: what is still to be sent is not wanted any more.
_NOT_WANTED = re.compile(rb"(?:\A|\r?\n\r?\n)HTTP/1\.[01] [345]\d\d")


class ByteStream(asyncio.Protocol):
    """One TCP connection, later perhaps under TLS. Raises httpx's exceptions; one reader and one writer at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._ended = False
        self._error: BaseException | None = None
        self._writable = True
        self._throttled = False
        self._changed = asyncio.Event()

    # --- what asyncio calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > _FULL and not self._throttled and self._transport is not None:
            self._throttled = True
            self._transport.pause_reading()
        self._changed.set()

    def eof_received(self) -> None:
        self._ended = True
        self._changed.set()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._ended = True
        self._error = self._error or exc
        self._changed.set()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._changed.set()

    # --- what a connection does ---

    async def read(self, seconds: float | None) -> bytes:
        """The next bytes, at least one; empty at the end. What came before the connection broke is read first."""
        try:
            if not self._buffer and not self._ended:
                async with asyncio.timeout(seconds):
                    while not self._buffer and not self._ended:
                        await self._change()
        except TimeoutError as error:
            raise httpx.ReadTimeout(f"nothing came for {seconds:g} s") from error
        if not self._buffer and self._error is not None:
            raise httpx.ReadError(reason(self._error)) from self._error
        data = bytes(self._buffer)
        self._buffer.clear()
        if self._throttled and self._transport is not None:
            self._throttled = False
            self._transport.resume_reading()
        return data

    async def write(self, data: bytes, seconds: float | None) -> None:
        """Send; WriteError where the server is gone, or has refused before it read everything."""
        if self._ended or self._transport is None or self._transport.is_closing():
            raise httpx.WriteError("the connection was closed")
        view = memoryview(data)
        for start in range(0, len(view), _PIECE):  # what the system does not take at once is copied: never all of it
            self._transport.write(view[start : start + _PIECE])
            if not self._writable:
                await self._drained(seconds)

    async def _drained(self, seconds: float | None) -> None:
        """Wait until the system takes more; WriteError once it is clear that no more is wanted."""
        try:
            async with asyncio.timeout(seconds):
                while not self._writable:
                    if self._ended or _NOT_WANTED.search(self._buffer, 0, 4096):
                        raise httpx.WriteError("the server did not want all of the request")
                    await self._change()
        except TimeoutError as error:
            raise httpx.WriteTimeout(f"the server took nothing for {seconds:g} s") from error
        if self._ended:
            raise httpx.WriteError("the connection was closed")

    async def start_tls(self, context: ssl.SSLContext, host: str, seconds: float | None) -> None:
        """Go on under TLS, verified for `host`; ConnectError or ConnectTimeout where it can't be."""
        if self._buffer or self._ended or self._transport is None:
            raise httpx.ConnectError("TLS: the server spoke, or closed, before the handshake")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                secure = await loop.start_tls(self._transport, self, context, server_hostname=host)
        except TimeoutError as error:
            self.abort()
            raise httpx.ConnectTimeout("the TLS handshake took too long") from error
        except (OSError, ssl.SSLError) as error:
            self.abort()
            raise httpx.ConnectError(f"TLS: {reason(error)}") from error
        except BaseException:
            self.abort()
            raise
        if secure is None:
            raise httpx.ConnectError("TLS: the connection was closed during the handshake")
        self._transport = secure

    def abort(self) -> None:
        """Drop the connection at once: an orderly TLS goodbye can take 30 s, and every answer has its length."""
        self._ended = True
        if self._transport is not None:
            self._transport.abort()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


def reason(error: BaseException) -> str:
    """What the system says, short: `Connection refused`, `certificate verify failed: …`."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or "failed").replace("_", " ").lower()
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)  # asyncio's own text is "Connect call failed"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
