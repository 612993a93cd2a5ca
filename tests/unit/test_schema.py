"""The schema refuses by itself what must never be, also when the SQL goes behind the store's back."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping

import pytest

from bequest.engine.database import MEMORY, Database, Value
from bequest.engine.database_file import open_database
from bequest.engine.errors import StoreError
from bequest.engine.job_rows import NUMBER_OF
from bequest.engine.records import STATES, TRANSITIONS, State
from bequest.engine.schema import migrations
from bequest.testing.manual_clock import ManualClock

PAIRS = [(source, target) for source, target in itertools.product(STATES, STATES) if source is not target]
ALLOWED = {(source, target) for source, targets in TRANSITIONS.items() for target in targets}
ROW: Mapping[str, Value] = {
    "parent_id": None,
    "root_id": 0,
    "queue": "default",
    "kind": "page",
    "partition": "",
    "state": 0,
    "is_due": 1,
    "priority": 0,
    "attempts": 0,
    "max_attempts": 1,
    "token": 0,
    "sealed": 0,
    "made_waiting": 0,
    "own_step": 0,
    "on_failure": 0,
    "key_scope": 0,
    "key": None,
    "run_at": 1.0,
    "created_at": 1.0,
    "lease_until": None,
    "finished_at": None,
    "waits_for": None,
    "config_json": "{}",
    "metadata_json": "{}",
}
TIMES_OF_STATE = "lease_until = iif(?2 = 1, 9.0, NULL), finished_at = iif(?2 >= 3, 9.0, NULL)"


@pytest.fixture
def database() -> Iterator[Database]:
    """Give the schema, in memory, with no store in front of it."""
    opened = open_database(MEMORY, durability="relaxed", clock=ManualClock())
    yield opened
    opened.close()


def insert(database: Database, **columns: Value) -> int:
    """Insert a job by plain SQL and return its id."""
    row = {**ROW, **columns}
    places = ", ".join("?" for _ in row)
    ((job_id,),) = database.rows(
        f"INSERT INTO job ({', '.join(row)}) VALUES ({places}) RETURNING id", tuple(row.values())
    )
    return int(job_id)


def insert_in(database: Database, state: State, **columns: Value) -> int:
    """Insert a job that is in *state*, with what belongs to that."""
    number = NUMBER_OF[state]
    times = {"lease_until": 9.0 if state is State.RUNNING else None, "finished_at": 9.0 if state.is_final else None}
    return insert(database, state=number, **{**times, **columns})


def move(database: Database, job_id: int, state: State) -> None:
    """Move a job by plain SQL."""
    database.run(f"UPDATE job SET state = ?2, {TIMES_OF_STATE} WHERE id = ?1", (job_id, NUMBER_OF[state]))


# Migrations


def test_migrations_are_numbered_from_one_without_a_gap() -> None:
    """Each step has the number after that of the step before it."""
    assert [step.version for step in migrations()] == list(range(1, len(migrations()) + 1))


# I2: the transitions


def test_trigger_has_the_table_of_transitions(database: Database) -> None:
    """The digits in the trigger are the table in the records, pair by pair (I2)."""
    ((sql,),) = database.rows("SELECT sql FROM sqlite_schema WHERE name = 'job_transition'")

    (digits,) = re.findall(r"instr\('([ \d]+)'", sql)

    found = {(STATES[int(pair[0])], STATES[int(pair[1])]) for pair in digits.split()}
    assert found == ALLOWED
    assert digits == f" {' '.join(digits.split())} "  # each stands between spaces, or two would make a third


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_schema_allows_the_listed_transitions_alone(database: Database, source: State, target: State) -> None:
    """Every pair of states: what the table lists goes through, all else is refused and changes nothing (I2)."""
    job_id = insert_in(database, source, sealed=1)

    if (source, target) in ALLOWED:
        move(database, job_id, target)
    else:
        with pytest.raises(StoreError, match="transition not allowed"):
            move(database, job_id, target)

    expected = target if (source, target) in ALLOWED else source
    assert database.rows("SELECT state FROM job") == [(NUMBER_OF[expected],)]


@pytest.mark.parametrize(("state", "finished_at"), [(-1, None), (6, 9.0)])
def test_schema_knows_six_states(database: Database, state: int, finished_at: float | None) -> None:
    """A job is in one of six states (I2)."""
    with pytest.raises(StoreError, match="state BETWEEN 0 AND 5"):
        insert(database, state=state, finished_at=finished_at)


# I9: how a parent ends

# Of those that did not run the step that is due by then.
ENDS = [(State.WAITING, State.COMPLETED), (State.WAITING, State.FAILED), (State.PENDING, State.FAILED)]


@pytest.mark.parametrize(("source", "state"), ENDS)
def test_parent_that_is_not_sealed_does_not_end(database: Database, source: State, state: State) -> None:
    """While more children may come a parent neither completes nor fails (I9)."""
    parent_id = insert_in(database, source)

    with pytest.raises(StoreError, match="parent is not sealed"):
        move(database, parent_id, state)


@pytest.mark.parametrize(("source", "state"), ENDS)
@pytest.mark.parametrize("child", [State.PENDING, State.RUNNING, State.WAITING])
def test_parent_of_an_unfinished_child_does_not_end(
    database: Database, source: State, state: State, child: State
) -> None:
    """While a child is not final a sealed parent neither completes nor fails (I9)."""
    parent_id = insert_in(database, source, sealed=1)
    insert_in(database, State.COMPLETED, parent_id=parent_id)
    insert_in(database, child, parent_id=parent_id)

    with pytest.raises(StoreError, match="children are not final"):
        move(database, parent_id, state)


@pytest.mark.parametrize(("source", "state"), ENDS)
def test_sealed_parent_of_final_children_ends(database: Database, source: State, state: State) -> None:
    """Once it is sealed and all its children are final nothing holds a parent back (I9)."""
    parent_id = insert_in(database, source, sealed=1)
    for child in (State.COMPLETED, State.FAILED, State.CANCELLED):
        insert_in(database, child, parent_id=parent_id)

    move(database, parent_id, state)

    assert database.rows("SELECT state FROM job WHERE id = ?", (parent_id,)) == [(NUMBER_OF[state],)]


def test_parent_does_not_complete_before_its_own_step(database: Database) -> None:
    """One that has something to do after its children fails without it, and does not complete (I9)."""
    parent_id, other = (insert_in(database, State.WAITING, sealed=1, own_step=1) for _ in range(2))

    with pytest.raises(StoreError, match="own step is not done"):
        move(database, parent_id, State.COMPLETED)
    move(database, other, State.FAILED)


# I13: the counters


def tally(database: Database) -> list[tuple[int, ...]]:
    return database.rows("SELECT * FROM tally ORDER BY parent_id")


def counted(database: Database) -> list[tuple[int, ...]]:
    of_failed = (f"state = 4 AND on_failure = {number}" for number in (1, 2, 3))
    sums = ", ".join(f"sum({term})" for term in (*(f"state = {number}" for number in range(len(STATES))), *of_failed))
    return database.rows(f"SELECT parent_id, {sums} FROM job WHERE parent_id IS NOT NULL GROUP BY parent_id")


def test_counters_follow_every_insert_update_and_delete(database: Database) -> None:
    """Whatever is done to children by plain SQL, the counters are what counting gives (I13)."""
    parents = [insert_in(database, State.WAITING) for _ in range(2)]
    for parent_id in parents:
        for (source, target), on_failure in itertools.product(PAIRS, range(4)):
            job_id = insert_in(database, source, parent_id=parent_id, sealed=1, on_failure=on_failure)
            if (source, target) in ALLOWED:
                assert tally(database) == counted(database)
                move(database, job_id, target)
            assert tally(database) == counted(database)

    for (job_id,) in database.rows("SELECT id FROM job WHERE parent_id IS NOT NULL AND id % 3 = 0"):
        database.run("DELETE FROM job WHERE id = ?", (job_id,))
        assert tally(database) == counted(database)


def test_counters_of_jobs_without_a_parent_do_not_exist(database: Database) -> None:
    """A job without a parent is counted nowhere, in none of its states."""
    job_id = insert_in(database, State.PENDING)

    move(database, job_id, State.RUNNING)
    database.run("DELETE FROM job")

    assert tally(database) == []


def test_counters_stay_when_an_update_leaves_the_state(database: Database) -> None:
    """To write the state that a job is in already counts nothing (I13)."""
    parent_id = insert_in(database, State.WAITING)
    job_id = insert_in(database, State.PENDING, parent_id=parent_id)

    move(database, job_id, State.PENDING)

    assert tally(database) == [(parent_id, 1, *[0] * 8)]


# What a row may hold


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"attempts": 2, "max_attempts": 1}, "attempts BETWEEN 0 AND max_attempts"),  # I5
        ({"attempts": -1}, "attempts BETWEEN 0 AND max_attempts"),
        ({"max_attempts": 0}, "max_attempts >= 1"),
        ({"state": 1}, "lease_until"),  # I3: who runs has a lease
        ({"lease_until": 9.0}, "lease_until"),  # and nobody else
        ({"state": 3}, "finished_at"),
        ({"finished_at": 9.0}, "finished_at"),
        ({"waits_for": "wiki"}, "waits_for"),
        ({"key": ""}, "length"),
        ({"key": "x" * 256}, "length"),
        ({"key_scope": 1}, "key_scope = 0 OR key IS NOT NULL"),
        ({"parent_id": 99}, "FOREIGN KEY"),
        ({"definition_id": 99}, "FOREIGN KEY"),
        ({"child_limit": -1}, "child_limit >= 0"),
        ({"child_concurrency": 0}, "child_concurrency >= 1"),
        ({"priority": "high"}, "cannot store TEXT"),
        ({"config_json": None}, "NOT NULL"),
    ],
)
def test_row_that_contradicts_itself_is_refused(database: Database, columns: dict[str, Value], rule: str) -> None:
    """Each rule is the database's own and named in its refusal."""
    with pytest.raises(StoreError, match=rule):
        insert(database, **columns)


