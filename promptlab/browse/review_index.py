"""A run's images in memory, in the order of the plan: what to judge next, and how many are judged, without a query
over all of them.

Read once, then kept up to date by what was written since: new images by their rowids, marks by the history, whose rows
are only ever added. So a step in a run of 100,000 images costs what has changed, and a walk over a list.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from bisect import bisect_right
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, NamedTuple

from promptlab.browse.page_data import Row, where_in
from promptlab.compare import axes_of, default_axis
from promptlab.spec.matcher import resolve

__all__ = ["MOST_TOGETHER", "Counts", "Group", "RunIndex", "Show", "View", "Wanted", "index_of"]

Show = Literal["unjudged", "keep", "reject", "mine", "all"]
View = Literal["one", "cell", "row"]
Group = tuple[int, ...]  # ordinals of images that are judged together
MOST_TOGETHER = 9  # as many as there are keys for
_KEPT = 4  # runs that are held at once
_LISTS = 12  # filters whose lists are held

_IMAGES = """
SELECT i.id, CASE WHEN g.cached_from IS NULL THEN i.id ELSE coalesce(
    (SELECT p.id FROM images p WHERE p.generation_id = g.cached_from AND p.position = i.position), i.id) END,
  g.variant_id, g.seed, g.draw, g.sequence, g.id, i.position, g.rowid
FROM generations g JOIN images i ON i.generation_id = g.id
WHERE g.run_id = ? AND i.rowid > ? AND i.status = 'stored'
"""
_NEW_IMAGES = _IMAGES.replace(
    "FROM generations g JOIN images i ON", "FROM images i CROSS JOIN generations g ON"
).replace("i.generation_id = g.id", "g.id = i.generation_id")
_VARIANTS = """
SELECT v.id, v.axes FROM json_each(?) j CROSS JOIN variants v ON v.experiment = ? AND v.id = j.value
"""
_MARKS = (
    'SELECT m.image_id, m."by", m.mark, m.at, m.tags FROM json_each(?) j CROSS JOIN marks m ON m.image_id = j.value'
)


class Entry(NamedTuple):
    """One image: which paid one carries its marks, and where it stands in the plan."""

    image_id: str
    paid_id: str
    variant_id: str
    seed: int | None
    draw: int
    sequence: int
    generation_id: str
    position: int
    generation_rowid: int

    @property
    def place(self) -> tuple[int, str, int]:
        """Its place in the order of the plan."""
        return self.sequence, self.generation_id, self.position


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody reviews: conditions on axes and row fields, which marks, and how many at once."""

    where: tuple[tuple[str, tuple[str, ...]], ...] = ()  # an axis or axis.field, and the values of which one must match
    show: Show = "unjudged"
    tag: str = ""
    view: View = "one"
    by: str = ""  # of rows: the axis whose values stand side by side; empty: the first that varies


@dataclass(frozen=True, slots=True)
class Counts:
    """Of the images that fit the filter on axes and fields."""

    total: int
    judged: int
    keep: int
    reject: int


@dataclass(slots=True)
class _Lists:
    """What was worked out for one filter or view, until new images come."""

    ordinals: OrderedDict[Any, list[int]] = field(default_factory=OrderedDict)
    groups: OrderedDict[Any, tuple[list[Group], dict[int, int]]] = field(default_factory=OrderedDict)
    fields: dict[int, dict[str, list[str]]] = field(default_factory=dict)


