# Recipes of a contributor: `just` lists them. CONTRIBUTING.md says what each is for.

python := ".venv/bin/python"
quick := "tests/test_layers.py tests/test_signing.py tests/providers tests/plan tests/spec tests/compare"

_:
    @just --list

# Lint, format, types and the quick tests: under a minute.
check: lint types
    {{python}} -m pytest -q -n auto {{quick}}

lint:
    .venv/bin/ruff check .
    .venv/bin/ruff format --check .

types:
    .venv/bin/mypy
    .venv/bin/mypy tests/typing

# All tests that need no browser; `just test tests/http -x` for some of them.
test *arguments="tests":
    {{python}} -m pytest -q -n 4 -m "not browser and not storm" {{arguments}}

# All tests with the branch coverage of every process.
coverage:
    rm -rf .coverage-data && mkdir .coverage-data
    COVERAGE_PROCESS_START="$PWD/pyproject.toml" COVERAGE_FILE="$PWD/.coverage-data/data" just test
    COVERAGE_FILE="$PWD/.coverage-data/data" .venv/bin/coverage combine -q
    COVERAGE_FILE="$PWD/.coverage-data/data" .venv/bin/coverage report

# Everything, from nothing: a fresh copy, the wheel alone, the browser; needs apt.
ci:
    .ci/run

# The figures of this machine: `just bench plan run`.
bench *names:
    {{python}} benchmarks/bench.py {{names}}

# Reformat, and write the pages that are generated.
write:
    .venv/bin/ruff check --fix .
    .venv/bin/ruff format .
    {{python}} -m promptlab.cli.reference > docs/cli.md
