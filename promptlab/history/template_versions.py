"""Templates and what they made: which version, in which commit, which runs, images and marks; who wrote which words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

from promptlab.errors import InputError, PromptlabError
from promptlab.git import BlameLine, Commit, Repository
from promptlab.history.against import pinned_plan
from promptlab.history.from_log import experiment_then, logged_template
from promptlab.history.lineage import lineage
from promptlab.log import Log, TemplateUsage, UsedTemplate
from promptlab.model import Experiment, Generation, Image, Place, Run
from promptlab.plan import Plan
from promptlab.prompts import Fields, Library, Template, expression
from promptlab.prompts.tracing import Segment
from promptlab.providers import parameters
from promptlab.spec.load import load_experiment
from promptlab.studio.prepare import prepare
from promptlab.studio.studio import Studio

__all__ = [
    "BlamedPart",
    "PromptPair",
    "TemplateDiff",
    "TemplateVersion",
    "pair_page",
    "template_blame",
    "template_diff",
    "template_log",
    "template_uses",
]


@dataclass(frozen=True, slots=True)
class TemplateVersion:
    """One text of a template with all it includes, and what was made with it. `note` says why there is no commit."""

    template_id: str
    commit: str | None
    date: str
    author: str
    message: str
    note: str
    runs: int
    images: int
    credits: float | None
    kept: int
    rejected: int


@dataclass(frozen=True, slots=True)
class PromptPair:
    """One variant's prompt by two versions, and its image pairs: seed, old file, new file.

    The files are those of images/, by content: a later run takes over a readable name under results/.
    """

    variant: str
    before: str
    after: str
    images: tuple[tuple[int | None, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TemplateDiff:
    """What changed: the source texts, file by file, and the prompts that are no longer the same."""

    sources: tuple[tuple[str, str, str], ...]  # path, before, after
    prompts: tuple[PromptPair, ...]


@dataclass(frozen=True, slots=True)
class BlamedPart:
    """A part of a prompt: the file, line and commit that wrote it, and the axis value that filled it.

    `note` says why there is no commit: `uncommitted`, or `not versioned`.
    """

    text: str
    path: str
    line: int
    commit: str | None
    author: str | None
    value: str | None
    note: str = ""


# --- log ---


def template_log(
    studio: Studio, log: Log | None, name: str, tell: Callable[[str], None] = lambda sentence: None
) -> list[TemplateVersion]:
    """The versions of a template, newest first: each commit that changed it or a file it includes, each text that ran.

    An edit of an included macro is a version, since the prompts change with it. The uncommitted working copy and texts
    that ran without being committed are versions too, and say so. Renames and merges are followed. `tell` gets a
    sentence for each reason why the history may not be whole: a shallow clone, say, or what git cannot read.
    """
    library = studio.library()
    if name not in library.names():
        library.get(name)  # InputError with the nearest name
    past = lineage(library, name)
    for note in past.notes:
        tell(note)
    used = {} if log is None else _used(log, past.names)
    found: list[TemplateVersion] = []
    seen: set[str] = set()
    for commit, id_ in past.versions:
        if id_ not in seen:
            seen.add(id_)
            found.append(_version(id_, commit, "", used))
    working = _text_of(library, name)
    if working is not None and working.id not in seen:
        note = "not versioned" if library.repository is None else "uncommitted"
        seen.add(working.id)
        found.insert(0, _version(working.id, None, note, used))
    lost = [_version(id_, None, "not in git", used) for id_ in used if id_ not in seen]
    return found[:1] + lost + found[1:] if found and found[0].commit is None else lost + found


def _used(log: Log, names: Iterable[str]) -> dict[str, TemplateUsage]:
    """Template id → what it made, under any of the template's names."""
    found: dict[str, TemplateUsage] = {}
    for name in names:
        for id_, usage in log.template_usage(name).items():
            other = found.get(id_)
            runs = usage.runs + (other.runs if other else 0)
            last = max(usage.last_used, other.last_used if other else "")
            found[id_] = replace(usage, runs=runs, last_used=last)
    return found


def _version(template_id: str, commit: Commit | None, note: str, used: Mapping[str, Any]) -> TemplateVersion:
    usage = used.get(template_id)
    return TemplateVersion(
        template_id,
        commit.commit if commit else None,
        commit.date if commit else (usage.last_used if usage else ""),
        commit.author if commit else "",
        commit.subject if commit else "",
        note,
        usage.runs if usage else 0,
        usage.images if usage else 0,
        usage.credits if usage else None,
        usage.kept if usage else 0,
        usage.rejected if usage else 0,
    )


