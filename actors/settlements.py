"""Owns what the manager keeps of a message: who waits for it, what becomes of it, and what is left to do of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pykka

from ..engine.errors import BequestError
from ..engine.records import LeaseRef
from .asking import FutureReply, Reply
from .messages import ReleaseLeases, Request
from .standing_messages import PARKED, Assigned, Standing


class Entry(NamedTuple):
    """A message in the group; *reply* is None when nobody waits."""

    message: Request
    reply: pykka.Future[Any] | None


class Settlement(NamedTuple):
    """What becomes of an entry once the group is durable."""

    entry: Entry
    result: Any
    error: BequestError | None = None


def newly_parked(settlements: Sequence[Settlement]) -> list[Entry]:
    """Return what is left to do of those that were done in vain."""
    return [
        Entry(entry.message.parked(), entry.reply)
        for entry, result, _ in settlements
        if result is PARKED and isinstance(entry.message, Standing)
    ]


def given_back(settlements: Sequence[Settlement]) -> list[Entry]:
    """Return what gives back the leases that nobody knows of: their worker has ended, or their group is in doubt."""
    refs = assigned_refs(settlements)
    return [Entry(ReleaseLeases(leases=refs), None)] if refs else []


def assigned_refs(settlements: Sequence[Settlement]) -> tuple[LeaseRef, ...]:
    """Return the leases that workers were assigned."""
    assigned = [settlement.result for settlement in settlements if isinstance(settlement.result, Assigned)]
    return tuple(LeaseRef(job_id=lease.job_id, token=lease.token) for result in assigned for lease in result.leases)


def is_repeated(entry: Entry) -> bool:
    """Whether it is done again after its group has failed, for nobody else will."""
    return entry.reply is None and entry.message.is_repeatable


def is_needless(older: Request, newer: Request) -> bool:
    """Whether *older*, put off, need not be done where *newer* is."""
    if isinstance(older, Standing) and isinstance(newer, Standing):
        return older == older.parked() and newer.supersedes(older)  # it brings no result
    return older == newer


def is_of_a_worker(entry: Entry) -> bool:
    """Whether it is a worker's, which is told what it wants instead of being answered."""
    return entry.reply is None and isinstance(entry.message, Standing)


def is_given_up(entry: Entry) -> bool:
    """Whether nobody waits for it any more."""
    if entry.reply is None:
        return isinstance(entry.message, Standing) and entry.message.is_given_up
    return isinstance(entry.reply, Reply | FutureReply) and entry.reply.is_given_up


def is_superseded(parked: Entry, entries: Sequence[Entry]) -> bool:
    """Whether a newer message takes the place of one that is parked."""
    old = parked.message
    return isinstance(old, Standing) and any(
        isinstance(entry.message, Standing) and entry.message.supersedes(old) for entry in entries
    )
