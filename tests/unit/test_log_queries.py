"""Logs of a job with all below it: one order for all readers, levels, and a cursor that can be kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from bequest.engine.errors import LogLevelError
from bequest.engine.log_levels import LEVELS, check_level, levels_from
from bequest.engine.records import LogEntry, NewJob, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

ROOT, STEP, PAGE, LEAF, OTHER = 1, 2, 3, 4, 5


@pytest.fixture
def family(store: Store) -> Store:
    """Give a run of three generations, 1 > 2 > 3 and 1 > 4, and a job 5 that is not of it."""
    with store.group():
        store.jobs.create([NewJob(kind="run", state=State.WAITING)])
        store.parents.spawn(ROOT, [NewJob(kind="step", state=State.WAITING)])
        store.parents.spawn(STEP, [NewJob(kind="page")], seal=True)
        store.parents.spawn(ROOT, [NewJob(kind="page")], seal=True)
        store.jobs.create([NewJob(kind="page")])
    for job_id in (PAGE, OTHER, ROOT, LEAF, STEP, PAGE):
        add(store, job_id, "INFO")
    return store


def add(store: Store, job_id: int, *levels: str) -> None:
    """Add a line of each level; its sentence says of which job it is."""
    with store.group():
        store.logs.add([LogEntry(job_id=job_id, at=1.0, level=level, message=f"of {job_id}") for level in levels])


def jobs_of(store: Store, job_id: int, **options: int | str) -> list[int]:
    """Return of which jobs the lines are, in their order."""
    with store.group():
        return [entry.job_id for _, entry in store.queries.logs(job_id, **options)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("job_id", "found"),
    [
        (ROOT, [PAGE, ROOT, LEAF, STEP, PAGE]),
        (STEP, [PAGE, STEP, PAGE]),
        (PAGE, [PAGE, PAGE]),
        (LEAF, [LEAF]),
        (OTHER, [OTHER]),
        (99, []),
    ],
)
def test_log_is_that_of_a_job_and_all_below_it(family: Store, job_id: int, found: list[int]) -> None:
    """A run's log has every generation, a branch's only what is below it, in the order of the commits."""
    assert jobs_of(family, job_id) == found


@pytest.mark.parametrize("job_id", [ROOT, STEP, PAGE])
def test_cursor_gives_each_line_once(family: Store, job_id: int) -> None:
    """Read a line at a time, each after the number of the last, the log is the same and ends."""
    with family.group():
        whole = family.queries.logs(job_id)
        found = []
        after = 0
        while lines := family.queries.logs(job_id, after_id=after, limit=1):
            found += lines
            after = lines[-1].number

    assert found == whole


def test_cursor_is_good_after_a_restart(family: Store, tmp_path: Path, clock: ManualClock) -> None:
    """What was written after the line that was read last is all that comes, however long ago that was."""
    with family.group():
        after = family.queries.logs(ROOT)[-1].number
    family.close()
    again = Store.open(tmp_path / "jobs.db", clock=clock)
    add(again, LEAF, "INFO")

    assert jobs_of(again, ROOT, after_id=after) == [LEAF]

    again.close()


def test_numbers_grow_though_lines_are_deleted(family: Store) -> None:
    """A number is never given again, so no cursor passes over a line."""
    with family.group():
        last = family.queries.logs(OTHER)[-1].number
        newest = family.queries.logs(ROOT)[-1].number
        family.control.delete(ROOT)

    add(family, OTHER, "INFO")

    with family.group():
        numbers = [number for number, _ in family.queries.logs(OTHER)]
    assert numbers[0] == last
    assert numbers[1] > newest


@pytest.mark.parametrize(("least", "levels"), [(level, LEVELS[index:]) for index, level in enumerate(LEVELS)])
@pytest.mark.parametrize("job_id", [ROOT, STEP, PAGE])
def test_level_is_the_least_that_is_shown(store: Store, job_id: int, least: str, levels: tuple[str, ...]) -> None:
    """Asked for a level, that and all above it are shown, of runs, branches and leaves."""
    with store.group():
        store.jobs.create([NewJob(kind="run", state=State.WAITING)])
        store.parents.spawn(ROOT, [NewJob(kind="step", state=State.WAITING)])
        store.parents.spawn(STEP, [NewJob(kind="page")])
    add(store, PAGE, *LEVELS)

    with store.group():
        found = [entry.level for _, entry in store.queries.logs(job_id, level=least)]

    assert found == list(levels)


def test_level_in_small_letters_is_one() -> None:
    """People type them so."""
    assert check_level("warning") == "WARNING"
    assert levels_from("error") == ("ERROR",)


@pytest.mark.parametrize("level", ["LOUD", "", "INFO ", "3"])
def test_level_that_is_none_is_refused_by_name(family: Store, level: str) -> None:
    """The error says what was asked for, and which there are."""
    with family.group(), pytest.raises(LogLevelError, match=f"'{level}'; there are DEBUG, INFO, WARNING, ERROR"):
        family.queries.logs(ROOT, level=level)
