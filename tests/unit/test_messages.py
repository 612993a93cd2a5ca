"""The manager's vocabulary: each operation by its name, through the manager, with its reply and its refusals."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from actor_rig import Hand, ManagerRig, answer_of
from crawl_rig import CrawlRig

from bequest.actors import credential_messages, messages, query_messages, standing_messages
from bequest.actors.control_messages import TakeOver
from bequest.actors.credential_messages import (
    GetCredential,
    GetCredentialVersion,
    ListCredentials,
    PutCredential,
    RemoveCredential,
)
from bequest.actors.messages import (
    AddJobLog,
    CancelRun,
    ClaimJobs,
    CompleteJobs,
    CreateAlike,
    CreateJob,
    GetDefinition,
    GetJob,
    GetParentMetadata,
    GetRunStatus,
    IncrementJobMetadata,
    ListOpenRuns,
    ReclaimLeases,
    ReleaseLeases,
    RenewLeases,
    Request,
    SaveDefinition,
    SpawnChildren,
    UpdateJobConfig,
    UpdateJobMetadata,
    UpdateJobProgress,
    UpdateJobStatus,
)
from bequest.actors.query_messages import ListLogs, Query
from bequest.actors.standing_messages import PARKED, Standing, WantJobs, bare_failure
from bequest.engine.changes import Changes, Move
from bequest.engine.definitions import Definition
from bequest.engine.errors import (
    CredentialError,
    CredentialNotFoundError,
    DefinitionError,
    InvalidJobError,
    JobNotFoundError,
    LeaseLostError,
    MetadataError,
    TransitionError,
)
from bequest.engine.limits import KindTerms
from bequest.engine.records import Completion, JobError, LeaseRef, LogEntry, NewJob, Progress, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

pytest_plugins = ["manager_fixtures"]
PAGE = CreateJob(job=NewJob(kind="page", max_attempts=2))
PARENT = CreateJob(job=NewJob(kind="crawl", state=State.WAITING))
WIKI = Definition.crawl("wiki", start_urls=["https://wiki.example/"])


def all_requests() -> list[type[Request]]:
    modules = (messages, credential_messages, query_messages, standing_messages)
    found = {value for module in modules for value in vars(module).values() if isinstance(value, type)}
    return sorted((kind for kind in found if issubclass(kind, Request)), key=lambda kind: kind.__name__)


# The vocabulary


@pytest.mark.parametrize("kind", all_requests(), ids=lambda kind: kind.__name__)
def test_message_is_a_frozen_record_that_says_what_it_does(kind: type[Request]) -> None:
    """Every message is immutable, refuses what it does not know, and has its meaning beside it."""
    config = kind.__struct_config__

    assert (config.frozen, config.forbid_unknown_fields) == (True, True)
    assert kind.__doc__


def test_vocabulary_has_each_operation_by_its_name() -> None:
    """What a program may ask the manager for has these names."""
    wanted = """CreateJob UpdateJobStatus UpdateJobProgress UpdateJobConfig UpdateJobMetadata GetJob GetParentMetadata
    AddJobLog ClaimJobs CompleteJobs RenewLeases ReleaseLeases SpawnChildren CancelRun SaveDefinition GetDefinition
    PutCredential GetCredential ListCredentials RemoveCredential"""

    assert set(wanted.split()) <= {kind.__name__ for kind in all_requests()}


def test_only_what_writes_tokens_is_repeated() -> None:
    """Done again after a doubt is only what cannot be done twice, because a token fences it (I4)."""
    repeatable = {kind.__name__ for kind in all_requests() if kind.is_repeatable}

    assert repeatable == {"CompleteJobs", "ReleaseLeases", "WantJobs"}


# Jobs


def test_job_is_made_read_and_moved(rig: ManagerRig) -> None:
    """A job that is made can be read, moved where its state allows, and nowhere else."""
    created = rig.ask(PAGE)
    moved = rig.ask(UpdateJobStatus(job_id=1, state=State.CANCELLED))

    assert (created.job_id, created.is_new, moved) == (1, True, None)
    assert rig.ask(GetJob(job_id=1)).state is State.CANCELLED
    assert isinstance(answer_of(rig.address.ask_later(UpdateJobStatus(job_id=1, state=State.PENDING))), TransitionError)


def test_many_jobs_are_made_in_one_message(rig: ManagerRig) -> None:
    """The reply names each of them, in order."""
    configs = ({"n": 1}, {"n": 2}, {"n": 1})

    ids = rig.ask(CreateAlike(job=NewJob(kind="page", priority=3), configs=configs))

    made = [rig.ask(GetJob(job_id=job_id)) for job_id in ids]
    assert list(ids) == [1, 2, 3]
    assert tuple(job.config for job in made) == configs
    assert {job.priority for job in made} == {3}


def test_writers_of_one_group_lose_no_key_and_are_answered_each(rig: ManagerRig) -> None:
    """Neighbours are merged together; one that is refused harms none of them (I8)."""
    rig.ask(PARENT)
    good = [UpdateJobMetadata(job_id=1, metadata={f"key {number}": number}) for number in range(8)]
    bad = UpdateJobMetadata(job_id=1, metadata={"odd": math.nan})

    replies = rig.ask_as_one_group(*good[:4], bad, *good[4:])
    rig.ask_as_one_group(*good)

    assert [type(reply) for reply in replies] == [type(None)] * 4 + [MetadataError] + [type(None)] * 4
    assert rig.ask(GetJob(job_id=1)).metadata == {f"key {number}": number for number in range(8)}


def test_children_that_ask_in_one_group_get_a_record_each(rig: ManagerRig) -> None:
    """What one of them does to the metadata that it was given no other sees; an unknown parent harms none (I7)."""
    rig.ask(PARENT)
    rig.ask(UpdateJobMetadata(job_id=1, metadata={"labels": {"a": 1}}))

    first, second = rig.ask_as_one_group(GetParentMetadata(parent_id=1), GetParentMetadata(parent_id=1))
    third, unknown = rig.ask_as_one_group(GetParentMetadata(parent_id=1), GetParentMetadata(parent_id=99))
    first.metadata["labels"]["a"] = 2

    assert second.metadata == third.metadata == {"labels": {"a": 1}}
    assert isinstance(unknown, JobNotFoundError)


def test_jobs_that_are_made_together_keep_their_own_definitions(rig: ManagerRig) -> None:
    """Neighbours that bring a definition each are named by their own, kept once where it is the same."""
    other = Definition.crawl("other", start_urls=["https://other.example/"])
    brought = [msgspec.structs.replace(PARENT, definition=one) for one in (WIKI, other, WIKI)]

    rig.ask_as_one_group(*brought)

    assert [rig.ask(GetJob(job_id=number)).definition_id for number in (1, 2, 3)] == [1, 2, 1]


def test_child_is_made_by_its_parent_alone(rig: ManagerRig) -> None:
    """CreateJob refuses what names a parent, and SpawnChildren a parent that is not there."""
    child = NewJob(kind="page", parent_id=1)

    refused = rig.ask_as_one_group(CreateJob(job=child), SpawnChildren(parent_id=9, jobs=(PAGE.job,)))

    assert [type(error) for error in refused] == [InvalidJobError, JobNotFoundError]


def test_config_is_fixed_once_a_job_was_claimed(rig: ManagerRig) -> None:
    """Until then it can be replaced."""
    rig.ask(PAGE)
    rig.ask(UpdateJobConfig(job_id=1, config={"a": 1}))
    (lease,) = rig.ask(ClaimJobs(queue="default", terms=(KindTerms(kind="page"),), limit=1, lease_s=9.0))

    refused = answer_of(rig.address.ask_later(UpdateJobConfig(job_id=1, config={"a": 2})))

    assert lease.config == {"a": 1}
    assert isinstance(refused, TransitionError)


def test_metadata_merges_and_counts(rig: ManagerRig) -> None:
    """Keys are merged one by one (I8), a counter replies its sum, and what is no JSON is refused by job and key."""
    rig.ask(PAGE)
    answers = rig.ask_as_one_group(
        UpdateJobMetadata(job_id=1, metadata={"a": 1, "b": 1}),
        UpdateJobMetadata(job_id=1, metadata={"b": 2}),
        IncrementJobMetadata(job_id=1, key="documents"),
        IncrementJobMetadata(job_id=1, key="documents", by=4),
        UpdateJobMetadata(job_id=1, metadata={"c": {1}}),
    )

    assert answers[2:4] == [1, 5]
    assert isinstance(answers[4], MetadataError)
    assert "metadata of job 1: key 'c'" in str(answers[4])
    assert rig.ask(GetJob(job_id=1)).metadata == {"a": 1, "b": 2, "documents": 5}


def test_progress_is_the_holders(rig: ManagerRig) -> None:
    """Who holds the lease notes progress with its token, and nobody else does (I4)."""
    rig.ask(PAGE)
    rig.ask(ClaimJobs(queue="default", terms=(KindTerms(kind="page"),), limit=1, lease_s=9.0))
    progress = Progress(done=3, total=9, message="reading")

    refused = answer_of(rig.address.ask_later(UpdateJobProgress(job_id=1, progress=progress)))
    rig.ask(UpdateJobProgress(job_id=1, progress=progress, token=1))

    assert isinstance(refused, LeaseLostError)
    assert rig.ask(GetRunStatus(job_id=1)).progress == progress


def test_run_is_seen_with_its_children(rig: ManagerRig) -> None:
    """Status, inheritance and the list of open runs are read from the rows."""
    rig.ask(PARENT)
    rig.ask(UpdateJobMetadata(job_id=1, metadata={"auth_id": "wiki"}))
    ids = rig.ask(SpawnChildren(parent_id=1, jobs=(PAGE.job, PAGE.job), seal=True))

    inheritance = rig.ask(GetParentMetadata(parent_id=1))
    assert ids == [2, 3]
    assert (inheritance.metadata, inheritance.root_id) == ({"auth_id": "wiki"}, 1)
    assert rig.ask(GetRunStatus(job_id=1)).pages.pending == 2
    assert [job.id for job in rig.ask(ListOpenRuns(kinds=("crawl",)))] == [1]
    assert rig.ask(CancelRun(job_id=1)) == 3
    assert rig.ask(ListOpenRuns(kinds=("crawl",))) == []


def test_log_lines_of_neighbours_keep_their_order(rig: ManagerRig) -> None:
    """Lines that are written in one statement stand in the order that they were sent."""
    rig.ask(PAGE)
    lines = [AddJobLog(entries=(LogEntry(job_id=1, at=1.0, level="INFO", message=text),)) for text in "abc"]

    rig.ask_as_one_group(*lines)

    assert [entry.message for _, entry in rig.ask(ListLogs(job_id=1))] == ["a", "b", "c"]


# Leases


def test_leases_are_renewed_released_and_reclaimed(rig: ManagerRig, clock: ManualClock) -> None:
    """Each of them replies what it came to, and a token that is stale changes nothing (I4)."""
    rig.ask_as_one_group(PAGE, PAGE)
    rig.ask(ClaimJobs(queue="default", terms=(KindTerms(kind="page"),), limit=2, lease_s=9.0))
    held, stale = LeaseRef(job_id=1, token=1), LeaseRef(job_id=2, token=7)

    renewed = rig.ask(RenewLeases(leases=(held, stale), lease_s=99.0))
    until = rig.ask(GetJob(job_id=1)).lease_until
    released = rig.ask(ReleaseLeases(leases=(held, stale)))
    reclaimed = rig.ask(ReclaimLeases())
    rig.ask(ClaimJobs(queue="default", terms=(KindTerms(kind="page"),), limit=1, lease_s=9.0))
    taken_over = rig.ask(TakeOver())

    assert (renewed, until, released, reclaimed, taken_over) == ([2], clock.now() + 99.0, [2], 1, 1)
    assert [rig.ask(GetJob(job_id=number)).attempts for number in (1, 2)] == [0, 0]


def test_neighbours_that_complete_one_job_are_told_apart(rig: ManagerRig) -> None:
    """Of two who report the same job in one group the holder is answered as such, and the other as stale."""
    rig.ask(PAGE)
    rig.ask(ClaimJobs(queue="default", terms=(KindTerms(kind="page"),), limit=1, lease_s=9.0))
    reports = [
        CompleteJobs(completions=(Completion(job_id=1, token=token, state=State.COMPLETED),)) for token in (7, 1)
    ]

    assert rig.ask_as_one_group(*reports) == [[1], []]


# Definitions and credentials


def test_definition_is_kept_once(rig: ManagerRig) -> None:
    """An equal one is the same, a changed one is a new version, and a number that is none is refused."""
    first, same, changed = rig.ask_as_one_group(
        SaveDefinition(definition=WIKI),
        SaveDefinition(definition=WIKI),
        SaveDefinition(definition=msgspec.structs.replace(WIKI, max_pages=7)),
    )

    assert (first, changed.version) == (same, 2)
    assert rig.ask(GetDefinition(definition_id=first.id)) == first
    assert isinstance(answer_of(rig.address.ask_later(GetDefinition(definition_id=9))), DefinitionError)


def test_credential_is_kept_sealed_and_versions_never_repeat(store: Store, clock: ManualClock) -> None:
    """A credential is read back as it was sealed, listed without its content, and removed for good."""
    rig = CrawlRig(store, clock)
    ask = rig.manager.ask
    rig.put_credential()
    sealed = ask(GetCredential(auth_id="wiki"))

    listed = ask(ListCredentials())
    twice = answer_of(rig.manager.address.ask_later(PutCredential(sealed=sealed)))
    ask(RemoveCredential(auth_id="wiki"))

    assert [(entry.auth_id, entry.version, entry.sites) for entry in listed] == [("wiki", 1, ("wiki.example",))]
    assert isinstance(twice, CredentialError)
    assert ask(GetCredential(auth_id="wiki")) is None
    assert ask(GetCredentialVersion(auth_id="wiki")) == 1
    assert isinstance(
        answer_of(rig.manager.address.ask_later(RemoveCredential(auth_id="wiki"))), CredentialNotFoundError
    )
    rig.stop()


# What a message must bring


@pytest.mark.parametrize(
    "act",
    [
        lambda store: Request().apply(store),
        lambda store: Query().apply(store),
        lambda _store: Standing().concerns(Changes()),
        lambda _store: Standing().instead(InvalidJobError()),
    ],
)
def test_message_without_its_verb_is_an_error(store: Store, act: Any) -> None:
    """A new message that forgets what it does is found out at its first use."""
    with pytest.raises(NotImplementedError):
        act(store)


def test_standing_message_has_nothing_to_pass_on_by_itself() -> None:
    """Where somebody waits for a reply there is nobody else to tell."""
    message = Standing()

    message.deliver("result")
    message.abandon()

    assert message.parked() is message
    assert not message.is_given_up


def test_message_that_does_not_coalesce_is_done_one_by_one(store: Store) -> None:
    """Where a class has nothing better its messages are done in order."""
    with store.group():
        replies = CreateAlike.apply_all(store, [CreateAlike(job=PAGE.job, configs=({},) * count) for count in (1, 2)])

    assert [len(reply) for reply in replies] == [1, 2]


def test_result_of_a_worker_is_first_stripped_and_then_dropped() -> None:
    """What cannot be stored is ended as failed, bare; if not even that can be, the worker just asks for work."""
    hand = Hand()
    error = MetadataError("odd")
    rich = Completion(
        job_id=1,
        token=2,
        state=State.COMPLETED,
        logs=(LogEntry(job_id=1, at=1.0, level="INFO", message="odd"),),
        children=(PAGE.job,),
    )

    first = hand.want(rich).instead(error)
    second = first.instead(error)
    third = second.instead(error)

    assert isinstance(first, WantJobs)
    assert first.completions == (bare_failure(rich, error),)
    assert first.completions[0] == Completion(
        job_id=1,
        token=2,
        state=State.FAILED,
        error=JobError(type="not_storable", message="what the attempt left cannot be stored: MetadataError"),
    )
    assert second == third == hand.want()
    hand.stop()


def test_worker_that_waits_is_concerned_by_due_work_alone(store: Store) -> None:
    """A change without work for it is not looked at."""
    hand = Hand()
    changes = Changes()
    changes.move([Move(1, 2, "default", "page", None, 0)])
    before = hand.want().concerns(changes)
    changes.has_due_work = True

    assert (before, hand.want().concerns(changes)) == (False, True)
    with store.group():
        assert hand.want().apply(store) is PARKED
    hand.stop()
