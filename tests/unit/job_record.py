"""A job's record for tests that need one without a database."""

from __future__ import annotations

from typing import Any

from bequest.engine.records import Job, OnFailure, OwnStep, State


def job_record(**fields: Any) -> Job:  # Any: the fields of the record
    """Return a waiting parent with *fields* changed."""
    usual: dict[str, Any] = {
        "id": 1,
        "kind": "crawl",
        "queue": "crawl",
        "state": State.WAITING,
        "config": {},
        "metadata": {},
        "tags": (),
        "partition": "",
        "priority": 0,
        "attempts": 0,
        "max_attempts": 1,
        "sealed": True,
        "own_step": OwnStep.NONE,
        "on_failure": OnFailure.COUNT,
        "token": 0,
        "created_at": 1.0,
        "run_at": 1.0,
    }
    return Job(**{name: None for name in Job.__struct_fields__} | usual | fields)
