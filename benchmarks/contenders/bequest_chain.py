"""Answers for Bequest what is asked about parents, their children and what these inherit."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from pathlib import Path

import pykka
from stopwatch import Stopwatch

from bequest import Engine, JobContext, State, child
from bequest.actors.messages import UpdateJobMetadata

WRITERS = 16
OUTSTANDING = 32  # merges of one writer that it has not waited for
KEYS = 8  # of one writer
ASKERS = 8
PATIENCE_S = 600.0
INHERITED = {"auth_id": "wiki", "phase": "crawl", "labels": ["nightly", "wiki"], "site": "https://wiki.example/"}


def verdict(watch: Stopwatch, folder: Path, count: int) -> None:
    """Run a parent's children, which are there already, until it has its verdict."""
    calls = itertools.count()
    engine = Engine(folder / "jobs.db")

    @engine.kind("picture")
    def picture(job: JobContext, number: int) -> None:
        next(calls)

    @engine.kind("album")
    def album(job: JobContext) -> None:
        """Do nothing once the children have ended."""

    with engine:
        engine.pause()
        parent = engine.enqueue(album, children=[child(picture, number) for number in range(count)], metadata=INHERITED)
        with watch.over(count):
            engine.resume()
            state = parent.wait(PATIENCE_S)
        children = parent.status().pages
    found = (state, children.completed, next(calls))
    if found != (State.COMPLETED, count, count):
        raise AssertionError(f"the parent is {found[0]}, {found[1]} of {count} children completed, {found[2]} ran")


def merge(watch: Stopwatch, folder: Path, count: int) -> None:
    """Merge keys into one job from 16 threads, each with 32 merges that it has not waited for."""
    each = count // WRITERS
    engine = Engine(folder / "jobs.db")

    @engine.kind("parent")
    def parent(job: JobContext) -> None:
        """Never run."""

    def write(writer: int, job_id: int) -> None:
        outstanding: deque[pykka.Future[None]] = deque()
        for number in range(each):
            changes = {f"writer {writer} key {number % KEYS}": number}
            outstanding.append(engine.manager.ask_later(UpdateJobMetadata(job_id=job_id, metadata=changes)))
            if len(outstanding) == OUTSTANDING:
                outstanding.popleft().get(timeout=PATIENCE_S)
        for reply in outstanding:
            reply.get(timeout=PATIENCE_S)

    with engine:
        engine.pause()
        job = engine.enqueue(parent, metadata=INHERITED)
        threads = [threading.Thread(target=write, args=(writer, job.id)) for writer in range(WRITERS)]
        with watch.over(each * WRITERS):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        found = job.job().metadata
    last = {number % KEYS: number for number in range(each)}
    merged = {f"writer {writer} key {key}": number for writer in range(WRITERS) for key, number in last.items()}
    if found != INHERITED | merged:
        raise AssertionError(f"{len(found)} keys, some are lost or old")


def ask(watch: Stopwatch, folder: Path, count: int) -> None:
    """Ask for the parent's metadata from eight handlers at once."""
    each = count // ASKERS
    gate = threading.Barrier(ASKERS + 1)
    wrong: list[object] = []
    engine = Engine(folder / "jobs.db")

    @engine.kind("picture")
    def picture(job: JobContext) -> None:
        gate.wait(PATIENCE_S)
        for _ in range(each):
            found = job.parent_metadata()
            if found["auth_id"] != "wiki":
                wrong.append(found)
        gate.wait(PATIENCE_S)

    @engine.kind("album")
    def album(job: JobContext) -> None:
        """Do nothing once the children have ended."""

    with engine:
        parent = engine.enqueue(album, children=[child(picture) for _ in range(ASKERS)], metadata=INHERITED)
        while gate.n_waiting < ASKERS:
            threading.Event().wait(0.01)
        with watch.over(each * ASKERS):
            gate.wait(PATIENCE_S)
            gate.wait(PATIENCE_S)
        state = parent.wait(PATIENCE_S)
    if wrong or state is not State.COMPLETED:
        raise AssertionError(f"{len(wrong)} answers were wrong, the parent is {state}")
