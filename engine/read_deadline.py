"""Owns the decision when a read is to end, so that its view of the file does not keep the WAL from being cut short."""

from __future__ import annotations

from collections.abc import Callable

from .clock import Clock
from .errors import DeadlineError, StoreError

PATIENT_READ_S = 1.0  # a read that takes longer gives way to a WAL that is over its bound


class ReadDeadline:
    """The end of one read; it begins now."""

    def __init__(self, clock: Clock, seconds: float, *, gives_way_to: Callable[[], bool] | None) -> None:
        self.why: str | None = None  # it was to end
        self._clock = clock
        self._began = clock.monotonic()
        self._seconds = seconds
        self._gives_way_to = gives_way_to

    def is_over(self) -> bool:
        """Return whether it is to end now, after its time or because it gives way to a WAL that is too large."""
        took = self._clock.monotonic() - self._began
        if took >= self._seconds:
            self.why = f"no end after {self._seconds:g} s"
        elif self._gives_way_to is not None and took >= PATIENT_READ_S and self._gives_way_to():
            self.why = "that the write-ahead log is over its bound and grows while this is read"
        return self.why is not None

    def end(self, fault: StoreError | None) -> None:
        """Raise ``DeadlineError`` if it was to end, whatever was made of that, else *fault* if there was one."""
        if self.why is not None:
            raise DeadlineError(f"asked to read the database, found {self.why}; ask for less at once") from fault
        if fault is not None:
            raise fault
