"""Owns what becomes of an attempt that raised: tried again after a while, or given up."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

from .errors import InvalidJobError
from .number_rules import is_number, is_whole
from .policies import backoff_s
from .records import Record


class Snooze(Exception):
    """Raised by a handler: run this job again in *delay_s* seconds; the attempt does not count."""

    def __init__(self, delay_s: float, reason: str = "") -> None:
        if not is_number(delay_s):
            raise InvalidJobError(f"asked to be run again in {delay_s!r}, but that is no number of seconds")
        super().__init__(reason or f"asked to be run again in {delay_s:g} s")
        self.delay_s = delay_s
        self.reason = reason

    def __reduce__(self) -> tuple[type[Snooze], tuple[float, str]]:
        """Say how it is made again, from a handler's process."""
        return type(self), (self.delay_s, self.reason)


class Discard(Exception):
    """Raised by a handler: this job cannot succeed; it fails without another attempt."""


class Retry(Record, frozen=True, kw_only=True):
    """When a job is tried again that raised.

    *backoff* is ``"exponential"`` (from *base_s*, doubled each time up to *cap_s*, with jitter), ``"fixed"`` (always
    *base_s*), or a function of the attempt's number that returns seconds.
    """

    max_attempts: int = 4  # the first try and three more
    backoff: Literal["exponential", "fixed"] | Callable[[int], float] = "exponential"
    base_s: float = 1.0
    cap_s: float = 3600.0
    retry_on: tuple[type[BaseException], ...] = (Exception,)
    discard_on: tuple[type[BaseException], ...] = ()  # wins over retry_on

    def __post_init__(self) -> None:
        """Raise ``InvalidJobError`` for what no job can be retried by."""
        if not is_whole(self.max_attempts) or self.max_attempts < 1:
            raise InvalidJobError(f"max_attempts is at least 1, found {self.max_attempts!r}")
        if not _is_seconds(self.base_s) or not _is_seconds(self.cap_s) or self.cap_s == 0:
            raise InvalidJobError(f"base_s and cap_s are seconds, found {self.base_s!r} and {self.cap_s!r}")
        if self.backoff not in ("exponential", "fixed") and not callable(self.backoff):
            raise InvalidJobError(f'backoff is "exponential", "fixed" or a function, found {self.backoff!r}')
        given: tuple[tuple[str, Any], ...] = (("retry_on", self.retry_on), ("discard_on", self.discard_on))
        for name, types in given:
            if not isinstance(types, tuple) or not all(map(_is_exception, types)):
                raise InvalidJobError(f"{name} is a tuple of exceptions' types, found {types!r}")

    def admits(self, error: BaseException) -> bool:
        """Whether a job that raised *error* may be tried again."""
        return isinstance(error, self.retry_on) and not isinstance(error, self.discard_on)

    def delay_s(self, attempt: int, *, jitter: float) -> float:
        """Return the seconds to wait after *attempt* attempts; *jitter* is drawn from [0, 1)."""
        if self.backoff == "exponential":
            return backoff_s(attempt, base_s=self.base_s, cap_s=self.cap_s, jitter=jitter)
        if self.backoff == "fixed":
            return self.base_s
        delay = float(self.backoff(attempt))
        if delay == math.inf:
            return self.cap_s
        return delay if delay > 0 else 0.0


def _is_exception(type_: Any) -> bool:  # Any: whatever a caller gave
    return isinstance(type_, type) and issubclass(type_, BaseException)


def _is_seconds(value: float) -> bool:
    return is_number(value) and 0 <= value < math.inf
