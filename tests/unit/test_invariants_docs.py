"""Every invariant is listed with what holds it, which exists and cites its number; each fault of the page is found."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "invariants.md").read_text("utf-8")
NUMBERS = [f"I{number}" for number in range(1, 21)]
NOT_HELD = "Not held yet: "
HELD = "- `tests/unit/test_store.py::test_reopened_store_has_every_row_as_it_was`\n"


def sections(page: str) -> dict[str, str]:
    """Return what stands under each number."""
    return dict(re.findall(r"^## (I\d+)\. .+\n((?:(?!## ).*\n?)*)", page, re.MULTILINE))


def holders(section: str) -> list[tuple[str, str]]:
    """Return the tests that a section names: file and name."""
    return re.findall(r"^- `(tests/[\w/]+\.py)::(\w+)`$", section, re.MULTILINE)


@cache
def tree(path: Path) -> ast.Module:
    """Return a module."""
    return ast.parse(path.read_text("utf-8"))


def found_in(path: str, name: str) -> ast.AST | None:
    """Return what a file calls so at its top: a function, or a class that is made of a state machine."""
    if not (ROOT / path).is_file():
        return None
    for node in tree(ROOT / path).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == name:
            return node
        if isinstance(node, ast.Assign) and name in [one.id for one in node.targets if isinstance(one, ast.Name)]:
            return node
    return None


@cache
def words_of(path: str, name: str) -> str:
    """Return where a test says what it holds: its docstring and its file's; of a state machine all of its modules."""
    node = found_in(path, name)
    if isinstance(node, ast.Assign | ast.ClassDef):
        return "".join(module.read_text("utf-8") for module in modules_of(ROOT / path))
    docstring = ast.get_docstring(node) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else None
    return f"{docstring} {ast.get_docstring(tree(ROOT / path))}"


def modules_of(file: Path) -> set[Path]:
    """Return a module and those of its folder that it imports."""
    found, left = set[Path](), {file}
    while left:
        found |= left
        names = {node.module for one in left for node in ast.walk(tree(one)) if isinstance(node, ast.ImportFrom)}
        left = {path for name in names if name and (path := file.with_name(f"{name}.py")).exists()} - found
    return found


def faults_of(page: str) -> Iterator[str]:
    """Yield what is wrong with a page of invariants."""
    if re.findall(r"^## (.+?)\. \S", page, re.MULTILINE) != NUMBERS or [*sections(page)] != NUMBERS:
        yield "it does not have I1 to I20, each once and in order, with its sentence"
    for number, section in sections(page).items():
        if not (holders(section) or "- constraint: " in section or f"- {NOT_HELD}" in section):
            yield f"{number} names neither a test nor a constraint, nor says that nothing holds it"
        for path, name in holders(section):
            yield from faults_of_holder(number, path, name)
    if len(re.findall(r"\.py::", page)) != len(holders(page)):
        yield "a name of a test is written so that it is not read"


def faults_of_holder(number: str, path: str, name: str) -> Iterator[str]:
    """Yield what is wrong with a test that is said to hold an invariant: pytest runs it, and it cites the number."""
    is_run = name.startswith(("test_", "Test")) and path.rpartition("/")[2].startswith("test_")
    if not is_run or found_in(path, name) is None:
        yield f"{number} names {path}::{name}, and there is no such test"
    elif not re.search(rf"\b{number}\b", words_of(path, name)):
        yield f"{number} names {path}::{name}, which does not cite it"


def test_page_is_as_it_must_be() -> None:
    """I1 to I20 are there, each is held by what exists, and each test that holds one cites its number."""
    assert list(faults_of(PAGE)) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (r"## I7\..+\n", "", "it does not have I1 to I20"),
        (r"## I7\.", "## J7.", "it does not have I1 to I20"),
        (r"(## I7\..+\n\n)(- .+\n)+", r"\1", "I7 names neither a test nor a constraint"),
        (
            r"(## I7\..+\n\n)",
            r"\1- `tests/unit/test_store.py::test_none`\n",
            "I7 names tests/unit/test_store.py::",
        ),
        (r"(## I7\..+\n\n)", r"\1- `tests/unit/test_no.py::test_none`\n", "I7 names tests/unit/test_no.py::test_none"),
        (
            r"(## I7\..+\n\n)",
            r"\1- `tests/unit/store_rig.py::make`\n",
            "I7 names tests/unit/store_rig.py::make",
        ),
        (r"(## I7\..+\n\n)", rf"\1{HELD}", "which does not cite it"),
        (r"(## I7\..+\n\n)", r"\1- tests/unit/test_store.py::test_none\n", "a name of a test is written so"),
    ],
)
def test_fault_of_the_page_is_found(old: str, new: str, fault: str) -> None:
    """What is missing, made up or not read is told."""
    planted, count = re.subn(old, new, PAGE, count=1)

    assert count == 1
    assert any(fault in found for found in faults_of(planted))


def test_constraints_that_are_named_exist() -> None:
    """Each trigger, index and check of the page is in the schema."""
    schema = "".join(file.read_text("utf-8") for file in (ROOT / "engine" / "migrations").glob("*.sql"))
    named = re.findall(r"`((?:job|tally)_\w+)`", PAGE)
    written = re.findall(r"`((?:CHECK|UNIQUE) \(.+?\))`", PAGE)

    assert named
    assert written
    assert [name for name in named if not re.search(rf"CREATE (?:TRIGGER|UNIQUE INDEX) {name}\b", schema)] == []
    assert [check for check in written if check not in schema] == []


def test_numbers_that_are_cited_exist() -> None:
    """No module, test or migration cites an invariant that is not on the page."""
    folders = ("engine", "actors", "console", "testing", "tests")
    files = [file for folder in folders for suffix in ("*.py", "*.sql") for file in (ROOT / folder).rglob(suffix)]

    cited = {number for file in files for number in re.findall(r"\bI\d+\b", file.read_text("utf-8"))}

    assert cited <= set(NUMBERS)
    assert {"I1", "I17"} <= cited
