"""Commands on a terminal, narrow or plain, and in pipes that end early."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import termios
from pathlib import Path

import pytest
from loopback_site import Serve
from programs import BEQUEST, DEADLINE_S, CommandLine, NumberedPages

STYLE = re.compile(r"\x1b\[[0-9;]*m")
COLOUR = re.compile(r"\x1b\[(?:[0-9]+;)*[34][0-9]")
HIDE, SHOW, ERASE = "\x1b[?25l", "\x1b[?25h", "\x1b[2K"


@pytest.fixture
def bequest(tmp_path: Path) -> CommandLine:
    """Give the command line in a folder of its own."""
    return CommandLine(tmp_path)


def on_terminal(
    bequest: CommandLine, *arguments: str, columns: int = 80, typed: str = "", **environment: str
) -> tuple[int, str]:
    """Run a command on a terminal of that width; return its exit code and all that the terminal was sent.

    *typed* is typed once the command asks for something, with a colon and a space.
    """
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, columns))
    kept = {name: value for name, value in bequest.environment.items() if name != "COLUMNS"}
    running = subprocess.Popen(
        [BEQUEST, *arguments],
        cwd=bequest.folder,
        env={**kept, "TERM": "xterm-256color", **environment},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    sent = b""
    try:
        while chunk := os.read(controller, 65536):
            sent += chunk
            if typed and sent.endswith(b": "):
                os.write(controller, typed.encode())
                typed = ""
    except OSError:  # how Linux says that nobody is at the other end
        pass
    os.close(controller)
    return running.wait(DEADLINE_S), sent.decode().replace("\r\n", "\n")


def in_pipe(bequest: CommandLine, command: str) -> tuple[list[int], str, str]:
    """Run a pipeline in bash; return the exit codes of its parts and what it printed."""
    script = f"{command}; echo ${{PIPESTATUS[@]}}"
    done = subprocess.run(
        ["/bin/bash", "-c", script],
        cwd=bequest.folder,
        env={**bequest.environment, "PATH": f"{BEQUEST.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    *lines, codes = done.stdout.splitlines()
    return [int(code) for code in codes.split()], "\n".join(lines), done.stderr


@pytest.mark.parametrize("columns", [80, 30])
def test_crawl_on_a_terminal_is_live_and_leaves_its_summary(bequest: CommandLine, serve: Serve, columns: int) -> None:
    """Progress is one line that changes in place; what is left in the end is the summary and a cursor."""
    site = serve(NumberedPages(12))

    code, sent = on_terminal(bequest, "crawl", site.url(), "--allow-private", columns=columns)

    plain = STYLE.sub("", sent)
    left = plain.rpartition(ERASE)[2]
    assert code == 0, sent
    assert sent.index(HIDE) < sent.rindex(SHOW)
    assert " 0:00 0 of 1" in plain
    assert ("━" in plain) is (columns == 80)
    assert " ".join(left.split()).endswith("run 1 completed: 12 pages stored in bequest.db")
    assert max(len(line.rpartition("\r")[2]) for line in left.splitlines()) <= columns


def test_header_that_is_asked_for_is_not_shown(bequest: CommandLine) -> None:
    """What is typed for a header shows nowhere on the terminal, and is stored (I16)."""
    code, sent = on_terminal(bequest, "auth", "add", "api", "--bearer", "https://api.example", typed="opensesame\n")

    assert code == 0, sent
    assert "bearer token for https://api.example: " in sent
    assert "stored api: 1 header for api.example" in sent
    assert "opensesame" not in sent


def test_terminal_without_colours_gets_none(bequest: CommandLine, serve: Serve) -> None:
    """NO_COLOR leaves the live line and takes its colours."""
    site = serve(NumberedPages(1))
    crawl = ("crawl", site.url(), "--allow-private")

    _, coloured = on_terminal(bequest, *crawl)
    _, plain = on_terminal(bequest, *crawl, NO_COLOR="1")

    assert COLOUR.search(coloured)
    assert not COLOUR.search(plain)
    assert HIDE in plain


def test_dumb_terminal_gets_plain_lines(bequest: CommandLine, serve: Serve) -> None:
    """A terminal that knows no sequences is sent none."""
    site = serve(NumberedPages(1))

    code, sent = on_terminal(bequest, "crawl", site.url(), "--allow-private", TERM="dumb")

    assert code == 0
    assert "\x1b" not in sent
    assert sent.startswith("0 of 1 page stored")


def test_colours_asked_for_make_no_live_display_in_a_pipe(bequest: CommandLine, serve: Serve) -> None:
    """FORCE_COLOR, as build services set it, does not fill their logs with a line that moves."""
    site = serve(NumberedPages(1))

    ended = bequest("crawl", site.url(), "--allow-private", FORCE_COLOR="1")

    assert ended.code == 0
    assert HIDE not in ended.err + ended.out
    assert "\r" not in ended.err


def test_reader_that_leaves_early_is_no_error(bequest: CommandLine, serve: Serve) -> None:
    """A pipe into head ends in order, with nothing on stderr."""
    site = serve(NumberedPages(12))
    bequest("crawl", site.url(), "--allow-private")
    commands = ("logs 1", "logs 1 --json", "jobs", "jobs --json", "job 1", "doctor")

    found = [in_pipe(bequest, f"bequest {command} | head -n 1") for command in commands]

    assert [codes for codes, _, _ in found] == [[0, 0]] * len(commands)
    assert [len(out.splitlines()) for _, out, _ in found] == [1] * len(commands)
    assert [err for _, _, err in found] == [""] * len(commands)


def test_crawl_without_a_reader_goes_on(bequest: CommandLine, serve: Serve) -> None:
    """A crawl whose progress and summary nobody reads any more is finished, and its exit code tells how."""
    site = serve(NumberedPages(12))

    codes, _, _ = in_pipe(bequest, f"bequest crawl {site.url()} --allow-private 2>&1 | head -n 1")
    failed, _, _ = in_pipe(bequest, f"bequest crawl {site.url('/x')} --allow-private 2>&1 | true")

    states = [(run["state"], run["children"]["completed"]) for run in bequest.json("jobs")]
    assert codes == [0, 0]
    assert failed == [1, 0]
    assert states == [("completed", 12), ("failed", 0)]


def test_full_disk_is_a_line(bequest: CommandLine, serve: Serve) -> None:
    """Output that cannot be written is an error in one line; documents that cannot be are one after the summary."""
    site = serve(NumberedPages(1))

    crawled = bequest("crawl", site.url(), "--allow-private", "--export", "/dev/full")
    codes, _, err = in_pipe(bequest, "bequest jobs > /dev/full")

    assert crawled.code == 1
    assert crawled.out == "run 1 completed: 1 page stored in bequest.db\n"
    assert crawled.err.splitlines()[-1] == (
        "bequest: asked to export to /dev/full, found No space left on device; name another file"
    )
    assert codes == [1]
    assert err == "bequest: asked to print, found No space left on device; check the disk\n"
