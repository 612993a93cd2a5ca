"""What a program that was killed had said was done, and whether it is so in its file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kill_program import BOARD, SPREAD

from bequest.engine.clock import SystemClock
from bequest.engine.database import Database
from bequest.engine.database_file import open_reader
from bequest.engine.queries import Queries
from bequest.engine.records import State

STATES = list(State)


class Row:
    """What is looked at of a job."""

    def __init__(self, row: tuple[Any, ...]) -> None:
        self.id, self.kind, state, self.key, self.parent_id, self.own_step, *texts = row
        self.state = STATES[state]
        self.config, metadata, tags, self.result = (json.loads(text or "null") for text in texts)
        self.metadata: dict[str, Any] = metadata or {}
        self.tags: list[str] = tags or []


class Said:
    """All that was said since the file was made; *archive* has what was pruned from it."""

    def __init__(self, database: Path, archive: Path) -> None:
        self.database = database
        self.archive = archive
        self.made: dict[str, tuple[int, str]] = {}
        self.batches: dict[str, int] = {}
        self.flows: dict[str, tuple[int, int]] = {}
        self.merged: set[str] = set()
        self.counted: dict[int, tuple[int, set[str]]] = {}
        self.cancelled: set[int] = set()
        self.ended: dict[int, tuple[str, Any]] = {}
        self.asked = self.added = self.heard = 0
        self.is_scheduled = False
        self.faults: list[str] = []

    def hear(self, lines: list[bytes]) -> None:
        """Note what was said; a line that was cut short was not."""
        for line in lines:
            if line.endswith(b"\n"):
                what, *words = json.loads(line)
                getattr(self, f"_{what}")(*words)
                self.heard += what != "is"

    def _made(self, kind: str, key: str, job_id: int) -> None:
        if self.made.setdefault(key, (job_id, kind)) != (job_id, kind):
            self.faults.append(f"{key} is a second job, {job_id}")

    def _batch(self, tag: str, count: int) -> None:
        self.batches[tag] = count

    def _flow(self, key: str, job_id: int, count: int) -> None:
        self.flows[key] = job_id, count

    def _asks(self) -> None:
        self.asked += 1

    def _added(self, total: int) -> None:
        self.added = max(self.added, total)

    def _merged(self, key: str) -> None:
        self.merged.add(key)

    def _counted(self, job_id: int, total: int, key: str) -> None:
        before, keys = self.counted.get(job_id, (0, set()))
        self.counted[job_id] = max(before, total), keys | {key}

    def _cancelled(self, job_id: int) -> None:
        self.cancelled.add(job_id)

    def _ended(self, job_id: int, state: str, result: Any) -> None:
        self.ended[job_id] = state, result

    def _scheduled(self) -> None:
        self.is_scheduled = True

    def _fault(self, text: str) -> None:
        self.faults.append(text)

    def _is(self, _moment: str) -> None:
        """Note nothing: where the program has come to is for who kills it."""

    def faults_found(self, *, is_over: bool = False) -> list[str]:
        """Return what is not as it was said, what is half there, and what else is wrong with the file."""
        if not self.database.exists():
            return ["the database is gone"] if self.heard else []
        reader = open_reader(str(self.database), clock=SystemClock())
        try:
            found = [f"{one.check}: {one.message}" for one in Queries(reader).integrity()]
            found += self._missing(reader, is_over)
        finally:
            reader.close()
        return self.faults + found

    def _missing(self, reader: Database, is_over: bool) -> Iterator[str]:
        rows = reader.rows(
            "SELECT id, kind, state, key, parent_id, own_step, config_json, metadata_json, tags_json, result_json"
            " FROM job"
        )
        self.jobs = {row[0]: Row(row) for row in rows}
        self.children = Counter(job.parent_id for job in self.jobs.values() if job.parent_id is not None)
        pruned = {row[0] for row in reader.rows("SELECT job_id FROM pruned")} | archived_in(self.archive)
        yield from self._lost_jobs(pruned)
        yield from self._half_done()
        yield from self._lost_writes()
        yield from self._lost_ends()
        if self.is_scheduled and not is_over and not reader.rows("SELECT 1 FROM schedule WHERE name = 'often'"):
            yield "the schedule is gone"
        if is_over:
            yield from (f"job {job.id} is {job.state}" for job in self.jobs.values() if not job.state.is_final)
            yield from self._wrong_totals()

    def _lost_jobs(self, pruned: set[int]) -> Iterator[str]:
        for key, (job_id, kind) in self.made.items():
            job = self.jobs.get(job_id)
            if job is not None and (job.key, job.kind) != (key, kind):
                yield f"job {job_id} is not the {kind} of {key}"
            if job is None and (kind != "short" or job_id not in pruned):
                yield f"the {kind} of {key}, job {job_id}, is gone"

    def _half_done(self) -> Iterator[str]:
        tags = Counter(tag for job in self.jobs.values() for tag in job.tags)
        for tag, count in tags.items():
            if count != int(tag.rpartition(" ")[2]):
                yield f"{count} jobs of {tag}"
        yield from (f"there is nothing of {tag}" for tag in self.batches if not tags[tag])
        for job in self.jobs.values():
            if job.kind == "total" and self.children[job.id] != job.config:
                yield f"job {job.id} has {self.children[job.id]} children of {job.config}"
            if job.kind == "spreads" and self.children[job.id] not in spread_in(job.state):
                yield f"job {job.id} is {job.state} and has {self.children[job.id]} children"
        fired = Counter(job.metadata["fire_at"] for job in self.jobs.values() if job.kind == "report")
        yield from (f"the schedule fired {count} times at {at}" for at, count in fired.items() if count > 1)
        for key, (job_id, count) in self.flows.items():
            if job_id not in self.jobs or self.children[job_id] != count:
                yield f"the flow {key} is not whole"

    def _lost_writes(self) -> Iterator[str]:
        board = next((job.metadata for job in self.jobs.values() if job.kind == BOARD), {})
        yield from (f"{key} is not on the board" for key in self.merged - board.keys())
        if not self.added <= board.get("sum", 0) <= self.asked:
            yield f"{board.get('sum')} is on the board, of {self.added} added and {self.asked} asked for"
        for job_id, (total, keys) in self.counted.items():
            metadata = self.jobs[job_id].metadata
            if metadata["sum"] < total or keys - metadata.keys():
                yield f"job {job_id} counted to {total} and has {metadata}"

    def _lost_ends(self) -> Iterator[str]:
        for job_id in self.cancelled:
            if self.jobs[job_id].state is not State.CANCELLED:
                yield f"job {job_id} was cancelled and is {self.jobs[job_id].state}"
        for job_id, (state, result) in self.ended.items():
            job = self.jobs[job_id]
            if (job.state, job.result) != (state, result):
                yield f"job {job_id} ended {state} with {result} and is {job.state} with {job.result}"

    def _wrong_totals(self) -> Iterator[str]:
        for job in self.jobs.values():
            below = [one for one in self.jobs.values() if one.parent_id == job.id and one.kind == "echo"]
            sum_ = sum(one.result for one in below if one.state is State.COMPLETED)
            if job.kind == "total" and job.state is State.COMPLETED and job.result != sum_:
                yield f"job {job.id} is the total {job.result} of {sum_}"


def spread_in(state: State) -> set[int]:
    """Return how many children a job that spreads may have, in that state: all or none."""
    match state:
        case State.PENDING | State.RUNNING:
            return {0}
        case State.WAITING | State.COMPLETED:
            return {SPREAD}
    return {0, SPREAD}


def archived_in(archive: Path) -> set[int]:
    """Return the jobs in the archive, but for what a crash has left of the last line."""
    text = archive.read_text("utf-8") if archive.exists() else ""
    return {json.loads(line)["job_id"] for line in text.splitlines(keepends=True) if line.endswith("\n")}
