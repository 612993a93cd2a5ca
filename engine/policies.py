"""Owns the decisions: when to try again, and how a run ends; plain functions of their arguments.

Nothing here reads a clock or draws a random number: ``now`` and ``jitter`` are given.
"""

from __future__ import annotations

from .records import Counts, State

REQUEST_TIMEOUT = 408  # RFC 9110, 15.5.9: the client may repeat the request
TOO_MANY_REQUESTS = 429  # RFC 6585, 4
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


def verdict(counts: Counts, *, sealed: bool, error_tolerance: float = 1.0, cancelled: bool = False) -> State | None:
    """Judge a parent by its children: return the state it ends in, or None while it is too early (I9).

    - None while it is not sealed, or while any child is not final. This holds for a cancelled one too: who cancels
      also seals and ends the children.
    - ``CANCELLED`` when it was cancelled, whatever its children came to.
    - ``FAILED`` when failures pass the tolerance: failed / total > *error_tolerance*. No share passes 1.0, so with
      1.0 it fails when, and only when, all children failed and there was at least one.
    - ``COMPLETED`` otherwise; so zero children end it at once.

    A child cancelled by itself is part of the total but not of the failures: one success or one cancelled child is
    enough to complete with a tolerance of 1.0.
    """
    if not sealed or counts.unfinished:
        return None
    if cancelled:
        return State.CANCELLED
    if counts.failed == 0:
        return State.COMPLETED
    # A quotient, not a product: 29 / 100 is exactly the float 0.29, while 0.29 * 100 is less than 29.
    has_passed = counts.failed / counts.total > error_tolerance or counts.failed == counts.total
    return State.FAILED if has_passed else State.COMPLETED


def _doubled(base_s: float, times: int, cap_s: float) -> float:
    exponent = min(times - 1, 1000)  # a float ends at 2**1024
    return min(cap_s, base_s * 2.0**exponent)
