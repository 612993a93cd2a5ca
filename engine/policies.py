"""Owns the decisions: when to try again, and how a run ends; plain functions of their arguments.

Nothing here reads a clock or draws a random number: ``now`` and ``jitter`` are given.
"""

from __future__ import annotations

import enum

from .records import Counts

REQUEST_TIMEOUT = 408  # RFC 9110, 15.5.9: the client may repeat the request
TOO_MANY_REQUESTS = 429  # RFC 6585, 4
MAX_FAILED_LOGINS = 3  # in a row; a site may lock an account after few more
RESTART_BASE_S = 0.1
RESTART_CAP_S = 30.0


def backoff_s(attempt: int, *, base_s: float = 1.0, cap_s: float = 60.0, jitter: float) -> float:
    """Return the seconds to wait after *attempt* attempts (1 or more), doubling from *base_s* up to *cap_s*.

    *jitter* in [0, 1) spreads the wait evenly over the upper half of that ("equal jitter"), so that pages that failed
    together do not come back together and none comes back at once.
    """
    whole = _doubled(base_s, attempt, cap_s)
    return whole / 2 + whole / 2 * jitter


def retry_at(now: float, attempt: int, *, jitter: float) -> float:
    """Return the time to try again after *attempt* attempts; never before *now*."""
    return now + backoff_s(attempt, jitter=jitter)


def is_retryable_status(status: int) -> bool:
    """Whether the same request may succeed later: 408, 429 and 5xx; no other 4xx ever."""
    return status in (REQUEST_TIMEOUT, TOO_MANY_REQUESTS) or 500 <= status <= 599


def restart_delay_s(failures: int) -> float:
    """Return the seconds before an actor is started again that died *failures* times in a row (1 or more)."""
    return _doubled(RESTART_BASE_S, failures, RESTART_CAP_S)


def may_log_in(failed_logins: int) -> bool:
    """Whether another scripted login is tried after so many in a row that led to no session."""
    return failed_logins < MAX_FAILED_LOGINS


class ParentMove(enum.Enum):
    """What becomes of a sealed parent that waits for its children."""

    COMPLETE = enum.auto()
    FAIL = enum.auto()
    OWN_STEP = enum.auto()  # its own handler is due


def judge_parent(
    counts: Counts, *, max_failures: int | float | None = None, has_own_step: bool = False
) -> ParentMove | None:
    """Judge a sealed parent by its children: return what becomes of it, or None while it is too early (I9).

    - ``FAIL`` as soon as a child failed that fails its parent, or more failures count than the integer *max_failures*.
    - ``FAIL`` when all children are final and the share of failures is above the real *max_failures*. No share passes
      1.0, so with 1.0 it fails when, and only when, all children failed and there was at least one.
    - ``OWN_STEP`` when it has one to come and all children are final, or one failed that lets its parent go on.
    - ``COMPLETE`` when all children are final; so zero children end it at once.

    A child cancelled by itself is part of the total but not of the failures. Failures that are ignored or let the
    parent go on do not count either.
    """
    failures = counts.failed - counts.ignored - counts.passed
    if counts.fatal or (isinstance(max_failures, int) and failures > max_failures):
        return ParentMove.FAIL
    if isinstance(max_failures, float) and not counts.unfinished and _is_share_passed(failures, counts, max_failures):
        return ParentMove.FAIL
    if has_own_step and (counts.passed or not counts.unfinished):
        return ParentMove.OWN_STEP
    return None if counts.unfinished else ParentMove.COMPLETE


def _is_share_passed(failures: int, counts: Counts, share: float) -> bool:
    # A quotient, not a product: 29 / 100 is exactly the float 0.29, while 0.29 * 100 is less than 29.
    return failures > 0 and (failures / counts.total > share or failures == counts.total)


def _doubled(base_s: float, times: int, cap_s: float) -> float:
    exponent = min(times - 1, 1000)  # a float ends at 2**1024
    return min(cap_s, base_s * 2.0**exponent)
