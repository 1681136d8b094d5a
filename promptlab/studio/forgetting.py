"""Forgetting a run: what speaks against it, its rows, then the files that nothing else uses."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from promptlab.errors import InputError
from promptlab.log import Forgetting, Log
from promptlab.pacing.owner import state_of
from promptlab.studio.studio import Studio

__all__ = ["Forgotten", "forget", "look"]


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What is gone: rows of generations and images, files of the store and their bytes, names under results/."""

    run_id: str
    generations: int
    images: int
    handed_over: int
    files: int
    bytes: int
    names: int


def look(studio: Studio, log: Log, text: str) -> Forgetting:
    """What forgetting a run would take with it. InputError where it is running, in use, or counts against a cap."""
    run = log.find_run(text)
    claim = log.claimed_by(f"run:{run.id}", 0)
    if claim is not None and state_of(claim.partition("#")[0]) != "dead":
        raise InputError(f"run {run.id} is still going; wait for it, or end it first", code="still-running")
    found = log.forgetting(run.id)
    caps = studio.settings.caps
    month = datetime.now(UTC).strftime("%Y-%m-01")
    if found.last_billed is not None and found.last_billed >= month and (caps.day or caps.month):
        raise InputError(
            f"run {run.id} spent money this month, which the studio's caps have to count; `promptlab runs --hide "
            f"{run.id}` leaves it out of lists, and next month it can be forgotten",
            code="run-counts",
        )
    return found


def forget(studio: Studio, log: Log, found: Forgetting) -> Forgotten:
    """Delete the rows, then the files. A file that another log, name or program uses stays."""
    log.forget_run(found)
    others = list(_other_logs(studio, log.path))
    used = {sha256 for hashes, _ in others for sha256 in hashes}
    named = {path for _, paths in others for path in paths}
    names = sum(_remove_name(studio, path, sha256) for path, sha256 in found.names if path not in named)
    sizes = [_remove_file(studio, sha256) for sha256 in found.files if sha256 not in used]
    gone = [size for size in sizes if size is not None]
    return Forgotten(
        found.run_id, found.generations, found.images, len(found.heirs), len(gone), sum(gone), names
    )  # fmt: skip


def _remove_name(studio: Studio, path: str, sha256: str) -> bool:
    """Remove a readable name if it is ours: below results/, no link elsewhere, and still this very content."""
    results = studio.settings.results
    file = studio.folder / path
    if not file.parent.resolve().is_relative_to(results.resolve()) or file.is_symlink() or not file.is_file():
        return False
    store = studio.store()
    is_ours = store.head(sha256) is not None and store.local_copy(sha256).samefile(file)
    if not is_ours and _hash(file) != sha256:
        return False  # a later run took the name over, or the user changed the file
    file.unlink()
    for folder in file.parents:
        if folder == results.parent or any(folder.iterdir()):
            break
        folder.rmdir()
    return True


def _remove_file(studio: Studio, sha256: str) -> int | None:
    """Remove a file of the store, its size; None where it is not there, or where it has a name that is not ours."""
    store = studio.store()
    if store.head(sha256) is None:
        return None
    path = store.local_copy(sha256)
    if path.is_symlink() or path.stat().st_nlink > 1:
        return None
    return store.delete(sha256)


def _hash(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _other_logs(studio: Studio, own: Path) -> Iterator[tuple[list[str], list[str]]]:
    """The hashes and paths of other logs that share the studio's images folder (`--db` names one)."""
    folders = {studio.folder, own.parent}
    for path in sorted(path for folder in folders for path in folder.glob("*.db")):
        if path.samefile(own):
            continue
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            images = connection.execute("SELECT sha256, path FROM images").fetchall()
            sources = connection.execute(
                "SELECT source_image FROM generations UNION SELECT sha256 FROM inputs WHERE role = 'image'"
            ).fetchall()
        except sqlite3.DatabaseError:
            continue  # some other program's database
        finally:
            connection.close()
        yield [row[0] for row in (*images, *sources) if row[0]], [path for _, path in images if path]
