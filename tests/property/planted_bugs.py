"""Bugs that are planted, one at a time, to see the stories notice them: each a context in which the engine has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

import msgspec
from cryptography.hazmat.primitives.ciphers import aead
from story import told
from story_checks import faults_of

from bequest import BequestError
from bequest.actors.attempt import Attempts
from bequest.actors.executor import ExecutorActor
from bequest.actors.job_context import JobContext
from bequest.actors.page_crawl import PageCrawl
from bequest.actors.supervisor import Supervisor
from bequest.actors.system import Engine
from bequest.engine import crawl_jobs, parent_store
from bequest.engine.attempt_store import AttemptStore
from bequest.engine.changes import Changes
from bequest.engine.completion_store import CompletionStore
from bequest.engine.credentials import Credential
from bequest.engine.database import Database, Row, Value
from bequest.engine.job_inserts import Reader
from bequest.engine.job_store import JobStore
from bequest.engine.lease_store import LeaseStore
from bequest.engine.parent_store import ParentStore
from bequest.engine.policies import ParentMove
from bequest.engine.records import Completion, Counts, NewJob, State
from bequest.testing.strands import Interrupted

STORIES = 40  # that are told before a bug is not noticed

Bug = Callable[[], AbstractContextManager[Any]]


def sql(*changes: tuple[str, str], without: Sequence[str] = ()) -> Bug:
    """Return the bug of statements that read otherwise, *without* some triggers of the schema."""

    def rewritten(text: str) -> str:
        for old, new in changes:
            text = text.replace(old, new)
        return text

    @contextmanager
    def bug() -> Iterator[None]:
        rows, script = Database.rows, Database.script

        def changed_rows(self: Database, text: str, values: Iterable[Value] = ()) -> list[Row]:
            return rows(self, rewritten(text), values)

        def changed_script(self: Database, text: str) -> None:
            script(self, rewritten(text))
            if "CREATE TRIGGER" in text:
                script(self, "; ".join(f"DROP TRIGGER {name}" for name in without))

        with patch.object(Database, "rows", changed_rows), patch.object(Database, "script", changed_script):
            yield

    return bug


def method(owner: type, name: str, instead: Callable[..., Any]) -> Bug:
    """Return the bug of a method that does something else; it is given what it takes the place of first."""

    @contextmanager
    def bug() -> Iterator[None]:
        original = getattr(owner, name)
        with patch.object(owner, name, lambda *given, **named: instead(original, *given, **named)):
            yield

    return bug


def nothing(_original: Any, *_given: Any, **_named: Any) -> None:
    """Do nothing."""


def children_first(_original: Any, self: ExecutorActor, parent_id: int, definition: Any, definition_id: int) -> None:
    """Make the children visible before their parent's metadata is written."""
    self.make_visible(parent_id, definition, definition_id)
    self.bequeath(parent_id, crawl_jobs.parent_metadata(definition, definition_id))


def overwrite(_original: Any, self: JobStore, job_id: int, changes: Any, *, token: int | None = None) -> None:
    """Put *changes* in the place of the metadata."""
    self._metadata_of(job_id, token)
    self._write_metadata(job_id, dict(changes))


def early_move(_job: Any, counts: Counts) -> ParentMove | None:
    """Return the end of a parent of which one child has ended."""
    return ParentMove.COMPLETE if counts.completed else None


def strip_links(original: Any, self: PageCrawl, task: Any, *rest: Any) -> Completion:
    """Lose the links of a page that is no seed."""
    completion: Completion = original(self, task, *rest)
    return msgspec.structs.replace(completion, links=()) if task.page.depth else completion


def without_limit(original: Any, self: ParentStore, parent_id: int, jobs: Any, row: Any) -> Any:
    """Insert children whatever the limit of their parent."""
    return original(self, parent_id, jobs, row._replace(child_limit=None))


def alone(original: Any, self: ParentStore, _which: str, job_id: int) -> Any:
    """Cancel a job and leave what is below it."""
    return original(self, "SELECT id FROM tree WHERE id = ?1", job_id)


def as_completed(original: Any, self: Attempts, kind: Any, lease: Any, error: BaseException) -> Completion:
    """Report a handler that failed as completed."""
    completion: Completion = original(self, kind, lease, error)
    return Completion(job_id=completion.job_id, token=completion.token, state=State.COMPLETED)


def in_turn(original: Any, *given: Any, **named: Any) -> Any:
    """Do it, but for every second time."""
    in_turn.count = getattr(in_turn, "count", 0) + 1  # type: ignore[attr-defined]
    return original(*given, **named) if in_turn.count % 2 else None  # type: ignore[attr-defined]


