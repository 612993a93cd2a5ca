"""Tests of the command itself: what it loads, how its help reads, and what becomes of an error."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from bequest.console.main import commands, run_command

HEAVY = "playwright selectolax html_to_markdown hypothesis cryptography w3lib asyncio bequest.actors.browser"


def every_command(group: click.Group = commands, *path: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command and group."""
    yield path
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from every_command(command, *path, name)
        else:
            yield (*path, name)


def test_help_loads_nothing_heavy() -> None:
    """The help comes without the browser's driver, the extraction libraries, the cipher and an event loop."""
    code = (
        "import sys; from bequest.console.main import run_command; run_command(['--help']);"
        f"print(sorted(set({HEAVY!r}.split()) & set(sys.modules)), file=sys.stderr)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert done.stderr == "[]\n"
    assert "bequest demo" in done.stdout


@pytest.mark.parametrize("path", list(every_command()), ids=" ".join)
@pytest.mark.parametrize("columns", ["80", "120"])
def test_help_fits_and_is_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, path: tuple[str, ...], columns: str
) -> None:
    """Every help fits the terminal, cuts no sentence short, and says what each option is for."""
    monkeypatch.setenv("COLUMNS", columns)

    code = run_command([*path, "--help"])

    out = capsys.readouterr().out
    assert code == 0
    assert max(map(len, out.splitlines())) <= int(columns)
    assert "..." not in out.replace("URL...", "").replace("SECRET...", "").replace("[ARGS]...", "")


def test_commands_stand_in_the_order_of_use(capsys: pytest.CaptureFixture[str]) -> None:
    """The help lists the demo first and the doctor last, as a person meets them."""
    run_command(["--help"])

    listed = capsys.readouterr().out.partition("Commands:")[2].split("\n")
    names = [line.split()[0] for line in listed if line.strip()]
    assert names == [
        "demo",
        "crawl",
        "run",
        "auth",
        "key",
        "jobs",
        "job",
        "logs",
        "backup",
        "prune",
        "integrity",
        "browser",
        "doctor",
    ]


@pytest.mark.parametrize("arguments", [[], ["auth"], ["browser"]], ids=str)
def test_group_alone_shows_its_help(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """A group without a command is bad input, and its help is shown as help is."""
    code = run_command(arguments)

    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert captured.err.startswith("Usage: bequest")
    assert "\n\nCommands:\n" in captured.err


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "stopped"),
        (OSError(28, "No space left on device"), 1, "asked to print, found No space left on device; check the disk"),
        (PermissionError(13, "Permission denied", "/x"), 1, "asked for /x, found Permission denied; check the path"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_error_of_the_machine_is_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int, said: str
) -> None:
    """A full disk, a path that may not be read and Ctrl-C are lines and exit codes, not tracebacks."""

    def fail(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(commands.commands["jobs"], "callback", fail)

    found = run_command(["jobs"])

    lines = capsys.readouterr().err.strip().splitlines()
    assert found == code
    assert len(lines) == 1
    assert said in lines[0]
