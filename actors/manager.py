"""Owns the one connection that writes: every write of every kind passes through this actor, in inbox order.

It commits in groups: the message in hand and whatever waits behind it, in one transaction; only after the commit is
each reply sent, those of reads too, so acknowledged means durable (I1). A message that fails alone is undone alone.
The manager knows groups, replies and pushes; what a message does, the message knows. After a commit that failed the
database is opened again, and all that is parked is looked at again, for the commit may have happened.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from typing import Any

import pykka

from ..engine.changes import Move, Notice, Ripe
from ..engine.errors import BequestError, CommitInDoubtError, DiskError, EngineError, EngineStoppedError, StoreError
from ..engine.store import Store
from .asking import Ask, answer
from .messages import FallDue, Footing, ReclaimLeases, RenewLeases, Request
from .settlements import (
    Entry,
    Settlement,
    assigned_refs,
    given_back,
    is_given_up,
    is_needless,
    is_of_a_worker,
    is_repeated,
    is_superseded,
    newly_parked,
)
from .standing_messages import PARKED, Standing
from .supervised import Overseer, SupervisedActor
from .trouble import Trouble

logger = logging.getLogger(__name__)

NOTHING_RIPE = Ripe((), ())
GROUP_LIMIT = 512  # messages in one transaction
RETRY_S = 1.0  # until what failed for the database's sake is done again


class Tick:
    """Told when something may have fallen due: leases end, jobs become claimable, the WAL is written back."""


class _ReplayNeededError(Exception):
    """A message of the group failed after it had written something."""


class ManagerActor(SupervisedActor):
    """Answers every ``Request``, sent as an ``Ask`` or told.

    After a commit *wake_at* is called with the earliest time that something falls due, and *on_ripe* with the
    parents for which something is to be done, *on_lost* with running jobs that were taken from their workers, and
    *publish* with what has happened, and when. *trouble* outlives the manager.
    """

    def __init__(  # noqa: PLR0913 - all but two by name
        self,
        overseer: Overseer,
        store: Store,
        *,
        wake_at: Callable[[float], None],
        on_ripe: Callable[[Ripe], None],
        on_lost: Callable[[frozenset[int]], None] = lambda _: None,
        publish: Callable[[Sequence[Move | Notice], float], None] = lambda _facts, _at: None,
        trouble: Trouble | None = None,
    ) -> None:
        super().__init__(overseer)
        self._store = store
        self._wake_at = wake_at
        self._on_ripe = on_ripe
        self._on_lost = on_lost
        self._publish = publish
        self._group: list[Entry] = []
        self._parked: list[Entry] = []
        self._put_off: list[Entry] = []  # told, and failed; done again at the next tick
        self._ripe = NOTHING_RIPE
        self._assigned_in_vain: frozenset[int] = frozenset()  # and cancelled in the same group
        self._is_in_doubt = False  # a commit failed, and since then none has succeeded
        self._is_behind = False  # what fell due is still to be done
        self._trouble = trouble or Trouble()
        self._was_wal_over = False

    def receive(self, message: object) -> None:
        """Take a message into the group, and commit when nothing waits behind it."""
        match message:
            case Ask(message=Request() as request, reply=reply):
                self._take(Entry(request, reply))
            case Request():
                self._take(Entry(message, None))
            case Tick():
                self._tick()
            case _:
                self.refuse_unknown(message)
        if self.actor_inbox.empty() or len(self._group) >= GROUP_LIMIT:
            self._flush()

    def on_stop(self) -> None:
        """Commit what came before the stop, refuse what came after, and give back what the workers held."""
        stopped = EngineStoppedError()
        try:
            if not self._has_crashed:
                self._flush()
                self._end_waiting(stopped)  # first, or a parked worker would be assigned what is given back
                self._group = [Entry(ReclaimLeases(), None)]
                self._flush()
        finally:
            self._end_waiting(stopped)
            self.drain(stopped)

    def turn_away(self, message: object, error: BaseException) -> None:
        """Answer a message that comes too late; a worker's is not answered, but it learns that it must ask again."""
        super().turn_away(message, error)
        if isinstance(message, Standing):
            message.abandon()

    def _end_waiting(self, error: EngineStoppedError) -> None:
        entries = (*self._group, *self._parked, *self._put_off)
        self._group, self._parked, self._put_off = [], [], []
        for message, reply in entries:
            self.turn_away(message if reply is None else Ask(message, reply), error)

    def _take(self, entry: Entry) -> None:
        """Add to the group; what has no place in one is done alone, after what came before it."""
        if entry.message.footing is Footing.GROUP:
            self._group.append(entry)
            return
        self._flush()
        self._group.append(entry)
        self._flush()

    def _flush(self) -> None:
        if not self._group:
            return
        entries, self._group = self._group, []
        try:
            settlements = self._commit(entries)
        except BaseException:
            self._group = entries  # it is undone, and who waits for it is told so at the end
            raise
        if self._store.changes.lost_leases:  # first, for the same group may have assigned such a job anew
            self._on_lost(frozenset(self._store.changes.lost_leases))
        for settlement in settlements:
            self._deliver(settlement)
        if self._assigned_in_vain:  # last, or the worker would be told of it before it has it
            self._on_lost(self._assigned_in_vain)
        self._tell_of_changes()
        retry_at = self._store.now + RETRY_S if self._put_off or self._is_in_doubt or self._is_behind else math.inf
        self._wake_at(min(self._store.changes.wake_at, retry_at))
        self._look_after_wal()

    def _look_after_wal(self) -> None:
        self._store.checkpoint()
        if self._store.is_wal_over and not self._was_wal_over:
            logger.warning("the write-ahead log is over its bound: somebody reads an old state of the file")
        self._was_wal_over = self._store.is_wal_over

    def _tell_of_changes(self) -> None:
        changes = self._store.changes
        if changes.moves or changes.notices:
            self._publish([*changes.moves, *changes.notices], self._store.now)
        if any(self._ripe):
            self._on_ripe(self._ripe)
            self._ripe = NOTHING_RIPE

    def _commit(self, entries: list[Entry]) -> list[Settlement]:
        """Return what to settle; the parked are not among it."""
        try:
            if entries[0].message.footing is Footing.NONE:
                return self._between(entries)
            try:
                return self._transaction(entries, self._together, self._plainly)
            except _ReplayNeededError:
                return self._transaction(entries, self._one_by_one, self._guarded)
        except StoreError as error:
            self._trouble.note(error, self._store.now, messages=len(entries))
            if isinstance(error, CommitInDoubtError):
                self._is_in_doubt = True
                self._reopen()
            return self._undone(entries, error)

    def _reopen(self) -> None:
        try:
            self._store.reopen()
        except StoreError as error:
            self._trouble.note(error, self._store.now, messages=0)  # the next group tries

    def _undone(self, entries: list[Entry], error: StoreError) -> list[Settlement]:
        """Return the answers of a group that failed; what was told and can be repeated is kept for later."""
        for entry in entries:
            if is_repeated(entry) or isinstance(entry.message, RenewLeases):  # it must come before its lease ends
                self._do_later(entry.message)
        return [Settlement(entry, None, error) for entry in entries if not is_repeated(entry)]

    def _do_later(self, message: Request) -> None:
        """Have *message* done again at the next tick, in the place of those that it makes needless."""
        self._put_off = [*(one for one in self._put_off if not is_needless(one.message, message)), Entry(message, None)]

    def _transaction(
        self,
        entries: list[Entry],
        apply_all: Callable[[list[Entry]], Iterator[Settlement]],
        apply: Callable[[Entry], Settlement],
    ) -> list[Settlement]:
        is_loose = entries[0].message.footing is Footing.LOOSE
        settlements: list[Settlement] = []
        try:
            with self._store.loose_group() if is_loose else self._store.group():
                before = self._store.total_changes
                settlements += apply_all(entries)
                self._store.follow_up()
                parked = [entry for entry in self._parked if not is_superseded(entry, entries)]
                served, still_parked = self._serve(parked + newly_parked(settlements), apply)
                settlements += served
                ripe = self._store.parents.ripe(self._store.changes.parents)
                self._assigned_in_vain = self._lost_again(settlements)
                has_written = self._store.total_changes != before
        except CommitInDoubtError:
            self._put_off += given_back(settlements)
            raise
        self._parked, self._ripe, self._is_in_doubt = still_parked, ripe, False
        self._judge_disk(settlements, has_written=has_written)
        return [settlement for settlement in settlements if settlement.result is not PARKED]

    def _judge_disk(self, settlements: Sequence[Settlement], *, has_written: bool) -> None:
        """Note what the disk did to a group that was written: all of it is, or some message alone found no room."""
        fault = next((one.error for one in settlements if isinstance(one.error, DiskError)), None)
        if fault is not None:
            self._trouble.note(fault, self._store.now, messages=1)
        elif has_written:
            self._trouble.is_over(self._store.now)

    def _lost_again(self, settlements: Sequence[Settlement]) -> frozenset[int]:
        """Return the jobs that were assigned in this group and lost after that."""
        lost = self._store.changes.lost_leases
        refs = [ref for ref in assigned_refs(settlements) if ref.job_id in lost] if lost else []
        return frozenset(self._store.leases.not_held(refs)) if refs else frozenset()

    def _between(self, entries: list[Entry]) -> list[Settlement]:
        """Do what needs no transaction."""
        self._store.changes.clear()
        return [self._guarded(entry, nullcontext()) for entry in entries]

    def _together(self, entries: list[Entry]) -> Iterator[Settlement]:
        """Apply neighbours of one type at once; raises ``_ReplayNeededError`` when one fails and has written."""
        for kind, run in groupby(entries, key=lambda entry: type(entry.message)):
            neighbours = list(run)
            if not kind.is_coalesced or len(neighbours) == 1:
                yield from map(self._plainly, neighbours)
                continue
            try:
                results = kind.apply_all(self._store, [entry.message for entry in neighbours])
            except Exception as error:
                raise _ReplayNeededError from error
            yield from map(Settlement, neighbours, results)

    def _one_by_one(self, entries: list[Entry]) -> Iterator[Settlement]:
        """Apply each message so that it is undone alone when it fails."""
        return map(self._guarded, entries)

    def _plainly(self, entry: Entry) -> Settlement:
        before = self._store.total_changes
        try:
            return Settlement(entry, entry.message.apply(self._store))
        except BequestError as error:
            if isinstance(error, StoreError) or self._store.total_changes != before:
                raise _ReplayNeededError from error
            return Settlement(entry, None, error)
        except Exception as error:
            raise _ReplayNeededError from error

    def _guarded(self, entry: Entry, scope: AbstractContextManager[None] | None = None) -> Settlement:
        """Apply a message so that only what it did itself is undone when it fails, in a savepoint or in *scope*."""
        try:
            with scope or self._store.savepoint():
                return Settlement(entry, entry.message.apply(self._store))
        except BequestError as error:
            return Settlement(entry, None, error)
        except Exception as error:
            asked = type(entry.message).__name__
            logger.exception("a message failed unexpectedly", extra={"asked": asked})
            return Settlement(entry, None, EngineError(f"{asked} failed unexpectedly: {type(error).__name__}"))

    def _serve(self, parked: list[Entry], apply: Callable[[Entry], Settlement]) -> tuple[list[Settlement], list[Entry]]:
        """Do again what is parked and concerned, in the transaction that concerned it.

        Workers come first: what they are assigned concerns those who watch.
        """
        served: list[Settlement] = []
        left: list[Entry] = []
        for entry in sorted(parked, key=lambda entry: not is_of_a_worker(entry)):
            if is_given_up(entry):
                continue
            settlement = apply(entry) if self._is_concerned(entry.message) else Settlement(entry, PARKED)
            if settlement.result is PARKED:
                left.append(entry)
            else:
                served.append(settlement)
        return served, left

    def _is_concerned(self, message: Request) -> bool:
        return self._is_in_doubt or (isinstance(message, Standing) and message.concerns(self._store.changes))

    def _deliver(self, settlement: Settlement) -> None:
        """Send one answer; what is committed must not stop at one that cannot be sent."""
        entry, result, error = settlement
        try:
            if entry.reply is None:
                self._tell(entry.message, result, error)
            elif error is None:
                entry.reply.set(result)
            else:
                answer(entry.reply, error)
        except pykka.ActorDeadError:
            self._put_off += given_back([settlement])
        except Exception:
            logger.exception("an answer was not sent", extra={"asked": type(entry.message).__name__})

    def _tell(self, message: Request, result: Any, error: BequestError | None) -> None:
        if isinstance(error, DiskError | CommitInDoubtError):
            if message.is_repeatable:
                self._do_later(message)  # as it is, for that is no fault of its own
            self._is_behind = self._is_behind or isinstance(message, FallDue)
            return
        if error is not None:
            told = {"asked": type(message).__name__, "error": str(error)}
            logger.warning("what was told to the manager failed", extra=told)
        if not isinstance(message, Standing):
            return
        if error is None:
            message.deliver(result)
        else:
            self._put_off.append(Entry(message.instead(error), None))

    def _tick(self) -> None:
        """Do what was put off, so that a lease that was to be renewed has not ended, and then what fell due.

        Each in a group of its own: what fell due must not wait for what there is no room for.
        """
        if self._put_off:
            self._group += self._put_off
            self._put_off = []
            self._flush()
        self._is_behind = False
        self._group.append(Entry(FallDue(), None))
        self._flush()
        if self.actor_inbox.empty():
            self._store.truncate_wal()
