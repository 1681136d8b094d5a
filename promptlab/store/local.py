"""The image folder: each content once, under its hash, whole or not at all; and readable names.

A store is six verbs (put_new, get, head, delete, list, sign) and `local_copy` for who needs a file; nothing outside
this package builds a path of the folder. Readable names and what they need (`link`, `adopt`) are a matter of local
disks alone.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from io import BufferedRandom, FileIO
from pathlib import Path, PurePath
from types import TracebackType
from typing import IO, Literal

from promptlab.errors import StoreError
from promptlab.store.formats import FORMATS, Format

if sys.platform != "win32":
    import fcntl

__all__ = ["PartFile", "Store", "Stored", "Thumbnail", "explained", "put_in_place", "safe_name"]

_HASH = re.compile(r"[0-9a-f]{64}")
#: A hard link is refused for these reasons where a copy still works: another disk, a filesystem without links, a
#: file that has too many already, a file that is not ours.
_COPY_INSTEAD = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
)
_BUFFER = 256 * 1024
_DAY_S = 86_400.0
_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space, or move the studio's `images` folder to a larger disk",
    errno.EDQUOT: "your disk quota is used up: free some space, or move the studio's `images` folder elsewhere",
    errno.EROFS: "the disk is mounted read-only: mount it for writing, or choose another `images` folder",
    errno.EACCES: "you may not write there: change the folder's permissions, or choose another `images` folder",
    errno.EPERM: "you may not write there: change the folder's permissions, or choose another `images` folder",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n) or lower --jobs",
    errno.ENOTDIR: "part of that path is a file, not a folder: move it away, or choose another `images` folder",
    errno.ENAMETOOLONG: "the name is too long for this disk: shorten `files:` in the experiment",
    errno.EIO: "the disk failed to read or write: check it before anything else",
}


@contextmanager
def explained(what: str, path: Path) -> Iterator[None]:
    """Turn what the operating system refuses into a StoreError: what could not be done, why, and what to do."""
    try:
        yield
    except OSError as error:
        raise refused(what, path, error) from error


def refused(what: str, path: Path, error: OSError) -> StoreError:
    """The sentence for what the operating system refused."""
    reason = _REMEDIES.get(error.errno or 0) or error.strerror or type(error).__name__
    return StoreError(f"{path}: cannot {what}; {reason}")


@dataclass(frozen=True, slots=True)
class Stored:
    """A content that is in the store and on the disk; `format` is png, jpg or webp."""

    sha256: str
    bytes: int
    format: Format


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture that can be shown; `format` is jpg or webp."""

    format: Format
    data: bytes


