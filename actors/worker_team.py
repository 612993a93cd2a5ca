"""Owns the workers of an engine: one for each queue that has handlers, and what they share.

They share one alarm, one asyncio loop for ``async`` handlers and one set of processes; loop and processes begin with
the first job that needs them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pykka

from ..engine.clock import Clock
from ..engine.errors import BequestError
from .address import Address
from .alarm import Alarm
from .attempt import Attempts
from .supervisor import Supervisor
from .worker_messages import Beat, Drain, KindsChanged, LeasesLost
from .working import Working

logger = logging.getLogger(__name__)

DEFAULT_SLOTS = 8  # handlers of one queue at once
DRAIN_S = 5.0  # for a worker to answer; it only does so late when it waits for a manager that is not there


class WorkerTeam:
    """Starts the workers by *start*, stops what they share; *slots* says how many handlers of a queue run at once."""

    def __init__(
        self,
        start: Callable[..., pykka.ActorRef[Any]],
        supervisor: Supervisor,
        *,
        slots: Mapping[str, int],
        clock: Clock,
        working: Working,
        attempts: Attempts,
    ) -> None:
        self._start = start
        self._supervisor = supervisor
        self._slots = slots
        self._clock = clock
        self._working = working
        self._workers: dict[str, Address] = {}
        self._lock = threading.Lock()
        self._alarm = Alarm(clock, lambda: self._tell(Beat()), working.threads)
        self._attempts = attempts

    def start(self) -> None:
        """Start what the workers share."""
        self._alarm.start()

    def work_on(self, queues: Iterable[str]) -> None:
        """Have every one of *queues* worked on, and let all workers know of kinds that came."""
        for queue in queues:
            with self._lock:
                is_new = queue not in self._workers
                address = self._workers.setdefault(queue, Address(f"worker of {queue}", self._working.threads))
            if is_new:
                self._supervisor.add(address, lambda queue=queue: self._start_worker(queue))  # type: ignore[misc]
        self._tell(KindsChanged())

    def lose(self, job_ids: frozenset[int]) -> None:
        """Let the handlers of these jobs know that they count no more."""
        self._tell(LeasesLost(job_ids=job_ids))

    def drain(self) -> None:
        """Have no job begun any more; what runs goes on."""
        for address in list(self._workers.values()):
            try:
                address.ask(Drain(), timeout_s=DRAIN_S)
            except BequestError:
                logger.debug("a worker that is not there has nothing to end", extra={"worker": address.name})

    def stop(self) -> None:
        """Stop what the workers shared; after the workers."""
        self._alarm.stop()
        self._working.abandon(self._attempts.stop())

    def _start_worker(self, queue: str) -> pykka.ActorRef[Any]:
        return self._start(
            attempts=self._attempts,
            queue=queue,
            slots=self._slots.get(queue, DEFAULT_SLOTS),
            clock=self._clock,
            wake_at=self._alarm.set,
            working=self._working,
        )

    def _tell(self, message: object) -> None:
        for address in list(self._workers.values()):
            address.tell_if_there(message)  # a worker that is being started again asks by itself
