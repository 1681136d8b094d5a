"""The text that a prompt quotes, read back from the image: by the package rapidocr (extra `ocr`), or by tesseract."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

from promptlab.environ import without_keys
from promptlab.scoring.scorer import ImageFile, ImageRow, Scorer
from promptlab.spec.score_checks import BUILT_IN_SCORES

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

__all__ = ["Text", "character_error_rate", "quoted_texts"]

_QUOTED: Final = re.compile(
    r"(?<!\w)\"([^\"]{1,200})\"|“([^“”]{1,200})”|„([^„“”]{1,200})[“”]|«([^«»]{1,200})»|»([^«»]{1,200})«"
    r"|(?<!\w)['‘]([^'‘’]{2,200})['’](?!\w)|「([^「」]{1,200})」|『([^『』]{1,200})』"
)
_PATIENCE_S: Final = 120
NO_READER: Final = (
    "no reader of text is installed: install tesseract (`apt install tesseract-ocr`, `brew install tesseract`), or "
    "`pip install 'promptlab-images[ocr]'`"
)


def quoted_texts(prompt: str) -> list[str]:
    """The texts that a prompt quotes, each once: "…", “…”, „…“, «…», '…' around words, 「…」."""
    found = (next(filter(None, match.groups())) for match in _QUOTED.finditer(prompt))
    return list(dict.fromkeys(text for each in found if (text := " ".join(each.split()))))


def character_error_rate(asked: str, read: str) -> tuple[float, str]:
    """The errors per character of `asked` at the place of `read` that fits best, 0 to 1, and what stands there.

    Insertions, deletions and substitutions are counted (Levenshtein), free at both ends of what was read (Sellers
    1980), since an image may show other text too. Upper and lower case count as the same, which readers confuse in
    display type; so do kinds of white space, of quotes and of dashes.
    """
    wanted, shown = _plain(asked).casefold(), _plain(read)
    seen = shown.casefold()
    if len(seen) != len(shown):  # ß and the like: what is quoted back is folded then
        shown = seen
    if not wanted:
        return 0.0, ""
    # Column by column: the cost, and where in `seen` the best alignment that ends here began.
    costs, starts = list(range(len(wanted) + 1)), [0] * (len(wanted) + 1)
    best, span = (costs[-1], len(wanted)), (0, 0)
    for place, letter in enumerate(seen, 1):
        above, begun = 0, place - 1  # the diagonal neighbour of row 1
        costs[0], starts[0] = 0, place
        for row, own in enumerate(wanted, 1):
            left, left_start = costs[row], starts[row]
            options = (above + (own != letter), begun), (left + 1, left_start), (costs[row - 1] + 1, starts[row - 1])
            costs[row], starts[row] = min(options, key=lambda each: each[0])
            above, begun = left, left_start
        found = costs[-1], abs(place - starts[-1] - len(wanted))  # of equal ones the one of about the same length
        if found < best:
            best, span = found, (starts[-1], place)
    return min(1.0, best[0] / len(wanted)), shown[slice(*span)].strip()


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text)
    text = re.sub(r"[‘’‚′`´]", "'", re.sub(r"[“”„«»″]", '"', re.sub(r"[‐‑‒–—−]", "-", text)))
    return " ".join(text.split())


class Text(Scorer):
    """Whether each text that the prompt quotes can be read in the image; nothing where it quotes none."""

    name: ClassVar[str] = "text"
    scores: ClassVar[Mapping[str, str]] = {each: BUILT_IN_SCORES[each] for each in ("text", "text_error", "text_read")}

    @cached_property
    def version(self) -> str:  # type: ignore[override]
        """The reader is part of it: two readers do not read the same."""
        return f"1+{_reader() or 'none'}"

    def unavailable(self) -> str | None:
        """Without a reader nothing is scored, and nothing is taken for an error."""
        return None if _reader() else NO_READER

    def applies(self, row: ImageRow) -> bool:
        """Where the prompt quotes a text."""
        return bool(quoted_texts(row.prompt))

    def score(self, image: ImageFile, row: ImageRow) -> Mapping[str, float | str]:
        """The worst error rate, and each text with what was read in its place.

        A reader may look several times, each time in another way; of each text the best look counts.
        """
        best = dict.fromkeys(quoted_texts(row.prompt), (1.0, ""))
        for seen in _looks(image.picture):
            for text, before in best.items():
                best[text] = min(before, character_error_rate(text, seen), key=lambda found: found[0])
            if not any(rate for rate, _ in best.values()):
                break
        worst = max(rate for rate, _ in best.values())
        read = [{"asked": text, "read": found, "error": round(rate, 4)} for text, (rate, found) in best.items()]
        return {
            "text": "exact" if worst == 0 else "differs",
            "text_error": worst,
            "text_read": json.dumps(read, ensure_ascii=False),
        }


@cache
def _reader() -> str | None:
    """Which reader there is: the extra, where somebody installed it, reads designs better than tesseract."""
    if importlib.util.find_spec("rapidocr"):
        return "rapidocr"
    return "tesseract" if shutil.which("tesseract") else None


def _looks(picture: Picture) -> Iterator[str]:
    """Everything that can be read in a picture; once more for each way of telling letters from what is behind them."""
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    if _reader() == "rapidocr":
        yield " ".join(_rapidocr()(file.getvalue()).txts or ())
        return
    for thresholding in ("0", "2", "1"):
        yield _by_tesseract(file.getvalue(), thresholding)


def _by_tesseract(png: bytes, thresholding: str) -> str:
    """Sparse text (page segmentation mode 11): words anywhere.

    Otsu's global threshold (0) loses letters on a patterned ground, which Sauvola's (2) and Otsu's by tiles (1) find.
    """
    program = shutil.which("tesseract")
    if program is None:
        raise RuntimeError(NO_READER)
    environ = without_keys(os.environ) | {"OMP_THREAD_LIMIT": "1"}  # one process a core already
    command = [program, "stdin", "stdout", "--psm", "11", "-c", f"thresholding_method={thresholding}"]
    done = subprocess.run(command, input=png, capture_output=True, timeout=_PATIENCE_S, env=environ)  # noqa: S603
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it says nothing"]
        raise RuntimeError(f"tesseract ended with {done.returncode}: {said[-1][:200]}")
    return done.stdout.decode("utf-8", "replace")


@cache
def _rapidocr() -> Any:
    """The reader, which takes a second to load; one per process."""
    from rapidocr import RapidOCR  # type: ignore[import-not-found,unused-ignore]

    return RapidOCR(params={"Global.log_level": "critical"})
