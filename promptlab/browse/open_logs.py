"""Which of a Datasette's databases are promptlab logs, where their images are, and how to link to them.

Every other module asks here first, so that the plugin does nothing in a Datasette that serves something else.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode
from weakref import WeakKeyDictionary

from promptlab.browse import assets

if TYPE_CHECKING:
    from datasette.app import Datasette  # type: ignore[import-untyped,import-not-found,unused-ignore]

    from promptlab.store import Store

__all__ = ["Links", "OpenLog", "find_logs", "is_allowed", "is_log", "known_logs"]

#: The tables that make a database a promptlab log.
_TABLES = frozenset({"experiments", "runs", "variants", "generations", "attempts", "images"})
_BASE = "/-/promptlab"


@dataclass(frozen=True, slots=True)
class OpenLog:
    """One promptlab log of this Datasette: the database's name, and the folder of its images (None: not known)."""

    database: str
    images: Path | None

    def store(self) -> Store | None:
        """The image store, where there is one."""
        from promptlab.store import Store

        return Store(self.images) if self.images is not None else None


_known: WeakKeyDictionary[Datasette, dict[str, OpenLog]] = WeakKeyDictionary()


def known_logs(datasette: Datasette) -> Mapping[str, OpenLog]:
    """The logs found when anybody last looked: no query, for hooks that run once a cell."""
    return _known.get(datasette, {})


async def find_logs(datasette: Datasette) -> Mapping[str, OpenLog]:
    """Look through the databases for promptlab logs, by the names of their tables."""
    logs: dict[str, OpenLog] = {}
    for name, database in datasette.databases.items():
        try:
            ours = await database.execute_fn(is_log)
        except sqlite3.Error:  # not a database, locked, encrypted: whatever it is, it is not ours to judge
            continue
        if ours:
            logs[name] = OpenLog(name, _images_folder(datasette, name, database.path))
    _known[datasette] = logs
    return logs


def is_log(connection: sqlite3.Connection) -> bool:
    """Whether this database has the tables of a promptlab log."""
    found = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
    return {row[0] for row in found} >= _TABLES


def _images_folder(datasette: Datasette, name: str, path: str | None) -> Path | None:
    """The folder handed over by `promptlab browse` or a metadata file, else `images` beside the database file."""
    config = datasette.plugin_config("promptlab", database=name) or {}
    if config.get("images"):
        return Path(config["images"])
    return Path(path).absolute().parent / "images" if path else None


async def is_allowed(datasette: Datasette, actor: Mapping[str, Any] | None, log: OpenLog) -> bool:
    """Whether this user may see the log: its pages and images follow Datasette's own rule for the database."""
    if hasattr(datasette, "permission_allowed"):  # 0.65
        checks = [("view-instance", None), ("view-database", log.database)]
        return all([await datasette.permission_allowed(actor, name, on, default=True) for name, on in checks])
    from datasette.resources import DatabaseResource  # type: ignore[import-untyped,import-not-found,unused-ignore]  # 1.0

    resource = DatabaseResource(log.database)
    return bool(await datasette.allowed(action="view-database", resource=resource, actor=actor))


@dataclass(frozen=True, slots=True)
class Links:
    """Every address the pages use, below this Datasette's base_url."""

    datasette: Datasette
    log: OpenLog
    several: bool = False  # more than one log is open: say which one in the address

    def runs(self, **query: object) -> str:
        """The runs page, narrowed by `query`."""
        return self._page("", query)

    def compare(self, **query: object) -> str:
        """The side-by-side page of `run`, compared `by` an axis."""
        return self._page("/compare", query)

    def gallery(self, **query: object) -> str:
        """The wall of pictures, of a `run` or of everything."""
        return self._page("/gallery", query)

    def review(self, **query: object) -> str:
        """The review queue of `run`."""
        return self._page("/review", query)

    def vote(self, **query: object) -> str:
        """Blind voting on `run`, `by` an axis."""
        return self._page("/vote", query)

    def ranking(self, **query: object) -> str:
        """The verdict on `run`, `by` an axis."""
        return self._page("/ranking", query)

    def pair(self, **query: object) -> str:
        """Two variants, templates or revisions against each other."""
        return self._page("/pair", query)

    def spend(self, **query: object) -> str:
        """What was spent, on what."""
        return self._page("/spend", query)

    def address(self, path: str, **query: object) -> str:
        """Any address of ours, such as where a form is sent: `/mark`."""
        return self._page(path, query)

    def image(self, key: str) -> str:
        """Everything about one image, by its id or its sha256."""
        return self._page(f"/image/{quote(key, safe='')}", {})

    def file(self, sha256: str) -> str:
        """The full image file."""
        return self._page(f"/file/{sha256}", {}, plain=True)

    def thumbnail(self, sha256: str) -> str:
        """The small picture."""
        return self._page(f"/thumbnail/{sha256}", {}, plain=True)

    def static(self, name: str) -> str:
        """A bundled file; the address changes with its content."""
        return self._page(f"/static/{name}", {"v": assets.version(name)}, plain=True)

    def instance(self) -> str:
        """Datasette's own front page."""
        return str(self.datasette.urls.instance())

    def database(self) -> str:
        """Datasette's page of the log."""
        return str(self.datasette.urls.database(self.log.database))

    def table(self, table: str, **query: object) -> str:
        """A table or a view, filtered."""
        return _with(str(self.datasette.urls.table(self.log.database, table)), query)

    def query(self, name: str, **query: object) -> str:
        """A canned query with its parameters, without its SQL."""
        address = str(self.datasette.urls.query(self.log.database, name))
        return _with(address, {**query, "_hide_sql": 1})

    def row(self, table: str, *key: str) -> str:
        """One row of a table."""
        from datasette.utils import tilde_encode  # type: ignore[import-untyped,import-not-found,unused-ignore]

        path = ",".join(tilde_encode(part) for part in key)
        return str(self.datasette.urls.row(self.log.database, table, path))

    def _page(self, path: str, query: Mapping[str, object], *, plain: bool = False) -> str:
        if self.several and not plain:
            query = {**query, "db": self.log.database}
        return _with(str(self.datasette.urls.path(_BASE + path)), query)


def _with(address: str, query: Mapping[str, object]) -> str:
    given = {key: value for key, value in query.items() if value is not None}
    return f"{address}?{urlencode(given)}" if given else address
