"""Tests of what is said to people: no control character gets through, counts and places read well."""

from __future__ import annotations

import unicodedata

import pytest
from job_record import job_record

from bequest.console.words import by_state, counted, moment, printable, standing, what
from bequest.engine.records import Counts, Job, Json, State
from bequest.engine.run_status import RunStatus


def job(config: Json) -> Job:
    """Return a job with that config."""
    return job_record(config=config)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\nb\tc\x7f", "a\\nb\\tc\\x7f"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\udcff.db", "\\udcff.db"),
        ("Übersicht 目次 👩‍🚀 [b]", "Übersicht 目次 👩‍🚀 [b]"),
    ],
)
def test_printable_writes_out_what_steers_a_terminal(given: str, shown: str) -> None:
    """Control characters, bidirectional overrides and half pairs are written out; letters of any script are not."""
    assert printable(given) == shown


def test_printable_lets_no_control_character_through() -> None:
    """Of all of Unicode, nothing of the categories Cc, Cs, Zl and Zp is left."""
    everything = "".join(map(chr, range(0x110000)))

    left = {unicodedata.category(character) for character in printable(everything)}

    assert not left & {"Cc", "Cs", "Zl", "Zp"}


def test_counted_agrees_with_its_number() -> None:
    """One page, and two, and none."""
    assert [counted(count, "page") for count in (0, 1, 2)] == ["0 pages", "1 page", "2 pages"]


def test_moment_is_in_utc() -> None:
    """A time is shown to the minute, in UTC whatever the machine's zone."""
    assert moment(0) == "1970-01-01 00:00"


def test_standing_leaves_out_what_is_nothing() -> None:
    """Where a run stands names only the states that some page is in."""
    status = RunStatus(job_id=1, state=State.WAITING, pages=Counts(running=2, completed=3, failed=1))

    assert standing(status) == "3 of 6 pages stored, 2 running, 1 failed"


def test_standing_of_a_run_with_steps_names_no_pages() -> None:
    """A step that waits for its pages is under way, and not waiting for a session."""
    steps = Counts(completed=1, waiting=1, failed=1, cancelled=2)
    status = RunStatus(job_id=1, state=State.WAITING, pages=steps, has_steps=True)

    assert standing(status) == "1 step completed, 1 under way, 1 failed, 2 cancelled"


def test_by_state_counts_each_child_once() -> None:
    """What the engine notes of failures by their effect is not shown as further states."""
    counts = by_state(Counts(completed=3, failed=2, ignored=1, fatal=1))

    assert counts == {"pending": 0, "running": 0, "waiting": 0, "completed": 3, "failed": 2, "cancelled": 0}


def test_what_names_some_of_many_places_and_no_query() -> None:
    """A run of many start URLs is named by the first of them; a query may be a secret and is left out."""
    urls = [f"https://wiki.example/{number}?token=secret" for number in range(200)]

    assert what(job({"start_urls": urls})) == "wiki.example/0, wiki.example/1, wiki.example/2 and 197 more"


@pytest.mark.parametrize("config", [None, [], {}, {"url": ""}])
def test_what_of_another_config_is_nothing(config: Json) -> None:
    """A job that is about no URL has no place to name."""
    assert what(job(config)) == ""
