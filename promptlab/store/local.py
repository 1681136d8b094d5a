"""The image folder: each content once, under its hash, whole or not at all; and readable names."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from types import TracebackType
from typing import BinaryIO, Literal

from promptlab.errors import StoreError
from promptlab.store.faults import BadImage, explained
from promptlab.store.parts import open_part, sweep
from promptlab.store.pictures import Decoded, decode_and_thumbnail
from promptlab.store.readable_names import safe_name

__all__ = ["PartFile", "Store", "Stored"]

_HASH = re.compile(r"[0-9a-f]{64}")
_EXTENSIONS = ("png", "jpg", "webp")
#: A hard link is refused for these reasons where a copy still works: another disk, a filesystem without links, a
#: file that has too many already, a file that is not ours.
_COPY_INSTEAD = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
)
_BUFFER = 256 * 1024


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that is in the store and on the disk."""

    sha256: str
    bytes: int
    path: Path


class Store:
    """A folder of images: `ab/<sha256>.<ext>`, `.thumbnails/ab/<sha256>.webp`, and `.part/` for what is not whole yet.

    `names` is the folder that readable names live in; by default `results` beside the images. Nothing is written
    before the first part. Every method raises StoreError, with what to do, when the disk refuses.
    """

    def __init__(self, folder: Path, names: Path | None = None) -> None:
        self.folder = folder
        self.names = names if names is not None else folder.parent / "results"
        self._swept = False

    def part(self) -> PartFile:
        """Begin a file. The first one of a store also removes what killed processes left behind."""
        folder = self.folder / ".part"
        with explained("write an image", self.folder):
            if not self._swept:
                folder.mkdir(parents=True, exist_ok=True)
                sweep(folder)
                self._swept = True
            path, file = open_part(folder, _BUFFER)
        return PartFile(self, path, file)

    def path(self, sha256: str) -> Path | None:
        """The file of a content, or None if it is not here. StoreError for a text that is not a hash."""
        start = f"{self.folder}/{_checked(sha256)[:2]}/{sha256}."  # text: a path object for each try costs more
        return next((Path(start + ext) for ext in _EXTENSIONS if os.path.isfile(start + ext)), None)  # noqa: PTH113

    def read(self, sha256: str) -> bytes:
        """The bytes of a content; StoreError if it is not here."""
        path = self._existing(sha256)
        with explained("read the image", path):
            return path.read_bytes()

    def missing(self, hashes: Iterable[str]) -> list[str]:
        """Those of the contents that are not here; only their presence is looked at."""
        return [sha256 for sha256 in hashes if self.path(sha256) is None]

    def verify(self, sha256: str) -> Literal["ok", "missing", "damaged"]:
        """Read a content again and compare it with its hash."""
        path = self.path(sha256)
        if path is None:
            return "missing"
        with explained("read the image", path), path.open("rb") as file:
            return "ok" if hashlib.file_digest(file, "sha256").hexdigest() == sha256 else "damaged"

    def hashes(self) -> Iterator[str]:
        """The hashes of all contents, in order of their names."""
        with explained("list the images", self.folder):
            folders = sorted(self.folder.glob("[0-9a-f][0-9a-f]"))
            for folder in folders:
                for file in sorted(folder.iterdir()):
                    if _HASH.fullmatch(file.stem) and file.suffix[1:] in _EXTENSIONS:
                        yield file.stem

    def remove(self, sha256: str) -> int:
        """Remove a content and its thumbnail; the number of bytes that its file had. Readable names stay."""
        path = self._existing(sha256)
        with explained("remove the image", path):
            size = path.stat().st_size
            path.unlink()
            self.thumbnail_path(sha256).unlink(missing_ok=True)
        return size

    def link(self, sha256: str, name: PurePath | str) -> Path:
        """Give a content a readable name below `names`: a hard link, or a copy where there are none.

        An existing file of that name is replaced in one step. The path used is returned: a part longer than a
        filesystem takes is shortened, with a hash. StoreError for a name that leads outside.
        """
        source = self._existing(sha256)
        target = self.names / safe_name(PurePath(name), self.names)
        with explained("write the name", target):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, target)
            except FileExistsError:
                if not os.path.samestat(target.lstat(), source.stat()):
                    _take_over(source, target)
            except OSError as error:
                if error.errno not in _COPY_INSTEAD:
                    raise
                _take_over(source, target)
        return target

    def adopt(self, source: Path, sha256: str, format: str) -> Path:
        """Take back a file that holds this content, under its hash: a hard link, or a copy where there are none.

        The caller has compared the file with the hash.
        """
        target = self.folder / _checked(sha256)[:2] / f"{sha256}.{format}"
        with explained("keep the image", target):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, target)
            except FileExistsError:
                return target
            except OSError as error:
                if error.errno not in _COPY_INSTEAD:
                    raise
                _take_over(source, target)
            _sync_folder(target.parent)
        return target

    def thumbnail_path(self, sha256: str) -> Path:
        """Where the thumbnail of a content is, or would be."""
        return self.folder / ".thumbnails" / _checked(sha256)[:2] / f"{sha256}.webp"

    def thumbnail(self, sha256: str) -> Path | None:
        """The thumbnail of a content, if it has been made."""
        path = self.thumbnail_path(sha256)
        return path if path.is_file() else None

    def make_thumbnail(self, sha256: str) -> Decoded | BadImage:
        """Decode a content here and now and write its thumbnail; a run leaves that to a Decoder."""
        return decode_and_thumbnail(str(self._existing(sha256)), str(self.thumbnail_path(sha256)))

    def _existing(self, sha256: str) -> Path:
        path = self.path(sha256)
        if path is None:
            raise StoreError(f"the image {sha256} is not in {self.folder}: its file was moved or removed")
        return path


