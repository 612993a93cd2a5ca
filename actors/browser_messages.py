"""Owns what the browser actor is asked; each travels in an ``Ask`` of ``actors.asking``. Imports no browser."""

from __future__ import annotations

from ..engine.pages import PageRequest
from ..engine.records import Record
from ..engine.secret import Secret
from ..engine.totp import Totp

ANSWER_SLACK_S = 60.0  # an answer comes within the message's own timeout and this: a launch, and what is tidied first


class FetchPage(Record, frozen=True, kw_only=True):
    """Read one URL; answered with a ``PageSnapshot`` or a ``PageError``."""

    request: PageRequest


class Goto(Record, frozen=True, kw_only=True):
    """Open a URL and wait until it has loaded."""

    url: str


class Fill(Record, frozen=True, kw_only=True):
    """Type a value into the field that the selector finds."""

    selector: str
    value: Secret


class FillCode(Record, frozen=True, kw_only=True):
    """Type the code of this moment into the field that the selector finds."""

    selector: str
    totp: Totp


class Click(Record, frozen=True, kw_only=True):
    """Click what the selector finds."""

    selector: str


class WaitFor(Record, frozen=True, kw_only=True):
    """Wait until what the selector finds is visible."""

    selector: str


BrowserStep = Goto | Fill | FillCode | Click | WaitFor


class Login(Record, frozen=True, kw_only=True):
    """Take the steps in a context of their own; answered with the ``Session`` left, or a ``LoginFailedError``.

    The session has all that the context holds, of whatever site; ``renewed`` in ``engine.renewals`` takes from it what
    a credential's sites may have.

    The last step should be a ``WaitFor`` of something that only a session shows: a click does not wait for what it
    sets off.
    """

    steps: tuple[BrowserStep, ...]
    sites: tuple[str, ...] | None = None  # a field is filled on their hosts alone (I17); None: wherever the steps lead
    allow_private: bool = False
    timeout_s: float = 60.0  # for all steps together
