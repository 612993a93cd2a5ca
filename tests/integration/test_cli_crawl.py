"""``bequest crawl`` and ``run`` as a person uses them: real servers on loopback, a real Chromium."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from loopback_site import Answer, Request, Serve
from programs import DEADLINE_S, CommandLine, NumberedPages

EXPORT_KEYS = ["url", "status", "title", "markdown", "depth"]
EXPORT_KEYS += ["auth_id", "job_id", "parent_id", "fetched_at", "metadata"]


@pytest.fixture
def bequest(tmp_path: Path) -> CommandLine:
    """Give the command line in a folder of its own."""
    return CommandLine(tmp_path)


class Troubled:
    """A site whose pages answer as their path says; *asked* counts the requests of each."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.is_over = threading.Event()

    def __call__(self, request: Request) -> Answer:
        """Answer with the status in the path, or not at all."""
        if request.path == "/favicon.ico":  # the browser's own
            return Answer(status=404)
        self.asked[request.path] += 1
        if request.path == "/slow":
            self.is_over.wait(DEADLINE_S)
        status = request.path.strip("/").partition("?")[0]
        return Answer("<p>as the path says</p>", int(status) if status.isdecimal() else 200)


@pytest.fixture
def troubled() -> Iterator[Troubled]:
    """Give a site of trouble, whose slow pages end with the test."""
    site = Troubled()
    yield site
    site.is_over.set()


def test_crawl_ends_with_a_summary_and_documents(bequest: CommandLine, serve: Serve) -> None:
    """A crawl exits 0; progress goes to stderr, the summary to stdout, and the export has the documented keys."""
    pages = NumberedPages(7)
    site = serve(pages)

    ended = bequest("crawl", site.url(), "--allow-private", "--export", "out.jsonl")

    documents = [json.loads(line) for line in (bequest.folder / "out.jsonl").read_text().splitlines()]
    assert ended.code == 0, ended.err
    assert ended.out.splitlines() == [
        "run 1 completed: 7 pages stored in bequest.db",
        "  7 documents exported to out.jsonl",
    ]
    assert all("stored" in line for line in ended.err.splitlines())
    assert "\x1b" not in ended.err + ended.out
    assert sorted(document["title"] for document in documents) == [f"Page {number}" for number in range(1, 8)]
    for document in documents:
        assert list(document) == EXPORT_KEYS
        assert document["status"] == 200
        assert document["parent_id"] == 1
        assert document["auth_id"] is None
        assert datetime.fromisoformat(document["fetched_at"]).tzinfo is not None
        assert "The page with the number" in document["markdown"]
    assert {document["depth"] for document in documents} == {0, 1, 2}
    assert Counter(pages.paths) == Counter(["/", *(f"/{number}" for number in range(2, 8))])


def test_json_is_one_value_and_all_there_is_on_stdout(bequest: CommandLine, serve: Serve) -> None:
    """With --json stdout holds one value that says what came of the run."""
    site = serve(NumberedPages(3))

    ended = bequest("crawl", site.url(), "--allow-private", "--json")

    (line,) = ended.out.splitlines()
    assert ended.code == 0, ended.err
    assert json.loads(line) == {
        "run": 1,
        "state": "completed",
        "is_stalled": False,
        "pages": {"pending": 0, "running": 0, "waiting": 0, "completed": 3, "failed": 0, "cancelled": 0},
        "failures": [],
        "database": "bequest.db",
        "exported": None,
    }


def test_options_bound_the_crawl(bequest: CommandLine, serve: Serve) -> None:
    """Pages, depth and patterns are kept to; each set of options is a run of its own (I14)."""
    pages = NumberedPages(100)
    url = serve(pages).url()
    crawl = ("crawl", url, "--allow-private")

    (five,) = bequest.json(*crawl, "--max-pages", "5")
    (deep,) = bequest.json(*crawl, "--max-depth", "1")
    (some,) = bequest.json(*crawl, "--include", "/[24]$", "--exclude", "/4$", "--concurrency", "1")

    assert [run["run"] for run in (five, deep, some)] == sorted({run["run"] for run in (five, deep, some)})
    assert [run["pages"]["completed"] for run in (five, deep, some)] == [5, 3, 2]


