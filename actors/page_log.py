"""Owns the notes of one page's crawl: structured records for the program's log, and lines of the job's own log.

Names and counts only, never a value of a cookie.
"""

from __future__ import annotations

import logging

from ..engine.clock import Clock
from ..engine.inheritance import AuthSource, SessionChoice
from ..engine.pages import CookieReport
from ..engine.records import Inheritance, Json, LogEntry

logger = logging.getLogger(__name__)


class PageLog:
    """Collects the log lines of one attempt."""

    def __init__(self, job_id: int, clock: Clock) -> None:
        self.entries: tuple[LogEntry, ...] = ()
        self._job_id = job_id
        self._clock = clock

    def info(self, message: str, **fields: Json) -> None:
        """Note what happened."""
        self._add(logging.INFO, message, fields)

    def warning(self, message: str, **fields: Json) -> None:
        """Note what did not go as asked."""
        self._add(logging.WARNING, message, fields)

    def chain(self, inheritance: Inheritance, choice: SessionChoice) -> None:
        """Note what the parent left and where the session's name came from."""
        keys: list[Json] = sorted(inheritance.metadata)
        self.info("parent metadata read", parent_id=inheritance.parent_id, keys=keys)
        if choice.source is AuthSource.NONE:
            self.info("auth_id not found", parent_id=inheritance.parent_id)
        else:
            self.info("auth_id found", auth_id=choice.auth_id, source=str(choice.source))

    def cookies(self, auth_id: str, report: CookieReport | None) -> None:
        """Note what became of the credential's cookies; None means that it does not cover the page's host."""
        if report is None:
            self.warning("credential not used: the host is none of its sites", auth_id=auth_id)
            return
        skipped: list[Json] = [{"name": name, "reason": reason} for name, reason in report.skipped]
        self.info(
            "cookies injected",
            auth_id=auth_id,
            offered=report.offered,
            injected=report.injected,
            confirmed=report.confirmed,
            skipped=skipped,
        )
        if report.headers or report.storages:
            self.info("headers and storages ready", auth_id=auth_id, headers=report.headers, storages=report.storages)

    def _add(self, level: int, message: str, fields: dict[str, Json]) -> None:
        logger.log(logging.DEBUG if level == logging.INFO else level, message, extra={"job_id": self._job_id, **fields})
        entry = LogEntry(
            job_id=self._job_id,
            at=self._clock.now(),
            level=logging.getLevelName(level),
            message=message,
            fields=fields,
        )
        self.entries = (*self.entries, entry)
