"""An echoed key is taken out of every text, whatever encoding it came back in."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.http import Call, SendError
from promptlab.http.client import Client
from promptlab.http.masking import Mask

KEY = "kv_AbC-123.xyz+/=0123456789"
ENCODED = {
    "plain": KEY,
    "JSON escapes": "".join(f"\\u{ord(c):04x}" for c in KEY),
    "JSON escapes of a few, in capitals": KEY.replace("_", "\\u005F").replace("+", "\\u002B"),
    "JSON twice": "".join(f"\\\\u{ord(c):04x}" for c in KEY),
    "hex escapes": "".join(f"\\x{ord(c):02x}" for c in KEY),
    "percent, only what needs it": quote(KEY, safe=""),
    "percent, all": "".join(f"%{ord(c):02X}" for c in KEY),
    "percent twice": quote(quote(KEY, safe=""), safe=""),
    "decimal entities": "".join(f"&#{ord(c)};" for c in KEY),
    "hexadecimal entities": "".join(f"&#X{ord(c):04x};" for c in KEY),
    "named entities": KEY.replace("_", "&lowbar;").replace("+", "&plus;"),
    "entities in percent": quote("".join(f"&#{ord(c)};" for c in KEY), safe=""),
    **{
        f"Base64 after {before!r}": base64.b64encode(f"{before}{KEY} and more".encode()).decode()
        for before in ("", "B", "Be", "Bearer ", "user:")
    },
    "URL-safe Base64": base64.urlsafe_b64encode(f"{KEY}??>>".encode()).decode(),
}


def leaks(text: str) -> bool:
    """Whether the key is in a text, also after a few rounds of decoding."""
    return KEY in text or Mask(KEY).text(text) != text


@pytest.mark.parametrize("encoded", ENCODED.values(), ids=ENCODED)
def test_every_encoding_is_found(encoded: str) -> None:
    """`[key]` stands where the key stood, and the words around it stay."""
    masked = Mask(KEY).text(f"Incorrect API key: {encoded} (see the docs)")
    assert "[key]" in masked
    assert masked.startswith("Incorrect API key: ")
    assert masked.endswith(" (see the docs)")
    assert not leaks(masked)


@pytest.mark.parametrize("encoded", ENCODED.values(), ids=ENCODED)
def test_a_body_of_json_stays_json(encoded: str) -> None:
    """Written with escapes or not, the answer can still be read, and holds no key."""
    bodies = [
        json.dumps({"error": {"message": f"bad {encoded}"}, "n": [1, encoded], "é": 1.5}).encode(),
        f'{{"error": {{"message": "bad {encoded}"}}}}'.encode(),
    ]
    for body in bodies:
        masked = Mask(KEY).body(body)
        try:
            json.loads(body)
        except ValueError:
            continue
        assert "[key]" in json.loads(masked)["error"]["message"]
        assert not leaks(masked.decode())


def test_a_page_and_a_broken_body() -> None:
    """HTML, cut JSON and bytes that are not text are masked too."""
    for body in (b"<p>" + KEY.encode() + b"</p>", b'{"a": "' + KEY.encode(), b"\xff\xfe" + KEY.encode() + b"\x00"):
        masked = Mask(KEY).body(body)
        assert KEY.encode() not in masked
        assert b"[key]" in masked


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_what_holds_no_key_is_not_touched(body: bytes) -> None:
    """A body without the key is the very same bytes."""
    assert Mask(KEY).body(body) is body
    assert Mask("short").body(body) is body
    assert Mask("").body(body) is body


def test_the_client_masks_all_it_reads(kit: Any) -> None:
    """Body, headers, and what a broken answer quotes."""
    body = json.dumps({"error": {"message": f"bad {ENCODED['decimal entities']}"}})

    async def run() -> None:
        answer = kit.answer(401, body.encode(), X_Echo=quote(KEY, safe=""))
        async with kit.serve(answer) as server, Client(server.url, authorization=f"Bearer {KEY}") as client:
            found = await client.send(Call("POST", "/x", json={}))
            assert "[key]" in found.body.decode()
            assert "[key]" in found.headers["x-echo"]
        nonsense = f"HTTP/1.1 {KEY}\r\n\r\n".encode()
        async with kit.serve(nonsense) as server, Client(server.url, authorization=f"Bearer {KEY}") as client:
            with pytest.raises(SendError) as caught:
                await client.send(Call("POST", "/x", json={}))
            assert not leaks(str(caught.value))

    asyncio.run(run())
