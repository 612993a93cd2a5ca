"""Owns the Hypothesis strategies for what an in-line engine may meet: orders of events, and actors that crash."""

from __future__ import annotations

from .hypothesis_strategies import st
from .schedule import PREEMPT_ONE_IN, Schedule
from .strand_threads import Crash

ACTORS = ("ManagerActor", "ExecutorActor", "MonitorActor", "WorkerActor", "ChildCrawlerActor")
CHOICES = 500  # that a schedule may make otherwise; a small test makes some hundreds
MESSAGES = 60  # of an actor, at which it may crash


def schedules() -> st.SearchStrategy[Schedule]:
    """Give orders of events; they shrink to first come, first served, with as few exceptions as show the failure."""
    turns = st.dictionaries(st.integers(1, CHOICES), st.integers(1, PREEMPT_ONE_IN), max_size=20)
    return st.builds(Schedule, turns=turns)


def crashes(actors: tuple[str, ...] = ACTORS) -> st.SearchStrategy[Crash]:
    """Give actors that crash at a message."""
    return st.builds(Crash, actor=st.sampled_from(actors), at=st.integers(1, MESSAGES), after=st.booleans())
