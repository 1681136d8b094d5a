"""What the pages say is true: their blocks load, plan and run, their links lead somewhere, their options exist."""

from __future__ import annotations

import re
import runpy
import shlex
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
import yaml

import promptlab
from promptlab.cli.main import cli

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^(?P<mark><!-- [\w ]+ -->\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    mark: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def title(self) -> str:
        """Its first comment, which says what kind of YAML it is."""
        return self.text.partition("\n")[0]


def blocks(language: str) -> list[Block]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            if match["language"] == language:
                line = text.count("\n", 0, match.start("text"))
                found.append(Block(page, line, language, match["text"], (match["mark"] or "").strip()))
    return found


def ours(language: str, *pages: str) -> list[Block]:
    """The blocks of the pages that these tests keep true; errors.md and cli.md have their own tests."""
    return [block for block in blocks(language) if block.page.name not in ("errors.md", "cli.md", *pages)]


YAML = ours("yaml")
SETTINGS = [block for block in YAML if block.title == "# promptlab.yaml"]
FAULTS = [block for block in YAML if block.title == "# faults.yaml"]
EXPERIMENTS = [block for block in YAML if block not in SETTINGS and block not in FAULTS]


@pytest.mark.parametrize("block", EXPERIMENTS, ids=str)
def test_an_experiment_plans(block: Block, studio: Path) -> None:
    """Each experiment of the pages loads, plans and has requests, without a warning.

    Page two's own says one, rightly: where an axis applies to one style only, no two variants differ in style alone.
    """
    path = studio / "experiments" / "page.yaml"
    path.write_text(block.text, encoding="utf-8")
    job = promptlab.prepare(path, key_needed=False)
    found = promptlab.preview(job, None)
    assert found.requests > 1
    expected = {"no-matched-pairs"} if "when:" in block.text else set()
    assert {warning.code for warning in found.warnings} == expected


@pytest.mark.parametrize("block", EXPERIMENTS, ids=str)
def test_an_experiment_passes_the_schema(block: Block) -> None:
    """An editor would underline nothing in them: each passes the JSON schema."""
    import json

    import yaml

    jsonschema = pytest.importorskip("jsonschema")
    from promptlab.providers import parameters

    schema = json.loads(json.dumps(promptlab.experiment_schema(parameters())))
    jsonschema.Draft7Validator(schema).validate(yaml.load(block.text, Loader=yaml.CBaseLoader))


@pytest.mark.parametrize("block", SETTINGS, ids=str)
def test_settings_load(block: Block, studio: Path) -> None:
    """Each promptlab.yaml of the pages loads, and every provider that it sets up can be connected."""
    from promptlab.providers import connect, get, plans

    (studio / "promptlab.yaml").write_text(block.text, encoding="utf-8")
    settings = promptlab.Studio.open(studio, environ={}).settings
    plans(get("kairval").plans, settings.plans)
    for name in settings.providers:
        connect(name, settings, {}, key_needed=False)


def test_every_setting_is_documented() -> None:
    """docs/settings.md shows every key that promptlab.yaml can have at its top."""
    from promptlab.spec.settings import SettingsForm

    shown = "\n".join(block.text for block in SETTINGS)
    missing = [name for name in SettingsForm.keys if not re.search(rf"^{name}:", shown, re.MULTILINE)]
    assert missing in ([], ["share"])  # share: beside the plan's name


@pytest.mark.parametrize("block", FAULTS, ids=str)
def test_faults_load(block: Block, tmp_path: Path) -> None:
    """Each fault plan of the pages is one."""
    path = tmp_path / "faults.yaml"
    path.write_text(block.text)
    assert promptlab.load_faults(path).rules


def test_every_fault_is_documented() -> None:
    """docs/simulator.md has a line for each kind of fault, in the simulator's own words."""
    from promptlab.simulator import KINDS

    page = (ROOT / "docs" / "simulator.md").read_text()
    assert [kind for kind, words in KINDS.items() if f"| `{kind}` | {words} |" not in page] == []


@pytest.mark.parametrize("block", ours("sql"), ids=str)
def test_sql_runs(block: Block, made: Path) -> None:
    """Each query of the pages runs on a real log; those that look at what is there find something."""
    connection = sqlite3.connect(f"file:{made / 'promptlab.db'}?mode=ro", uri=True)
    rows = connection.execute(block.text).fetchall()
    connection.close()
    assert rows or "spending" in block.text or "may_be_billed" in block.text


def test_the_logs_tables_are_documented() -> None:
    """docs/log.md has every table, view and column, in the words of the pages; `log_tables.py` renews it."""
    renewed = runpy.run_path(str(Path(__file__).parent / "log_tables.py"))["page"]()
    assert (ROOT / "docs" / "log.md").read_text(encoding="utf-8") == renewed


PYTHON = ours("python", "providers.md")


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_runs(block: Block, studio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each Python block of the pages runs as it stands in a studio."""
    monkeypatch.chdir(studio)
    exec(compile(block.text, str(block), "exec"), {})


def test_the_example_provider_is_the_one_that_is_tested() -> None:
    """The provider in docs/providers.md is, to the letter, the package that tests/providers installs."""
    source = (ROOT / "tests" / "providers" / "example_provider" / "promptlab_example.py").read_text()
    assert f"```python\n{source}```" in (ROOT / "docs" / "providers.md").read_text()


def commands() -> Iterator[tuple[Block, list[str]]]:
    """Every `promptlab …` of the pages' shell blocks, as words."""
    for block in blocks("bash"):
        for line in block.text.replace("\\\n", " ").splitlines():
            for part in line.split("&&"):
                words = shlex.split(part, comments=True)
                names = [word.rpartition("/")[2] for word in words]
                if "promptlab" in names:
                    yield block, words[names.index("promptlab") + 1 :]


@pytest.mark.parametrize(("block", "words"), list(commands()), ids=lambda value: str(value)[:60])
def test_options_exist(block: Block, words: list[str]) -> None:
    """Each command and option that a page shows is one that the command line has."""
    command: click.Command = cli
    context = click.Context(cli, info_name="promptlab", help_option_names=["-h", "--help"])  # click keeps the first
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        assert found, f"{block}: no command {words[0]}"
        command, words = found, words[1:]
    known = {name for option in command.get_params(context) for name in (*option.opts, *option.secondary_opts)}
    for word in words:
        if re.match(r"--?[a-z]", word):
            assert word.partition("=")[0] in known, f"{block}: {command.name} has no {word}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page names a file of the repository, and every anchor a heading of it."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in slugs, f"{page.name}: {target}"


def test_the_test_command_leaves_slow_tests_out() -> None:
    """The README's test command stands where .ci/run looks for it, and needs neither a browser nor patience."""
    (block,) = [block for block in blocks("bash") if block.mark == "<!-- test command -->"]
    assert block.page.name == "README.md"
    assert '-m "not browser and not storm"' in block.text
    assert block.text.startswith("python3 -m venv .venv && ")


def test_the_readme_names_the_distribution_first() -> None:
    """The README's first lines say that the distribution is promptlab-images, and why."""
    head = "\n".join((ROOT / "README.md").read_text().splitlines()[:14])
    assert "promptlab-images" in head
    assert "belongs to another project" in " ".join(head.split())


def test_pictures_are_small() -> None:
    """A picture of the pages is at most 300 KB."""
    pictures = sorted((ROOT / "docs" / "images").iterdir())
    assert pictures
    assert [picture.name for picture in pictures if picture.stat().st_size > 300_000] == []


def test_every_variable_of_the_environment_is_documented() -> None:
    """docs/settings.md names every environment variable that the code reads."""
    pattern = re.compile(r"\"((?:PROMPTLAB|KAIRVAL|OPENAI)_[A-Z_]+)\"")
    read = {name for file in (ROOT / "promptlab").rglob("*.py") for name in pattern.findall(file.read_text())}
    page = (ROOT / "docs" / "settings.md").read_text()
    assert read
    assert [name for name in sorted(read) if f"`{name}`" not in page] == []


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md", "docs/dependencies.md"])
def test_the_places_that_a_page_names_are_there(page: str) -> None:
    """A file or folder of the repository that a page sends a newcomer to exists."""
    text = (ROOT / page).read_text()
    named = set(re.findall(r"`((?:promptlab|tests|docs|benchmarks|\.ci|\.github)/[\w./-]+)`", text)) - {"docs/cli.md"}
    assert [name for name in sorted(named) if not (ROOT / name).exists() and "NAME" not in name] == []


def test_what_a_contributor_runs_is_there() -> None:
    """Each `just` of CONTRIBUTING.md is a recipe, and the forge runs every Python that is claimed."""
    recipes = set(re.findall(r"^([a-z]+)\b.*:(?!=)", (ROOT / "justfile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`just ([a-z]+)", (ROOT / "CONTRIBUTING.md").read_text())) <= recipes
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    tested = set(workflow["jobs"]["tests"]["strategy"]["matrix"]["python"])
    claimed = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
    assert claimed
    assert set(claimed) <= tested