def test_cookies_are_stored_under_the_host_of_the_first_url(bequest: CommandLine, serve: Serve) -> None:
    """The session of --cookies has the first URL's host as its name and reaches every page."""
    pages = NumberedPages(3)
    site = serve(pages)
    bequest.write_cookies("cookies.txt", "opensesame")

    ended = bequest("crawl", site.url(), site.url("/3"), "--cookies", "cookies.txt", "--allow-private")

    (stored,) = bequest.json("auth", "list")
    assert ended.code == 0, ended.err
    assert stored["auth_id"] == "127.0.0.1"
    assert stored["sites"] == ["127.0.0.1"]
    assert pages.cookies == ["sid=opensesame"] * 3


def test_run_fails_only_when_all_pages_failed(bequest: CommandLine, serve: Serve, troubled: Troubled) -> None:
    """One page is enough to complete; none is a failure that names the cause."""
    site = serve(troubled)

    some = bequest("crawl", site.url("/200"), site.url("/404"), site.url("/410"), "--allow-private")
    none = bequest("crawl", site.url("/404"), site.url("/404?b"), "--allow-private")

    assert some.code == 0
    assert "run 1 completed: 1 page stored in bequest.db" in some.out
    assert "  2 failed; see `bequest job 1`" in some.out
    assert none.code == 1
    assert "  2 x http_404, one of them: 127.0.0.1/404 answered with status 404" in none.out
    assert none.err.splitlines()[-1] == "bequest: run 5 fetched nothing: 127.0.0.1/404 answered with status 404"


@pytest.mark.parametrize(("tolerance", "code"), [(0.3, 1), (0.5, 0)])
def test_definition_says_how_many_pages_may_fail(
    bequest: CommandLine, serve: Serve, troubled: Troubled, tolerance: float, code: int
) -> None:
    """A run from a file fails when the share of failed pages passes its error_tolerance, and says so."""
    site = serve(troubled)
    urls = [site.url("/200"), site.url("/404")]
    lines = [f"start_urls = {json.dumps(urls)}", "allow_private = true", f"error_tolerance = {tolerance}"]
    (bequest.folder / "docs.toml").write_text("\n".join(['name = "docs"', *lines]))

    ended = bequest("run", "docs.toml")

    assert ended.code == code
    assert ("1 of 2 pages failed, more than its error_tolerance of 0.3 allows" in ended.err) is bool(code)
    assert "1 page stored" in ended.out


def test_passing_trouble_is_tried_again_and_lasting_trouble_is_not(
    bequest: CommandLine, serve: Serve, troubled: Troubled
) -> None:
    """429 and 5xx are asked for four times, ever later; other 4xx once."""
    site = serve(troubled)
    passing, lasting = ["/429", "/500", "/503"], ["/400", "/404", "/410", "/418", "/451"]

    ended = bequest("crawl", *map(site.url, passing + lasting), "--allow-private", "--concurrency", "8")

    waits = waits_of(bequest)
    assert ended.code == 1
    assert troubled.asked == {**dict.fromkeys(passing, 4), **dict.fromkeys(lasting, 1)}
    assert sorted(map(len, waits)) == [0] * 5 + [3] * 3
    for first, second, third in filter(None, waits):
        assert (first >= 0.5, second >= 1, third >= 2) == (True, True, True)


def test_timeout_is_tried_again(bequest: CommandLine, serve: Serve, troubled: Troubled) -> None:
    """A page that does not answer in its time is tried four times and then failed, with the cause."""
    site = serve(troubled)
    lines = ['name = "slow"', f'start_urls = ["{site.url("/slow")}"]', "allow_private = true", "page_timeout_s = 1.5"]
    (bequest.folder / "slow.toml").write_text("\n".join(lines))

    ended = bequest("run", "slow.toml")

    assert ended.code == 1
    assert "1 x timeout: asked for 127.0.0.1/slow, found no complete answer in time" in ended.out
    assert len(*waits_of(bequest)) == 3


def waits_of(bequest: CommandLine) -> list[list[float]]:
    """Return the seconds between the failures of each page of run 1."""
    (run,) = bequest.json("job", "1")
    logs = bequest.json("logs", "1")
    failures = [
        [one["at"] for one in logs if one["job_id"] == child["id"] and one["message"] == "page not stored"]
        for child in run["child_jobs"]
    ]
    return [[later - earlier for earlier, later in pairwise(times)] for times in failures]


