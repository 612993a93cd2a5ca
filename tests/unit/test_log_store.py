"""The logs of jobs: kept in one order, with their fields, for the jobs that are there."""

from __future__ import annotations

import pytest

from bequest.engine.errors import MetadataError, StoreError
from bequest.engine.limits import KindTerms
from bequest.engine.records import Completion, Json, LogEntry, NewJob, State
from bequest.engine.store import Store


def entry(message: str, *, job_id: int = 1, level: str = "INFO", **fields: Json) -> LogEntry:
    return LogEntry(job_id=job_id, at=12.5, level=level, message=message, fields=fields)


@pytest.fixture
def jobs(store: Store) -> list[int]:
    """Give two jobs to log of."""
    with store.group():
        return [created.job_id for created in store.jobs.create([NewJob(kind="page")] * 2)]


def add(store: Store, *entries: LogEntry) -> None:
    with store.group():
        store.logs.add(entries)


def read(store: Store, job_id: int = 1) -> list[LogEntry]:
    with store.group():
        return [found for _, found in store.queries.logs(job_id)]


def test_entry_is_read_back_as_it_was_added(store: Store, jobs: list[int]) -> None:
    """Level, time, sentence and fields come back equal, of any text."""
    entries = [entry("é 漢 😀 \0", level=level, a=[1, {"b": None}]) for level in ("DEBUG", "INFO", "WARNING", "ERROR")]

    add(store, *entries)

    assert read(store) == entries


def test_entries_keep_the_order_that_they_came_in(store: Store, jobs: list[int]) -> None:
    """Order is that of adding, within a call and between calls, whatever the times say."""
    many = [entry(str(number)) for number in range(200)]

    add(store, *many)
    add(store, entry("last"))

    assert [found.message for found in read(store)] == [str(number) for number in range(200)] + ["last"]


def test_entry_of_a_job_that_is_not_there_is_left_out(store: Store, jobs: list[int]) -> None:
    """A line that comes too late harms no other line."""
    add(store, entry("a"), entry("b", job_id=99), entry("c", job_id=2))

    assert [found.message for one in (1, 2, 99) for found in read(store, one)] == ["a", "c"]


def test_entry_of_a_stale_lease_is_left_out(store: Store, jobs: list[int]) -> None:
    """A holder's line counts while its lease does: not after the end of the attempt, nor under another's token (I4)."""
    with store.group():
        (lease,) = store.claims.claim("default", (KindTerms(kind="page"),), 1, 60.0)
        store.logs.add_under([(entry("held"), lease.token), (entry("stale"), lease.token + 1)])
        store.completions.complete([Completion(job_id=lease.job_id, token=lease.token, state=State.COMPLETED)])
        store.logs.add_under([(entry("late"), lease.token), (entry("of the engine"), None)])

    assert [found.message for found in read(store)] == ["held", "of the engine"]


def test_no_entries_are_no_write(store: Store) -> None:
    """An empty call leaves the database alone."""
    before = store.total_changes

    add(store)

    assert store.total_changes == before


def test_fields_that_json_cannot_hold_are_refused_by_name(store: Store, jobs: list[int]) -> None:
    """The error says that it was a log entry, and which field."""
    with store.group(), pytest.raises(MetadataError, match="fields of a log entry: key 'cause' holds a bytes"):
        store.logs.add([entry("a"), entry("b", cause=b"x")])

    assert read(store) == []


def test_level_that_is_none_is_refused(store: Store, jobs: list[int]) -> None:
    """There are four levels."""
    with store.group(), pytest.raises(StoreError, match="CHECK constraint failed: level"):
        store.logs.add([entry("a", level="LOUD")])


def test_message_with_half_of_a_character_is_kept(store: Store, jobs: list[int]) -> None:
    """A line for people is not lost for a character that UTF-8 has not."""
    add(store, entry("half \ud83d of one"))

    assert [found.message for found in read(store)] == ["half ? of one"]