def _text_of(library: Library, ref: str) -> Template | None:
    """A template, or None where that version does not load: history may hold texts that were broken."""
    try:
        return library.get(ref)
    except PromptlabError:
        return None


# --- diff ---


def template_diff(studio: Studio, name: str, old: str, new: str | None, experiment: Path | None) -> TemplateDiff:
    """Compare two revisions of a template (`new` None: the working copy); InputError for what is not there."""
    library = studio.library()
    before = library.get(f"{name}@{old}")
    after = library.get(f"{name}@{new}" if new else name)
    old_files = {file.path: file.source for file in before.files}
    new_files = {file.path: file.source for file in after.files}
    paths = dict.fromkeys([*new_files, *old_files])
    sources = tuple(
        (path, old_files.get(path, ""), new_files.get(path, ""))
        for path in paths
        if old_files.get(path) != new_files.get(path)
    )
    return TemplateDiff(sources, tuple(_prompt_pairs(studio, name, old, new, experiment)) if experiment else ())


def _prompt_pairs(studio: Studio, name: str, old: str, new: str | None, experiment: Path) -> Iterator[PromptPair]:
    job = prepare(experiment, studio=studio, key_needed=False)
    before = _by_variant(pinned_plan(job, name, old))
    after = _by_variant(pinned_plan(job, name, new))
    log = studio.existing_log()
    try:
        for id_, (variant, text, hashes) in after.items():
            if id_ not in before or before[id_][1] == text:
                continue
            images = () if log is None else tuple(_image_pairs(studio, log, before[id_][2], hashes))
            yield PromptPair(variant, before[id_][1], text, images)
    finally:
        if log is not None:
            log.close()


def _by_variant(plan: Plan) -> dict[str, tuple[str, str, dict[tuple[int | None, int], str]]]:
    """Variant id → name, prompt, and its request hashes by seed and draw."""
    found: dict[str, tuple[str, str, dict[tuple[int | None, int], str]]] = {}
    for request in plan.requests():
        entry = found.setdefault(request.variant.id, (request.variant.name or "(the only variant)", request.prompt, {}))
        entry[2][request.seed, request.draw] = request.request_hash
    return found


def _image_pairs(
    studio: Studio, log: Log, before: Mapping[tuple[int | None, int], str], after: Mapping[tuple[int | None, int], str]
) -> Iterator[tuple[int | None, str, str]]:
    """Images of equal values and seed, made by both versions."""
    for key, hash_ in after.items():
        if key not in before:
            continue
        old, new = log.cached(before[key]), log.cached(hash_)
        if old is not None and new is not None:
            for left, right in zip(old[1], new[1], strict=False):
                yield key[0], _file(studio, left), _file(studio, right)


def _file(studio: Studio, image: Image) -> str:
    """The file of an image by its content, relative to the studio where it is inside it."""
    store = studio.store()
    if not image.sha256 or store.head(image.sha256) is None:
        return "gone from the store"
    path = store.local_copy(image.sha256)
    return path.relative_to(studio.folder).as_posix() if path.is_relative_to(studio.folder) else str(path)


# --- side by side ---


def pair_page(name: str, old: str, new: str | None = None) -> str:
    """The page of `promptlab browse` that shows two versions with their images: `pair?by=template&a=...&b=...`.

    A version is a revision (a commit, tag or branch) or a template's whole id; None is the working copy.
    """
    sides = [_named(name, version) for version in (old, new)]
    return "pair?" + urlencode({"by": "template", "a": sides[0], "b": sides[1]}, safe="@/")


def _named(name: str, version: str | None) -> str:
    if version is None:
        return name
    return version if re.fullmatch("[0-9a-f]{64}", version) else f"{name}@{version}"


# --- blame ---


def template_blame(studio: Studio, log: Log, image: str) -> list[BlamedPart]:
    """Who wrote each part of the prompt that made an image, from the log's own copy of the template."""
    generation = log.generation_of_image(image)
    if generation is None:
        message = f"no image {image!r} in the log; name an id, a hash or a file under results/"
        raise InputError(message, code="no-such-image")
    used = log.template_of(generation)
    variant = log.axes_of(generation)
    run = log.run(generation.run_id)
    experiment = None if run is None else experiment_then(studio, log, run)
    with TemporaryDirectory() as folder:
        template = logged_template(used, Path(folder))
        segments = template.trace(_context(experiment, generation, template, variant))
    lines = _Lines(studio, used, run, experiment)
    return [lines.part(segment, variant) for segment in segments if segment.text.strip()]


