"""What a disk has changed in a row, where SQLite itself notices nothing, is damage to whoever meets it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bequest.engine import claim_store
from bequest.engine.errors import DatabaseCorruptError
from bequest.engine.job_rows import counts_from
from bequest.engine.limits import KindTerms
from bequest.engine.records import LogEntry, NewJob
from bequest.engine.store import Store

TERMS = (KindTerms(kind="page"),)
NO_TEXT = "CAST(x'ff' AS TEXT)"


@pytest.fixture
def damaged(store: Store) -> Callable[[str], Store]:
    """Give what damages the store, of two jobs and a line of log, with SQL that nothing keeps from it."""
    with store.group():
        store.jobs.create([NewJob(kind="page", tags=("a",)), NewJob(kind="page")])
        store.logs.add([LogEntry(job_id=1, at=1.0, level="INFO", message="m")])

    def damage(sql: str) -> Store:
        triggers = store._database.rows("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
        for name, _ in triggers:
            store._database.script(f"DROP TRIGGER {name}")
        store._database.script(f"PRAGMA ignore_check_constraints=ON; {sql}; PRAGMA ignore_check_constraints=OFF")
        for _, text in triggers:
            store._database.script(text)
        return store

    return damage


def claim(store: Store) -> object:
    return store.claims.claim("default", TERMS, 2, 60.0)


@pytest.mark.parametrize(
    ("sql", "act"),
    [
        ("UPDATE job SET config_json = '{'", claim),
        ("UPDATE job SET own_step = 9", claim),
        (f"UPDATE job SET config_json = {NO_TEXT}", claim),
        ("UPDATE job SET metadata_json = '[1]'", lambda store: store.jobs.update_metadata(1, {"a": 1})),
        ("UPDATE job SET state = 9", lambda store: store.queries.job(1)),
        ("UPDATE job SET tags_json = '7'", lambda store: store.jobs.get(1)),
        ("UPDATE job SET error_json = '{}'", lambda store: store.queries.jobs()),
        (f"UPDATE job_log SET message = {NO_TEXT}", lambda store: store.queries.logs(1)),
        ("UPDATE job_log SET fields_json = 'x'", lambda store: store.queries.logs(1)),
    ],
)
def test_row_that_was_never_written_so_is_damage(
    damaged: Callable[[str], Store], sql: str, act: Callable[[Store], object]
) -> None:
    """Whoever meets it is told that the file is damaged and what to do, and nothing of what is in the row."""
    store = damaged(sql)

    with pytest.raises(DatabaseCorruptError, match=r"damaged.*; restore a backup"), store.group():
        act(store)


def test_counter_that_is_no_number_is_damage() -> None:
    """A counter is a number in every row that was ever written."""
    with pytest.raises(DatabaseCorruptError, match="restore a backup"):
        counts_from((1, None, 0, 0, 0, 0, 0, 0, 0))


def test_index_that_names_a_job_that_is_not_there_is_damage(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim that finds in an index what the table has not says so, and claims nothing."""
    with store.group():
        store.jobs.create([NewJob(kind="page", partition=name) for name in "ab"])
    monkeypatch.setattr(claim_store, "CHOSEN", claim_store.CHOSEN + " AND id < 2")

    with pytest.raises(DatabaseCorruptError, match="restore a backup"), store.group():
        claim(store)

    with store.group():
        assert store.stats.counts()[0].jobs.pending == 2


def test_priority_that_is_no_number_is_damage(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim that cannot put jobs in order for that says so, and claims nothing."""
    with store.group():
        store.jobs.create([NewJob(kind="page"), NewJob(kind="page")])
    monkeypatch.setattr(claim_store, "LEASED", claim_store.LEASED.replace("priority", "'high'"))

    with pytest.raises(DatabaseCorruptError, match="restore a backup"), store.group():
        claim(store)

    with store.group():
        assert store.stats.counts()[0].jobs.pending == 2
