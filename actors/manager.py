"""Owns the one connection that writes: every write of every kind passes through this actor, in inbox order.

It commits in groups: the message in hand and whatever waits behind it, in one transaction; only after the commit is
each reply sent, those of reads too, so acknowledged means durable (I1). A message that fails alone is undone alone.
The manager knows groups, replies and pushes; what a message does, the message knows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import pykka

from ..engine.errors import (
    BequestError,
    CommitInDoubtError,
    EngineFailedError,
    EngineStoppedError,
    JobNotFoundError,
    StoreError,
)
from ..engine.store import Store
from .asking import Ask, answer
from .messages import FallDue, Request
from .standing_messages import PARKED, Standing
from .supervised import Overseer, SupervisedActor

logger = logging.getLogger(__name__)

GROUP_LIMIT = 512  # messages in one transaction


class Tick:
    """Told when something may have fallen due: leases end, jobs become claimable, the WAL is written back."""


class Entry(NamedTuple):
    """A message in the group; *reply* is None when nobody waits."""

    message: Request
    reply: pykka.Future[Any] | None


class Settlement(NamedTuple):
    """What becomes of an entry once the group is durable."""

    entry: Entry
    result: Any
    error: BequestError | None = None


class _ReplayNeededError(Exception):
    """A message of the group failed after it had written something."""


class ManagerActor(SupervisedActor):
    """Answers every ``Request``, sent as an ``Ask`` or told.

    After a commit *wake_at* is called with the earliest time that something falls due, and *on_settled* with the
    parents whose children have all ended.
    """

    def __init__(
        self,
        overseer: Overseer,
        store: Store,
        *,
        wake_at: Callable[[float], None],
        on_settled: Callable[[tuple[int, ...]], None],
    ) -> None:
        super().__init__(overseer)
        self._store = store
        self._wake_at = wake_at
        self._on_settled = on_settled
        self._group: list[Entry] = []
        self._parked: list[Entry] = []
        self._put_off: list[Entry] = []  # of workers, whose group failed; done again at the next tick
        self._settled: tuple[int, ...] = ()

    def receive(self, message: object) -> None:
        """Take a message into the group, and commit when nothing waits behind it."""
        match message:
            case Ask(message=Request() as request, reply=reply):
                self._group.append(Entry(request, reply))
            case Request():
                self._group.append(Entry(message, None))
            case Tick():
                self._tick()
            case _:
                logger.warning("the manager was sent what is no request", extra={"type": type(message).__name__})
        if self.actor_inbox.empty() or len(self._group) >= GROUP_LIMIT:
            self._flush()

    def on_stop(self) -> None:
        """Commit what came before the stop and refuse what came after."""
        if not self._has_crashed:
            self._flush()
        stopped = EngineStoppedError()
        for entry in self._parked:
            if entry.reply is None and isinstance(entry.message, Standing):
                entry.message.abandon()
        self._deliver([Settlement(entry, None, stopped) for entry in (*self._group, *self._parked)])
        self.drain(stopped)

    def _flush(self) -> None:
        if not self._group:
            return
        entries, self._group = self._group, []
        self._deliver(self._commit(entries))
        if self._settled:
            self._on_settled(self._settled)
            self._settled = ()
        self._wake_at(self._store.changes.wake_at)
        self._store.checkpoint()

    def _commit(self, entries: list[Entry]) -> list[Settlement]:
        """Return what to settle; the parked are not among it."""
        try:
            try:
                return self._transaction(entries, self._together)
            except _ReplayNeededError:
                return self._transaction(entries, self._one_by_one)
        except CommitInDoubtError as error:
            logger.exception("commit in doubt; the database is opened again", extra={"messages": len(entries)})
            self._store.reopen()
            self._store.changes.clear()
            return [Settlement(entry, None, error) for entry in entries]
        except StoreError as error:
            self._store.changes.clear()
            return [Settlement(entry, None, error) for entry in entries]

    def _transaction(
        self, entries: list[Entry], apply: Callable[[list[Entry]], Iterator[Settlement]]
    ) -> list[Settlement]:
        with self._store.group():
            settlements = list(apply(entries))
            waiting = self._parked + [
                Entry(entry.message.parked(), entry.reply)
                for entry, result, _ in settlements
                if result is PARKED and isinstance(entry.message, Standing)
            ]
            served, still_parked = self._serve(waiting)
            settled = tuple(self._store.jobs.settled_parents(self._store.changes.parents))
        self._parked, self._settled = still_parked, settled
        return [settlement for settlement in (*settlements, *served) if settlement.result is not PARKED]

    def _together(self, entries: list[Entry]) -> Iterator[Settlement]:
        """Apply neighbours of one type at once; raises ``_ReplayNeededError`` when one fails and has written."""
        for kind, run in groupby(entries, key=lambda entry: type(entry.message)):
            neighbours = list(run)
            try:
                if kind.is_coalesced and len(neighbours) > 1:
                    results = kind.apply_all(self._store, [entry.message for entry in neighbours])
                    yield from map(Settlement, neighbours, results)
                    continue
            except Exception as error:
                raise _ReplayNeededError from error
            for entry in neighbours:
                before = self._store.total_changes
                try:
                    yield Settlement(entry, entry.message.apply(self._store))
                except BequestError as error:
                    if isinstance(error, StoreError) or self._store.total_changes != before:
                        raise _ReplayNeededError from error
                    yield Settlement(entry, None, error)
                except Exception as error:
                    raise _ReplayNeededError from error

    def _one_by_one(self, entries: list[Entry]) -> Iterator[Settlement]:
        """Apply each message so that it is undone alone when it fails."""
        for entry in entries:
            try:
                with self._store.savepoint():
                    result = entry.message.apply(self._store)
            except BequestError as error:
                yield Settlement(entry, None, error)
            except Exception as error:
                logger.exception("a message failed unexpectedly", extra={"asked": type(entry.message).__name__})
                asked = type(entry.message).__name__
                yield Settlement(entry, None, EngineFailedError(f"{asked} failed unexpectedly: {type(error).__name__}"))
            else:
                yield Settlement(entry, result)

    def _serve(self, parked: Sequence[Entry]) -> tuple[list[Settlement], list[Entry]]:
        """Do again what is parked and concerned, in the transaction that concerned it."""
        served: list[Settlement] = []
        left: list[Entry] = []
        for entry in parked:
            message = entry.message
            if not isinstance(message, Standing) or not message.concerns(self._store.changes):
                left.append(entry)
                continue
            try:
                result = message.apply(self._store)
            except JobNotFoundError as error:
                served.append(Settlement(entry, None, error))
                continue
            if result is PARKED:
                left.append(entry)
            else:
                served.append(Settlement(entry, result))
        return served, left

    def _deliver(self, settlements: Sequence[Settlement]) -> None:
        for entry, result, error in settlements:
            if entry.reply is not None:
                if error is None:
                    entry.reply.set(result)
                else:
                    answer(entry.reply, error)
            elif isinstance(error, EngineStoppedError):
                logger.debug("told after the stop", extra={"asked": type(entry.message).__name__})
            elif error is not None:
                self._put_off_or_log(entry, error)
            elif isinstance(entry.message, Standing):
                entry.message.deliver(result)

    def _put_off_or_log(self, entry: Entry, error: BequestError) -> None:
        """Keep a worker's message for later; to repeat it is safe, for its writes carry their lease's token."""
        logger.warning(
            "what was told to the manager failed", extra={"asked": type(entry.message).__name__, "error": str(error)}
        )
        if isinstance(entry.message, Standing) and isinstance(error, StoreError):
            self._put_off.append(entry)

    def _tick(self) -> None:
        """Do what fell due; it counts as a message of its own."""
        self._group += [*self._put_off, Entry(FallDue(), None)]
        self._put_off = []
        self._flush()
        self._store.truncate_wal()