def _context(
    experiment: Experiment | None, generation: Generation, template: Template, variant: Mapping[str, str]
) -> dict[str, object]:
    """The values of the variables then: the run's own constants, and the axis values of the generation."""
    constants: Mapping[str, object] = {} if experiment is None else experiment.vars
    context: dict[str, object] = {name: template.coerce(name, value, None) for name, value in constants.items()}
    for name, value in json.loads(generation.axis_values or "{}").items():
        if isinstance(value, Mapping):
            context[name] = Fields(str(value.get("text", variant.get(name, ""))), value)
        else:
            context[name] = template.coerce(name, value, None)
    return context


class _Lines:
    """Blames lines of template files, and of inline prompts, at the commit a run used; each file once."""

    def __init__(self, studio: Studio, used: UsedTemplate, run: Run | None, experiment: Experiment | None) -> None:
        self._studio = studio
        self._used = used
        self._run = run
        self._experiment = experiment
        self._library = studio.library()
        self._known: dict[str, Mapping[int, BlameLine] | None] = {}

    def part(self, segment: Segment, variant: Mapping[str, str]) -> BlamedPart:
        """A traced part with its author and its axis value."""
        line = self._line(segment)
        if segment.path not in self._known:
            self._known[segment.path] = self._blame(segment.path)
        known = self._known[segment.path]
        who = None if known is None else known.get(line)
        note = "not versioned" if known is None else "uncommitted" if who is None else ""
        root = segment.variable.partition(".")[0] if segment.variable else ""
        constants = self._experiment.vars if self._experiment else {}
        value = segment.variable if root in constants else None  # else it is a macro's own parameter, say
        if root in variant:
            value = f"{segment.variable} of {root}={variant[root]}"
        author, commit = (who.author, who.commit) if who else (None, None)
        return BlamedPart(segment.text, segment.path, line, commit, author, value, note)

    def _is_inline(self, path: str) -> bool:
        return self._used.inline and path == self._used.path

    def _line(self, segment: Segment) -> int:
        """The line in its file; an inline prompt's own lines are looked for in the experiment, from its key on."""
        if not self._is_inline(segment.path) or self._experiment is None:
            return segment.line
        text = self._used.files[0].source
        place = _place_of(self._experiment, text)
        if place is None:
            return segment.line
        own = text.split("\n")[segment.line - 1].strip()
        lines = self._experiment.text.splitlines()
        last = min(place.line + segment.line, len(lines))
        return next((row for row in range(place.line, last + 1) if own and own in lines[row - 1]), place.line)

    def _blame(self, path: str) -> Mapping[int, BlameLine] | None:
        """Line → who wrote it, of the text that ran; a line that the commit does not have is uncommitted.

        None where there is no commit to ask: outside git, or a file that was in none.
        """
        repository: Repository | None
        if self._is_inline(path):
            commit, file = (self._run.git_commit if self._run else None), self._studio.folder / path
            repository = Repository.find(file)
            source = self._experiment.text if self._experiment else None
        else:
            commit, file = self._used.commit, self._library.folder / path
            repository = self._library.repository
            source = next((file.source for file in self._used.files if file.path == path), None)
        if repository is None or commit is None or source is None:
            return None
        name = repository.relative(file)
        committed = None if name is None else repository.read(commit, name)
        if name is None or committed is None:
            return None
        blamed = repository.blame(name, commit)
        then = committed.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
        matcher = SequenceMatcher(None, then, source.replace("\r\n", "\n").split("\n"), autojunk=False)
        return {
            block.b + offset + 1: blamed[block.a + offset]
            for block in matcher.get_matching_blocks()
            for offset in range(block.size)
            if block.a + offset < len(blamed)
        }


def _place_of(experiment: Experiment, text: str) -> Place | None:
    """Where an inline prompt is in its experiment."""
    texts = [(experiment.source.text, experiment.source.place)] if experiment.source else []
    texts += [(value.text, value.place) for axis in experiment.axes if axis.kind == "prompt" for value in axis.values]
    return next((place for written, place in texts if written.replace("\r\n", "\n") == text), None)


# --- uses ---


def template_uses(studio: Path) -> dict[str, list[str]]:
    """Template → the studio's experiment files that name it; files that do not load are left out."""
    found: dict[str, list[str]] = {}
    for path in sorted((studio / "experiments").glob("*.y*ml")):
        try:
            experiment = load_experiment(path, parameters=parameters(), row_filter=expression)
        except PromptlabError:
            continue
        refs = [experiment.source.text] if experiment.source and experiment.source.kind == "template" else []
        refs += [value.text for axis in experiment.axes if axis.kind == "template" for value in axis.values]
        for name in dict.fromkeys(ref.partition("@")[0] for ref in refs):
            found.setdefault(name, []).append(path.relative_to(studio).as_posix())
    return found