class Store:
    """A folder of images: `ab/<sha256>.<ext>`, `.thumbnails/ab/<sha256>.<ext>`, and `.part/` for what is not whole yet.

    `names` is the folder that readable names live in; by default `results` beside the images. Nothing is written
    before the first part. Every method raises StoreError, with what to do, when the disk refuses, and for a text that
    is not a hash.
    """

    def __init__(self, folder: Path, names: Path | None = None) -> None:
        self.folder = folder
        self.names = names if names is not None else folder.parent / "results"
        self._swept = False

    # --- the verbs ---

    def part(self) -> PartFile:
        """Begin a file. The first one of a store also removes what killed processes left behind."""
        folder = self.folder / ".part"
        with explained("write an image", self.folder):
            if not self._swept:
                folder.mkdir(parents=True, exist_ok=True)
                _sweep(folder)
                self._swept = True
            path, file = _open_part(folder)
        return PartFile(path, file)

    def put_new(self, part: PartFile, format: str) -> Stored:
        """Put a part under its hash, durably, here and now; a content that is there stays. A run uses a Keeper."""
        with part:
            stored = part.stored(format)
            self.settle(part, stored)
        return stored

    def get(self, sha256: str) -> bytes:
        """The bytes of a content; StoreError if it is not here."""
        path = self.local_copy(sha256)
        with explained("read the image", path):
            return path.read_bytes()

    def head(self, sha256: str) -> Stored | None:
        """What is known of a content without reading it; None if it is not here."""
        start = f"{self.folder}/{_checked(sha256)[:2]}/{sha256}."  # text: a path object for each try costs more
        for format in FORMATS:
            try:
                return Stored(sha256, os.stat(start + format).st_size, format)  # noqa: PTH116
            except OSError:
                continue  # no such file, or a folder that we may not look into: it is not here for us
        return None

    def delete(self, sha256: str) -> int:
        """Remove a content and its thumbnail; the number of bytes that its file had. Readable names stay."""
        path = self.local_copy(sha256)
        with explained("remove the image", path):
            size = path.stat().st_size
            path.unlink()
            for suffix in (".jpg", ".webp"):
                self.thumbnail_stem(sha256).with_suffix(suffix).unlink(missing_ok=True)
        return size

    def list(self) -> Iterator[str]:
        """The hashes of all contents, in order."""
        with explained("list the images", self.folder):
            for folder in sorted(self.folder.glob("[0-9a-f][0-9a-f]")):
                for file in sorted(folder.iterdir()):
                    if _HASH.fullmatch(file.stem) and file.suffix[1:] in FORMATS:
                        yield file.stem

    def sign(self, sha256: str) -> str | None:
        """An address at which a browser gets the content for some minutes; None where files are served from here."""
        _checked(sha256)
        return None

    def local_copy(self, sha256: str) -> Path:
        """A file of this machine that holds a content, to be read and left alone; StoreError if it is not here."""
        stored = self.head(sha256)
        if stored is None:
            raise StoreError(f"the image {sha256} is not in {self.folder}: its file was moved or removed")
        return self.file_of(stored)

    # --- what is built on them ---

    def verify(self, sha256: str) -> Literal["ok", "missing", "damaged"]:
        """Read a content again and compare it with its hash."""
        if self.head(sha256) is None:
            return "missing"
        path = self.local_copy(sha256)
        with explained("read the image", path), path.open("rb") as file:
            return "ok" if hashlib.file_digest(file, "sha256").hexdigest() == sha256 else "damaged"

    def thumbnail(self, sha256: str) -> Thumbnail | None:
        """The small picture of a content, if it has been made; `thumbnail_of` makes it."""
        stem = self.thumbnail_stem(sha256)
        formats: tuple[Format, ...] = ("jpg", "webp")
        for format in formats:
            with explained("read the thumbnail", stem), suppress(FileNotFoundError):
                return Thumbnail(format, stem.with_suffix(f".{format}").read_bytes())
        return None

    def private_folder(self, name: str) -> Path:
        """A folder beside the images for what a run keeps until it is in the log; it may not exist yet."""
        return self.folder / f".{name}"

    def link(self, sha256: str, name: PurePath | str) -> Path:
        """Give a content a readable name below `names`: a hard link, or a copy where there are none.

        An existing file of that name is replaced in one step. The path used is returned: a part longer than a
        filesystem takes is shortened, with a hash. StoreError for a name that leads outside.
        """
        source = self.local_copy(sha256)
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

    def adopt(self, source: Path, sha256: str, format: str) -> None:
        """Take back a file that holds this content, under its hash: a hard link, or a copy where there are none.

        The caller has compared the file with the hash.
        """
        target = self.file_of(Stored(_checked(sha256), 0, _known(format)))
        with explained("keep the image", target):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, target)
            except FileExistsError:
                return
            except OSError as error:
                if error.errno not in _COPY_INSTEAD:
                    raise
                _take_over(source, target)
            _sync_folder(target.parent)

    def try_writing(self, consequence: str) -> None:
        """Raise StoreError, which tells the consequence, where an image or its name could not be written."""
        for folder, what in ((self.folder, "write an image"), (self.names, "write the names of images")):
            with explained(f"{what}, {consequence}", folder):
                _try_folder(folder)
            if folder == self.folder:
                with self.part() as part:
                    part.write(b"promptlab tries whether it may write here")

    # --- for this package alone ---

    def settle(self, part: PartFile, stored: Stored) -> None:
        """Put the file of a part, all of it written, in its place."""
        if refusal := put_in_place([(part.path, self.file_of(stored))])[0]:
            raise StoreError(refusal)

    def file_of(self, stored: Stored) -> Path:
        """Where a content is, or would be."""
        return self.folder / stored.sha256[:2] / f"{stored.sha256}.{stored.format}"

    def thumbnail_stem(self, sha256: str) -> Path:
        """Where a thumbnail is, or would be, without its suffix: jpg, or webp from earlier and for transparency."""
        return self.folder / ".thumbnails" / _checked(sha256)[:2] / sha256


