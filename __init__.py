"""Bequest: a durable job engine in one SQLite file, made for crawling behind a login."""

import logging
import sys

if sys.platform not in ("linux", "darwin"):
    raise ImportError(f"bequest runs on Linux and macOS, found {sys.platform}; it needs flock and POSIX file modes")

from .actors.event_hub import Subscription
from .actors.flow_messages import Child, child
from .actors.handles import Credentials, Run
from .actors.health import DiskFault, EngineState, Health
from .actors.job_context import JobContext
from .actors.job_handle import JobHandle
from .actors.kinds import Kind
from .actors.rotation import Rotation
from .actors.schedules_handle import Schedules
from .actors.system import Engine
from .engine.backup_file import BackupProgress
from .engine.clock import Clock, SystemClock
from .engine.cookies import Cookie
from .engine.credentials import Admission, Credential
from .engine.definition_files import read_definition
from .engine.definitions import AuthPolicy, Definition
from .engine.errors import (
    ArchiveError,
    BackupError,
    BequestError,
    BrowserError,
    BrowserNotFoundError,
    CommitInDoubtError,
    CredentialError,
    CredentialFormatError,
    CredentialNeededError,
    CredentialNotFoundError,
    DatabaseCorruptError,
    DatabaseOwnedError,
    DeadlineError,
    DefinitionError,
    DiskError,
    EngineError,
    EngineFailedError,
    EngineStoppedError,
    ForeignDatabaseError,
    ForkError,
    InvalidJobError,
    JobCancelledError,
    JobFailedError,
    JobNotFoundError,
    KeyFileError,
    KeyNeededError,
    KeyTakenError,
    LeaseLostError,
    LoginFailedError,
    LogLevelError,
    MetadataError,
    NewerDatabaseError,
    PageError,
    RetentionError,
    ScheduleNotFoundError,
    SealError,
    StoreError,
    TransitionError,
    UrlError,
    VaultError,
)
from .engine.events import Event, EventsMissed, JobMoved, LoginFailed, RunStalled, SessionRenewed
from .engine.filters import JobFilter
from .engine.fire_times import Cron, Interval
from .engine.integrity import Finding
from .engine.key_files import KeyFile
from .engine.keyring_key import KeyringKey
from .engine.keys import Key
from .engine.limits import Rate
from .engine.log_queries import LogLine
from .engine.login_steps import LoginStep
from .engine.pauses import Pause, PauseScope
from .engine.prune_queries import Prunable
from .engine.queries import FailureCause, JobView
from .engine.records import (
    AttemptError,
    Counts,
    CredentialEntry,
    Job,
    JobError,
    KeyScope,
    KindCounts,
    LeaseRef,
    LogEntry,
    NewJob,
    OnClash,
    OnFailure,
    OwnStep,
    Progress,
    State,
    StoredDocument,
)
from .engine.renewals import LoginReport
from .engine.retention import Keep, Retention
from .engine.retries import Discard, Retry, Snooze
from .engine.run_status import RunStatus
from .engine.schedules import CatchUp, Overlap, Schedule, Span
from .engine.secret import Secret
from .engine.session_checks import SessionCheck
from .engine.sessions import Narrowed, OriginHeader, OriginStorage, Session, Skipped
from .engine.steps import Step

logging.getLogger(__name__).addHandler(logging.NullHandler())

__all__ = [
    "Admission",
    "ArchiveError",
    "AttemptError",
    "AuthPolicy",
    "BackupError",
    "BackupProgress",
    "BequestError",
    "BrowserError",
    "BrowserNotFoundError",
    "CatchUp",
    "Child",
    "Clock",
    "CommitInDoubtError",
    "Cookie",
    "Counts",
    "Credential",
    "CredentialEntry",
    "CredentialError",
    "CredentialFormatError",
    "CredentialNeededError",
    "CredentialNotFoundError",
    "Credentials",
    "Cron",
    "DatabaseCorruptError",
    "DatabaseOwnedError",
    "DeadlineError",
    "Definition",
    "DefinitionError",
    "Discard",
    "DiskError",
    "DiskFault",
    "Engine",
    "EngineError",
    "EngineFailedError",
    "EngineState",
    "EngineStoppedError",
    "Event",
    "EventsMissed",
    "FailureCause",
    "Finding",
    "ForeignDatabaseError",
    "ForkError",
    "Health",
    "Interval",
    "InvalidJobError",
    "Job",
    "JobCancelledError",
    "JobContext",
    "JobError",
    "JobFailedError",
    "JobFilter",
    "JobHandle",
    "JobMoved",
    "JobNotFoundError",
    "JobView",
    "Keep",
    "Key",
    "KeyFile",
    "KeyFileError",
    "KeyNeededError",
    "KeyScope",
    "KeyTakenError",
    "KeyringKey",
    "Kind",
    "KindCounts",
    "LeaseLostError",
    "LeaseRef",
    "LogEntry",
    "LogLevelError",
    "LogLine",
    "LoginFailed",
    "LoginFailedError",
    "LoginReport",
    "LoginStep",
    "MetadataError",
    "Narrowed",
    "NewJob",
    "NewerDatabaseError",
    "OnClash",
    "OnFailure",
    "OriginHeader",
    "OriginStorage",
    "Overlap",
    "OwnStep",
    "PageError",
    "Pause",
    "PauseScope",
    "Progress",
    "Prunable",
    "Rate",
    "Retention",
    "RetentionError",
    "Retry",
    "Rotation",
    "Run",
    "RunStalled",
    "RunStatus",
    "Schedule",
    "ScheduleNotFoundError",
    "Schedules",
    "SealError",
    "Secret",
    "Session",
    "SessionCheck",
    "SessionRenewed",
    "Skipped",
    "Snooze",
    "Span",
    "State",
    "Step",
    "StoreError",
    "StoredDocument",
    "Subscription",
    "SystemClock",
    "TransitionError",
    "UrlError",
    "VaultError",
    "child",
    "read_definition",
]
