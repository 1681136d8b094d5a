"""What Python code asks of a studio without a command line: an experiment from a dict, its log, marks, spending."""

from __future__ import annotations

import getpass
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from promptlab.errors import InputError
from promptlab.studio.prepare import PreparedRun, prepare
from promptlab.studio.studio import Studio

if TYPE_CHECKING:
    from promptlab.log import Log, Spent
    from promptlab.log.reader import LogReader
    from promptlab.model import Experiment
    from promptlab.spec.matcher import Where

__all__ = ["choose_images", "experiment", "load", "mark", "open_log", "usage"]

MOST_LEVELS = 50


def load(path: str | Path, *, studio: Path | None = None) -> Experiment:
    """The experiment of a file, typed by the parameters of every installed provider; nothing rendered, nothing sent.

    InputError holds every problem found, each with path:line:column. `studio` is the folder that messages are relative
    to, found from the path where it is not given.
    """
    from promptlab.prompts import expression
    from promptlab.providers import parameters
    from promptlab.spec.load import load_experiment

    return load_experiment(Path(path), parameters=parameters(), row_filter=expression, studio=studio)


def experiment(
    source: Mapping[str, Any] | str,
    *,
    name: str = "untitled",
    studio: Path | str | None = None,
    provider: str | None = None,
    where: Where = (),
    limit: int | None = None,
    seeds: int | None = None,
    key_needed: bool = True,
    environ: Mapping[str, str] | None = None,
) -> PreparedRun:
    """An experiment from a dict, or from YAML text: what `prepare` does for a file.

    `name` is what it is called in the log. Paths in it (`from:`, `image:`, `extends:`) are relative to the studio: the
    current folder's, or `studio`. InputError holds every problem, with its line in the text, or in the dict as YAML.
    """
    if not re.fullmatch(r"\w[\w .-]{0,80}", name) or name == "promptlab":
        raise InputError(f"{name!r} can't be a name; use letters, digits, -, _ and .")
    text = source if isinstance(source, str) else _yaml(source)
    opened = Studio.open(_folder(studio), environ=environ)
    path = opened.folder / f"{name}.yaml"
    content = text.encode("utf-8", "surrogatepass")

    def read(file: Path) -> bytes:
        from promptlab.spec.files import read_bytes

        return content if file == path else read_bytes(file)

    return prepare(
        path, studio=opened, provider=provider, where=where, limit=limit, seeds=seeds, key_needed=key_needed,
        environ=environ, read=read,
    )  # fmt: skip


def _folder(studio: Path | str | None) -> Path:
    return Path.cwd() if studio is None else Path(studio)


def _yaml(source: Mapping[str, Any]) -> str:
    """A dict as the YAML that says the same: None is "has no value", and nothing is folded or aliased."""
    import yaml

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    Plain.add_representer(type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", ""))
    text: str = yaml.dump(_plain(source, ""), Dumper=Plain, sort_keys=False, allow_unicode=True, width=1_000_000)
    return text


def _plain(value: Any, place: str, level: int = 0) -> Any:
    """Maps, lists, texts and numbers; InputError names the place of anything else."""
    if level > MOST_LEVELS:
        raise InputError(f"{place} is nested more than {MOST_LEVELS} deep")
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str | Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(each, f"{place}.{key}".lstrip("."), level + 1) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, f"{place}[{number}]", level + 1) for number, each in enumerate(value)]
    what = f"{place or 'the experiment'} is {type(value).__name__}"
    raise InputError(f"{what}; an experiment holds maps, lists, texts and numbers")


def open_log(studio: Path | str | None = None, *, db: Path | None = None) -> LogReader:
    """The log of the current folder's studio (or of `studio`, or the file `db`), for reading.

    It has no method that writes; LogError where nothing was ever logged.
    """
    from promptlab.log.reader import LogReader

    return LogReader.open(Studio.open(_folder(studio), db=db).settings.db)


def usage(
    by: Literal["day", "experiment", "template", "model", "user", "project"] = "day",
    *,
    since: str = "",
    studio: Path | str | None = None,
    db: Path | None = None,
) -> list[Spent]:
    """What was spent, grouped, from the UTC day `since` (ISO date) on; simulated runs do not count."""
    with open_log(studio, db=db) as log:
        return log.usage(by, since=since)


def mark(
    run: str,
    mark: Literal["keep", "reject"] | None,
    images: Sequence[str] = (),
    *,
    where: Where = (),
    by: str | None = None,
    tags: Sequence[str] | None = None,
    note: str | None = None,
    studio: Path | str | None = None,
    db: Path | None = None,
) -> int:
    """Mark images of a run as `keep` or `reject`, or with None take the mark away; gives how many that were.

    `images` are names, ids, hashes or variants, with * and ?; `where` picks variants (`look=neon,item=S-*`); of both,
    what both pick. InputError for a name that is not valid, and where nothing is chosen at all.
    """
    opened = Studio.open(_folder(studio), db=db)
    with opened.log(create=False) as log:
        chosen = choose_images(log, log.find_run(run).id, images, where)
        who = by or opened.settings.user or getpass.getuser()
        return log.set_marks(chosen, mark, by=who, tags=tags, note=note)


def choose_images(log: Log, run_id: str, names: Sequence[str] = (), where: Where = ()) -> list[str]:
    """The run's stored images that one of the names means (all, without names) and that every `where` matches.

    Names are those of `Log.match_images`; `where` is held against the values that the run planned. InputError where a
    name, an axis or an id is not there, where nothing is left, and where neither is given.
    """
    from promptlab.spec.matcher import matches, resolve

    if not names and not where:
        raise InputError("name the images: by name, with --where or with --from")
    chosen = log.match_images(run_id, names) if names else None
    if not where:
        return chosen or []
    matchers = resolve(where, log.axis_values(run_id))
    fitting = {id_ for id_, axes in log.image_axes(run_id) if all(matches(matcher, axes) for matcher in matchers)}
    if not fitting:
        raise InputError(f"--where matches no image of run {run_id}", code="no-such-image")
    if chosen is None:
        return [id_ for id_, _ in log.image_axes(run_id) if id_ in fitting]
    if not fitting.intersection(chosen):
        raise InputError("--where matches none of the images named", code="no-such-image")
    return [id_ for id_ in chosen if id_ in fitting]
