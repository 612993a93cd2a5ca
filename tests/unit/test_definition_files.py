"""Tests of reading definition files."""

from __future__ import annotations

from pathlib import Path

import pytest

from bequest.engine.definition_files import read_definition
from bequest.engine.definitions import AuthPolicy, Definition
from bequest.engine.errors import DefinitionError

TOML = """
name = "wiki"
start_urls = ["https://wiki.example/"]
auth_id = "wiki"
auth_policy = "degrade"
max_pages = 500
exclude = ['\\?action=']
error_tolerance = 0

[labels]
team = "docs"
"""
JSON = r"""{"name": "wiki", "start_urls": ["https://wiki.example/"], "auth_id": "wiki", "auth_policy": "degrade",
"max_pages": 500, "exclude": ["\\?action="], "error_tolerance": 0, "labels": {"team": "docs"}}"""


def written(folder: Path, name: str, content: str | bytes) -> Path:
    """Return the path of a new file with *content*."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [("wiki.toml", TOML), ("wiki.json", JSON), ("WIKI.TOML", TOML), ("wiki.json", b"\xef\xbb\xbf" + JSON.encode())],
)
def test_read_definition_gives_the_same_from_toml_and_json(tmp_path: Path, name: str, content: str | bytes) -> None:
    """Both formats, whatever the case of the ending and with or without a byte order mark, give one definition."""
    definition = read_definition(written(tmp_path, name, content))

    assert definition == Definition.crawl(
        "wiki",
        start_urls=["https://wiki.example/"],
        auth_id="wiki",
        auth_policy=AuthPolicy.DEGRADE,
        max_pages=500,
        exclude=[r"\?action="],
        error_tolerance=0,
        labels={"team": "docs"},
    )


def test_read_definition_takes_omitted_booleans_as_their_default(tmp_path: Path) -> None:
    """A boolean that the file leaves out has the documented default."""
    path = written(tmp_path, "wiki.toml", 'name = "wiki"\nstart_urls = ["https://wiki.example/"]\n')

    assert read_definition(str(path)).allow_private is False


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("max_depth = -1", "max_depth: expected an integer of at least 0, found -1"),
        ("max_dept = 1", "max_dept: unknown key; did you mean max_depth?"),
        ('max_depth = "1"', "max_depth: expected an integer of at least 0, found '1'"),
        ("max_depth = 1979-05-27", "max_depth: expected an integer of at least 0, found a value of type date"),
        ("include = ['(']", "include[0]: expected a regular expression, found '(' (missing ), unterminated subpattern"),
    ],
)
def test_read_definition_names_file_and_key(tmp_path: Path, line: str, said: str) -> None:
    """An error begins with the file and the key."""
    path = written(tmp_path, "wiki.toml", f'name = "wiki"\nstart_urls = ["https://wiki.example/"]\n{line}\n')

    with pytest.raises(DefinitionError) as caught:
        read_definition(path)

    assert str(caught.value).startswith(f"{path}: {said}")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("wiki.yaml", "name: wiki", "expected a file that ends in .toml or .json"),
        ("wiki.toml", "name = ", "not valid TOML: Invalid value"),
        ("wiki.toml", f"max_pages = {'9' * 5000}", "not valid TOML: Exceeds the limit"),
        ("wiki.json", '{"name": ', "not valid JSON: Input data was truncated"),
        ("wiki.json", "", "not valid JSON: Input data was truncated"),
        ("wiki.json", "[" * 100_000, "not valid JSON: maximum recursion depth exceeded"),
        ("wiki.json", '{"max_pages": 1e999}', "not valid JSON: Number out of range"),
        ("wiki.json", "[]", "expected one object with the keys of a definition"),
        ("wiki.toml", b'name = "\xff"', "expected UTF-8 text, found other bytes at 8"),
        ("wiki.toml", "", "name: expected a name of 1 to 200 printable characters, found nothing"),
    ],
)
def test_read_definition_refuses_a_file(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    """A file that holds no definition is refused with what was expected."""
    path = written(tmp_path, name, content)

    with pytest.raises(DefinitionError) as caught:
        read_definition(path)

    assert str(caught.value).startswith(f"{path}: {said}")


def test_read_definition_says_why_a_file_cannot_be_read(tmp_path: Path) -> None:
    """A file that is not there is refused by name."""
    with pytest.raises(DefinitionError, match=r"none\.toml: cannot be read: No such file or directory"):
        read_definition(tmp_path / "none.toml")


def test_read_definition_refuses_a_key_nested_without_end(tmp_path: Path) -> None:
    """A key of a million parts, which would take the reader of TOML days, is refused with its line."""
    path = written(tmp_path, "wiki.toml", f'name = "wiki"\nlabels.{"a." * 1_000_000}b = 1\n')

    with pytest.raises(DefinitionError, match=r"not valid TOML: more than 1000 dots \(at line 2\)"):
        read_definition(path)


def test_read_definition_refuses_a_file_without_end(tmp_path: Path) -> None:
    """A file far larger than any definition is not read to its end."""
    path = tmp_path / "wiki.json"
    with path.open("wb") as opened:
        opened.truncate(10**12)

    with pytest.raises(DefinitionError, match="found more than 10,000,000 bytes"):
        read_definition(path)
