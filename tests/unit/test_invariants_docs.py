"""Every invariant is listed, and what is said to hold it exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "invariants.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (I\d+)\. .+\n((?:(?!## ).*\n?)*)", PAGE, re.MULTILINE))
NUMBERS = [f"I{number}" for number in range(1, 21)]
NOT_HELD = "Not held yet: "


def holders(section: str) -> list[tuple[str, str]]:
    """Return the tests that a section names: file and name."""
    return re.findall(r"^- `(tests/[\w/]+\.py)::(\w+)`$", section, re.MULTILINE)


def names_in(path: str) -> Iterator[str]:
    """Yield the tests of a file: functions, and the classes that are made of state machines."""
    for node in ast.parse((ROOT / path).read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def test_every_invariant_is_listed_once_and_in_order() -> None:
    """The page has I1 to I20, each with its sentence, and no other."""
    assert re.findall(r"^## (.+?)\. \S", PAGE, re.MULTILINE) == NUMBERS
    assert list(SECTIONS) == NUMBERS


@pytest.mark.parametrize("number", NUMBERS)
def test_every_invariant_is_held_or_said_not_to_be(number: str) -> None:
    """Each names a test, a constraint, or says plainly that nothing holds it yet."""
    section = SECTIONS[number]

    assert holders(section) or "- constraint: " in section or f"- {NOT_HELD}" in section


@pytest.mark.parametrize(("path", "name"), sorted(set(holders(PAGE))))
def test_test_that_holds_an_invariant_exists(path: str, name: str) -> None:
    """A test that the page names is in that file, and pytest runs it."""
    assert name in names_in(path)
    assert name.startswith(("test_", "Test"))
    assert path.rpartition("/")[2].startswith("test_")


def test_every_test_that_is_named_is_read() -> None:
    """No name of a test on the page is written so that the check above would miss it."""
    assert len(re.findall(r"\.py::", PAGE)) == len(holders(PAGE))


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