class PartFile:
    """A file on its way into the store; `write` hashes as it goes. Leaving its `with` block unkept discards it."""

    def __init__(self, store: Store, path: Path, file: BinaryIO) -> None:
        self._store, self.path, self._file = store, path, file
        self._hash = hashlib.sha256()
        self._head = b""
        self.bytes = 0

    def write(self, data: bytes) -> None:
        """Append."""
        with explained("write an image", self.path):
            self._file.write(data)
        self._hash.update(data)
        self.bytes += len(data)

    @property
    def sha256(self) -> str:
        """The hash of what was written so far."""
        return self._hash.hexdigest()

    def content(self) -> bytes:
        """What was written so far, for `inspect` before it is kept."""
        with explained("read the image", self.path):
            self._file.flush()
            return self.path.read_bytes()

    def keep(self, format: str) -> Stored:
        """Put the file under its hash, durably: fsync, rename, fsync of the folder. A content that is here stays."""
        try:
            stored = self.settled(format)
            put_in_place(self.path, stored.path)
            return stored
        finally:
            self.discard()

    def settled(self, format: str) -> Stored:
        """Hand the last buffer to the system and say where the file will be; a Decoder puts it there."""
        if format not in _EXTENSIONS:
            raise StoreError(f"{format!r} is not a format that the store keeps; it keeps {', '.join(_EXTENSIONS)}")
        sha256 = self.sha256
        target = self._store.folder / sha256[:2] / f"{sha256}.{format}"
        with explained("keep the image", target):
            self._file.flush()
        return Stored(sha256, self.bytes, target)

    def discard(self) -> None:
        """Throw the file away, unless it was kept."""
        if self._file.closed:
            return
        with suppress(OSError):  # a full disk refuses the last buffer, but the file is closed and about to go
            self._file.close()
        with explained("remove a part", self.path):
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> PartFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


def put_in_place(part: Path, target: Path) -> None:
    """Move a whole file under its final name, durably; one of the same size that is there stays, being the same."""
    with explained("keep the image", target):
        if _is_whole(target, part.stat().st_size):
            return
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        _make_folder(target.parent)
        part.replace(target)
        _sync_folder(target.parent)


def _checked(sha256: str) -> str:
    """A hash comes from a database: it becomes part of a path only if it is one."""
    if not _HASH.fullmatch(sha256):
        raise StoreError(f"{sha256[:80]!r} is not the sha256 of an image: 64 hexadecimal digits in lower case")
    return sha256


def _is_whole(target: Path, size: int) -> bool:
    # A file of another size under this hash was damaged since; the new one takes its place.
    try:
        return target.stat().st_size == size
    except FileNotFoundError:
        return False


def _take_over(source: Path, target: Path) -> None:
    """Replace `target` by a link to (or copy of) `source`, through a temporary name beside it."""
    temporary = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        try:
            os.link(source, temporary)
        except OSError as error:
            if error.errno not in _COPY_INSTEAD:
                raise
            shutil.copyfile(source, temporary)
            _sync_file(temporary)
        temporary.replace(target)
    finally:
        # Renaming one link of a file over another does nothing and leaves both (rename(2)).
        temporary.unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir()
    except FileExistsError:
        return
    _sync_folder(folder.parent)


def _sync_file(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """The name, too, has to reach the disk (0.15 ms after the file's own fsync). Windows has no such call."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
