"""How jobs get into the table: whole, in order, once under each key, and up to their parent's limit."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bequest.engine.errors import InvalidJobError, MetadataError, StoreError
from bequest.engine.job_rules import MAX_KEY_LENGTH
from bequest.engine.records import Created, Job, KeyScope, NewJob, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

UNFINISHED = KeyScope.UNFINISHED
FOREVER = KeyScope.FOREVER


def page(key: str | None = None, **fields: Any) -> NewJob:  # Any: the other fields of the record
    return NewJob(kind="page", key=key, **fields)


def create(store: Store, *jobs: NewJob) -> list[Created]:
    with store.group():
        return store.jobs.create(jobs)


def parent(store: Store, *, limit: int | None = None) -> int:
    (created,) = create(store, NewJob(kind="crawl", state=State.WAITING, child_limit=limit))
    return created.job_id


def spawn(store: Store, parent_id: int, *jobs: NewJob) -> list[int | None]:
    with store.group():
        return store.parents.spawn(parent_id, jobs)


def all_jobs(store: Store, parent_id: int | None = None) -> list[Job]:
    with store.group():
        return [view.job for view in store.queries.jobs(parent_id=parent_id, limit=1_000)]


# What a row is made of


def test_job_has_all_that_was_said_of_it(store: Store, clock: ManualClock) -> None:
    """Every field of what was asked for is in the row, and what was not asked for begins at its beginning."""
    asked = NewJob(
        kind="crawl",
        config={"a": [1, None]},
        metadata={"auth_id": "wiki"},
        state=State.WAITING,
        key="é 漢",
        key_scope=UNFINISHED,
        priority=-3,
        run_at=clock.now() + 5.0,
        max_attempts=4,
        child_limit=7,
        child_concurrency=2,
    )

    create(store, asked)

    (job,) = all_jobs(store)
    unkept = {"key_scope", "key_period_s", "on_clash", "run_timeout_s"}  # in another form, or for the insert alone
    given = [name for name in NewJob.__struct_fields__ if name not in unkept]
    assert {name: getattr(job, name) for name in given} == {name: getattr(asked, name) for name in given}
    assert (job.attempts, job.token, job.sealed, job.created_at) == (0, 0, False, clock.now())
    assert (job.waits_for, job.error, job.progress) == (None, None, None)
    assert (job.lease_until, job.started_at, job.finished_at) == (None, None, None)


def test_jobs_have_ids_in_the_order_that_they_came_in(store: Store) -> None:
    """Jobs of different shapes in one call keep their order."""
    jobs = [page("a"), page(), page("b", priority=1), NewJob(kind="other"), page("c"), page()]

    created = create(store, *jobs)

    assert [one.job_id for one in created] == [1, 2, 3, 4, 5, 6]
    assert [(job.key, job.kind) for job in all_jobs(store)] == [(job.key, job.kind) for job in jobs]


def test_many_jobs_are_made_at_once(store: Store) -> None:
    """A large batch is one write."""
    created = create(store, *[page(str(number)) for number in range(500)])

    assert [one.job_id for one in created] == list(range(1, 501))


def test_nothing_is_made_of_nothing(store: Store) -> None:
    """An empty call is none."""
    assert create(store) == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"state": State.RUNNING}, "a job begins as pending or waiting, not as running"),
        ({"state": State.COMPLETED}, "a job begins as pending or waiting, not as completed"),
        ({"key": ""}, "a key has 1 to 255 printable characters; hash what is longer"),
        ({"key": "x" * (MAX_KEY_LENGTH + 1)}, "a key has 1 to 255 printable characters"),
        ({"key": "a\nb"}, "a key has 1 to 255 printable characters"),
        ({"key": "\ud800"}, "a key has 1 to 255 printable characters"),
        ({"key_scope": UNFINISHED}, "a key scope was given without a key; give both or neither"),
        ({"kind": ""}, "a job's kind has 1 to 255 printable characters, found another text"),
        ({"run_at": float("nan")}, "run_at is seconds since the epoch, found nan"),
        ({"run_at": float("inf")}, "run_at is seconds since the epoch, found inf"),
        ({"max_attempts": 0}, "max_attempts is at least 1, found 0"),
        ({"child_limit": -1}, "child_limit is at least 0, found -1"),
        ({"child_concurrency": 0}, "child_concurrency is at least 1, found 0"),
    ],
)
def test_job_that_no_row_can_hold_is_refused_with_its_batch(store: Store, fields: dict[str, Any], said: str) -> None:
    """One job that cannot be made stops all of its call before anything is written (I12)."""
    bad = msgspec.structs.replace(page(), **fields)

    with store.group(), pytest.raises(InvalidJobError, match=said):
        store.jobs.create([page("a"), bad])

    assert all_jobs(store) == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"config": {"a": {1, 2}}}, "config of a new page job: key 'a' holds a set"),
        ({"metadata": {"a": [b"x"]}}, r"metadata of a new page job: key 'a\[0\]' holds a bytes"),
    ],
)
def test_job_that_json_cannot_hold_is_refused_with_its_batch(store: Store, fields: dict[str, Any], said: str) -> None:
    """The error names the job's kind and the key, and nothing is written (I12)."""
    with store.group(), pytest.raises(MetadataError, match=said):
        store.jobs.create([page("a"), page("b", **fields)])

    assert all_jobs(store) == []


