"""The archive: whole lines only, durable when they are added, and in no file that is something else."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from pathlib import Path

import msgspec
import pytest

from bequest.engine import archive as module
from bequest.engine.archive import TAIL_BYTES, Part, append, archive_at, line_of
from bequest.engine.errors import ArchiveError
from bequest.engine.records import AttemptError, Document, JobError

DOCUMENT = Document(
    url="https://h/", url_key="k", status=200, title="T", markdown="# T\n", depth=0, auth_id="wiki", fetched_at=2.0
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give the place of the archive."""
    return tmp_path / "old.jsonl"


def line(number: int, size: int = 10) -> bytes:
    return json.dumps({"job_id": number, "text": "x" * size}).encode() + b"\n"


def numbers_in(file: Path) -> list[int]:
    """Return what each line is of; every line is JSON."""
    return [json.loads(text)["job_id"] for text in file.read_text("utf-8").splitlines()]


def test_line_says_all_of_a_job(file: Path) -> None:
    """Job, document, errors and logs stand in one object, with the time, and a newline only at its end."""
    part = Part(
        job_id=7,
        archive=str(file),
        job=msgspec.Raw(b'{"id":7,"metadata":{"a":"b\\n"}}'),
        document=DOCUMENT,
        errors=(AttemptError(attempt=1, at=1.0, error=JobError(type="http_500", message="no")),),
        logs=({"number": 3, "at": 1.0, "level": "INFO", "message": "m", "fields": {"n": 1}},),
        last_error_id=1,
        last_log_id=3,
    )

    found = line_of(part, 1_000_000_000.0)

    assert found.count(b"\n") == 1
    assert json.loads(found) == {
        "archived_at": "2001-09-09T01:46:40.000+00:00",
        "job_id": 7,
        "job": {"id": 7, "metadata": {"a": "b\n"}},
        "document": msgspec.to_builtins(DOCUMENT),
        "errors": [{"attempt": 1, "at": 1.0, "error": {"type": "http_500", "message": "no"}}],
        "logs": [{"number": 3, "at": 1.0, "level": "INFO", "message": "m", "fields": {"n": 1}}],
    }


def test_archive_grows(file: Path) -> None:
    """What is there stays, and new lines come after it."""
    append(file, [line(1), line(2)])
    append(file, [])
    append(file, [line(3)])

    assert numbers_in(file) == [1, 2, 3]


def test_archive_is_its_owners_alone(file: Path) -> None:
    """Nobody else can read it."""
    append(file, [line(1)])

    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("size", [3, 1_000, TAIL_BYTES, 3 * TAIL_BYTES])
def test_half_a_line_is_taken_away(file: Path, size: int) -> None:
    """What a crash left of a line, however long, goes with the next append, and no whole line goes with it."""
    append(file, [line(1), line(2)])
    with file.open("ab") as opened:
        opened.write(line(3, 4 * TAIL_BYTES)[:size])

    append(file, [line(4)])

    assert numbers_in(file) == [1, 2, 4]


def test_half_of_the_only_line_is_taken_away(file: Path) -> None:
    """Also the first line may be cut short."""
    file.write_bytes(line(1)[:5])

    append(file, [line(2)])

    assert numbers_in(file) == [2]


def test_whole_line_without_its_end_is_kept(file: Path) -> None:
    """An editor that took the last newline away has taken nothing else."""
    file.write_bytes((line(1) + line(2)).rstrip(b"\n"))

    append(file, [line(3)])

    assert numbers_in(file) == [1, 2, 3]


def test_file_of_another_kind_is_refused(file: Path) -> None:
    """A file that does not begin with an object is nobody's archive and stays as it is."""
    file.write_text("Dear all,\nthis is a letter")

    with pytest.raises(ArchiveError, match=r"old\.jsonl, found a file of another kind; name another"):
        append(file, [line(1)])

    assert file.read_text() == "Dear all,\nthis is a letter"


def test_archive_that_another_engine_writes_to_is_refused(file: Path) -> None:
    """Two never write at once, so neither takes away what the other has half written."""
    append(file, [line(1)])
    descriptor = os.open(file, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)

    with pytest.raises(ArchiveError, match="found another engine writing to it; give each database its own"):
        append(file, [line(2)])

    os.close(descriptor)
    append(file, [line(3)])
    assert numbers_in(file) == [1, 3]


@pytest.mark.parametrize("name", ["nowhere/old.jsonl", "folder", "pipe", "file/old.jsonl"])
def test_place_where_no_file_can_be_is_refused(tmp_path: Path, name: str) -> None:
    """The error names the place, and comes before anything is to be written."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(ArchiveError, match=f"asked to archive to .*{name}"):
        archive_at(tmp_path / name)


def test_archive_is_made_where_it_is_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path is made out once: a link is followed, ``~`` is the home, a later change of folder does not matter."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "link.jsonl").symlink_to("there.jsonl")
    monkeypatch.chdir(tmp_path)

    found = archive_at("link.jsonl"), archive_at("~/there.jsonl"), archive_at(Path("there.jsonl"))

    assert set(found) == {tmp_path / "there.jsonl"}
    assert (tmp_path / "there.jsonl").stat().st_size == 0


def test_full_disk_leaves_the_archive_as_it_was(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the lines are written when the disk is full: none of them is there afterwards, and the error says why."""
    append(file, [line(1)])
    before = file.read_bytes()
    pwrite = os.pwrite

    def fill_up(descriptor: int, data: bytes, at: int) -> int:
        if len(data) < 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return pwrite(descriptor, data[: len(data) // 2], at)

    monkeypatch.setattr(os, "pwrite", fill_up)
    with pytest.raises(ArchiveError, match="found No space left on device; check that disk"):
        append(file, [line(number) for number in range(2, 100)])

    assert file.read_bytes() == before


def test_lines_are_synced_before_append_returns(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that was written is on disk when nobody has deleted anything yet, and the name of a new file too."""
    sizes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: sizes.append(os.fstat(descriptor).st_size))
    folders: list[Path] = []
    monkeypatch.setattr(module, "sync_folder", folders.append)

    append(file, [line(1), line(2)])
    append(file, [line(3)])

    assert sizes == [2 * len(line(1)), 3 * len(line(1))]
    assert folders == [file.parent]
