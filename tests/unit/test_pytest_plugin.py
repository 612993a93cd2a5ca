"""The fixtures that a program's own tests get, in a test session of their own."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

CONFTEST = 'pytest_plugins = ["bequest.testing.pytest_plugin"]'
PASSING = """
    import pytest
    from bequest.testing.inline_engine import InlineEngine, drain
    from bequest.testing.login_site import LoginSite
    from bequest.testing.manual_clock import ManualClock

    @pytest.fixture
    def engine_options():
        return {"queues": {"mail": 1}}

    def test_engine_runs_on_the_clock(engine, manual_clock, tmp_path):
        @engine.kind("mail", queue="mail")
        def mail(job):
            return manual_clock.now()

        job = engine.enqueue(mail, delay_s=60.0)
        assert drain(engine).left == 1
        manual_clock.advance(60.0)
        assert drain(engine).completed == 1
        assert job.result() == manual_clock.now()
        assert (tmp_path / "jobs.db").exists()

    def test_site_has_a_login(login_site):
        assert isinstance(login_site, LoginSite)
        assert login_site.password
"""
FAILING = """
    import pytest
    from bequest.testing.schedule import Schedule

    @pytest.fixture
    def schedule():
        return Schedule(turns={3: 1})

    def test_fails(engine):
        assert not engine
"""


@pytest.fixture(autouse=True)
def _conftest(pytester: pytest.Pytester) -> None:
    """Give the session what a program's conftest has."""
    pytester.makeconftest(CONFTEST)


def test_fixtures_are_there(pytester: pytest.Pytester) -> None:
    """An engine on a clock that stands still, and a site with a login, with options of the test's own."""
    pytester.makepyfile(PASSING)

    result = pytester.runpytest_inprocess("-q")

    result.assert_outcomes(passed=2)


def test_failure_says_how_to_replay_it(pytester: pytest.Pytester) -> None:
    """Beside a failure stands the order of events that it came of."""
    pytester.makepyfile(FAILING)

    result = pytester.runpytest_inprocess("-q")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["replay: InlineEngine(schedule=Schedule(turns={3: 1}))"])
