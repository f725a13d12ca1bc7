"""What the documentation says of files, numbers and code holds."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest

import perdure
from perdure import limits
from perdure.hooks import HookEvent

ROOT = Path(__file__).resolve().parents[1]
NOT_OURS = {".venv", ".git", ".pytest_cache", "node_modules", "build", "dist"}

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE_BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`([^`\n]+)`")
TABLE_ROW = re.compile(r"^\| `([A-Z_]+)` \| ([^|]+) \|", re.MULTILINE)
UNITS = {"KiB": limits.KIB, "MiB": limits.MIB}

CHAPTERS = [  # of the Agents SDK, as docs/parity.md has them
    "Entry points", "The loop", "RunConfig", "Agent", "ModelSettings and models", "Tools", "Approvals", "Guardrails",
    "Handoffs", "Hooks", "Sessions", "Provider-kept conversations", "Errors", "Results", "RunState", "Streaming",
    "Retries", "Structured output, usage, context", "Tracing", "Other",
]  # fmt: skip  # one a line would take a page
CHAPTER = re.compile(r"^### (.+)\n\n\| what \| state \| note \|\n\| --- \| --- \| --- \|\n((?:\|.*\n)+)", re.MULTILINE)
PARITY_ROW = re.compile(r"\| (.+?) \| (works|differs|later|not planned) \| (.*?) ?\|")
PUBLIC_NAME = re.compile(r"[A-Z]\w*(\.\w+)*")
RUN_OPTIONS = [
    name for name, one in inspect.signature(perdure.Runner.run).parameters.items() if one.kind is one.KEYWORD_ONLY
]


class ParityRow(NamedTuple):
    """What docs/parity.md says of one thing of the Agents SDK."""

    what: str
    state: str
    note: str

    def names(self) -> list[str]:
        return [code for code in INLINE_CODE.findall(self.what) if re.fullmatch(r"\w+(\.\w+)*", code)]


def pages() -> list[Path]:
    found = sorted(file for file in ROOT.rglob("*.md") if NOT_OURS.isdisjoint(file.relative_to(ROOT).parts))
    assert ROOT / "docs" / "architecture.md" in found
    return found


def documentation() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def text_of(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def without_code(text: str) -> str:
    return INLINE_CODE.sub("", CODE_BLOCK.sub("", text))


def relative_links(page: Path) -> Iterator[tuple[Path, str]]:
    """Each link that is no address: the file, and the heading in it if it names one."""
    for target in LINK.findall(without_code(text_of(page))):
        if not re.match(r"[a-z]+:", target):
            path, _, heading = target.partition("#")
            yield (page.parent / path if path else page), heading


def anchors(page: Path) -> set[str]:
    """The headings' anchors as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", CODE_BLOCK.sub("", text_of(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def constants() -> dict[str, float]:
    return {name: value for name, value in vars(limits).items() if name.isupper()}


def documented_limits() -> dict[str, float]:
    """The rows of docs/limits.md that begin with a constant's name and its value, with a unit or without."""
    rows: dict[str, float] = {}
    for name, value in TABLE_ROW.findall(text_of(ROOT / "docs" / "limits.md")):
        number, _, unit = value.strip().partition(" ")
        rows[name] = float(number) * UNITS.get(unit, 1)
    return rows


def file_names(page: Path) -> set[str]:
    return {code for code in INLINE_CODE.findall(text_of(page)) if re.fullmatch(r"[\w./-]+\.py", code)}


def parity() -> dict[str, list[ParityRow]]:
    """The rows of docs/parity.md by chapter; a line that has not their form fails."""
    chapters: dict[str, list[ParityRow]] = {}
    for title, table in CHAPTER.findall(text_of(ROOT / "docs" / "parity.md")):
        matches = [(line, PARITY_ROW.fullmatch(line)) for line in table.splitlines()]
        assert [line for line, match in matches if match is None] == []
        chapters[title] = [ParityRow(*match.groups()) for _, match in matches if match is not None]
    return chapters


def is_there(name: str) -> bool:
    """Whether `perdure` has a name, as `Agent` or `Runner.run`."""
    missing = object()
    found: Any = reduce(lambda owner, part: getattr(owner, part, missing), name.split("."), perdure)
    return found is not missing


def test_every_relative_link_leads_to_a_file() -> None:
    links = [(name_of(page), target) for page in pages() for target, _ in relative_links(page)]
    assert links
    assert [(page, str(target)) for page, target in links if not target.exists()] == []