def test_job_of_a_definition_that_is_none_is_refused(store: Store) -> None:
    """The column of the chain names a definition that is there."""
    with pytest.raises(StoreError, match="FOREIGN KEY constraint failed"):
        create(store, page(definition_id=99))


@pytest.mark.parametrize("key", ["x", "x" * MAX_KEY_LENGTH, "漢" * MAX_KEY_LENGTH])
def test_key_may_have_up_to_its_length_in_characters(store: Store, key: str) -> None:
    """The bound is in characters, in the check and in the database alike."""
    assert create(store, page(key))[0].is_new


# Keys (I11, I15)


@pytest.mark.parametrize("scope", KeyScope)
def test_key_names_one_job(store: Store, scope: KeyScope) -> None:
    """To make a job again under its key is to be told of the one that is there (I11)."""
    fields = {"key_scope": scope, "key_period_s": 60.0 if scope is KeyScope.PERIOD else None}
    (first,) = create(store, page("a", **fields))

    again, other = create(store, page("a", **fields, config={"other": 1}), page("b"))

    assert again == Created(job_id=first.job_id, is_new=False)
    assert other.is_new
    assert [job.config for job in all_jobs(store)] == [{}, {}]


def test_key_twice_in_one_call_is_one_job(store: Store) -> None:
    """The first of two alike is made and the second is told of it (I11)."""
    created = create(store, page("a", priority=1), page("b"), page("a", priority=2), page("a", key_scope=UNFINISHED))

    assert [one.job_id for one in created] == [1, 2, 1, 1]
    assert [one.is_new for one in created] == [True, True, False, False]


@pytest.mark.parametrize(
    ("first", "second", "is_new"),
    [
        (FOREVER, FOREVER, False),
        (FOREVER, UNFINISHED, False),
        (UNFINISHED, UNFINISHED, True),
        (UNFINISHED, FOREVER, True),
    ],
)
def test_key_is_free_again_where_its_scope_ends(store: Store, first: KeyScope, second: KeyScope, is_new: bool) -> None:
    """A key of an ended job is taken for ever, or was taken while the job was unfinished (I11)."""
    (old,) = create(store, page("a", key_scope=first))
    with store.group():
        store.parents.cancel(old.job_id)

    (new,) = create(store, page("a", key_scope=second))

    assert (new.is_new, new.job_id == old.job_id) == (is_new, not is_new)


def test_key_is_its_parents_own(store: Store) -> None:
    """The same key under two parents, and under none, names three jobs; jobs without a key are never alike (I11)."""
    one, two = parent(store), parent(store)

    ids = [*spawn(store, one, page("a"), page()), *spawn(store, two, page("a"), page())]
    alone = create(store, page("a"), page(), page())

    assert None not in ids
    assert all(created.is_new for created in alone)


def test_child_whose_key_is_taken_is_left_out(store: Store) -> None:
    """Of a page's links those that the run has already are left out, and the others come in order (I15)."""
    parent_id = parent(store)
    spawn(store, parent_id, page("b"))

    ids = spawn(store, parent_id, page("a"), page("b"), page("c"), page("a"))

    assert [job_id is not None for job_id in ids] == [True, False, True, False]
    assert [job.key for job in all_jobs(store, parent_id)] == ["b", "a", "c"]


# The limit (I14)


@pytest.mark.parametrize("limit", [0, 1, 3, 10])
def test_children_reach_their_limit_and_never_pass_it(store: Store, limit: int) -> None:
    """However they are spawned there are as many children as the limit allows, and keys that are taken use none."""
    parent_id = parent(store, limit=limit)

    for keys in ("ab", "abc", "cde", "abcdefghijkl", "xyz"):
        spawn(store, parent_id, *[page(key) for key in keys])

    assert len(all_jobs(store, parent_id)) == limit
    assert [job.key for job in all_jobs(store, parent_id)] == list("abcdefghij")[:limit]


def test_limit_counts_children_of_every_shape_and_state(store: Store) -> None:
    """Ended children count as well, and so do those of another kind or without a key."""
    parent_id = parent(store, limit=3)
    (first,) = spawn(store, parent_id, page())
    with store.group():
        store.parents.cancel(first or 0)

    ids = spawn(store, parent_id, page("a"), NewJob(kind="other"), page("b"), page())

    assert [job_id is not None for job_id in ids] == [True, True, False, False]


# Ids and rollbacks


