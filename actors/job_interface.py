"""Owns what a program asks of an engine about its jobs: register kinds, enqueue, find, pause and count."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any, TypedDict, TypeVar, Unpack

from ..engine.clock import Clock
from ..engine.errors import InvalidJobError
from ..engine.filters import JobFilter
from ..engine.limits import KindTerms, Rate
from ..engine.pauses import Pause, PauseScope
from ..engine.queries import JobView
from ..engine.records import Created, Json, KeyScope, KindCounts, NewJob, OnClash, OwnStep, State
from ..engine.retries import Retry
from .address import Address
from .callbacks import CallbackThread, LaterFuture
from .control_messages import CancelJobs, Cancelled, CountJobs, ListPauses, PauseJobs, ResumeJobs
from .event_hub import BUFFER, Callback, EventHub, Subscription
from .flow_messages import Child, CreateFlow, checked_children
from .given import check_filter, check_job_options, check_kind_options, check_place, checked_id
from .job_handle import JobHandle
from .kinds import Handler, Kind, Kinds, RunIn, Terms, fields_of
from .messages import CreateAlike, CreateJob
from .query_messages import ListJobs
from .standing_messages import AwaitIdle

C = TypeVar("C")
R = TypeVar("R")
CANCELLED_AT_ONCE = 1000


class JobOptions(TypedDict, total=False):
    """How one job differs from what its kind says."""

    queue: str
    run_at: float  # seconds since the epoch
    delay_s: float  # from now; instead of run_at
    priority: int  # higher first
    partition: str  # such as a customer: limits are counted by it, and partitions take turns
    tags: Sequence[str]
    metadata: dict[str, Json]
    max_attempts: int
    timeout_s: float  # of one attempt
    run_timeout_s: float  # of all attempts and all below it, from when it may start; then it fails
    key: str  # idempotency key
    key_scope: KeyScope | str  # how long it keeps others out; for ever, unless said otherwise
    key_period_s: float
    on_clash: OnClash | str  # what becomes of this job when the key is taken
    max_child_failures: int | float


class KindOptions(TypedDict, total=False):
    """What holds for all jobs of a kind."""

    queue: str
    retry: Retry
    timeout_s: float  # of one attempt
    run_in: RunIn
    concurrency: int  # running at once
    partition_concurrency: int  # of one partition running at once
    rate: Rate
    partition_rate: Rate  # of one partition
    max_child_failures: int | float


class JobInterface:
    """The part of ``Engine`` that is about jobs."""

    manager: Address
    _reader: Address
    _clock: Clock
    _kinds: Kinds
    _hub: EventHub
    _callbacks: CallbackThread

    def kind(self, name: str, **options: Unpack[KindOptions]) -> Callable[[Handler], Kind[Any, Any]]:
        """Register the decorated function, plain or ``async``, as the handler of jobs of this kind.

        It takes a ``JobContext`` and, if it has a second parameter, a config of that parameter's type; what it returns
        is the job's result. Raises ``InvalidJobError`` for a name that is taken and a handler that takes anything else.
        """
        terms = terms_of(name, **options)

        def register(handler: Handler) -> Kind[Any, Any]:
            kind: Kind[Any, Any] = Kind(name, handler, terms)
            self._kinds.add(kind)
            self._kind_added(kind)
            return kind

        return register

    def enqueue(
        self,
        kind: Kind[C, R] | str,
        config: C | None = None,
        *,
        children: Sequence[Child] = (),
        **options: Unpack[JobOptions],
    ) -> JobHandle[R]:
        """Make a job; durable on return. With *children* it waits for them, and then its handler runs.

        Under a *key* that is taken the answer is the job that holds it, or what *on_clash* says. Raises
        ``InvalidJobError`` naming the field that is wrong, ``MetadataError`` and ``KeyTakenError``.
        """
        return self._handle(kind, id_of(self.manager.ask(self._order(kind, config, children, options))))

    def enqueue_later(
        self,
        kind: Kind[C, R] | str,
        config: C | None = None,
        *,
        children: Sequence[Child] = (),
        **options: Unpack[JobOptions],
    ) -> Future[JobHandle[R]]:
        """Do what ``enqueue`` does without waiting; the future has the job's handle once that is durable.

        Raises ``InvalidJobError`` at once. Callbacks of the future run on a thread of their own. To cancel it is to
        wait no longer: the job is made.
        """
        order = self._order(kind, config, children, options)
        future: Future[JobHandle[R]] = LaterFuture(self._callbacks)
        self.manager.ask_into(future, order, lambda made: self._handle(kind, id_of(made)))
        return future

    async def aenqueue(
        self,
        kind: Kind[C, R] | str,
        config: C | None = None,
        *,
        children: Sequence[Child] = (),
        **options: Unpack[JobOptions],
    ) -> JobHandle[R]:
        """Do what ``enqueue`` does from asyncio; durable on return."""
        made = await self.manager.ask_async(self._order(kind, config, children, options))
        return self._handle(kind, id_of(made))

    def enqueue_many(
        self, kind: Kind[C, R] | str, configs: Iterable[C], **options: Unpack[JobOptions]
    ) -> list[JobHandle[R]]:
        """Make many jobs in one transaction, all or none; durable on return."""
        if "key" in options:
            raise InvalidJobError("one key for many jobs names one job; enqueue them one by one, each with its key")
        if not isinstance(configs, Iterable):
            raise InvalidJobError(f"asked for many jobs, found a {type(configs).__name__} of configs; give a list")
        known = self._kinds.of(kind)
        job = known.bare_job(**checked(options, self._clock.now()))
        ids: range = self.manager.ask(CreateAlike(job=job, configs=tuple(map(known.checked, configs))))
        return [JobHandle(job_id, self.manager, self._reader, result_type=known.result_type) for job_id in ids]

    def find_job(self, job_id: int) -> JobHandle[Any]:
        """Return the handle of a job by its id."""
        self._check_process()
        return JobHandle(checked_id(job_id), self.manager, self._reader)

    def jobs(
        self, *, state: State | None = None, parent_id: int | None = None, after_id: int = 0, limit: int = 100
    ) -> list[JobView]:
        """Return jobs without a parent, or a parent's children, by id."""
        check_place(state=state, parent_id=parent_id, after_id=after_id, limit=limit)
        query = ListJobs(state=state, parent_id=parent_id, after_id=after_id, limit=limit)
        found: list[JobView] = self._reader.ask(query)
        return found

    def stats(self) -> list[KindCounts]:
        """Return how many jobs there are by queue, kind and state; read from counters."""
        found: list[KindCounts] = self.manager.ask(CountJobs())
        return found

    def cancel_jobs(self, job_filter: JobFilter) -> int:
        """Cancel all unfinished jobs that match, with their descendants; return how many ended."""
        check_filter(job_filter)
        count, after_id = 0, 0
        while True:
            order = CancelJobs(filter=job_filter, after_id=after_id, limit=CANCELLED_AT_ONCE)
            cancelled: Cancelled = self.manager.ask(order)
            count += cancelled.jobs
            if cancelled.go_on_after is None:
                return count
            after_id = cancelled.go_on_after

    def events(self, buffer: int = BUFFER) -> Subscription:
        """Return a subscription to what happens to jobs from now on, in the order of the commits.

        It keeps up to *buffer* events that were not read; beyond that the oldest are lost, and ``EventsMissed`` says
        how many.
        """
        return self._hub.subscribe(buffer)

    def on_event(self, callback: Callback, buffer: int = BUFFER) -> Callable[[], None]:
        """Have *callback* called with each event, on a thread of its own; return a function that ends that."""
        return self._hub.call(callback, buffer)

    def wait_idle(self, timeout_s: float) -> None:
        """Wait until no job runs or is due; raises ``DeadlineError`` after *timeout_s* seconds.

        Jobs that are due later or wait for a credential count for nothing; those that are due and paused, or have no
        handler here, keep it from being idle.
        """
        self.manager.ask(AwaitIdle(), timeout_s=timeout_s)

    def pause(self, *, queue: str | None = None, kind: str | None = None, run: int | None = None) -> None:
        """Start no job of a queue, a kind or a run, or none at all, until it is resumed; what runs goes on. Durable."""
        self.manager.ask(PauseJobs(pause=pause_of(queue, kind, run)))

    def resume(self, *, queue: str | None = None, kind: str | None = None, run: int | None = None) -> bool:
        """Let jobs start again that ``pause`` held; return whether they were held."""
        was_paused: bool = self.manager.ask(ResumeJobs(pause=pause_of(queue, kind, run)))
        return was_paused

    def pauses(self) -> list[Pause]:
        """Return what is paused."""
        found: list[Pause] = self.manager.ask(ListPauses())
        return found

    def _check_process(self) -> None:
        """Raise ``ForkError`` in a forked child."""
        raise NotImplementedError

    def _kind_added(self, kind: Kind[Any, Any]) -> None:
        """Have its queue worked on, where the engine runs."""
        raise NotImplementedError

    def _order(
        self, kind: Kind[Any, Any] | str, config: Any, children: Sequence[Child], options: JobOptions
    ) -> CreateJob | CreateFlow:
        job = self._new_job(kind, config, options)
        if children:
            return CreateFlow(job=parent_of(job), children=checked_children(children))
        return CreateJob(job=job)

    def _new_job(self, kind: Kind[Any, Any] | str, config: Any, options: JobOptions) -> NewJob:
        return self._kinds.of(kind).new_job(config, **checked(options, self._clock.now()))

    def _handle(self, kind: Kind[Any, Any] | str, job_id: int) -> JobHandle[Any]:
        return JobHandle(job_id, self.manager, self._reader, result_type=self._kinds.of(kind).result_type)


