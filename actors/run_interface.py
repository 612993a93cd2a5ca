"""Owns what a program asks of an engine about runs: start and find them, their sessions and their schedules."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from ..engine.clock import Clock
from ..engine.definitions import Definition, check
from ..engine.errors import EngineStoppedError
from .address import Address
from .executor_messages import StartRun
from .given import checked_id
from .handles import Credentials, Run
from .kinds import Kinds
from .messages import OfferOnly
from .schedules_handle import Schedules

START_TIMEOUT_S = 120.0


class RunInterface:
    """The part of ``Engine`` that is about runs."""

    manager: Address
    _reader: Address
    _executor: Address
    _browser: Address
    _clock: Clock
    _kinds: Kinds
    _resumes: bool
    _lifecycle: AbstractContextManager[Any]
    _credentials: Credentials | None = None
    _taken_up: tuple[int, ...] = ()  # the runs of ``run``, where the others rest

    def run(self, definition: Definition, *, key: str | None = None) -> Run:
        """Start a run of *definition*; on return it is durable and its first pages are due.

        With a *key*, an unfinished run under the same key is taken up instead of a new one. Raises ``DefinitionError``.
        """
        check(definition)
        self._check_running()
        self._start_crawlers()
        job_id: int = self._executor.ask(StartRun(definition=definition, key=key), timeout_s=START_TIMEOUT_S)
        if not self._resumes:
            with self._lifecycle:
                self._taken_up = (*self._taken_up, job_id)
                self.manager.ask(OfferOnly(parent_ids=self._taken_up))
        return self.find_run(job_id)

    def find_run(self, job_id: int) -> Run:
        """Return the handle of a run by the id of its parent job."""
        self._check_process()
        return Run(checked_id(job_id), self.manager, self._reader)

    @property
    def credentials(self) -> Credentials:
        """The stored credentials."""
        self._check_running()
        if self._credentials is None:
            raise EngineStoppedError
        return self._credentials

    @property
    def schedules(self) -> Schedules:
        """The schedules, which make jobs and runs while the engine runs."""
        self._check_running()
        return Schedules(self.manager, self._reader, self._kinds, self._clock, self._start_crawlers)

    def log_in(self, message: Any) -> Any:
        """Have the browser take the steps of a ``Login`` and return the ``Session``; raises ``LoginFailedError``."""
        from .browser_messages import ANSWER_SLACK_S

        self._check_running()
        self._start_browser()
        return self._browser.ask(message, timeout_s=message.timeout_s + ANSWER_SLACK_S)

    def _start_crawlers(self) -> None:
        """Start what crawls, unless it runs."""
        raise NotImplementedError

    def _start_browser(self) -> None:
        """Start the browser, unless it runs."""
        raise NotImplementedError

    def _check_running(self) -> None:
        """Raise the error of an engine that does not run."""
        raise NotImplementedError

    def _check_process(self) -> None:
        """Raise ``ForkError`` in a forked child."""
        raise NotImplementedError
