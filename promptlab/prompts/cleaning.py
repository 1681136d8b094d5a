"""From what a template wrote to what is sent."""

from __future__ import annotations

import re
import unicodedata

# Removed: C0 and C1 controls (but tab and line breaks), the bidirectional embeddings, overrides and isolates that make
# a text read differently from what is sent (Unicode TR 36), the byte order mark, and halves of surrogate pairs, which
# no encoding can carry. Kept: the joiners that emoji and Indic scripts need, and the left-to-right and right-to-left
# marks of ordinary Arabic and Hebrew.
_REMOVED = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
# Kept as written: spaces at which no line may break are meant (`5 kg`, French punctuation). The others are white space.
_NO_BREAK = "\u00a0\u2007\u202f"
_WHITE = (
    " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2008\u2009\u200a"
    "\u2028\u2029\u205f\u3000"
)
_SPACE = re.compile(f"[{_WHITE}]+")
_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")


def clean(text: str, *, keep: bool = False) -> str:
    """The text as it is sent: no control characters, Unicode NFC, each run of white space one space, none at the ends.

    No-break spaces do not count as white space here: they stay.
    `keep` is the front matter's `whitespace: keep`: spaces, tabs and line breaks stay (each break as `\\n`), less the
    white space at both ends. Cleaning twice changes nothing.
    """
    if not text.isascii() or not text.isprintable():
        text = unicodedata.normalize("NFC", _REMOVED.sub("", text))
    if keep:
        text = _BREAKS.sub("\n", text)
    if text.isascii() or not any(space in text for space in _NO_BREAK):
        return text.strip() if keep else " ".join(text.split())
    text = (text if keep else _SPACE.sub(" ", text)).strip(_WHITE)
    return text if text.strip() else ""
