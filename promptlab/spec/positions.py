"""Where in a YAML file a part of a text is: folded, quoted, escaped, or over several lines.

A scalar's value has the file's signs in the file's order; only its white space differs, and the escapes of double
quotes. So the two are walked along side by side, sign by sign.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["position_in_file"]

_ESCAPES = {"x": 2, "u": 4, "U": 8}
_NAMED = {"0": "\0", "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
          "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029"}  # fmt: skip


def position_in_file(
    lines: Sequence[str], start: tuple[int, int], value: str, position: tuple[int, int]
) -> tuple[int, int] | None:
    """Line and column in a file of a line and column in a value; all 1-based.

    `start` is where YAML says that the value begins: its first sign, its quote, or the `|` or `>` before it. None where
    the value does not stand there (it came through an alias, say, or the file is another one by now).
    """
    walk = _Walk(lines, start)
    wanted = _index(value, position)
    for sign in value[:wanted]:
        if not sign.isspace() and not walk.step(sign):
            return None
    return walk.place(value[wanted : wanted + 1])


def _index(value: str, position: tuple[int, int]) -> int:
    line, column = position
    at = 0
    for _ in range(line - 1):
        at = value.find("\n", at) + 1
        if not at:
            return len(value)
    return min(at + column - 1, len(value))


class _Walk:
    """A place in the file that moves from one visible sign of a scalar to the next."""

    def __init__(self, lines: Sequence[str], start: tuple[int, int]) -> None:
        self.lines = lines
        self.row, self.at = start[0] - 1, start[1] - 1
        opening = self._here()
        self.quote = opening if opening and opening in "'\"" else ""
        if self.quote:
            self.at += 1
        elif opening and opening in "|>":
            self.row, self.at = self.row + 1, 0

    def _here(self) -> str:
        line = self.lines[self.row] if self.row < len(self.lines) else ""
        return line[self.at] if self.at < len(line) else ""

    def _next(self) -> tuple[str, int]:
        """The next visible sign with its length in the file; white space, written or escaped, is passed over."""
        while self.row < len(self.lines):
            here = self._here()
            if not here:
                self.row, self.at = self.row + 1, 0
                continue
            sign, length = self._escaped() if here == "\\" and self.quote == '"' else (here, 1)
            if here == "'" == self.quote:
                length = 2
            if sign and not sign.isspace():
                return sign, length
            self.at += length
        return "", 0

    def _escaped(self) -> tuple[str, int]:
        line = self.lines[self.row]
        kind = line[self.at + 1 : self.at + 2]
        if kind in _ESCAPES and kind:
            digits = line[self.at + 2 : self.at + 2 + _ESCAPES[kind]]
            try:
                return chr(int(digits, 16)), 2 + len(digits)
            except (ValueError, OverflowError):
                return "", 2
        return _NAMED.get(kind, kind), 2

    def step(self, sign: str) -> bool:
        """Pass over one character; False where another one is here."""
        found, length = self._next()
        self.at += length
        return found == sign

    def place(self, sign: str) -> tuple[int, int] | None:
        """Where the next character is; of white space, where it begins."""
        if sign and not sign.isspace() and self._next()[0] != sign:
            return None
        return self.row + 1, self.at + 1
