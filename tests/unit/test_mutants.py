"""The list of mutants does not rot: each still has its line, once, and the tests that are to find it."""

from __future__ import annotations

from pathlib import Path

import pytest
from mutants import FAILED, ROOT, Mutant, mutated, read_mutants

MUTANTS = read_mutants()
AIM = 60
CORPUS = Mutant("a.py", "if a <= b:", "if a < b:", "it matters", ("tests/unit/test_mutants.py",))


def test_every_mutant_still_applies() -> None:
    """Its line is there exactly once, and becomes another one."""
    texts = {mutant.file: (ROOT / mutant.file).read_text("utf-8") for mutant in MUTANTS}

    for mutant in MUTANTS:
        text = texts[mutant.file]
        pairs = zip(mutated(text, mutant).split("\n"), text.split("\n"), strict=True)
        assert sum(new != old for new, old in pairs) == 1, mutant.name


def test_every_mutant_is_of_the_engine_and_names_who_finds_it_and_why() -> None:
    """None stands twice, and each says what it would do and which unit tests run first."""
    assert len({(mutant.file, mutant.line, mutant.becomes) for mutant in MUTANTS}) == len(MUTANTS) >= AIM
    for mutant in MUTANTS:
        assert mutant.file.startswith("engine/"), mutant.name
        assert mutant.tests, mutant.name
        assert all(test.startswith("tests/unit/") and (ROOT / test).is_file() for test in mutant.tests), mutant.name
        assert mutant.why, mutant.name


@pytest.mark.parametrize("text", ["if a < b:\n", "if a <= b:\n    if a <= b:\n"])
def test_line_that_is_not_there_once_is_no_mutant(text: str) -> None:
    """A list that has rotted is an error, and no mutant that everything finds."""
    with pytest.raises(ValueError, match=r"a\.py has [02] lines 'if a <= b:'"):
        mutated(text, CORPUS)


def test_mutant_changes_its_line_alone() -> None:
    """The rest of the file stays as it is, its indentation and its end too."""
    assert mutated("x\n    if a <= b:\n        y\n", CORPUS) == "x\n    if a < b:\n        y\n"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("FAILED tests/unit/test_a.py::test_b[x - y] - assert 1 == 2", "tests/unit/test_a.py::test_b"),
        ("ERROR tests/unit/test_a.py::test_b - ValueError: x", "tests/unit/test_a.py::test_b"),
        ("FAILED tests/property/test_a.py::TestA::runTest", "tests/property/test_a.py::TestA::runTest"),
    ],
)
def test_name_of_a_test_is_read_from_what_pytest_writes(line: str, name: str) -> None:
    """It is what the report says who found a mutant, and what is run again without it."""
    found = FAILED.search(f"...\n{line}\n1 failed in 0.1s")

    assert found is not None
    assert found[1] == name


def test_file_of_the_list_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All files, in their order, with a mutant for each table."""
    monkeypatch.setattr("mutants.FOLDER", tmp_path)
    for name in "ba":
        text = f"[[mutant]]\nfile = '{name}'\nline = '1'\nbecomes = '2'\nwhy = 'w'\ntests = ['t']\n"
        (tmp_path / f"{name}.toml").write_text(text * 2)

    assert [mutant.file for mutant in read_mutants()] == ["a", "a", "b", "b"]
    assert [mutant.file for mutant in read_mutants("b.toml")] == ["b", "b"]
