"""Owns a connection that can only read, for listings and exports, so that long reads never hold up writes.

Never a part of the chain: it may be a commit behind. Every query has a deadline, after which its view of the file ends,
and between two of them a WAL that is over its bound is cut short: it could never be while something is read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pykka

from ..engine.clock import Clock
from ..engine.database_file import open_reader
from ..engine.errors import BequestError, EngineError
from ..engine.queries import Queries
from .asking import Ask, answer
from .query_messages import Query
from .supervised import Overseer, SupervisedActor

logger = logging.getLogger(__name__)

QUERY_DEADLINE_S = 30.0


class ReaderActor(SupervisedActor):
    """Answers every ``Query`` over the database at *path*; *cut_wal* has the owner cut a WAL over its bound short."""

    def __init__(
        self,
        overseer: Overseer,
        path: str,
        clock: Clock,
        *,
        cut_wal: Callable[[], object] = lambda: None,
        vfs: str | None = None,
    ) -> None:
        super().__init__(overseer)
        self._cut_wal = cut_wal
        self._database = open_reader(path, clock=clock, vfs=vfs)
        self._queries = Queries(self._database)

    def receive(self, message: object) -> None:
        """Read what is asked."""
        match message:
            case Ask(message=Query() as query, reply=reply):
                self._answer(query, reply)
            case _:
                self.refuse_unknown(message)

    def on_stop(self) -> None:
        """Close the connection."""
        super().on_stop()
        self._database.close()

    def _answer(self, query: Query, reply: pykka.Future[Any]) -> None:
        try:
            if self._database.is_wal_large:
                with suppress(BequestError):  # a query can be answered all the same
                    self._cut_wal()
            with self._database.deadline(QUERY_DEADLINE_S, gives_way=True):
                result = query.read(self._queries)
        except BequestError as error:
            answer(reply, error)
        except Exception as error:  # such as a value that no query takes; it must not cost the others their reader
            asked = type(query).__name__
            logger.exception("a query failed unexpectedly", extra={"asked": asked})
            answer(reply, EngineError(f"{asked} failed unexpectedly: {type(error).__name__}"))
        else:
            reply.set(result)