@pytest.mark.parametrize("parent_id", [None, 1])
@pytest.mark.parametrize(
    ("scopes", "first_state", "is_refused"),
    [
        ((0, 0), State.PENDING, True),
        ((0, 0), State.COMPLETED, True),  # for ever
        ((1, 1), State.PENDING, True),
        ((1, 1), State.COMPLETED, False),  # while it is unfinished
        ((1, 0), State.WAITING, True),
        ((0, 1), State.FAILED, True),
    ],
)
def test_key_names_one_job_in_its_scope(
    database: Database, parent_id: int | None, scopes: tuple[int, int], first_state: State, is_refused: bool
) -> None:
    """Among one parent's children, or the jobs that have none, a key has one holder at a time (I11, I15)."""
    insert_in(database, State.WAITING)
    insert_in(database, first_state, parent_id=parent_id, key="a", key_scope=scopes[0])

    if is_refused:
        with pytest.raises(StoreError, match="UNIQUE constraint failed"):
            insert(database, parent_id=parent_id, key="a", key_scope=scopes[1])
    else:
        insert(database, parent_id=parent_id, key="a", key_scope=scopes[1])


def test_key_names_one_job_of_all_queues_and_kinds(database: Database) -> None:
    """Where a job waits, and what it does, is no part of its key (I11)."""
    insert(database, key="a")

    for columns in ({"queue": "other"}, {"kind": "other"}, {"partition": "other"}):
        with pytest.raises(StoreError, match="UNIQUE constraint failed"):
            insert(database, key="a", **columns)