def test_job_shows_children_and_their_session(bequest: CommandLine, serve: Serve) -> None:
    """The job of a run lists its pages, and each names where its session came from."""
    site = serve(NumberedPages(3))
    bequest.write_cookies("cookies.txt", "opensesame")
    bequest("auth", "add", "wiki", "cookies.txt", "--site", "127.0.0.1")
    bequest("crawl", site.url(), "--auth", "wiki", "--allow-private")

    run, page = bequest("job", "1"), bequest("job", "2")

    assert "session   wiki (in its metadata, for its children)" in run.out
    assert run.out.count("wiki (from parent metadata)") == 3
    assert "session   wiki (from parent metadata)" in page.out
    assert "parent    1" in page.out


def test_cookies_that_no_longer_work_stall_the_run_and_new_ones_finish_it(bequest: CommandLine, serve: Serve) -> None:
    """A run whose cookies are refused says which file to export anew, and the same command then finishes it."""
    form = "<form method=post><input name=user><input type=password name=password><button>Log in</button></form>"
    site = serve(lambda asked: Answer("<p>content</p>" if "sid=fresh" in asked.cookies else form))
    crawl = ("crawl", site.url(), "--cookies", "cookies.txt", "--allow-private")

    bequest.write_cookies("cookies.txt", "stale")
    stalled = bequest(*crawl)
    listed = bequest("jobs")
    bequest.write_cookies("cookies.txt", "fresh")
    finished = bequest(*crawl)

    assert stalled.code == 1
    assert stalled.err.splitlines()[-1] == (
        "bequest: run 1 is stalled, 1 page waiting for credential '127.0.0.1';"
        " log in again, export the cookies to cookies.txt and give the same command again"
    )
    assert "crawl  stalled" in listed.out
    assert finished.code == 0, finished
    assert "going on with run 1" in finished.err
    assert "run 1 completed: 1 page stored" in finished.out


def test_other_unfinished_run_rests(bequest: CommandLine, serve: Serve) -> None:
    """Crawling one URL, and storing a session, fetch no page of another run that was stopped before."""
    first, second = NumberedPages(50), NumberedPages(3)
    first_url, second_url = serve(first).url(), serve(second).url()
    first.hold_after(2)
    stopped = bequest.start("crawl", first_url, "--allow-private")
    first.wait_for_requests(3)
    stopped.interrupt()
    stopped.finish()
    first.hold_after(None)
    asked = len(first.paths)
    bequest.write_cookies("cookies.txt", "opensesame")

    bequest("auth", "add", "wiki", "cookies.txt", "--site", "127.0.0.1")
    ended = bequest("crawl", second_url, "--allow-private")

    states = {run["id"]: run["state"] for run in bequest.json("jobs")}
    assert ended.code == 0
    assert len(first.paths) == asked
    assert sorted(states.values()) == ["completed", "waiting"]


def test_commands_that_read_work_beside_a_crawl(bequest: CommandLine, serve: Serve) -> None:
    """While a crawl owns the database it can be looked at, and whoever would write is refused with the owner's id."""
    pages = NumberedPages(7)
    site = serve(pages)
    pages.hold_after(1)
    bequest.write_cookies("cookies.txt", "opensesame")
    running = bequest.start("crawl", site.url(), "--cookies", "cookies.txt", "--allow-private")
    pages.wait_for_requests(2)

    readers = ("jobs", "jobs --state running", "job 1", "logs 1", "auth list", "auth show 127.0.0.1", "doctor")
    reading = [bequest(*command.split()) for command in readers]
    writers = ("auth remove 127.0.0.1", f"crawl {site.url()}", "auth add x cookies.txt --site 127.0.0.1")
    writing = [bequest(*command.split()) for command in writers]
    pages.hold_after(None)
    ended = running.finish()

    assert [one.code for one in reading] == [0] * len(readers), reading
    assert "children  1 completed, 0 failed, 2 unfinished" in reading[2].out
    assert [one.code for one in writing] == [2] * len(writers)
    assert all(f"owned by process {running.pid} on" in one.err for one in writing)
    assert ended.code == 0, ended
