"""Owns the documents that pages left behind: one for each canonical URL and run (I15)."""

from __future__ import annotations

from .database import Database
from .records import Document


class DocumentStore:
    """The documents of the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, job_id: int, parent_id: int, document: Document) -> None:
        """Keep a document instead of what the page left before a retry; where the run has one for that URL, that stays.

        Two URLs can lead to one page.
        """
        self._database.run("DELETE FROM document WHERE job_id = ?", (job_id,))
        self._database.run(
            "INSERT INTO document VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (parent_id, url_key) DO NOTHING",
            (
                job_id,
                parent_id,
                document.url_key,
                document.url,
                document.status,
                document.title,
                document.markdown,
                document.depth,
                document.auth_id,
                document.fetched_at,
            ),
        )
