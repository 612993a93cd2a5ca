"""Owns the records that the store keeps and the table of state transitions.

Holds I2: a job is in exactly one state and only the transitions of ``TRANSITIONS`` happen; the triggers of the schema,
the picture in ``docs/state_machine.md`` and the property tests are all made from that table.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

# Any JSON value; a recursive alias is not one that msgspec decodes.
Json = Any


class State(enum.StrEnum):
    """Where a job stands; the database stores the position in this list."""

    PENDING = "pending"  # due now, or at run_at
    RUNNING = "running"  # leased by somebody until lease_until
    WAITING = "waiting"  # on its children, or on a credential
    COMPLETED = "completed"  # done
    FAILED = "failed"  # given up; error says why
    CANCELLED = "cancelled"  # stopped by a person

    @property
    def is_final(self) -> bool:
        """Whether nothing but an explicit retry leaves this state."""
        return self in FINAL_STATES


STATES = tuple(State)
FINAL_STATES = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})

RETRIED = MappingProxyType({State.PENDING: "retried", State.WAITING: "children retried"})
TRANSITIONS: Mapping[State, Mapping[State, str]] = MappingProxyType(
    {
        State.PENDING: {
            State.RUNNING: "claimed",
            State.FAILED: "its time is over, or too many children failed",
            State.CANCELLED: "cancelled",
        },
        State.RUNNING: {
            State.PENDING: "retried, released or its lease expired",
            State.WAITING: "needs a credential, or has children",
            State.COMPLETED: "succeeded",
            State.FAILED: "failed for good",
            State.CANCELLED: "cancelled",
        },
        State.WAITING: {
            State.PENDING: "credential put right, or its own step is due",
            State.COMPLETED: "children ended well",
            State.FAILED: "too many children failed",
            State.CANCELLED: "cancelled",
        },
        # Nothing leaves a final state but an explicit retry, of the job or of its children.
        State.COMPLETED: RETRIED,
        State.FAILED: RETRIED,
        State.CANCELLED: RETRIED,
    }
)


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A frozen value; a changed record is a new one."""


class KeyScope(enum.StrEnum):
    """How long a key names one job, among the children of one parent (or among the jobs that have none)."""

    FOREVER = "forever"  # as long as the job's row exists
    UNFINISHED = "unfinished"  # until the job is final
    QUEUED = "queued"  # until the job is first claimed, or final
    PERIOD = "period"  # for key_period_s seconds


KEY_SCOPES = tuple(KeyScope)  # the database stores the position in this list; one more is a period that has passed


class OnClash(enum.StrEnum):
    """What becomes of a job whose key is taken."""

    EXISTING = "existing"  # the job that holds the key is the answer
    RAISE = "raise"  # KeyTakenError
    REPLACE = "replace"  # the one that holds the key gets the new config, time and priority, if it was never claimed
    AFTER = "after"  # where the other one was claimed already, one more runs after it


class OnFailure(enum.StrEnum):
    """What a child that failed does to its parent."""

    COUNT = "count"  # it counts against the parent's max_child_failures
    IGNORE = "ignore"  # nothing
    FAIL = "fail"  # the parent fails at once, and its other children are cancelled
    CONTINUE = "continue"  # the parent's own step is due at once


ON_FAILURE = tuple(OnFailure)


class OwnStep(enum.IntEnum):
    """Whether a parent has something to do itself once its children have ended."""

    NONE = 0
    AFTER_CHILDREN = 1  # still to come
    RELEASED = 2  # due or running
    DONE = 3


DEFAULT_QUEUE = "default"
CHILDREN_FAILED = "children_failed"  # the type of the error of a parent that ended by its children's failures


