"""The state machine that users test their handlers by: a careful handler passes, a careless one does not."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from bequest import JobContext
from bequest.testing.inline_engine import InlineEngine
from bequest.testing.state_machine import EngineStateMachine, Submission, submission

SETTINGS = settings(max_examples=12, stateful_step_count=10, deadline=None)


class Payments(EngineStateMachine):
    """A handler with an effect outside the engine."""

    is_careful = True

    def __init__(self) -> None:
        super().__init__()
        self.paid = Counter[int]()
        self.rests = 0

    def register(self, engine: InlineEngine) -> None:
        """Register the one kind."""

        @engine.kind("pay")
        def pay(job: JobContext, cents: int) -> None:
            if not (self.is_careful and self.paid[job.id]):
                self.paid[job.id] += cents

    def submissions(self) -> st.SearchStrategy[Submission]:
        """Give payments, some of them later."""
        return submission("pay", st.integers(1, 9), delay_s=st.sampled_from([0.0, 60.0]))

    def check(self) -> None:
        """Count how often all is at rest."""
        self.rests += 1

    def check_end(self) -> None:
        """Nothing was paid twice, and all that is completed was."""
        for job in self.jobs.values():
            row = self.engine.find_job(job.id).job()
            assert self.paid[job.id] in (0, row.config)
            assert self.paid[job.id] or row.state != "completed"


class Careless(Payments):
    """One that pays whenever it is called."""

    is_careful = False


class Unsaid(EngineStateMachine):
    """One that says nothing."""


def test_careful_handler_passes() -> None:
    """A handler that bears to be run twice comes through kills, crashes and restarts."""
    run_state_machine_as_test(Payments, settings=SETTINGS)


def test_careless_handler_is_found() -> None:
    """One that does not is found out, and the order of events is printed."""
    generate = settings(SETTINGS, max_examples=600, phases=[Phase.generate], derandomize=True)

    with pytest.raises(AssertionError) as found:
        run_state_machine_as_test(Careless, settings=generate)

    assert "state.begin(schedule=Schedule(" in "\n".join(found.value.__notes__)


def test_machine_must_be_told_what_to_do() -> None:
    """What a subclass must say is missing at once."""
    with pytest.raises(NotImplementedError):
        run_state_machine_as_test(Unsaid, settings=SETTINGS)