def test_ids_go_on_after_something_was_undone(store: Store) -> None:
    """The next id is right after a savepoint and a group that were undone, and after a batch with taken keys."""
    create(store, page("a"))

    def fail() -> None:
        with store.savepoint():
            store.jobs.create([page("b"), page("c")])
            raise KeyError

    with store.group():
        with pytest.raises(KeyError):
            fail()
        (kept,) = store.jobs.create([page("d")])
    ids = [one.job_id for one in create(store, page("a"), page("e"), page("f"))]

    assert kept.job_id == 2
    assert ids == sorted(ids)
    assert [job.key for job in all_jobs(store)] == ["a", "d", "e", "f"]
    assert [job.id for job in all_jobs(store)] == [1, kept.job_id, *ids[1:]]


# What is noted for the manager


def test_insert_notes_whose_picture_changed_and_when_to_look(store: Store, clock: ManualClock) -> None:
    """A due job is work now, a scheduled one is a time to wake at, and a waiting one is neither."""
    parent_id = parent(store)
    noted = []

    for job in (page(), page(run_at=clock.now() + 9.0), page(state=State.WAITING), page(run_at=clock.now() - 9.0)):
        with store.group():
            store.jobs.create([job])
            noted.append((store.changes.has_due_work, store.changes.wake_at, store.changes.parents))
    with store.group():
        store.parents.spawn(parent_id, [page()])
        noted.append((store.changes.has_due_work, store.changes.wake_at, store.changes.parents))

    never = float("inf")
    assert noted == [
        (True, never, set()),
        (False, clock.now() + 9.0, set()),
        (False, never, set()),
        (True, never, set()),
        (True, never, {parent_id}),
    ]


def test_insert_that_is_refused_is_no_work(store: Store) -> None:
    """A key that is taken makes nothing claimable."""
    create(store, page("a"))

    with store.group():
        store.jobs.create([page("a")])

        assert not store.changes.has_due_work


def test_count_and_share_of_failures_are_told_apart(store: Store) -> None:
    """Of two parents made in one call, one bears a single failure and the other as many as it has children."""
    one = NewJob(kind="crawl", state=State.WAITING, max_child_failures=1)
    all_of_them = NewJob(kind="crawl", state=State.WAITING, max_child_failures=1.0)

    create(store, one, all_of_them, one)

    assert [type(job.max_child_failures) for job in all_jobs(store)] == [int, float, int]


def test_jobs_alike_keep_what_is_their_own(store: Store) -> None:
    """Neighbours that differ in nothing but key, config and metadata have each their own, one dictionary twice too."""
    shared = {"n": 0}
    jobs = [page("a", config=shared), page("b", config=shared, metadata={"m": 1}), page("c", config={"n": 2})]

    create(store, *jobs)

    found = [(job.key, job.config, job.metadata) for job in all_jobs(store)]
    assert found == [("a", {"n": 0}, {}), ("b", {"n": 0}, {"m": 1}), ("c", {"n": 2}, {})]


@pytest.mark.parametrize("key", ["", "a\nb", "x" * (MAX_KEY_LENGTH + 1)])
def test_key_that_no_row_can_hold_is_found_behind_jobs_alike(store: Store, key: str) -> None:
    """Of jobs that are alike each key is looked at."""
    with store.group(), pytest.raises(InvalidJobError, match="a key has 1 to 255 printable characters"):
        store.jobs.create([page("a"), page(key)])

    assert all_jobs(store) == []


def test_jobs_that_are_alike_differ_in_their_configs_alone(store: Store) -> None:
    """Their ids are in a row after those before them, and all else is what was said once."""
    create(store, page())
    like = NewJob(kind="mail", priority=2, metadata={"auth_id": "wiki"}, tags=("new",))

    with store.group():
        ids = store.jobs.create_alike(like, [{"n": 1}, None, "\U0001f511 'x'"])
    (after,) = create(store, page())

    made = all_jobs(store)[1:-1]
    assert (list(ids), after.job_id) == ([2, 3, 4], 5)
    assert [job.config for job in made] == [{"n": 1}, None, "\U0001f511 'x'"]
    assert all(
        (job.kind, job.priority, job.metadata, job.tags) == ("mail", 2, {"auth_id": "wiki"}, ("new",)) for job in made
    )
    assert all(job.state is State.PENDING for job in made)


def test_no_jobs_that_are_alike_are_none(store: Store) -> None:
    """Without a config nothing is made, and nothing is wrong."""
    with store.group():
        ids = store.jobs.create_alike(page(), [])

    assert (list(ids), all_jobs(store)) == ([], [])


@pytest.mark.parametrize(
    "job", [page("a"), page(parent_id=1), page(priority=2**70), page(metadata={"n": float("nan")})]
)
def test_jobs_that_are_alike_are_refused_together(store: Store, job: NewJob) -> None:
    """What no row can hold, a key and a parent are refused before anything is written (I12)."""
    create(store, NewJob(kind="crawl", state=State.WAITING))

    with store.group(), pytest.raises((InvalidJobError, MetadataError)):
        store.jobs.create_alike(job, [{}, {}])
    with store.group(), pytest.raises(MetadataError, match="config of a new page job"):
        store.jobs.create_alike(page(), [{}, float("nan")])

    assert len(all_jobs(store)) == 1