def checked(options: JobOptions, now: float) -> dict[str, Any]:
    """Return *options* as fields of a ``NewJob``; raises ``InvalidJobError``."""
    if not options:
        return {}
    fields: dict[str, Any] = dict(options)
    delay_s = fields.pop("delay_s", None)
    if delay_s is not None:
        if "run_at" in fields:
            raise InvalidJobError("run_at and delay_s exclude each other; give one of them")
        check_job_options({"delay_s": delay_s}, asked="asked for a job")
        if not math.isfinite(delay_s):
            raise InvalidJobError(f"delay_s is a number of seconds, found {delay_s}")
        fields["run_at"] = now + delay_s
    return fields_of(fields)


def id_of(made: Created | int) -> int:
    """Return the id of what was made: a job, or the parent of a flow."""
    return made if isinstance(made, int) else made.job_id


def parent_of(job: NewJob) -> NewJob:
    """Return *job* as one that waits for its children and then runs."""
    import msgspec

    return msgspec.structs.replace(job, state=State.WAITING, own_step=OwnStep.AFTER_CHILDREN)


def pause_of(queue: str | None, kind: str | None, run: int | None) -> Pause:
    """Return the pause of what is named; raises ``InvalidJobError`` when more than one thing is."""
    given: tuple[tuple[str, object], ...] = (("queue", queue), ("kind", kind))
    for what, name in given:
        if name is not None and (not isinstance(name, str) or not name):
            raise InvalidJobError(f"asked for a pause of {what} {name!r}; give its name")
    if run is not None:
        checked_id(run)
    named = [
        Pause(scope=scope, name=str(name))
        for scope, name in ((PauseScope.QUEUE, queue), (PauseScope.KIND, kind), (PauseScope.RUN, run))
        if name is not None
    ]
    if len(named) > 1:
        raise InvalidJobError("queue, kind and run exclude each other; give one of them, or none for all jobs")
    return named[0] if named else Pause(scope=PauseScope.ALL)


def terms_of(name: str, **options: Unpack[KindOptions]) -> Terms:
    """Return the options of a kind as its terms; raises ``InvalidJobError`` for one that there is not."""
    unknown = options.keys() - KindOptions.__annotations__
    if unknown:
        raise InvalidJobError(f"asked for kind {name!r} with {', '.join(sorted(unknown))}, found no such option")
    check_kind_options(name, options)
    limits = {key: value for key, value in options.items() if key in KindTerms.__struct_fields__}
    others: dict[str, Any] = {key: value for key, value in options.items() if key not in limits}
    return Terms(limits=KindTerms(kind=name, **limits), **others)  # type: ignore[arg-type]  # keys are checked above
