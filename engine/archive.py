"""Owns the archive: a file that only grows, with one JSON object a line for each job that has left the database.

What is appended is durable before it is deleted from the database, so a crash may archive a job twice and loses none;
what a crash left of a line is taken away by the next append. Nothing of a credential is in it but its name.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from .database import database_at
from .database_file import sync_folder
from .errors import ArchiveError
from .records import AttemptError, Document, Json, Record

TAIL_BYTES = 65_536  # read at a time in search of the last line's beginning


class Part(Record, frozen=True, kw_only=True):
    """What one line holds: a job with what belongs to it, or what no longer fitted into the line before."""

    job_id: int
    archive: str | None  # the file that it is for
    job: msgspec.Raw | None  # its record as JSON; None in every line but its first
    document: Document | None
    errors: tuple[AttemptError, ...]
    logs: tuple[Mapping[str, Json], ...]
    last_error_id: int  # in the database, 0 for none
    last_log_id: int


class Archived(Record, frozen=True, kw_only=True):
    """What of a job is archived, or need not be, and is to be deleted: errors and logs up to these numbers."""

    job_id: int
    last_error_id: int
    last_log_id: int


def line_of(part: Part, now: float) -> bytes:
    """Return the line of *part*, with its end."""
    fields = {
        "archived_at": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
        "job_id": part.job_id,
        "job": part.job,
        "document": part.document,
        "errors": part.errors,
        "logs": part.logs,
    }
    return msgspec.json.encode(fields) + b"\n"


def archive_at(path: Path | str) -> Path:
    """Return the file that *path* leads to; raises ``ArchiveError`` where none can be written.

    It is made if it is not there, readable by its owner only.
    """
    file = Path(database_at(path))
    append(file, [])
    return file


def append(file: Path, lines: Iterable[bytes]) -> None:
    """Add *lines* to the archive *file*; durable on return.

    Raises ``ArchiveError``, also when another engine writes to it or it is no archive; then nothing was added.
    """
    with _opened(file) as descriptor:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, 0) != b"{":
            raise ArchiveError(f"asked to archive to {file}, found a file of another kind; name another")
        end = _end_of_last_line(descriptor, size)
        is_whole = _is_json(os.pread(descriptor, size - end, end))  # an editor may have taken the last line's end
        at = size if is_whole else end
        try:
            os.ftruncate(descriptor, at)
            _write_all(descriptor, b"".join((b"\n" if is_whole else b"", *lines)), at)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, at)
            raise


@contextmanager
def _opened(file: Path) -> Generator[int]:
    asked = f"asked to archive to {file}"
    try:
        is_new = not file.exists()
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ArchiveError(f"{asked}, found something that is no file; name another place")
            _lock(descriptor, asked)
            yield descriptor
        finally:
            os.close(descriptor)
        if is_new:
            sync_folder(file.parent)
    except OSError as error:
        raise ArchiveError(f"{asked}, found {error.strerror}; check that disk and the file's rights") from error


def _lock(descriptor: int, asked: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ArchiveError(f"{asked}, found another engine writing to it; give each database its own") from None


def _end_of_last_line(descriptor: int, size: int) -> int:
    """Return where the last line with an end has it; what follows is what a crash left of one."""
    end = size
    while end:
        begin = max(0, end - TAIL_BYTES)
        newline = os.pread(descriptor, end - begin, begin).rfind(b"\n")
        if newline >= 0:
            return begin + newline + 1
        end = begin
    return 0


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True


def _write_all(descriptor: int, data: bytes, at: int) -> None:
    left = memoryview(data)
    while left:
        written = os.pwrite(descriptor, left, at)
        left, at = left[written:], at + written
