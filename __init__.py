"""Bequest: a durable job engine in one SQLite file, made for crawling behind a login."""

import logging
import sys

if sys.platform not in ("linux", "darwin"):
    raise ImportError(f"bequest runs on Linux and macOS, found {sys.platform}; it needs flock and POSIX file modes")

from .actors.handles import Credentials, Run
from .actors.system import Engine, EngineState, Health
from .engine.clock import Clock, SystemClock
from .engine.cookies import Admission, Cookie
from .engine.credentials import Credential
from .engine.definition_files import read_definition
from .engine.definitions import AuthPolicy, Definition
from .engine.errors import (
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
    EngineError,
    EngineFailedError,
    EngineStoppedError,
    ForeignDatabaseError,
    ForkError,
    InvalidJobError,
    JobNotFoundError,
    KeyFileError,
    KeyNeededError,
    LeaseLostError,
    LoginFailedError,
    MetadataError,
    NewerDatabaseError,
    PageError,
    SealError,
    StoreError,
    TransitionError,
    UrlError,
    VaultError,
)
from .engine.keys import Key, KeyFile
from .engine.queries import FailureCause
from .engine.records import Counts, CredentialEntry, Job, JobError, LogEntry, Progress, State, StoredDocument
from .engine.run_status import RunStatus
from .engine.secret import Secret

logging.getLogger(__name__).addHandler(logging.NullHandler())

__all__ = [
    "Admission",
    "AuthPolicy",
    "BequestError",
    "BrowserError",
    "BrowserNotFoundError",
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
    "DatabaseCorruptError",
    "DatabaseOwnedError",
    "DeadlineError",
    "Definition",
    "DefinitionError",
    "Engine",
    "EngineError",
    "EngineFailedError",
    "EngineState",
    "EngineStoppedError",
    "FailureCause",
    "ForeignDatabaseError",
    "ForkError",
    "Health",
    "InvalidJobError",
    "Job",
    "JobError",
    "JobNotFoundError",
    "Key",
    "KeyFile",
    "KeyFileError",
    "KeyNeededError",
    "LeaseLostError",
    "LogEntry",
    "LoginFailedError",
    "MetadataError",
    "NewerDatabaseError",
    "PageError",
    "Progress",
    "Run",
    "RunStatus",
    "SealError",
    "Secret",
    "State",
    "StoreError",
    "StoredDocument",
    "SystemClock",
    "TransitionError",
    "UrlError",
    "VaultError",
    "read_definition",
]
