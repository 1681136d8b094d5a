"""Folders of image files with a `metadata.jsonl`, as Hugging Face's imagefolder loads them.

`load_dataset("imagefolder", data_dir=FOLDER)` reads `metadata.jsonl`, takes `file_name` (or `NAME_file_name`) for the
place of an image below the folder, and every other field for a column (huggingface.co/docs/datasets, "Create an image
dataset").
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from promptlab._version import __version__
from promptlab.export.embed import embedded, parameters_text
from promptlab.export.image_rows import ExportColumn, ImageRow, ImageRows
from promptlab.export.labels import labelled
from promptlab.log import Log
from promptlab.spec.matcher import Where
from promptlab.store import Store
from promptlab.store.local import explained, safe_name
from promptlab.store.whole import whole_folder

__all__ = ["SIGN", "ImageCopies", "Written", "card", "is_image_set", "json_line", "write_imagefolder"]

SIGN: Final = "<!-- promptlab export -->"


@dataclass(frozen=True, slots=True)
class Written:
    """What was exported: rows, image files, bytes, and what a user should know, a sentence each."""

    format: str
    target: Path
    rows: int
    files: int = 0
    bytes: int = 0
    notes: tuple[str, ...] = ()


class ImageCopies:
    """Copies images into a folder's `images/`, each under its own readable name."""

    def __init__(self, store: Store, folder: Path, *, embed: bool) -> None:
        self.store, self.folder, self.embed = store, folder, embed
        self.files = self.bytes = 0
        self.left_alone: Counter[str] = Counter()  # why → how many copies have no prompt in them
        self.missing = 0
        with explained("write the folder", folder):
            (folder / "images").mkdir()

    def add(self, row: ImageRow) -> str | None:
        """Copy one image; its place below the folder, or None where the store does not have it."""
        stored = self.store.head(row["sha256"]) if row["sha256"] and row["status"] == "stored" else None
        if stored is None:
            self.missing += 1
            return None
        target = self._free(row, stored.format)
        data = self._copy(self.store.get(stored.sha256), stored.format, row)
        with explained("write the image", target):
            target.write_bytes(data)
        self.bytes += len(data)
        self.files += 1
        return f"images/{target.name}"

    def _copy(self, data: bytes, format: str, row: ImageRow) -> bytes:
        """An unsigned image with its label, and with its prompt if asked; a signed one as it is."""
        if self.embed:
            copy = embedded(data, parameters_text(row))
            data = copy.data
            self.left_alone.update([copy.why_not] if copy.why_not else [])
        prompt = hashlib.sha256(row["prompt"].encode("utf-8", "surrogatepass")).hexdigest()
        try:
            return labelled(data, format, prompt_sha256=prompt, simulated=row["simulated"])
        except ValueError as error:
            self.left_alone.update([f"it can't carry a label: {error}"])
            return data

    def _free(self, row: ImageRow, format: str) -> Path:
        """A path that no other image has: the readable name, and the image's id where two have the same."""
        readable = PurePosixPath(row["path"] or row["image_id"]).stem.replace("\\", "_").strip(". ") or row["image_id"]
        folder = self.folder / "images"
        target = folder / safe_name(PurePosixPath(f"{readable}.{format}"), folder)
        return target if not target.exists() else folder / f"{row['image_id']}.{format}"

    def notes(self) -> tuple[str, ...]:
        """What is not there, and which copies have no prompt in them."""
        found = [f"{self.missing:,} images are not in the store, and were left out"] if self.missing else []
        found += [f"{number:,} copied byte for byte: {why}" for why, number in self.left_alone.items()]
        return tuple(found)


def write_imagefolder(
    log: Log,
    store: Store,
    run_id: str,
    target: Path,
    *,
    where: Where = (),
    embed: bool = False,
    step: Callable[[int], None] = lambda done: None,
) -> Written:
    """The stored images of a run, with one line of metadata each."""
    rows = ImageRows(log, run_id, where)
    columns = (ExportColumn("file_name", "text", "the image, relative to this folder"), *rows.columns)
    with whole_folder(target) as folder:
        files = ImageCopies(store, folder, embed=embed)
        with (folder / "metadata.jsonl").open("wb") as metadata:
            for number, row in enumerate(rows, 1):
                name = files.add(row)
                if name is not None:
                    metadata.write(json_line({"file_name": name, **row}, columns))
                if number % 100 == 0:
                    step(number)
        how = f'load_dataset("imagefolder", data_dir="{target.name}")'
        text = card(log, run_id, "The images of one run, with how each was made and judged.", how, {"": columns})
        (folder / "README.md").write_text(text, encoding="utf-8")
    return Written("imagefolder", target, files.files, files.files, files.bytes, files.notes())


def json_line(row: Mapping[str, Any], columns: Iterable[ExportColumn]) -> bytes:
    """A line of metadata. Lists and maps are JSON text, since every row of a column has to have one shape."""
    kinds = {column.name: column.kind for column in columns}
    found = {}
    for name, value in row.items():
        if kinds.get(name) == "json" and value is not None:
            value = json.dumps(value, ensure_ascii=False)
        elif kinds.get(name) == "number" and value is not None:
            value = float(value)
        found[name] = value
    return json.dumps(found, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def card(log: Log, run_id: str, what: str, how: str, tables: Mapping[str, Sequence[ExportColumn]]) -> str:
    """The README of a data set: what it is, how it is loaded, what its columns are."""
    run = log.find_run(run_id)
    simulated = log.totals(run_id).simulated > 0 or run.provider == "simulator"
    lines = ["---", "task_categories:", "- text-to-image", "---", SIGN, "", f"# {_words(run.experiment)}", "", what]
    if simulated:
        lines += ["", "**SIMULATED**: the images are the simulator's placeholders, not a model's."]
    lines += ["", f"Run {run.id} of {run.started_at[:10]}, exported by promptlab {__version__}.", ""]
    lines += ["```python", "from datasets import load_dataset", "", how, "```"]
    for name, columns in tables.items():
        lines += ["", f"## {name or 'Columns'}", "", "| column | what it is |", "|---|---|"]
        lines += [f"| `{_words(column.name)}` | {_words(column.about)} |" for column in columns]
    return "\n".join(lines) + "\n"


def _words(text: str) -> str:
    """A name as Markdown shows it as it is, on one line."""
    return " ".join(text.replace("|", "¦").replace("`", "'").replace("<", "‹").replace(">", "›").split())


def is_image_set(path: Path) -> bool:
    """Whether a folder is an export of ours."""
    readme = path / "README.md"
    return readme.is_file() and SIGN in readme.read_text(encoding="utf-8", errors="replace")[:500]
