"""Owns the one tree of errors; every error that leaves the library is one of these.

    BequestError
    ├── DefinitionError            ├── JobNotFoundError
    ├── UrlError                   ├── TransitionError
    ├── InvalidJobError            ├── LeaseLostError
    ├── MetadataError              ├── KeyTakenError
    ├── JobFailedError             ├── JobCancelledError
    ├── ScheduleNotFoundError      │
    ├── CredentialError            ├── EngineError
    │   ├── CredentialFormatError  │   ├── EngineStoppedError
    │   ├── CredentialNotFoundError│   ├── EngineFailedError
    │   └── CredentialNeededError  │   ├── DeadlineError
    ├── VaultError                 │   └── ForkError
    │   ├── KeyNeededError         ├── BrowserError
    │   ├── KeyFileError           │   ├── BrowserNotFoundError
    │   └── SealError              │   ├── LoginFailedError
    └── StoreError                 │   └── PageError
        ├── DiskError              ├── RetentionError
        ├── ForeignDatabaseError   └── LogLevelError
        ├── NewerDatabaseError
        ├── DatabaseOwnedError
        ├── DatabaseCorruptError
        ├── CommitInDoubtError
        ├── ArchiveError
        └── BackupError

The docstring of a class is its message when none is given. No message holds a secret: no cookie value, no token,
no query string.
"""

from __future__ import annotations

import inspect


class BequestError(Exception):
    """Bequest could not do what was asked."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or inspect.cleandoc(type(self).__doc__ or ""))


class DefinitionError(BequestError):
    """The definition is not valid."""


class UrlError(BequestError):
    """The URL is not one that can be crawled."""


class InvalidJobError(BequestError):
    """The job cannot be made as it was asked for."""


class MetadataError(BequestError):
    """The metadata cannot be written as JSON."""


class CredentialError(BequestError):
    """The credential cannot be used."""


class CredentialFormatError(CredentialError):
    """The file holds no session in a format that is known."""


class CredentialNotFoundError(CredentialError):
    """No credential of that name is stored."""


class CredentialNeededError(CredentialError):
    """The run is stalled: every unfinished page waits for a working credential."""


class VaultError(BequestError):
    """A secret cannot be sealed or opened."""


class KeyNeededError(VaultError):
    """A secret can only be stored with a key, and none was given."""


class KeyFileError(VaultError):
    """The key file cannot be used."""


class SealError(VaultError):
    """The sealed record does not open: another key sealed it, or it was changed."""


class StoreError(BequestError):
    """The database cannot be used."""


class DiskError(StoreError):
    """The disk is full or failed; nothing of what was asked is written."""


class ForeignDatabaseError(StoreError):
    """The file is not a Bequest database."""


class NewerDatabaseError(StoreError):
    """The database was written by a newer release."""


class DatabaseOwnedError(StoreError):
    """Another engine owns the database."""


class DatabaseCorruptError(StoreError):
    """The database file is damaged."""


class CommitInDoubtError(StoreError):
    """A commit failed in a way that leaves open whether the write is stored; repeat it with the same key."""


class ArchiveError(StoreError):
    """The archive cannot be written; what was to be archived is still in the database."""


class BackupError(StoreError):
    """The backup was not made."""


class JobNotFoundError(BequestError):
    """No job has that id."""


class ScheduleNotFoundError(BequestError):
    """No schedule has that name."""


class TransitionError(BequestError):
    """The job's state does not allow that change."""


class KeyTakenError(BequestError):
    """Another job holds the key."""


class JobFailedError(BequestError):
    """The job did not succeed, so it has no result."""


class JobCancelledError(BequestError):
    """The job was cancelled, or its lease has ended; its handler should stop."""


class LeaseLostError(BequestError):
    """The lease has passed to somebody else or ended; the result was refused."""


class EngineError(BequestError):
    """The engine cannot serve the call."""


class EngineStoppedError(EngineError):
    """The engine is stopped; what was asked was not done."""


class EngineFailedError(EngineError):
    """The engine has failed and needs a person."""


class DeadlineError(EngineError):
    """No answer came before the deadline; the work may still be done."""


class ForkError(EngineError):
    """An engine does not survive a fork; open one in the child."""


class BrowserError(BequestError):
    """The browser could not do what was asked."""


class BrowserNotFoundError(BrowserError):
    """No Chromium that starts was found; run `bequest browser install`."""


class LoginFailedError(BrowserError):
    """A scripted login did not reach its end.

    ``is_transient`` says that the site could not be reached and nothing had been typed: it knows of no attempt, and
    trying again can help.
    """

    def __init__(self, message: str | None = None, *, is_transient: bool = False) -> None:
        super().__init__(message)
        self.is_transient = is_transient


class PageError(BrowserError):
    """The page could not be fetched.

    ``reason`` is a word for programs (``timeout``, ``dns``, ``refused``, ``egress``, ``network``); ``is_transient``
    says whether trying again can help.
    """

    def __init__(self, message: str | None = None, *, reason: str = "network", is_transient: bool = True) -> None:
        super().__init__(message)
        self.reason = reason
        self.is_transient = is_transient


class RetentionError(BequestError):
    """The retention is not one that can be kept."""


class LogLevelError(BequestError):
    """No log level has that name."""
