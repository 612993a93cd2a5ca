"""Tests of what is said of a run that did not do what was asked, and of arguments in their own words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from bequest.console.crawl import defined
from bequest.console.main import run_command
from bequest.console.options import advised
from bequest.console.running import Order, readable, why_not_done
from bequest.engine.definitions import Definition
from bequest.engine.queries import FailureCause
from bequest.engine.records import Counts, JobError, State
from bequest.engine.run_status import RunStatus

URLS = ("https://wiki.example:8443/start?token=secret",)
CAUSES = [FailureCause(type="http_404", message="wiki.example/x answered with status 404", count=2)]


def order(**fields: Any) -> Order:
    """Return what a person asked for."""
    definition = Definition.crawl("crawl", start_urls=URLS, auth_id="wiki", error_tolerance=0.1)
    return Order(**{"definition": definition, "database": Path("bequest.db"), **fields})


def status(**fields: Any) -> RunStatus:
    """Return where the run stands."""
    return RunStatus(**{"job_id": 7, "state": State.FAILED, "pages": Counts(), **fields})


def test_stalled_run_says_what_to_type() -> None:
    """A stalled run names its credential and the command that puts it right, with the host to give."""
    said = why_not_done(order(), status(state=State.WAITING, is_stalled=True, pages=Counts(waiting=1)), CAUSES)

    assert said == (
        "run 7 is stalled, 1 page waiting for credential 'wiki'; store one that works with"
        " `bequest auth add wiki FILE --site wiki.example` and give the same command again"
    )


def test_stalled_run_of_a_cookies_file_names_the_file() -> None:
    """Who gave a cookies file is told to export it again."""
    asked = order(cookies=Path("my cookies.txt"))

    said = why_not_done(asked, status(state=State.WAITING, is_stalled=True, pages=Counts(waiting=2)), CAUSES)

    assert said.endswith("log in again, export the cookies to 'my cookies.txt' and give the same command again")


def test_run_without_a_page_names_the_cause() -> None:
    """A run that fetched nothing says why, by its most frequent cause."""
    said = why_not_done(order(), status(pages=Counts(failed=2)), CAUSES)

    assert said == "run 7 fetched nothing: wiki.example/x answered with status 404"


def test_run_beyond_its_tolerance_names_both_shares() -> None:
    """A run that stored pages and failed says how many failed and how many may."""
    error = JobError(type="children_failed", message="2 of 9 children failed")

    said = why_not_done(order(), status(pages=Counts(completed=7, failed=2), error=error), CAUSES)

    assert said == "run 7 failed: 2 of 9 pages failed, more than its error_tolerance of 0.1 allows"


def test_run_whose_time_was_over_says_so() -> None:
    """A run that failed for another reason than its pages gives that, whether or not it stored any."""
    error = JobError(type="run_timeout", message="not everything had ended when its time was over")

    said = {why_not_done(order(), status(pages=Counts(completed=done), error=error), []) for done in (0, 7)}

    assert said == {"run 7 failed: not everything had ended when its time was over"}


def test_run_with_steps_counts_its_steps() -> None:
    """Of a run with steps it is said how many of them failed, for their tolerance is none."""
    error = JobError(type="children_failed", message="1 of 2 children failed")

    said = why_not_done(order(), status(pages=Counts(completed=1, failed=1), error=error, has_steps=True), CAUSES)

    assert said == "run 7 failed: 1 of 2 steps failed"


def test_stalled_run_with_steps_names_the_session_of_its_crawl() -> None:
    """The credential and the host are those of the step that names one; jobs and anonymous crawls are passed over."""
    steps: list[dict[str, Any]] = [
        {"kind": "announce"},
        {"kind": "crawl", "config": {"start_urls": ["https://open.example/"]}},
        {"kind": "crawl", "config": {"start_urls": ["https://wiki.example/"], "auth_id": "wiki"}},
    ]
    asked = order(definition=Definition.crawl("all", steps=steps))
    stalled = status(state=State.WAITING, is_stalled=True, pages=Counts(completed=2, waiting=1), has_steps=True)

    said = why_not_done(asked, stalled, [])

    assert said == (
        "run 7 is stalled, what is left of it waiting for credential 'wiki'; store one that works with"
        " `bequest auth add wiki FILE --site wiki.example` and give the same command again"
    )


def test_cancelled_run_is_said_to_be() -> None:
    """A run that somebody cancelled did not fail."""
    said = why_not_done(order(), status(state=State.CANCELLED, pages=Counts(completed=3, cancelled=4)), [])

    assert said == "run 7 was cancelled"


def test_advice_names_a_database_that_is_not_the_default() -> None:
    """A command to type leads to the database at hand, quoted for the shell."""
    assert advised("jobs", Path("bequest.db")) == "`bequest jobs`"
    assert advised("jobs", Path("my wiki.db")) == "`bequest jobs --db 'my wiki.db'`"


def test_path_of_other_bytes_fits_in_json() -> None:
    """A name that is no text is shown as nearly as can be."""
    assert readable(Path("a\udcffb.db")) == "a\ufffdb.db"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_depth": -1}, "--max-depth: expected an integer of at least 0, found -1"),
        ({"max_pages": 0}, "--max-pages: expected an integer of at least 1, found 0"),
        ({"concurrency": 65}, "--concurrency: expected an integer from 1 to 64, found 65"),
        ({"include": ("ok", "(")}, "--include: expected a regular expression, found '('"),
        ({"auth_id": ""}, "--auth: expected a name"),
    ],
    ids=str,
)
def test_fault_is_said_in_the_words_of_the_arguments(options: dict[str, Any], said: str) -> None:
    """A fault names the option as it is typed, not the key of a definition."""
    with pytest.raises(click.UsageError) as raised:
        defined(URLS, **options)

    assert raised.value.message.startswith(said)


def test_fault_in_a_url_counts_from_one_and_quotes_nothing() -> None:
    """The second URL is called the second, and its query is not shown."""
    with pytest.raises(click.UsageError) as raised:
        defined((*URLS, "ftp://wiki.example/?token=secret"))

    assert raised.value.message.startswith("URL 2: expected an http or https URL")
    assert "secret" not in raised.value.message


def test_home_of_nobody_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    """A path that begins with the home of a user who is none is refused in a line."""
    code = run_command(["jobs", "--db", "~nobody-of-that-name/x.db"])

    assert code == 2
    assert "found no user of that name; see bequest jobs --help" in capsys.readouterr().err
