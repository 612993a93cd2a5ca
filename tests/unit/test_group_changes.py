"""The note of what a group did, as it is told after the commit: exact where it must be, also when a part was undone."""

from __future__ import annotations

from contextlib import suppress

from store_rig import Worker, get, make, parent, work

from bequest.engine.changes import Changes, Move
from bequest.engine.records import NewJob, State
from bequest.engine.store import Store

MOVES = [Move(5, 1, "q", "k", None, 0), Move(5, 1, "q", "k", 0, 1), Move(6, None, "q", "k", 1, 3)]


def test_moves_are_kept_in_their_order_with_the_jobs_and_parents_concerned() -> None:
    """A job without a parent concerns itself alone."""
    changes = Changes()

    changes.move(MOVES)

    assert (changes.moves, changes.jobs, changes.parents) == (MOVES, {5, 6}, {1})


def test_what_was_undone_is_forgotten() -> None:
    """Moves since the mark and leases lost since; what was noted before it stays."""
    changes = Changes()
    changes.move(MOVES[:1])
    changes.lost_leases.add(1)

    mark = changes.mark()
    changes.move(MOVES[1:])
    changes.lost_leases.add(2)
    changes.undo(mark)

    assert (changes.moves, changes.lost_leases) == (MOVES[:1], {1})


def test_savepoint_that_is_undone_leaves_no_move_and_no_lost_lease(store: Store) -> None:
    """Or a job that runs on would be told that it was cancelled, and events and counters would lie."""
    running, worker = make(store), Worker(store)
    worker.take()

    with store.group():
        kept = store.jobs.create([NewJob(kind="work")])
        with suppress(KeyError), store.savepoint():
            store.parents.cancel(running)
            store.jobs.create([NewJob(kind="work")])
            raise KeyError
        moves, lost = list(store.changes.moves), set(store.changes.lost_leases)
    with store.group():
        (counted,) = store.stats.counts()

    assert ([move.job_id for move in moves], lost) == ([kept[0].job_id], set())
    assert get(store, running).state is State.RUNNING
    assert (counted.jobs.running, counted.jobs.pending, counted.jobs.cancelled) == (1, 1, 0)


def test_group_that_is_undone_leaves_no_note(store: Store) -> None:
    """Or it would be told as if it had been committed."""
    running, worker = make(store), Worker(store)
    worker.take()

    with suppress(KeyError), store.group():
        store.parents.cancel(running)
        raise KeyError

    assert (store.changes.moves, store.changes.lost_leases, store.changes.jobs) == ([], set(), set())
    assert get(store, running).state is State.RUNNING


def test_every_change_of_a_state_is_one_move(store: Store) -> None:
    """Made, claimed, ended, judged, cancelled, retried and deleted, each with where it came from."""
    moves: list[tuple[int, int | None, int | None]] = []

    def note() -> None:
        moves.extend((move.job_id, move.old, move.new) for move in store.changes.moves)

    root, child = parent(store, work())
    worker = Worker(store)
    worker.take()
    note()
    worker.fail(child)
    note()
    with store.group():
        store.parents.judge([root])
    note()
    with store.group():
        store.control.retry(root)
    note()
    with store.group():
        store.parents.cancel(root)
    note()
    with store.group():
        store.control.delete(root)
    note()

    assert moves == [
        (child, 0, 1),
        (child, 1, 4),
        (root, 2, 3),
        (root, 3, 2),
        (child, 4, 0),
        (child, 0, 5),
        (root, 2, 5),
        (root, 5, None),
        (child, 5, None),
    ]