def bare(_original: Any, self: Reader, job: NewJob) -> str:
    """Give a child no more than its own metadata."""
    return msgspec.json.encode(job.metadata).decode()


@contextmanager
def no_due_work() -> Iterator[None]:
    """Note no job that became claimable."""
    never = property(lambda _: False, lambda _, __: None)
    with patch.object(Changes, "has_due_work", never, create=True):
        yield


def first_notice(bug: Bug, stories: int = STORIES) -> str | None:
    """Return what the first story that an engine with *bug* does not come through says of it, or None."""
    for seed in range(stories):
        with bug():
            try:
                with told(seed) as story:
                    faults = [fault for fault in faults_of(story) if "there is no trigger" not in fault]
            except (AssertionError, BequestError, Interrupted) as error:
                return f"seed {seed}: {type(error).__name__}: {error}"
            if faults:
                return f"seed {seed}: {faults[0]}"
    return None


@contextmanager
def judged_early() -> Iterator[None]:
    """End a parent as soon as one of its children has."""
    is_ripe = "ifnull(tally.pending + tally.running + tally.waiting, 0) = 0"
    with sql((is_ripe, "1"), without=STATES_GUARDED)(), patch.object(parent_store, "move_due", early_move):
        yield


class NoCipher:
    """Enciphers nothing."""

    def __init__(self, _key: bytes) -> None: ...

    def encrypt(self, _nonce: bytes, plain: bytes, _bound_to: bytes) -> bytes:
        """Return it as it is."""
        return plain

    decrypt = encrypt


STATES_GUARDED = ("job_transition", "job_final")
UNFENCED = [("AND token = ?3", "AND ?3"), ("AND token = given_token", ""), ("AND job.token = d.token", "")]
NO_STATE = [("AND state = 1 AND own_step <> 2", "AND own_step <> 2"), ("AND job.state = 1\n", "\n")]
TAKE = "UPDATE job SET state = 1, attempts = attempts + 1, token = token + 1"

BUGS: dict[str, Bug] = {
    "children before the metadata": method(ExecutorActor, "hand_over", children_first),
    "metadata never written": method(ExecutorActor, "bequeath", nothing),
    "metadata overwritten as a whole": method(JobStore, "update_metadata", overwrite),
    "metadata not inherited": method(Reader, "_metadata_of", bare),
    "session not looked up": method(PageCrawl, "_credential", nothing),
    "completion of a stale holder taken": sql(*UNFENCED, *NO_STATE, without=STATES_GUARDED),
    "completion of a cancelled job taken": sql(*NO_STATE, without=STATES_GUARDED),
    "parent judged early": judged_early,
    "children of the cancelled go on": method(ParentStore, "_cancel", alone),
    "attempts not counted": sql((TAKE, "UPDATE job SET state = 1, token = token + 1")),
    "attempts counted that were given back": sql(("attempts = attempts - 1", "attempts = attempts")),
    "token does not grow": sql(
        (TAKE, "UPDATE job SET state = 1, attempts = attempts + 1"), ("token + 1, ?5", "token, ?5")
    ),
    "lease never expires": method(LeaseStore, "expire", lambda *_: 0),
    "claimed job stays due": sql((TAKE, "UPDATE job SET state = 0, attempts = attempts + 1, token = token + 1")),
    "key not looked up with the insert": sql(
        ("CREATE UNIQUE INDEX job_key", "CREATE INDEX job_key"),
        ("WHERE NOT EXISTS (SELECT", "WHERE 1 OR EXISTS (SELECT"),
    ),
    "max_pages not bounded": method(ParentStore, "_insert", without_limit),
    "links lost": method(PageCrawl, "_stored", strip_links),
    "document not written with its page": method(CompletionStore, "_write_what_came_with", in_turn),
    "counters not kept": sql(without=("tally_update",)),
    "job started before its time": sql(("AND state = 0 AND is_due = 1", "AND state = 0")),
    "failure taken for success": method(Attempts, "failed", as_completed),
    "new work not told of": no_due_work,
    "ended children not told of": method(Engine, "_tell_ripe", nothing),
    "lost handlers not told": method(Engine, "_tell_workers", nothing),
    "crashed actor not started again": method(Supervisor, "_start_again", lambda *_: False),
    "increments lost": method(JobContext, "increment", lambda *_, **__: 0),
    "secrets in the clear": lambda: patch.object(aead, "AESGCM", NoCipher),
    "session at every host": method(Credential, "covers", lambda *_: True),
    "ends of attempts not noted": method(AttemptStore, "note", in_turn),
}
