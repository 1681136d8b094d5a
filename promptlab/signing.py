"""Webhook signatures after Standard Webhooks 1.0.0: `v1,` and the Base64 HMAC-SHA256 of `id.timestamp.body`.

Source: the Standard Webhooks specification, "Signature scheme" and "Verifying webhook authenticity". The raw bytes of
the body are signed: verify before parsing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Mapping

__all__ = ["TOLERANCE_S", "ReplayGuard", "SignatureError", "sign", "verify"]

TOLERANCE_S = 300
_PREFIX = "whsec_"


class SignatureError(ValueError):
    """A callback that must not be believed; the text says why and never holds the secret."""


def _key(secret: str) -> bytes:
    """`whsec_` and Base64 as the specification serialises a key; any other text is the key itself, as UTF-8."""
    if not secret:
        raise SignatureError("the webhook secret is empty")
    if not secret.startswith(_PREFIX):
        return secret.encode("utf-8", "surrogateescape")
    text = secret.removeprefix(_PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureError("the webhook secret starts with whsec_ but the rest is not Base64") from error
    if not key:
        raise SignatureError("the webhook secret is empty")
    return key


def sign(secret: str, id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature` for one message; `timestamp` in epoch seconds."""
    signed = f"{id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode("ascii")


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: float, tolerance: float = TOLERANCE_S) -> str:
    """The message's id if its signature holds and its time is within `tolerance` seconds of `now`.

    Header names in any case; `webhook-signature` may hold several signatures with spaces between (key rotation), of
    which those of version v1 count. SignatureError otherwise. Give the id to a `ReplayGuard`.
    """
    found = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in ("webhook-id", "webhook-timestamp", "webhook-signature") if not found.get(name)]
    if missing:
        raise SignatureError(f"the callback has no {' and no '.join(missing)} header")
    stamp = found["webhook-timestamp"].strip()
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise SignatureError("the webhook-timestamp header is not a whole number of seconds")
    if abs(now - int(stamp)) > tolerance:
        side = "old" if int(stamp) < now else "far ahead"
        raise SignatureError(f"the callback is too {side}: more than {tolerance:g} s from this machine's clock")
    expected = sign(secret, found["webhook-id"], int(stamp), body).encode("ascii")
    offered = [part.encode("utf-8", "replace") for part in found["webhook-signature"].split()]
    # every signature is compared, in constant time each, so that timing tells nothing about which one was close
    matches = [hmac.compare_digest(expected, part) for part in offered if part.startswith(b"v1,")]
    if not any(matches):
        raise SignatureError("no signature of the callback matches; is this the endpoint's secret?")
    return found["webhook-id"]


class ReplayGuard:
    """Accepts each message id once; ids older than twice the tolerance are forgotten, since `verify` refuses them."""

    def __init__(self, tolerance: float = TOLERANCE_S, capacity: int = 100_000) -> None:
        self._keep_s = 2 * tolerance
        self._capacity = capacity
        self._seen: OrderedDict[str, float] = OrderedDict()

    def accept(self, id: str, now: float) -> bool:
        """True the first time, False for a replay."""
        while self._seen and (len(self._seen) > self._capacity or next(iter(self._seen.values())) < now - self._keep_s):
            self._seen.popitem(last=False)
        if id in self._seen:
            return False
        self._seen[id] = now
        return True