def test_key_is_free_under_another_parent(database: Database) -> None:
    """A key is one parent's matter; jobs without a key are never alike (I11)."""
    parents = [None, insert_in(database, State.WAITING), insert_in(database, State.WAITING)]

    for parent_id in parents:
        insert(database, parent_id=parent_id, key="a")
        insert(database, parent_id=parent_id)
        insert(database, parent_id=parent_id)

    assert database.row("SELECT count(*) FROM job WHERE key = 'a'") == (3,)


def insert_document(database: Database, job_id: int, **columns: Value) -> None:
    row: dict[str, Value] = {"job_id": job_id, "parent_id": 1, "url_key": "k", "url": "u", "status": 200}
    row |= {"title": "", "markdown": "", "depth": 0, "auth_id": None, "fetched_at": 1.0, **columns}
    database.run(f"INSERT INTO document VALUES ({', '.join('?' for _ in row)})", tuple(row.values()))


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"url_key": "first"}, "UNIQUE"),  # I15
        ({"status": 400}, "status BETWEEN"),
        ({"status": 99}, "status BETWEEN"),
        ({"depth": -1}, "depth >= 0"),
    ],
)
def test_document_that_is_none_is_refused(database: Database, columns: dict[str, Value], rule: str) -> None:
    """A run has one document for each URL (I15), and an error page is none."""
    for _ in range(2):
        insert(database)
    insert_document(database, 1, url_key="first")

    with pytest.raises(StoreError, match=rule):
        insert_document(database, 2, **columns)


def test_deleted_job_takes_all_that_is_its_own_with_it(database: Database) -> None:
    """Children, counters, documents and logs do not outlive their job."""
    parent_id = insert_in(database, State.WAITING)
    child_id = insert_in(database, State.COMPLETED, parent_id=parent_id)
    insert_document(database, child_id, parent_id=parent_id)
    database.run(
        "INSERT INTO job_log (job_id, at, level, message, fields_json) VALUES (?, 1, 'INFO', '', '')", (child_id,)
    )

    database.run("DELETE FROM job WHERE id = ?", (parent_id,))

    tables = ("job", "tally", "document", "job_log")
    assert [database.row(f"SELECT count(*) FROM {table}") for table in tables] == [(0,)] * 4


def test_id_of_a_deleted_job_is_never_used_again(database: Database) -> None:
    """Ids only grow, so that nothing takes one job for another."""
    first = insert(database)
    database.run("DELETE FROM job")

    assert insert(database) > first
