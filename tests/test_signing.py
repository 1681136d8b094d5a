"""Webhook signatures."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.signing import ReplayGuard, SignatureError, sign, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, STAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def headers(signature: str = SIGNATURE, stamp: object = STAMP, id: str = ID) -> dict[str, str]:
    return {"Webhook-Id": id, "Webhook-Timestamp": str(stamp), "Webhook-Signature": signature}


def test_vector() -> None:
    """The published Standard Webhooks vector comes out to the letter, and is accepted."""
    assert sign(SECRET, ID, STAMP, BODY) == SIGNATURE
    assert verify(SECRET, headers(), BODY, now=STAMP) == ID


@pytest.mark.parametrize(
    ("changed", "body", "now", "says"),
    [
        (headers(), BODY + b" ", STAMP, "no signature"),
        (headers(id="msg_other"), BODY, STAMP, "no signature"),
        (headers(stamp=STAMP + 1), BODY, STAMP, "no signature"),
        (headers(signature="v1a," + SIGNATURE[3:]), BODY, STAMP, "no signature"),
        (headers(signature="v1,é"), BODY, STAMP, "no signature"),
        (headers(), BODY, STAMP + 301, "too old"),
        (headers(), BODY, STAMP - 301, "too far ahead"),
        (headers(stamp="soon"), BODY, STAMP, "whole number"),
        (headers(stamp="٣"), BODY, STAMP, "whole number"),
        ({}, BODY, STAMP, "no webhook-id and no webhook-timestamp and no webhook-signature"),
    ],
)
def test_refusals(changed: dict[str, str], body: bytes, now: float, says: str) -> None:
    """A changed body, id, time, version or clock, or a missing header, is refused with the reason."""
    with pytest.raises(SignatureError, match=says) as caught:
        verify(SECRET, changed, body, now=now)
    assert isinstance(caught.value, ValueError)
    assert "MfKQ9" not in str(caught.value)


def test_rotation() -> None:
    """One good signature among several is enough, so that secrets can be rotated."""
    several = f"v1,{base64.b64encode(b'0' * 32).decode()} v2,xyz {SIGNATURE}"
    assert verify(SECRET, headers(signature=several), BODY, now=STAMP + 300) == ID


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_###"])
def test_bad_secrets(secret: str) -> None:
    """An empty secret or one that is not Base64 after whsec_ is an error, not a weak key."""
    with pytest.raises(SignatureError, match="secret"):
        sign(secret, ID, STAMP, BODY)


@given(st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda s: not s.startswith("whsec_")), st.binary())
def test_plain_secrets(secret: str, body: bytes) -> None:
    """Every text is a different key, and what it signs it verifies; another key does not."""
    signed = headers(signature=sign(secret, ID, STAMP, body))
    assert verify(secret, signed, body, now=STAMP) == ID
    with pytest.raises(SignatureError):
        verify(secret + "x", signed, body, now=STAMP)


def test_replays() -> None:
    """An id is accepted once, and forgotten only when its timestamp would be refused anyway."""
    guard = ReplayGuard(tolerance=300)
    assert guard.accept("a", now=0)
    assert not guard.accept("a", now=599)
    assert guard.accept("b", now=601)
    assert guard.accept("a", now=602)