class JobError(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Why an attempt did not succeed."""

    type: str  # a word for programs: an exception's name, or a reason such as "http_500"
    message: str  # a sentence for people; never a secret
    traceback: str | None = None  # of a handler's exception: places in the code, no values


class AttemptError(Record, frozen=True, kw_only=True):
    """Why one attempt did not succeed."""

    attempt: int  # 1 for the first
    at: float  # seconds since the epoch
    error: JobError


class Progress(Record, frozen=True, kw_only=True):
    """How far a job says that it is."""

    done: int
    total: int | None = None
    message: str = ""


class NewJob(Record, frozen=True, kw_only=True):
    """What a caller says of a job that does not exist yet."""

    kind: str
    queue: str = DEFAULT_QUEUE
    config: Json = {}
    metadata: dict[str, Json] = {}
    tags: tuple[str, ...] = ()
    parent_id: int | None = None
    definition_id: int | None = None  # the job_definition_id of the chain; a column, not metadata
    state: State = State.PENDING  # or WAITING for a parent, so that nothing can claim it
    key: str | None = None  # idempotency key; unique among the same parent's children
    key_scope: KeyScope = KeyScope.FOREVER
    key_period_s: float | None = None  # of the scope PERIOD
    on_clash: OnClash = OnClash.EXISTING
    partition: str = ""  # such as a customer: limits are counted by it, and partitions take turns
    priority: int = 0  # higher first
    run_at: float | None = None  # seconds since the epoch; None is now
    timeout_s: float | None = None  # of one attempt; None is the kind's
    run_timeout_s: float | None = None  # of all attempts and all below it, from when it may start; then it fails
    max_attempts: int = 1
    own_step: OwnStep = OwnStep.NONE  # AFTER_CHILDREN for a parent whose handler runs once its children have ended
    on_failure: OnFailure = OnFailure.COUNT  # what its failure does to its parent
    max_child_failures: int | float | None = None  # more of them fail it: a count, or a share of all; None is any
    child_limit: int | None = None  # at most so many children; None is no limit
    child_concurrency: int | None = None  # at most so many children running at once


class Job(Record, frozen=True, kw_only=True):
    """One row: a unit of work."""

    id: int  # grows, is never used twice
    kind: str
    queue: str
    state: State
    config: Json
    metadata: dict[str, Json]
    tags: tuple[str, ...]
    parent_id: int | None
    root_id: int | None  # the ancestor without a parent; None for a job without one
    definition_id: int | None
    key: str | None
    partition: str
    priority: int
    attempts: int  # claims that counted
    max_attempts: int
    sealed: bool  # its steps have spawned all that they will
    own_step: OwnStep
    on_failure: OnFailure
    max_child_failures: int | float | None
    token: int  # of the newest lease
    waits_for: str | None  # the auth_id that a waiting page needs
    result: Json  # what its handler returned; None until then
    error: JobError | None  # of the last attempt that did not succeed
    progress: Progress | None
    child_limit: int | None
    child_concurrency: int | None
    timeout_s: float | None
    deadline_at: float | None  # it and all below it must have ended by then
    created_at: float  # this and the times below: seconds since the epoch
    run_at: float
    lease_until: float | None
    started_at: float | None  # of the newest attempt
    finished_at: float | None


class Lease(Record, frozen=True, kw_only=True):
    """The right to run one job until a deadline, with all that running it takes."""

    job_id: int
    token: int  # goes with every write of the holder
    lease_until: float
    kind: str
    config: Json
    metadata: dict[str, Json]
    parent_id: int | None
    attempts: int  # this one counted in
    max_attempts: int
    own_step: OwnStep  # RELEASED when the children have ended and the job's own step is due
    timeout_s: float | None


class LeaseRef(Record, frozen=True, kw_only=True):
    """Names a lease."""

    job_id: int
    token: int


class Document(Record, frozen=True, kw_only=True):
    """What a page left behind."""

    url: str  # where the page was found in the end, after redirects
    url_key: str  # of the canonical form of that URL; one document per run and key
    status: int  # of the HTTP response
    title: str
    markdown: str
    depth: int  # links followed from a seed; seeds are 0
    auth_id: str | None  # the session that fetched it; None is anonymous
    fetched_at: float


class StoredDocument(Document, frozen=True, kw_only=True):
    """A document with the jobs it belongs to."""

    job_id: int
    parent_id: int
    metadata: dict[str, Json]  # of the page's job


class LogEntry(Record, frozen=True, kw_only=True):
    """One line of a job's log."""

    job_id: int
    at: float
    level: str  # DEBUG, INFO, WARNING, ERROR
    message: str  # a fixed sentence; what varies is in fields
    fields: dict[str, Json] = {}


class Completion(Record, frozen=True, kw_only=True):
    """How one attempt ended; all of it is written in one transaction."""

    job_id: int
    token: int
    state: State  # COMPLETED, FAILED, PENDING (again at run_at) or WAITING (on waits_for)
    error: JobError | None = None
    run_at: float | None = None
    said_at: float = 0.0  # by the clock that run_at is of; how far that was set back since is taken off it
    waits_for: str | None = None
    credential_version: int = 0  # the newest put that was tried in vain; a newer one ends the waiting at once
    counts: bool = True  # whether this attempt counts; one that waits for a credential does not
    result: Json = None  # of a completed job
    document: Document | None = None
    links: tuple[NewJob, ...] = ()  # siblings: the pages that a page found
    children: tuple[NewJob, ...] = ()  # of the job itself, which then waits until they have ended
    own_step: OwnStep = OwnStep.NONE  # AFTER_CHILDREN when the job has something to do after *children*, if any
    logs: tuple[LogEntry, ...] = ()


class Inheritance(Record, frozen=True, kw_only=True):
    """What a child asks of its parent."""

    parent_id: int
    root_id: int
    metadata: dict[str, Json]  # the parent's, with the root's auth_id where the root has one
    definition_id: int | None  # from the columns, parent first


class Created(Record, frozen=True, kw_only=True):
    """The answer to making a job."""

    job_id: int
    is_new: bool  # False when the key named a job that is already there


class StoredDefinition(Record, frozen=True, kw_only=True):
    """A definition as the database keeps it."""

    id: int
    name: str
    version: int  # 1, 2, 3... for each change under one name
    digest: str  # of the canonical JSON
    body: Json


class SealedCredential(Record, frozen=True, kw_only=True):
    """A credential that only the holder of the key can open."""

    auth_id: str
    version: int  # sealed for this row version, so that rows cannot be swapped
    key_id: str
    nonce: bytes
    ciphertext: bytes
    sites: tuple[str, ...]  # the hosts that it is for, in the clear: they are its scope
    updated_at: float
    # These two are not sealed.
    put_version: int = 0  # of the one that this refreshes; 0 where it refreshes none
    failed_logins: int = 0  # in a row; the last of them is perhaps only not yet known to have worked

    @property
    def session(self) -> int:
        """The version that was put or logged in; the versions that follow until the next of those refresh it."""
        return self.put_version or self.version


class Kept(enum.Enum):
    """What became of a session that is to follow another."""

    KEPT = enum.auto()
    SUPERSEDED = enum.auto()  # somebody put another one meanwhile, or a later state of this one is there
    OUT_OF_STEP = enum.auto()  # it was sealed for another version than the next; seal it again


class CredentialEntry(Record, frozen=True, kw_only=True):
    """What is known of a stored credential without its key."""

    auth_id: str
    version: int
    key_id: str
    sites: tuple[str, ...]
    updated_at: float
    failed_logins: int = 0  # in a row


class Counts(Record, frozen=True, kw_only=True):
    """The children of a job by state."""

    pending: int = 0
    running: int = 0
    waiting: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    ignored: int = 0  # this and the next two are among the failed: by what they do to their parent
    fatal: int = 0
    passed: int = 0

    @property
    def total(self) -> int:
        """All children."""
        return self.unfinished + self.completed + self.failed + self.cancelled

    @property
    def unfinished(self) -> int:
        """Children that are not final."""
        return self.pending + self.running + self.waiting

    @property
    def is_stalled(self) -> bool:
        """Whether all that is unfinished waits, for a credential or for children of its own."""
        return self.waiting > 0 and self.pending == 0 and self.running == 0


class KindCounts(Record, frozen=True, kw_only=True):
    """How many jobs a queue has of one kind, by state."""

    queue: str
    kind: str
    jobs: Counts
