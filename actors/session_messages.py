"""Owns what is asked and told about sessions while they are used: of the keeper, and of the browser."""

from __future__ import annotations

from ..engine.login_steps import LoginStep
from ..engine.records import JobError, Record, SealedCredential
from ..engine.session_checks import SessionCheck

LOGIN_TIMEOUT_S = 60.0  # for all steps of a login
RENEWAL_TIMEOUT_S = 300.0  # for an answer of the keeper, who may be busy with another credential


class RenewSession(Record, frozen=True, kw_only=True):
    """Ask the keeper for a session that is newer than one which was refused; answered with a ``Renewed``."""

    auth_id: str
    session: int  # the put version that was refused
    steps: tuple[LoginStep, ...]
    check: SessionCheck | None
    allow_private: bool
    refused_at: float  # monotonic; None of what was seen before it speaks for the session
    is_missing: bool = False  # whether the credential holds no session yet


class Renewed(Record, frozen=True, kw_only=True):
    """A newer session, or why there is none."""

    credential: SealedCredential | None = None
    refusal: JobError | None = None
    is_page_refused: bool = False  # the session works, and the page is not for it
    again_at: float | None = None  # when another login is tried, in seconds since the epoch
    is_transient: bool = False  # whether the same question may be answered later


class JudgeSession(Record, frozen=True, kw_only=True):
    """Tell the browser whether a state of a session's cookies came with content; what did not is never kept."""

    auth_id: str
    session: int
    allow_private: bool
    state: int  # as the snapshot has it
    is_good: bool