class RunIndex:
    """The images of one run. Call `refresh` with a connection first; hold `lock` while using it."""

    def __init__(self, run: Row) -> None:
        self.run = run
        self.lock = threading.Lock()
        self.entries: list[Entry] = []
        self.axes: dict[str, list[str]] = {}
        self.values: dict[str, dict[str, Any]] = {}
        self.variants: dict[str, dict[str, str]] = {}
        self._place: dict[str, int] = {}
        self._paids: list[str] = []  # ordinal → paid image
        self._paid: set[str] = set()
        self._marks: dict[str, dict[str, tuple[str, str]]] = {}  # paid image → by → (at, mark)
        self._holds: dict[str, str] = {}  # paid image → the mark that holds
        self._tags: dict[str, list[str]] = {}  # paid image → the tags that hold
        self._lists = _Lists()
        self._last_image = self._last_event = 0

    # --- kept up to date ---

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Read what was written since the last time."""
        last_image = _last(connection, "images")
        last_event = _last(connection, "mark_events")
        if last_event < self._last_event or last_image < self._last_image:  # another file has taken this one's place
            self._start_again()
        if last_image > self._last_image:
            self._add_images(connection)
            self._last_image = last_image
        if last_event > self._last_event:
            sql = "SELECT DISTINCT image_id FROM mark_events WHERE rowid > ?"
            touched = {id_ for (id_,) in connection.execute(sql, (self._last_event,))} & self._paid
            self._read_marks(connection, touched)
            self._last_event = last_event

    def drop(self, image_ids: Iterable[str]) -> None:
        """Leave out images whose file turned out not to be one."""
        gone = set(image_ids)
        self._arrange([entry for entry in self.entries if entry.image_id not in gone])

    def _start_again(self) -> None:
        self.entries, self._last_image, self._last_event = [], 0, 0
        self.variants, self.values = {}, {}
        self._marks, self._holds, self._tags = {}, {}, {}

    def _add_images(self, connection: sqlite3.Connection) -> None:
        sql = _NEW_IMAGES if self.entries else _IMAGES
        known = self._place
        rows = connection.execute(sql, (self.run["id"], self._last_image))
        new = [entry for entry in map(Entry._make, rows) if entry.image_id not in known]
        if not new:
            return
        self._read_variants(connection, new)
        paid = {entry.paid_id for entry in new} - self._paid
        self._arrange(sorted([*self.entries, *new], key=lambda entry: entry.place))
        self._read_marks(connection, paid)

    def _arrange(self, entries: list[Entry]) -> None:
        self.entries = entries
        self._place = {entry.image_id: place for place, entry in enumerate(entries)}
        self._paids = [entry.paid_id for entry in entries]
        self._paid = set(self._paids)
        self._lists = _Lists()

    def _read_variants(self, connection: sqlite3.Connection, new: Sequence[Entry]) -> None:
        """The axes of variants that were not met before, and the values of ids that were not."""
        unknown = dict.fromkeys(entry.variant_id for entry in new if entry.variant_id not in self.variants)
        found = dict(connection.execute(_VARIANTS, (json.dumps(list(unknown)), self.run["experiment"])))
        every = json.loads(f"[{','.join(found.get(id_) or '{}' for id_ in unknown)}]")  # at once: a quarter of the time
        self.variants.update(zip(unknown, every, strict=True))
        self.axes = axes_of(self.variants.values())
        wanted: dict[int, list[tuple[str, str]]] = {}
        met = {axis: set(self.values.get(axis, ())) for axis in self.axes}
        for entry in new:
            for axis, id_ in self.variants[entry.variant_id].items() if entry.variant_id in unknown else ():
                if id_ not in met[axis]:
                    met[axis].add(id_)
                    wanted.setdefault(entry.generation_rowid, []).append((axis, id_))
        rows = where_in(connection, "SELECT rowid, axis_values FROM generations WHERE rowid IN ({})", wanted)
        for row in rows:
            used = json.loads(row["axis_values"] or "{}")
            for axis, id_ in wanted[row["rowid"]]:
                self.values.setdefault(axis, {})[id_] = used.get(axis, id_)

    def _read_marks(self, connection: sqlite3.Connection, paid: Iterable[str]) -> None:
        wanted = list(paid)
        tags: dict[tuple[str, str], str | None] = {}
        for id_ in wanted:
            self._marks.pop(id_, None)
            self._holds.pop(id_, None)
            self._tags.pop(id_, None)
        for id_, by, mark, at, labels in connection.execute(_MARKS, (json.dumps(wanted),)):
            self._marks.setdefault(id_, {})[by] = (at, mark)
            tags[id_, by] = labels
        for id_ in wanted:
            if marks := self._marks.get(id_):
                by = min(marks, key=lambda name: (_descending(marks[name][0]), name))
                self._holds[id_] = marks[by][1]
                if labels := tags[id_, by]:
                    self._tags[id_] = json.loads(labels)

    # --- what is asked ---

    def place_of(self, image_id: str) -> int | None:
        """Where an image stands; None for one of another run."""
        return self._place.get(image_id)

    def mark_of(self, ordinal: int) -> str | None:
        """The mark that holds of an image."""
        return self._holds.get(self.entries[ordinal].paid_id)

    def counts(self, wanted: Wanted) -> Counts:
        """How many fit the filter, and what became of them; which marks are shown makes no difference."""
        ordinals = self._ordinals(wanted.where)
        paids = self._paids if len(ordinals) == len(self._paids) else map(self._paids.__getitem__, ordinals)
        found = Counter(map(self._holds.get, paids))
        total = len(ordinals)
        return Counts(total, total - found[None], found["keep"], found["reject"])

    def top_tags(self, most: int) -> list[tuple[str, int]]:
        """The tags that are used most in this run."""
        return Counter(tag for tags in self._tags.values() for tag in tags).most_common(most)

    def by_axis(self, wanted: Wanted) -> str | None:
        """The axis whose values stand in one row."""
        return wanted.by if wanted.by in self.axes else default_axis(self.axes)

    def group_of(self, wanted: Wanted, ordinal: int) -> Group:
        """What is shown together with an image: alone, where the filter leaves it out."""
        groups, numbers = self._groups(wanted)
        return groups[numbers[ordinal]] if ordinal in numbers else (ordinal,)

    def cell_of(self, ordinal: int) -> Group:
        """The images of the same variant, as many as there are keys for, this one among them."""
        groups, numbers = self._groups(Wanted(view="cell"))
        return groups[numbers[ordinal]]

    def upcoming(
        self,
        wanted: Wanted,
        who: str,
        *,
        after: int | None = None,
        count: int = 1,
        skip: Mapping[str, str] | None = None,
    ) -> list[Group]:
        """The next groups of the queue, from the one after `after` on; at its end it starts again where only what is
        not judged yet is shown. `skip` are paid images that others hold."""
        groups, numbers = self._groups(wanted)
        start = 0
        if after is not None:
            start = numbers[after] + 1 if after in numbers else self._following(groups, after)
        found = self._fitting(groups, range(start, len(groups)), wanted, who, count, skip or {})
        if wanted.show == "unjudged" and len(found) < count:
            found += self._fitting(groups, range(start), wanted, who, count - len(found), skip or {})
        return found

    def listed(self, wanted: Wanted, who: str) -> list[int]:
        """Every image that fits, in the order of the plan."""
        shows = self._test(wanted, who)
        return [ordinal for ordinal in self._ordinals(wanted.where) if shows(self._paids[ordinal])]

    def previous(self, wanted: Wanted, who: str, before: int) -> Group | None:
        """The group before an image, whatever is judged of it where the queue shows what is not."""
        groups, numbers = self._groups(wanted)
        start = numbers[before] if before in numbers else self._following(groups, before)
        order = range(start - 1, -1, -1)
        if wanted.show == "unjudged":
            return groups[order[0]] if order else None
        return next(iter(self._fitting(groups, order, wanted, who, 1, {})), None)

    def fields(self, most: int) -> dict[str, list[str]]:
        """`axis.field` → its texts, of row fields with 2 to `most` of them."""
        if most not in self._lists.fields:
            found: dict[str, dict[str, None]] = {}
            for axis, values in self.values.items():
                for value in values.values():
                    for name, text in value.items() if isinstance(value, dict) else ():
                        texts = text if isinstance(text, list) else [] if isinstance(text, dict) else [text]
                        found.setdefault(f"{axis}.{name}", {}).update(dict.fromkeys(map(str, texts)))
            self._lists.fields[most] = {name: list(texts) for name, texts in found.items() if 1 < len(texts) <= most}
        return self._lists.fields[most]

    # --- lists ---

    def _fitting(
        self,
        groups: Sequence[Group],
        order: Iterable[int],
        wanted: Wanted,
        who: str,
        count: int,
        skip: Mapping[str, str],
    ) -> list[Group]:
        found: list[Group] = []
        shows, paids = self._test(wanted, who), self._paids
        for number in order:
            group = groups[number]
            for ordinal in group:
                if shows(paids[ordinal]):
                    break
            else:
                continue
            if skip and any(paids[ordinal] in skip for ordinal in group):
                continue
            found.append(group)
            if len(found) >= count:
                break
        return found

    def _test(self, wanted: Wanted, who: str) -> Callable[[str], bool]:
        """Whether a paid image's marks are those that are shown."""
        holds, marks, tags, show, tag = self._holds, self._marks, self._tags, wanted.show, wanted.tag
        by_mark: dict[str, Callable[[str], bool]] = {
            "unjudged": lambda paid: paid not in holds,
            "mine": lambda paid: who in marks.get(paid, ()),
            "all": lambda paid: True,
        }
        by_mark["keep"] = by_mark["reject"] = lambda paid: holds.get(paid) == show
        test = by_mark[show]
        return (lambda paid: tag in tags.get(paid, ()) and test(paid)) if tag else test

    def _following(self, groups: Sequence[Group], ordinal: int) -> int:
        """The number of the first group behind an image that is in none of them."""
        return bisect_right(groups, (ordinal,))

    def _ordinals(self, where: tuple[tuple[str, tuple[str, ...]], ...]) -> list[int]:
        """The images that fit; InputError for an axis, a field or a value that the run does not have."""
        kept = self._lists.ordinals
        if not where:
            kept.setdefault(where, list(range(len(self.entries))))
        elif where not in kept:
            matchers = resolve([{name: frozenset(texts)} for name, texts in where], self.values, "the filter")
            fits = {
                id_: all(axes.get(axis) in ids for matcher in matchers for axis, ids in matcher.items())
                for id_, axes in self.variants.items()
            }
            kept[where] = [place for place, entry in enumerate(self.entries) if fits[entry.variant_id]]
            _trim(kept)
        kept.move_to_end(where)
        return kept[where]

    def _groups(self, wanted: Wanted) -> tuple[list[Group], dict[int, int]]:
        """The groups of a view in the order of the plan, and ordinal → number of its group."""
        by = self.by_axis(wanted) if wanted.view == "row" else None
        key = (wanted.where, wanted.view, by)
        kept = self._lists.groups
        if key not in kept:
            ordinals = self._ordinals(wanted.where)
            alone = wanted.view == "one"
            found: list[Group] = [(each,) for each in ordinals] if alone else self._together(ordinals, by)
            kept[key] = (found, {ordinal: number for number, group in enumerate(found) for ordinal in group})
            _trim(kept)
        kept.move_to_end(key)
        return kept[key]

    def _together(self, ordinals: Sequence[int], by: str | None) -> list[Group]:
        """By variant; or by everything but `by`, with the same seed and draw: a row of matched pictures."""
        shared = {
            id_: tuple(pair for pair in axes.items() if pair[0] != by) if by is not None else id_
            for id_, axes in self.variants.items()
        }
        found: dict[Any, list[int]] = {}
        for ordinal in ordinals:
            entry = self.entries[ordinal]
            key = shared[entry.variant_id]
            found.setdefault(key if by is None else (key, entry.seed, entry.draw), []).append(ordinal)
        groups = [
            tuple(members[start : start + MOST_TOGETHER])
            for members in found.values()
            for start in range(0, len(members), MOST_TOGETHER)
        ]
        return sorted(groups)


def _last(connection: sqlite3.Connection, table: Literal["images", "mark_events"]) -> int:
    sql = {"images": "SELECT max(rowid) FROM images", "mark_events": "SELECT max(rowid) FROM mark_events"}[table]
    return int(connection.execute(sql).fetchone()[0] or 0)


def _descending(text: str) -> tuple[int, ...]:
    return tuple(-ord(letter) for letter in text)


def _trim(kept: OrderedDict[Any, Any]) -> None:
    while len(kept) > _LISTS:
        kept.popitem(last=False)


@cache
def _indexes() -> OrderedDict[tuple[str, str], RunIndex]:
    return OrderedDict()


_INDEXES = threading.Lock()


def index_of(log: str, run: Row) -> RunIndex:
    """The index of a run of a log's file, empty at first; the few that were used last are kept."""
    key = (log, run["id"])
    with _INDEXES:
        found = _indexes()
        index = found.setdefault(key, RunIndex(run))
        found.move_to_end(key)
        while len(found) > _KEPT:
            found.popitem(last=False)
        return index
