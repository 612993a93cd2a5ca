"""Owns the export of documents: one JSON object a line, written beside its place and renamed into it when whole."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from ..engine.errors import StoreError
from ..engine.records import StoredDocument


def export_documents(documents: Iterable[StoredDocument], path: Path) -> int:
    """Write *documents* to *path* and return how many; raises ``StoreError`` where it cannot be written."""
    building = path.with_name(f"{path.name}.new")
    count = 0
    try:
        with building.open("wb") as opened:
            for document in documents:
                opened.write(msgspec.json.encode(exported(document)) + b"\n")
                count += 1
        building.replace(path)
    except OSError as error:
        raise refused(path, error) from error
    return count


def check_export(path: Path) -> None:
    """Raise ``StoreError`` now for a place that could not be written to in the end."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise StoreError(f"asked to export to {path}, found no folder to write that file in; name another")


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
