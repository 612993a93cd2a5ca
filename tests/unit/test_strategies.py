"""The strategies are there for those who have Hypothesis, and nothing else of ``bequest.testing`` asks for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bequest.testing import strategies

TESTING = Path(strategies.__file__).parent
WITHOUT = """
import importlib, sys
sys.modules["hypothesis"] = None
for name in sys.argv[1:]:
    try:
        importlib.import_module(f"bequest.testing.{name}")
        print(name, "is there")
    except ImportError as error:
        print(name, error)
"""
ADVICE = 'this part of bequest.testing needs Hypothesis; run pip install "bequest[testing]"'


def imported_without_hypothesis(names: list[str]) -> list[str]:
    """Return what comes of importing each where there is no Hypothesis."""
    command = [sys.executable, "-c", WITHOUT, *names]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_strategies_without_hypothesis_say_what_to_install() -> None:
    """Importing any of them says how Hypothesis is had."""
    names = sorted(path.stem for path in TESTING.glob("*strategies.py"))

    assert len(names) > 5
    assert imported_without_hypothesis(names) == [f"{name} {ADVICE}" for name in names]


def test_the_rest_of_testing_needs_no_hypothesis() -> None:
    """What the demo and the fakes are made of is imported without it."""
    names = ["site_graph", "login_site", "manual_clock", "inline_engine", "faulty_disk"]

    assert imported_without_hypothesis(names) == [f"{name} is there" for name in names]


def test_strategies_are_a_sorted_list_of_functions() -> None:
    """Each that is listed is a function with a line of its own about it."""
    assert sorted(strategies.__all__) == strategies.__all__
    assert all(getattr(strategies, name).__doc__ for name in strategies.__all__)
