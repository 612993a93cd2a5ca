"""Owns which questions there are, and in which order they are asked."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from question import Question

HERE = Path(__file__).parent
GROUPS = (
    "enqueueing",
    "draining",
    "latency",
    "chain",
    "growth",
    "crawling",
    "footprint",
)


def all_questions() -> list[Question]:
    """Return the questions of all files in ``questions/``."""
    found = sorted(
        (path.stem for path in (HERE / "questions").glob("*.py")),
        key=lambda name: GROUPS.index(name) if name in GROUPS else len(GROUPS),
    )
    return [question for name in found for question in importlib.import_module(f"questions.{name}").QUESTIONS]


def chosen(questions: Iterable[Question], only: Sequence[str]) -> list[Question]:
    """Return the questions that have one of the words in their group or name."""
    return [one for one in questions if not only or any(word in f"{one.group}: {one.name}" for word in only)]
