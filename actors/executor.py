"""Owns the way from a definition to a run, in one strict order, one ask after the other:

1. ``CreateJob`` makes the parent, waiting, with its definition and its ``job_definition_id`` column in one write;
2. its metadata is fully populated;
3. ``UpdateJobMetadata`` is acknowledged, or reported failed: then the run goes on with a warning (I6);
4. only then ``SpawnChildren`` makes the first pages visible and seals the parent;
5. only then ``StartMonitoring``.

Each step is idempotent, so after a crash anywhere 2 to 5 are done again for every parent that is not sealed.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import pykka

from ..engine.clock import Clock
from ..engine.crawl_jobs import METADATA_LOST, RUN, parent_metadata, run_job, seed_jobs
from ..engine.definitions import Definition, definition_from
from ..engine.errors import BequestError, DefinitionError, InvalidJobError, JobNotFoundError, TransitionError
from ..engine.queries import JobView
from ..engine.records import Created, Job, JobError, Json, LogEntry, NewJob, State, StoredDefinition
from ..engine.run_steps import RETRIES_USED, Again, Part, Seal, Spawn, StepState, Wait, next_move, parts_of
from ..engine.steps import CRAWL
from .address import Address
from .asking import Ask, answer
from .control_messages import RetryJob
from .executor_messages import GoOn, StartMonitoring, StartRun, TakeUpRuns
from .given import check_job_options
from .kinds import Kinds
from .messages import (
    AddJobLog,
    CreateJob,
    GetDefinition,
    GetJob,
    IncrementJobMetadata,
    ListOpenRuns,
    SaveDefinition,
    SpawnChildren,
    UpdateJobMetadata,
    UpdateJobStatus,
)
from .query_messages import ListJobs
from .step_jobs import check_steps, step_job
from .supervised import Overseer, SupervisedActor

logger = logging.getLogger(__name__)

MAX_STEPS = 1000  # of one run
NOT_AGAIN = "step was not done again"


class ExecutorActor(SupervisedActor):
    """Answers ``StartRun`` and ``TakeUpRuns``, and is told ``GoOn``; ``TakeUpRuns`` may also be told."""

    def __init__(self, overseer: Overseer, manager: Address, monitor: Address, kinds: Kinds, clock: Clock) -> None:
        super().__init__(overseer)
        self._manager = manager
        self._monitor = monitor
        self._kinds = kinds
        self._clock = clock

    def receive(self, message: object) -> None:
        """Do what is asked; an error of it is the answer."""
        match message:
            case Ask(message=StartRun() as asked, reply=reply):
                self._answer(reply, self.start_run, asked)
            case Ask(message=TakeUpRuns(), reply=reply):
                self._answer(reply, self._take_up_runs)
            case TakeUpRuns():
                self._take_up_runs()
            case GoOn(parent_ids=parent_ids):
                for parent in filter(None, map(self._find, parent_ids)):
                    self._take_up(parent)
            case _:
                self.refuse_unknown(message)

    def start_run(self, asked: StartRun) -> int:
        """Take the steps and return the parent's id."""
        definition = asked.definition
        check_steps(definition, self._kinds)
        check_job_options({"key": asked.key}, asked="asked for a run")
        job = run_job(definition, key=asked.key)
        created: Created = self._manager.ask(CreateJob(job=job, definition=definition))
        parent: Job = self._manager.ask(GetJob(job_id=created.job_id))
        if created.is_new:
            logger.info("run started", extra={"job_id": parent.id, "definition": definition.name})
        self._go_on(parent)
        return parent.id

    def bequeath(self, parent_id: int, metadata: dict[str, Json]) -> None:
        """Have the metadata written; a failure is reported and survived, for children can ask the definition."""
        try:
            self._manager.ask(UpdateJobMetadata(job_id=parent_id, metadata=metadata))
        except BequestError as error:
            fields: dict[str, Json] = {"parent_id": parent_id, "cause": str(error)}
            logger.warning(METADATA_LOST, extra=fields)
            self._log(parent_id, METADATA_LOST, fields)
        else:
            logger.debug("parent metadata written", extra={"parent_id": parent_id, "keys": len(metadata)})

    def make_visible(self, parent_id: int, definition: Definition, definition_id: int) -> None:
        """Make the first pages claimable; there will be no others but those that pages find."""
        seeds = seed_jobs(definition, definition_id)
        self._manager.ask(SpawnChildren(parent_id=parent_id, jobs=seeds, seal=True))

    def _go_on(self, parent: Job) -> None:
        """Take what steps are still to be taken; the definition is the one that the parent was made with.

        Raises ``DefinitionError`` where there is none that can be read any more.
        """
        if not parent.sealed and parent.state is State.WAITING:
            if parent.definition_id is None:
                raise DefinitionError(f"run {parent.id} names no definition, so it cannot go on")
            stored: StoredDefinition = self._manager.ask(GetDefinition(definition_id=parent.definition_id))
            definition = definition_from(stored.body, source=f"definition {stored.name!r} of run {parent.id}")
            if definition.is_one_crawl:
                self.hand_over(parent.id, definition, stored.id)
            else:
                self._take_step(parent, definition, stored.id)
        self._monitor.tell(StartMonitoring(parent_id=parent.id))

    def _take_step(self, parent: Job, definition: Definition, definition_id: int) -> None:
        """Do what comes next in a run with steps: its metadata first, then one step after the other."""
        views: list[JobView] = self._manager.ask(ListJobs(parent_id=parent.id, limit=MAX_STEPS))
        if not views:
            self.bequeath(parent.id, parent_metadata(definition, definition_id))
        states = {view.job.key or "": step_state(view.job) for view in views}
        match next_move(parts_of(definition), states):
            case Spawn(part):
                self._manager.ask(SpawnChildren(parent_id=parent.id, jobs=(self._job_of(part, definition),)))
                self._take_step(parent, definition, definition_id)
            case Wait(part, job_id) if part.step.kind == CRAWL:
                self._crawl_step(job_id, definition.of_step(part.step, part.key))
            case Again(job_id):
                self._manager.ask(IncrementJobMetadata(job_id=job_id, key=RETRIES_USED))
                if not self._is_retried(job_id):
                    self._take_step(parent, definition, definition_id)
            case Seal():
                self._manager.ask(SpawnChildren(parent_id=parent.id, jobs=(), seal=True))

    def _job_of(self, part: Part, definition: Definition) -> NewJob:
        """Return the job of a step; that of a crawl names the crawl's own definition, which its pages go by."""
        job = step_job(part, definition, self._kinds)
        if part.step.kind != CRAWL:
            return job
        stored: StoredDefinition = self._manager.ask(SaveDefinition(definition=definition.of_step(part.step, part.key)))
        return msgspec.structs.replace(job, definition_id=stored.id)

    def _is_retried(self, job_id: int) -> bool:
        """Have a step done again; return whether it is, for another job may have the key of a child of it by now."""
        try:
            self._manager.ask(RetryJob(job_id=job_id))
        except TransitionError as error:
            fields: dict[str, Json] = {"cause": str(error)}
            logger.warning(NOT_AGAIN, extra={"job_id": job_id, **fields})
            self._log(job_id, NOT_AGAIN, fields)
            return False
        return True

    def _crawl_step(self, job_id: int, definition: Definition) -> None:
        step: Job = self._manager.ask(GetJob(job_id=job_id))
        if not step.sealed:
            stored: StoredDefinition = self._manager.ask(SaveDefinition(definition=definition))
            self.hand_over(job_id, definition, stored.id)
        self._monitor.tell(StartMonitoring(parent_id=job_id))

    def hand_over(self, parent_id: int, definition: Definition, definition_id: int) -> None:
        """Take steps 2 to 4, in this order and no other."""
        self.bequeath(parent_id, parent_metadata(definition, definition_id))
        self.make_visible(parent_id, definition, definition_id)

    def _take_up_runs(self) -> int:
        runs: list[Job] = self._manager.ask(ListOpenRuns(kinds=(CRAWL, RUN)))
        for parent in runs:
            self._take_up(parent)
        return len(runs)

    def _take_up(self, parent: Job) -> None:
        """Go on with a run; one that was cancelled or deleted meanwhile needs nothing more."""
        try:
            self._take_up_open(parent)
        except (JobNotFoundError, TransitionError):
            found = self._find(parent.id)
            if found is not None and not found.state.is_final:
                raise
            logger.info("run ended before its next step", extra={"job_id": parent.id})

    def _take_up_open(self, parent: Job) -> None:
        if parent.kind == CRAWL and parent.parent_id is not None:
            parent = self._manager.ask(GetJob(job_id=parent.parent_id))  # the crawl of a step: its run knows how
        if parent.kind not in (CRAWL, RUN):
            return  # a flow that its own spawner seals
        try:
            self._go_on(parent)
        except (DefinitionError, InvalidJobError) as error:
            logger.exception("run cannot go on", extra={"job_id": parent.id, "cause": str(error)})
            self._give_up(parent.id, JobError(type="definition", message=str(error)))

    def _give_up(self, parent_id: int, failure: JobError) -> None:
        """End a run that cannot go on; one that has children all the same ends with them."""
        self._manager.ask(SpawnChildren(parent_id=parent_id, jobs=(), seal=True))
        try:
            self._manager.ask(UpdateJobStatus(job_id=parent_id, state=State.FAILED, error=failure))
        except TransitionError:
            self._monitor.tell(StartMonitoring(parent_id=parent_id))

    def _find(self, job_id: int) -> Job | None:
        try:
            found: Job = self._manager.ask(GetJob(job_id=job_id))
        except JobNotFoundError:
            return None
        return found

    def _log(self, job_id: int, message: str, fields: dict[str, Json]) -> None:
        entry = LogEntry(job_id=job_id, at=self._clock.now(), level="WARNING", message=message, fields=fields)
        self._manager.tell(AddJobLog(entries=(entry,)))

    def _answer(self, reply: pykka.Future[Any], act: Any, *arguments: Any) -> None:
        try:
            result = act(*arguments)
        except BequestError as error:
            answer(reply, error)
        else:
            reply.set(result)


def step_state(job: Job) -> StepState:
    """Return where the job of a step stands."""
    retried = job.metadata.get(RETRIES_USED, 0)
    return StepState(job_id=job.id, state=job.state, retried=retried if isinstance(retried, int) else 0)
