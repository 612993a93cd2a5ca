"""Damages copies of a database, each in a way drawn from a seed, and tries all that a program does with it.

For each it writes a JSON array to stdout: the seed, the damage, what came of it, and what of that must not have been.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from damage_kinds import DAMAGES

from bequest import BequestError, Definition, Engine, JobContext, State
from bequest.engine.clock import SystemClock
from bequest.engine.database_file import open_reader
from bequest.engine.errors import EngineError
from bequest.engine.fire_times import Interval
from bequest.engine.limits import KindTerms
from bequest.engine.queries import Queries
from bequest.engine.records import Completion, Document, JobError, LogEntry, NewJob, SealedCredential
from bequest.engine.retention import Retention
from bequest.engine.schedules import NewSchedule
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

START = 1_800_000_000.0
KINDS = (KindTerms(kind="page"), KindTerms(kind="echo"))
EXAMINE = (12, 13)  # of the readings, those that examine the file
WAIT_S = 0.1


def fill(file: Path) -> None:
    """Make a sound database with something in every table."""
    store = Store.open(file, clock=ManualClock(START), durability="relaxed")
    with store.group():
        (root,) = store.jobs.create([NewJob(kind="crawl", state=State.WAITING, metadata={"team": "harbour"})])
        store.parents.spawn(root.job_id, [NewJob(kind="page", config={"n": n}) for n in range(60)], seal=True)
        store.jobs.create([NewJob(kind="echo", config={"n": n}, key=f"key {n}", tags=("a", "b")) for n in range(150)])
        store.jobs.create([NewJob(kind="echo", config={"n": 1}, run_at=1_900_000_000.0)] * 20)
        store.schedules.put(NewSchedule(name="often", job=NewJob(kind="echo"), rule=Interval(every_s=3_600.0)))
        store.definitions.save(Definition.crawl("x", start_urls=["https://x.example/"]))
        store.credentials.put(credential())
        leases = store.claims.claim("default", KINDS, 100, 60.0)
        store.completions.complete([completion(lease.job_id, lease.token, lease.kind) for lease in leases[:90]])
    store.close()


def credential() -> SealedCredential:
    """Return a session that nobody can open."""
    return SealedCredential(
        auth_id="wiki",
        version=1,
        key_id="k",
        nonce=b"1" * 12,
        ciphertext=b"x" * 300,
        sites=("x.example",),
        updated_at=1.0,
    )


def completion(job_id: int, token: int, kind: str) -> Completion:
    """Return the end of an attempt, with all that it can leave."""
    document = Document(
        url="https://x.example/",
        url_key=str(job_id),
        status=200,
        title="Title",
        markdown="harbour " * 100,
        depth=0,
        auth_id=None,
        fetched_at=1.0,
    )
    return Completion(
        job_id=job_id,
        token=token,
        state=State.COMPLETED if job_id % 5 else State.FAILED,
        error=None if job_id % 5 else JobError(type="odd", message="it went wrong"),
        result={"n": job_id} if job_id % 5 and kind == "echo" else None,
        document=document if kind == "page" and job_id % 5 else None,
        logs=(LogEntry(job_id=job_id, at=1.0, level="INFO", message="harbour"),) * 3,
    )


def readings(file: Path) -> list[Callable[[], object]]:
    """Return what reads the file beside its owner; the last of it examines all of the file."""
    reader = open_reader(str(file), clock=SystemClock())
    queries = Queries(reader)
    return [
        lambda: queries.jobs(limit=1_000),
        lambda: queries.jobs(parent_id=1, limit=1_000),
        lambda: queries.jobs_in(State.PENDING, limit=1_000),
        lambda: queries.job(30),
        lambda: queries.documents(1),
        lambda: queries.logs(1),
        lambda: queries.attempt_errors(5),
        queries.credentials,
        lambda: queries.credential("wiki"),
        lambda: queries.definition(1),
        lambda: queries.failure_causes(1),
        lambda: queries.prunes.prunable(Retention(completed_s=0.0), START),
        lambda: queries.integrity(is_quick=True),
        queries.integrity,
        reader.close,
    ]


def writings(file: Path) -> list[Callable[[], object]]:
    """Return what its owner does."""
    store = Store.open(file, clock=ManualClock(START + 100.0), durability="relaxed")

    def work() -> None:
        leases = store.claims.claim("default", KINDS, 20, 60.0)
        store.completions.complete([completion(lease.job_id, lease.token, lease.kind) for lease in leases])

    within: list[Callable[[], object]] = [
        store.leases.take_over,
        work,
        lambda: store.jobs.create([NewJob(kind="echo", key="key 3"), NewJob(kind="echo", config="x" * 9_000)]),
        lambda: store.jobs.update_metadata(1, {"team": "lighthouse"}),
        store.leases.expire,
        store.schedules.entries,
        store.schedules.fire_due,
        store.stats.count,
        lambda: store.control.retry(5),
        lambda: store.control.delete(40),
        lambda: store.parents.ripe(store.parents.waiting()),
        lambda: store.credentials.put(credential()),
    ]

    def grouped(act: Callable[[], object]) -> None:
        with store.group():
            act()

    return [*(lambda act=act: grouped(act) for act in within), store.checkpoint, store.truncate_wal, store.close]


def engine_run(file: Path) -> list[Callable[[], object]]:
    """Return what a whole engine does."""
    engine = Engine(file, clock=ManualClock(START + 200.0))

    @engine.kind("echo")
    def echo(job: JobContext, config: Any) -> None:
        job.update_metadata(seen=1)

    engine.start()
    return [
        lambda: engine.enqueue(echo, {"n": 1}).wait(WAIT_S),
        lambda: engine.jobs(limit=1_000),
        lambda: engine.logs(1),
        engine.stats,
        lambda: engine.integrity(is_quick=True),
        lambda: engine.prune(Retention(failed_s=0.0)),
        lambda: engine.wait_idle(WAIT_S),
        engine.health,
        engine.stop,
    ]


def tried(use: Callable[[Path], list[Callable[[], object]]], file: Path) -> tuple[list[str], list[str]]:
    """Do all of it; return the names of the errors that it met, and what of that is a fault."""
    try:
        acts = use(file)
    except BequestError as error:
        return [f"refused with {type(error).__name__}"], []
    except Exception as error:  # noqa: BLE001 - it is reported
        return ["refused"], [f"{use.__name__} refused with {error!r}"]
    met, faults = [], []
    for number, act in enumerate(acts):
        try:
            found = act()
        except BequestError as error:
            met.append(type(error).__name__)
            if type(error) is EngineError:
                faults.append(f"act {number} of {use.__name__} raised {error!r}")
        except Exception as error:  # noqa: BLE001 - it is reported
            faults.append(f"act {number} of {use.__name__} raised {error!r}")
        else:
            met += ["findings"] if isinstance(found, list) and use is readings and number in EXAMINE and found else []
    if use is readings and "DatabaseCorruptError" in met and "findings" not in met:
        faults.append("what the examination did not find was met by a query")
    return met, faults


def bytes_of(file: Path) -> dict[str, bytes]:
    """Return what is on disk of a database; an empty log, and what SQLite shares between processes, is none of it."""
    parts = (file, Path(f"{file}-wal"), Path(f"{file}-journal"))
    return {path.name: path.read_bytes() for path in parts if path == file or (path.exists() and path.stat().st_size)}


def case(folder: Path, whole: bytes, seed: int) -> tuple[str, list[str], list[str]]:
    """Damage one copy and try it; return the damage, what was met and what is a fault."""
    chance = random.Random(seed)  # noqa: S311
    file = folder / f"{seed}.db"
    file.write_bytes(whole)
    damage = DAMAGES[seed % len(DAMAGES)]
    said = damage(chance, file, whole)
    met, faults = [], []
    for use in (readings, writings, *([engine_run] if seed // len(DAMAGES) % 10 == 0 else [])):
        before = bytes_of(file)
        met_here, faults_here = tried(use, file)
        if use is not engine_run and met_here and met_here[0].startswith("refused") and bytes_of(file) != before:
            faults_here.append(f"{use.__name__} changed what it refused")
        met += met_here
        faults += faults_here
    for path in folder.glob(f"{seed}.*"):
        path.unlink()
    return f"{damage.__name__}: {said}", met, faults


def main(folder: str, first: str, count: str) -> None:
    """Try so many, from the seed *first* on."""
    sound = Path(folder) / f"sound {first}.db"
    fill(sound)
    whole = sound.read_bytes()
    for seed in range(int(first), int(first) + int(count)):
        sys.stdout.write(json.dumps([seed, *case(Path(folder), whole, seed)]) + "\n")
        sys.stdout.flush()