def test_every_link_to_a_heading_leads_to_one() -> None:
    links = [(page, target, heading) for page in pages() for target, heading in relative_links(page) if heading]
    assert links
    assert [(name_of(page), heading) for page, target, heading in links if heading not in anchors(target)] == []


def test_every_constant_of_a_run_is_in_limits_with_its_value() -> None:
    expected = {name: value for name, value in constants().items() if name not in ("KIB", "MIB")}
    assert expected
    assert documented_limits() == expected


def test_the_units_are_in_limits_with_their_values() -> None:
    text = " ".join(text_of(ROOT / "docs" / "limits.md").split())
    assert f"`KIB` = {limits.KIB}" in text
    assert limits.MIB == 1024 * limits.KIB
    assert "`MIB` = 1024 KiB" in text


def test_every_python_block_compiles() -> None:
    blocks = [
        (name_of(page), code)
        for page in documentation()
        for language, code in CODE_BLOCK.findall(text_of(page))
        if language == "python"
    ]
    assert blocks
    for page, code in blocks:
        ast.parse(code, filename=page)


def test_the_architecture_names_only_files_that_exist() -> None:
    named = file_names(ROOT / "docs" / "architecture.md")
    assert len(named) > 20
    assert sorted(name for name in named if not (ROOT / name).is_file()) == []


def test_the_architecture_names_every_file_of_the_loop_the_workflow_and_the_steps() -> None:
    named = file_names(ROOT / "docs" / "architecture.md")
    rooms = [ROOT / "perdure" / "loop", ROOT / "workflows", ROOT / "activities"]
    files = {name_of(file) for room in rooms for file in room.glob("*.py") if file.name != "__init__.py"}
    assert files - named == set()


def test_a_room_s_readme_names_every_module_in_it_and_nothing_else() -> None:
    wrong: dict[str, list[str]] = {}
    for folder in ("perdure", "workflows", "activities"):
        named = file_names(ROOT / folder / "README.md")
        files = {file.name for file in (ROOT / folder).glob("*.py") if not file.name.startswith("__")}
        if named != files:
            wrong[folder] = sorted(named ^ files)
    assert wrong == {}


def test_decisions_are_numbered_without_gaps() -> None:
    files = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [file.name[:4] for file in files] == [f"{number:04}" for number in range(1, len(files) + 1)]
    assert [text_of(file).split(".")[0] for file in files] == [f"# {number}" for number in range(1, len(files) + 1)]


def test_parity_has_a_table_for_each_chapter_of_the_sdk() -> None:
    assert list(parity()) == CHAPTERS


def test_a_row_of_parity_that_does_not_just_work_says_what_happens() -> None:
    rows = [row for table in parity().values() for row in table]
    assert [row.what for row in rows if row.state != "works" and not row.note] == []


def test_no_row_of_parity_is_there_twice() -> None:
    twice = {
        title: [row.what for row in rows if [each.what for each in rows].count(row.what) > 1]
        for title, rows in parity().items()
    }
    assert {title: rows for title, rows in twice.items() if rows} == {}


def test_what_parity_calls_missing_is_missing() -> None:
    names = [
        name
        for rows in parity().values()
        for row in rows
        if row.state in ("later", "not planned") and "no such name" in row.note
        for name in row.names()
    ]
    assert "AgentRunner" in names
    assert [name for name in names if is_there(name)] == []


def test_the_public_names_that_parity_calls_there_are_there() -> None:
    names = [
        name
        for rows in parity().values()
        for row in rows
        if row.state in ("works", "differs")
        for name in row.names()
        if PUBLIC_NAME.fullmatch(name)
    ]
    assert "Runner.run" in names
    assert [name for name in names if not is_there(name)] == []


@pytest.mark.parametrize(
    ("chapter", "options"),
    [
        ("Entry points", RUN_OPTIONS),
        ("RunConfig", [field.name for field in fields(perdure.RunConfig)]),
        ("Agent", [field.name for field in fields(perdure.Agent)]),
        ("ModelSettings and models", [field.name for field in fields(perdure.ModelSettings)]),
        ("Hooks", list(get_args(HookEvent))),
    ],
)
def test_parity_names_every_option(chapter: str, options: list[str]) -> None:
    named = {code for row in parity()[chapter] for code in INLINE_CODE.findall(f"{row.what} {row.note}")}
    assert [option for option in options if option not in named] == []
