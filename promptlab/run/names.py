"""Readable names: where under results/ an image is linked, so that a person finds it without the database."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from promptlab.model import Generation, Image
from promptlab.store import Store

__all__ = ["Names"]


@dataclass(frozen=True, slots=True)
class Names:
    """Fills the two parts of a planned name that only a result knows, and links the file there."""

    store: Store
    studio: Path

    def path(self, generation: Generation, position: int, format: str | None) -> str | None:
        """The readable path of one image, relative to the studio; None for a row without a name."""
        if generation.file_name is None:
            return None
        name = generation.file_name.replace("{position}", str(position)).replace("{ext}", format or "bin")
        return self._shown(self.store.names / generation.experiment / name)

    def link(self, image: Image) -> str | None:
        """Link a stored image to its readable name; a later run takes a name over. The path that was used."""
        if image.path is None or image.sha256 is None:
            return image.path
        return self._shown(self.store.link(image.sha256, (self.studio / image.path).relative_to(self.store.names)))

    def _shown(self, path: Path) -> str:
        return path.relative_to(self.studio).as_posix() if path.is_relative_to(self.studio) else str(path)
