"""Tests of the export: one object a line, whole or not there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bequest.console.export import check_export, export_documents
from bequest.engine.errors import StoreError
from bequest.engine.records import StoredDocument

DOCUMENT = StoredDocument(
    url="https://wiki.example/a",
    url_key="k",
    status=200,
    title="A line\u2028that some readers split",
    markdown="# A\n\nText.",
    depth=1,
    auth_id=None,
    fetched_at=1_000_000_000.25,
    job_id=3,
    parent_id=1,
    metadata={"team": "docs"},
)


def test_line_has_the_documented_keys_in_their_order(tmp_path: Path) -> None:
    """Each document is one line with the ten keys, the time in ISO 8601 and UTC."""
    count = export_documents([DOCUMENT, DOCUMENT], tmp_path / "out.jsonl")

    first, _ = (tmp_path / "out.jsonl").read_bytes().split(b"\n")[:2]
    assert count == 2
    assert list(json.loads(first).items()) == [
        ("url", "https://wiki.example/a"),
        ("status", 200),
        ("title", "A line\u2028that some readers split"),
        ("markdown", "# A\n\nText."),
        ("depth", 1),
        ("auth_id", None),
        ("job_id", 3),
        ("parent_id", 1),
        ("fetched_at", "2001-09-09T01:46:40.250+00:00"),
        ("metadata", {"team": "docs"}),
    ]


def test_export_that_fails_leaves_the_former_one(tmp_path: Path) -> None:
    """A file that was there is replaced when the new one is whole, and not before."""
    (tmp_path / "out.jsonl").write_text("former\n")

    def documents() -> Iterator[StoredDocument]:
        yield DOCUMENT
        raise OSError(28, "No space left on device")

    with pytest.raises(StoreError, match="found No space left on device; name another file"):
        export_documents(documents(), tmp_path / "out.jsonl")

    assert (tmp_path / "out.jsonl").read_text() == "former\n"
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


def test_link_leads_to_its_file(tmp_path: Path) -> None:
    """A link is written through and stays a link."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "out.jsonl").symlink_to("folder/there.jsonl")

    export_documents([DOCUMENT], tmp_path / "out.jsonl")

    assert (tmp_path / "out.jsonl").is_symlink()
    assert (tmp_path / "folder" / "there.jsonl").read_text().count("\n") == 1


def test_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    """What is no file, as a device or a pipe, is given the lines and stays what it is."""
    os.mkfifo(tmp_path / "pipe")
    reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)

    count = export_documents([DOCUMENT], tmp_path / "pipe")

    assert count == 1
    assert os.read(reading, 65536).startswith(b'{"url":')
    assert (tmp_path / "pipe").is_fifo()
    os.close(reading)


def test_check_of_a_good_place_leaves_nothing(tmp_path: Path) -> None:
    """The check before the run writes to the folder and leaves it as it was, with a former file in it."""
    (tmp_path / "former.jsonl").write_text("former\n")

    for name in ("out.jsonl", "former.jsonl"):
        check_export(tmp_path / name)
    check_export(Path("/dev/null"))

    assert [path.read_text() for path in tmp_path.iterdir()] == ["former\n"]


@pytest.mark.parametrize("name", ["", "no/folder.jsonl"])
def test_place_without_a_folder_is_refused_before_the_run(tmp_path: Path, name: str) -> None:
    """A folder, and a file in a folder that is not there, are refused before anything is fetched."""
    with pytest.raises(StoreError, match="found no folder to write that file in"):
        check_export(tmp_path / name)
