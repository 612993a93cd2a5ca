"""Owns the fixtures for tests of programs that embed an engine.

A ``conftest.py`` takes them in with ``pytest_plugins = ["bequest.testing.pytest_plugin"]``; nothing is loaded unasked.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .inline_engine import EngineOptions, InlineEngine
from .login_site import LoginSite
from .manual_clock import ManualClock
from .schedule import Schedule

ENGINE = pytest.StashKey[InlineEngine]()


@pytest.fixture
def manual_clock() -> ManualClock:
    """Give the clock of ``engine``; it stands still unless it is advanced, or something is waited for."""
    return ManualClock()


@pytest.fixture
def engine_options() -> EngineOptions:
    """Give the options of ``engine``; for a test or a module to say otherwise."""
    return {}


@pytest.fixture
def schedule() -> Schedule:
    """Give the order of events in ``engine``; for a test or a module to say otherwise."""
    return Schedule()


@pytest.fixture
def engine(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    manual_clock: ManualClock,
    engine_options: EngineOptions,
    schedule: Schedule,
) -> Iterator[InlineEngine]:
    """Give an engine on a file of its own that runs on the test's thread, in ``drain`` and while it is waited for."""
    with InlineEngine(tmp_path / "jobs.db", clock=manual_clock, schedule=schedule, **engine_options) as started:
        request.node.stash[ENGINE] = started
        yield started


@pytest.fixture
def login_site() -> Iterator[LoginSite]:
    """Give a wiki behind a login, served on loopback."""
    with LoginSite() as site:
        yield site


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Say beside a failure how to have the same order of events again."""
    outcome = yield
    report: pytest.TestReport = outcome.get_result()  # type: ignore[attr-defined]  # pluggy's, which has no types here
    engine = item.stash.get(ENGINE, None)
    if report.when == "call" and report.failed and engine is not None:
        line = f"replay: InlineEngine(schedule={engine.in_line.strands.chooser.schedule!r})"
        report.sections.append(("in-line engine", line))
