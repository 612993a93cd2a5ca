"""Tests of the two streams and of what is printed on them, on pipes and on a pseudo terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys

import pytest

from bequest.console.keys import ConsoleKey
from bequest.console.terminal import Terminal

EVIL = "\x1b[2J\x9b31m [bold]x[/] :lock: [/red]"
SHOWN = "\\x1b[2J\\x9b31m [bold]x[/] :lock: [/red]"
PROGRAM = """
import sys
from bequest.console.keys import ConsoleKey
from bequest.console.terminal import Terminal
terminal = Terminal(ConsoleKey({}))
"""


def run(code: str, stdout: int, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run *code* with a terminal, its stdout on a descriptor."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM + code],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], **environment},
        timeout=60,
        check=False,
    )


def on_terminal(code: str, columns: int = 40, **environment: str) -> str:
    """Run *code* on a pseudo terminal and return what it was sent."""
    controller, terminal = pty.openpty()
    run(code, terminal, COLUMNS=str(columns), TERM="xterm-256color", **environment)
    os.close(terminal)
    sent = b""
    while True:
        try:
            chunk = os.read(controller, 65536)
        except OSError:  # how Linux ends it
            break
        if not chunk:
            break
        sent += chunk
    os.close(controller)
    return sent.decode().replace("\r\n", "\n")


def a_terminal() -> Terminal:
    """Return a terminal on the streams of this test, which are there only while it runs."""
    return Terminal(ConsoleKey({}))


@pytest.mark.parametrize("way", ["print", "table", "pairs"])
def test_text_from_outside_is_printed_as_text(capsys: pytest.CaptureFixture[str], way: str) -> None:
    """Escape sequences are written out, and markup and emoji codes are text like any other."""
    terminal = a_terminal()

    match way:
        case "print":
            terminal.print(EVIL)
        case "table":
            terminal.table(("title",), [(EVIL,)])
        case "pairs":
            terminal.pairs([("title", EVIL)])

    assert SHOWN in capsys.readouterr().out


@pytest.mark.parametrize(
    "way", ["terminal.print(EVIL)", "terminal.table(('t',), [(EVIL,)])", "terminal.pairs([('t', EVIL)])"]
)
def test_terminal_is_sent_no_sequence_from_outside(way: str) -> None:
    """On a real terminal the only escape sequences are those of styles."""
    sent = on_terminal(f"EVIL = {EVIL!r}\n{way}")

    assert "lock:" in sent
    assert "\x9b" not in sent
    assert "\x1b" not in re.sub(r"\x1b\[[0-9;]*m", "", sent)


def test_message_is_printed_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """An error of several lines, with sequences in it, is one line on stderr."""
    terminal = a_terminal()

    terminal.fail(f"first\nsecond {EVIL}")

    assert capsys.readouterr().err == f"bequest: first second {SHOWN}\n"


def test_json_is_one_line_of_harmless_characters(capsys: pytest.CaptureFixture[str]) -> None:
    """What steers a terminal is escaped in JSON too, and decodes to the same text."""
    terminal = a_terminal()

    terminal.json({"title": f"{EVIL}\u202eÜ"})

    out = capsys.readouterr().out
    assert json.loads(out) == {"title": f"{EVIL}\u202eÜ"}
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", out)
    assert out.count("\n") == 1


def test_table_on_a_pipe_has_a_line_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody looks, rows are neither folded nor cut nor padded at their end, also with wide letters."""
    terminal = a_terminal()

    terminal.table(("id", "title"), [("1", "目次"), ("22", "x" * 500)])

    assert capsys.readouterr().out.splitlines() == ["id  title", "1   目次", f"22  {'x' * 500}"]


def test_table_on_a_terminal_loses_nothing() -> None:
    """On a narrow terminal cells are folded; no letter of them is cut off."""
    letters = "".join(chr(ord("a") + number % 26) for number in range(100))

    sent = on_terminal(f"terminal.table(('id', 'title'), [('1', '{letters}')])", columns=30)

    assert letters in re.sub(r"\x1b\[[0-9;]*m|[\n ]", "", sent)
    assert max(map(len, re.sub(r"\x1b\[[0-9;]*m", "", sent).splitlines())) <= 30


def test_no_color_is_heeded() -> None:
    """With NO_COLOR a terminal is sent no colour."""
    code = "terminal.table(('state',), [('failed',)])"

    coloured, plain = on_terminal(code), on_terminal(code, NO_COLOR="1")

    assert "\x1b[31m" in coloured
    assert "\x1b[31m" not in plain


def test_pair_with_nothing_to_say_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Facts that are empty take no line."""
    terminal = a_terminal()

    terminal.pairs([("parent", ""), ("state", "failed")])

    assert capsys.readouterr().out == "state  failed\n"


def test_output_without_a_reader_is_dropped() -> None:
    """After the reader of a pipe has gone the command goes on, knows it, and nothing complains in the end."""
    reading, writing = os.pipe()
    os.close(reading)

    done = run("terminal.print('x')\nterminal.json(1)\nsys.stderr.write(str(terminal.is_heard))\nsys.exit(7)", writing)

    os.close(writing)
    assert done.returncode == 7
    assert done.stderr == b"False"


def test_letter_that_the_encoding_lacks_is_written_out() -> None:
    """The command on a stream of Latin-1 writes other letters out, and JSON stays UTF-8."""
    code = "sys.stdout.reconfigure(errors='backslashreplace')\nterminal.print('目')\nterminal.json('目')"
    reading, writing = os.pipe()

    done = run(code, writing, PYTHONIOENCODING="latin-1")

    os.close(writing)
    with os.fdopen(reading, "rb") as opened:
        assert opened.read() == '\\u76ee\n"目"\n'.encode()
    assert done.returncode == 0