# --- parts ---------------------------------------------------------------------------------------------------------


class PartFile:
    """A file on its way into the store; `write` hashes as it goes. Leaving its `with` block unkept discards it.

    It is named at random and locked while it is open, so that what a killed process left can be told from it.
    """

    def __init__(self, path: Path, file: BufferedRandom) -> None:
        self.path, self._file = path, file
        self._hash = hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes) -> None:
        """Append."""
        with explained("write an image", self.path):
            self._file.write(data)
        self._hash.update(data)
        self.bytes += len(data)

    def read(self, offset: int, length: int) -> bytes:
        """Some of what was written so far."""
        with explained("read the image", self.path):
            self._file.flush()
            raw = self._file.raw  # the buffer is for writing: it would be filled to read ten bytes
            raw.seek(max(offset, 0))
            data = raw.read(length)
            raw.seek(0, os.SEEK_END)
        return data

    @property
    def head(self) -> bytes:
        """Its first bytes."""
        return self.read(0, 64)

    @property
    def sha256(self) -> str:
        """The hash of what was written so far."""
        return self._hash.hexdigest()

    def stored(self, format: str) -> Stored:
        """What it will be in the store. All that was written is handed to the system, for others to read."""
        known = _known(format)
        with explained("keep the image", self.path):
            self._file.flush()
        return Stored(self.sha256, self.bytes, known)

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


def _open_part(folder: Path) -> tuple[Path, BufferedRandom]:
    """A new file, and a lock on it that the kernel drops when this process ends, however it ends."""
    while True:
        path = folder / f"{secrets.token_hex(12)}.part"
        file = BufferedRandom(FileIO(path, "x+"), _BUFFER)  # PartFile closes it
        if not _lock(file) or os.fstat(file.fileno()).st_nlink:
            return path, file
        file.close()  # a sweep took it between its creation and its lock


def _sweep(folder: Path) -> None:
    """Remove the parts whose writer is gone, and those of yesterday where locks don't work."""
    for path in folder.glob("*.part"):
        try:
            with path.open("rb") as file:
                if _lock(file) or time.time() - os.fstat(file.fileno()).st_mtime > _DAY_S:
                    path.unlink(missing_ok=True)
        except (FileNotFoundError, PermissionError):
            continue  # swept by another process, or not ours to sweep


