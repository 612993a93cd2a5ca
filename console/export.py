"""Owns the export of documents: one JSON object a line, written beside its place and renamed into it when whole."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from ..engine.errors import StoreError
from ..engine.records import StoredDocument


def export_documents(documents: Iterable[StoredDocument], path: Path) -> int:
    """Write *documents* to *path* and return how many; raises ``StoreError`` where it cannot be written.

    A pipe or a device is written to; only a file is replaced, and a link leads to its file.
    """
    try:
        if is_replaced(path):
            return replace_file(documents, path)
        with path.open("wb") as opened:
            return write_lines(documents, opened)
    except OSError as error:
        raise refused(path, error) from error


def check_export(path: Path) -> None:
    """Raise ``StoreError`` now for a place that could not be written to in the end; nothing is left there."""
    try:
        if path.is_dir() or not path.absolute().parent.is_dir():
            raise StoreError(f"asked to export to {path}, found no folder to write that file in; name another")
        if is_replaced(path):
            building = building_of(path)
            building.touch()
            building.unlink()
    except OSError as error:
        raise refused(path, error) from error


def is_replaced(path: Path) -> bool:
    """Whether *path* is a file, or nothing yet."""
    return path.is_file() or not path.exists()


def building_of(path: Path) -> Path:
    """Return where the new file is written, beside the one that it is to replace."""
    return Path(f"{os.path.realpath(path)}.new")


def replace_file(documents: Iterable[StoredDocument], path: Path) -> int:
    """Write a new file and put it in the place of *path*; when that fails nothing of it is left."""
    building = building_of(path)
    try:
        with building.open("wb") as opened:
            count = write_lines(documents, opened)
        building.replace(os.path.realpath(path))
    except BaseException:
        building.unlink(missing_ok=True)
        raise
    return count


def write_lines(documents: Iterable[StoredDocument], opened: BinaryIO) -> int:
    """Write *documents* and return how many."""
    count = 0
    for document in documents:
        opened.write(msgspec.json.encode(exported(document)) + b"\n")
        count += 1
    return count


def exported(document: StoredDocument) -> dict[str, Any]:  # Any: what JSON can hold
    """Return the fields of one line."""
    return {
        "url": document.url,
        "status": document.status,
        "title": document.title,
        "markdown": document.markdown,
        "depth": document.depth,
        "auth_id": document.auth_id,
        "job_id": document.job_id,
        "parent_id": document.parent_id,
        "fetched_at": datetime.fromtimestamp(document.fetched_at, UTC).isoformat(timespec="milliseconds"),
        "metadata": document.metadata,
    }


def refused(path: Path, error: OSError) -> StoreError:
    """Return the error for a file that cannot be written."""
    return StoreError(f"asked to export to {path}, found {error.strerror}; name another file")
