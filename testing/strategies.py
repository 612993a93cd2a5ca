"""Owns the list of Hypothesis strategies for tests of programs that use Bequest; each draws what an engine takes.

    @given(urls())
    def test_thumbnail_knows_every_address(url: str) -> None: ...

Importing it without Hypothesis raises an ``ImportError`` that says what to install.
"""

from __future__ import annotations

from .definition_strategies import definitions
from .fault_strategies import fault_plans
from .job_strategies import jobs, json_values, metadata
from .order_strategies import crashes, schedules
from .session_strategies import cookies, credentials
from .site_strategies import site_graphs
from .url_strategies import hosts, urls

__all__ = [
    "cookies",
    "crashes",
    "credentials",
    "definitions",
    "fault_plans",
    "hosts",
    "jobs",
    "json_values",
    "metadata",
    "schedules",
    "site_graphs",
    "urls",
]