def _lock(file: IO[bytes]) -> bool:
    """Lock it, if no other process has and the filesystem knows locks (flock(2))."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def put_in_place(
    moves: Sequence[tuple[Path, Path]], many: Callable[..., Iterable[OSError | None]] = map
) -> Sequence[str | None]:
    """Move whole files under their final names, durably; for each None, or the sentence that says what refused.

    All files are fsynced before any is renamed, and each folder once after all of them. `many` is `map`, or that of a
    pool of threads: a disk that takes 3 ms for one fsync takes hardly longer for twenty that wait at the same time.
    A file of the same size that is under a final name already is the same, and stays.
    """
    errors = list(many(partial(_error, _sync_part), *zip(*moves, strict=True)))
    for at, (part, target) in enumerate(moves):
        errors[at] = errors[at] or _error(_rename, part, target)
    folders = list({target.parent for error, (_, target) in zip(errors, moves, strict=True) if error is None})
    unsynced = dict(zip(folders, many(partial(_error, _sync_folder), folders), strict=True))
    answers: list[str | None] = []
    for error, (_, target) in zip(errors, moves, strict=True):
        error = error or unsynced[target.parent]
        answers.append(None if error is None else str(refused("keep the image", target, error)))
    return answers


def _error(step: Callable[..., None], *paths: Path) -> OSError | None:
    """Take a step; what the operating system refused."""
    try:
        step(*paths)
    except OSError as error:
        return error
    return None


def _sync_part(part: Path, target: Path) -> None:
    _make_folder(target.parent)
    try:
        file = part.open("rb+")
    except FileNotFoundError:  # it was renamed by a process that was killed before it could answer
        file = target.open("rb+")
    with file:
        os.fsync(file.fileno())


def _rename(part: Path, target: Path) -> None:
    with suppress(FileNotFoundError):
        size = part.stat().st_size
        try:
            # A file of another size under this hash was damaged since; the new one takes its place.
            is_whole = target.stat().st_size == size
        except FileNotFoundError:
            is_whole = False
        if is_whole:
            part.unlink()
        else:
            part.replace(target)


def _try_folder(folder: Path) -> None:
    """Make a folder, and one in it; every folder of images that is there has to take files too."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "a file is in the way", str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    trial = folder / f".try-{secrets.token_hex(8)}"
    trial.mkdir()
    trial.rmdir()
    for inside in folder.glob("[0-9a-f][0-9a-f]"):
        if not os.access(inside, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "not writable", str(inside))


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
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
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


def _sync_folder(folder: Path) -> None:
    """The name, too, has to reach the disk. Windows has no such call."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- readable names ------------------------------------------------------------------------------------------------

#: The bytes that ext4, xfs, APFS and most others take for one part of a path.
_LONGEST = 255
#: Most names: short parts that begin with a letter, a digit or an underscore, and nothing in them to think about.
_PLAIN = re.compile(r"(?:\w[\w.,=+~-]{0,59}/)*\w[\w.,=+~-]{0,59}")


def safe_name(name: PurePath, root: Path) -> PurePath:
    """The name relative to `root`, its overlong parts shortened; StoreError if it is not a name or leads outside.

    An absolute name is accepted only if it is below `root` as written.
    """
    if _PLAIN.fullmatch(str(name)):
        return name
    if name.is_absolute() and root.is_absolute() and name.is_relative_to(root):
        name = name.relative_to(root)
    parts = name.parts
    if not parts or name.is_absolute() or name.drive or ".." in parts:
        raise StoreError(f"{str(name)!r} is not a name inside {root}: it has to be relative, without '..'")
    if any(ord(letter) < 32 or letter == "\x7f" for letter in str(name)):
        raise StoreError(f"{str(name)!r} holds control characters; a file name can't")
    return PurePath(*(_shortened(part) for part in parts))


def _shortened(part: str) -> str:
    """At most 255 bytes: the beginning, eight digits of a hash of the whole so that names stay apart, the ending."""
    encoded = part.encode("utf-8", "surrogateescape")
    if len(encoded) <= _LONGEST:
        return part
    ending = PurePath(part).suffix.encode("utf-8", "surrogateescape")
    ending = ending if len(ending) <= 16 else b""
    tail = b"~" + hashlib.sha256(encoded).hexdigest()[:8].encode() + ending
    return encoded[: _LONGEST - len(tail)].decode("utf-8", "ignore") + tail.decode("utf-8", "surrogateescape")


def _known(format: str) -> Format:
    for known in FORMATS:
        if known == format:
            return known
    raise StoreError(f"{format!r} is not a format that the store keeps; it keeps {', '.join(FORMATS)}")


def _checked(sha256: str) -> str:
    """A hash comes from a database: it becomes part of a path only if it is one."""
    if not _HASH.fullmatch(sha256):
        raise StoreError(f"{sha256[:80]!r} is not the sha256 of an image: 64 hexadecimal digits in lower case")
    return sha256
