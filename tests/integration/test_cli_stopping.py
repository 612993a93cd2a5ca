"""Commands that are stopped: by Ctrl-C, by another signal, by SIGKILL, and that go on afterwards."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from browser_rig import Process, descendants
from loopback_site import Serve
from programs import DEADLINE_S, CommandLine, NumberedPages

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")

PAGES = 25


@pytest.fixture
def bequest(tmp_path: Path) -> CommandLine:
    """Give the command line in a folder of its own."""
    return CommandLine(tmp_path)


@pytest.fixture
def pages() -> NumberedPages:
    """Give a site that answers five requests and holds back the others."""
    site = NumberedPages(PAGES)
    site.hold_after(5)
    return site


def has_ended(pid: int, timeout_s: float) -> bool:
    """Wait for the end of a process and return whether it came."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    ended = bool(poll.poll(timeout_s * 1000))
    os.close(descriptor)
    return ended


def wait_for_end(processes: list[Process]) -> list[Process]:
    """Wait until each of *processes* has ended and return those that have not."""
    return [process for process in processes if not has_ended(process.pid, DEADLINE_S)]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=str
)
def test_signal_stops_in_order(
    bequest: CommandLine, serve: Serve, pages: NumberedPages, number: signal.Signals, code: int
) -> None:
    """A signal to the process group ends the crawl: no process is left, no lease, and no attempt counts (I5)."""
    site = serve(pages)
    running = bequest.start("crawl", site.url(), "--allow-private", "--max-depth", "9")
    pages.wait_for_requests(9)  # five are answered, four are held
    family = descendants(running.pid)

    running.interrupt(number)
    ended = running.finish()

    (run,) = bequest.json("job", "1")
    states = Counter(child["state"] for child in run["child_jobs"])
    assert any(process.is_browser for process in family)
    assert ended.code == code, ended
    assert "Traceback" not in ended.err
    assert [line for line in ended.err.splitlines() if line][-2:] == [
        "stopping; the same command goes on with run 1",
        "stopped",
    ]
    assert wait_for_end(family) == []
    assert set(states) == {"completed", "pending"}
    assert states["completed"] == 5
    assert {child["attempts"] for child in run["child_jobs"] if child["state"] == "pending"} == {0}


def test_impatient_signals_change_nothing(bequest: CommandLine, serve: Serve, pages: NumberedPages) -> None:
    """Ctrl-C again and again, while the first is stopping the crawl, leaves no process and the same exit code."""
    site = serve(pages)
    running = bequest.start("crawl", site.url(), "--allow-private")
    pages.wait_for_requests(9)
    family = descendants(running.pid)

    while not has_ended(running.pid, 0.02):
        running.interrupt()
    ended = running.finish()

    assert ended.code == 130
    assert "Traceback" not in ended.err
    assert wait_for_end(family) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=str)
def test_same_command_goes_on_with_the_same_run(
    bequest: CommandLine, serve: Serve, pages: NumberedPages, number: signal.Signals
) -> None:
    """After Ctrl-C and after SIGKILL the same command finishes the run that was stopped; no page comes twice (I15)."""
    site = serve(pages)
    crawl = ("crawl", site.url(), "--allow-private", "--max-depth", "9", "--export", "out.jsonl")
    running = bequest.start(*crawl)
    pages.wait_for_requests(9)
    family = descendants(running.pid)

    running.kill() if number is signal.SIGKILL else running.interrupt()
    running.finish()
    left = wait_for_end(family)
    pages.hold_after(None)
    resumed = bequest(*crawl)

    documents = [json.loads(line) for line in (bequest.folder / "out.jsonl").read_text().splitlines()]
    runs = bequest.json("jobs")
    asked = Counter(pages.paths)
    assert left == []  # the browser ends also when nobody tells it to
    assert resumed.code == 0, resumed.err
    assert "going on with run 1" in resumed.err
    assert f"run 1 completed: {PAGES} pages stored" in resumed.out
    assert [run["id"] for run in runs] == [1]
    assert Counter(document["url"] for document in documents) == Counter(
        [site.url(), *(site.url(f"/{number}") for number in range(2, PAGES + 1))]
    )
    assert sum(count - 1 for count in asked.values()) <= 4  # only what was under way is asked for again


def test_other_options_make_another_run(bequest: CommandLine, serve: Serve, pages: NumberedPages) -> None:
    """A run that was stopped is gone on with by the same options alone; a run that has ended is not gone on with."""
    site = serve(pages)
    crawl = ("crawl", site.url(), "--allow-private", "--max-pages")
    running = bequest.start(*crawl, "10")
    pages.wait_for_requests(9)
    running.interrupt()
    running.finish()
    pages.hold_after(None)

    (other,) = bequest.json(*crawl, "3")
    (same,) = bequest.json(*crawl, "10")
    (again,) = bequest.json(*crawl, "10")

    assert same["run"] == 1
    assert len({1, other["run"], again["run"]}) == 3
    assert [run["pages"]["completed"] for run in (other, same, again)] == [3, 10, 10]


def test_stopped_demo_leaves_nothing(bequest: CommandLine) -> None:
    """Ctrl-C ends the demo with its browser, its site and its folder."""
    with tempfile.TemporaryDirectory() as folder:  # tmp_path is too long for a socket of Chromium
        running = bequest.start("demo", TMPDIR=folder)
        family = wait_for_a_browser(running.pid, Path(folder))

        running.interrupt()
        ended = running.finish()

        left = list(Path(folder).glob("bequest-demo-*"))
    assert ended.code == 130, ended
    assert "Traceback" not in ended.err
    assert wait_for_end(family) == []
    assert left == []


def wait_for_a_browser(pid: int, temporary: Path) -> list[Process]:
    """Wait until the demo has its folder and its browser, and return its processes."""
    family: list[Process] = []
    while not (any(one.is_browser for one in family) and list(temporary.glob("bequest-demo-*/demo.db"))):
        assert not has_ended(pid, 0.02), "the demo ended before it was stopped"
        family = descendants(pid)
    return family
