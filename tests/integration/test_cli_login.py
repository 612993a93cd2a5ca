"""``bequest auth login``, ``renew`` and ``secret``: a session by hand in a window, and one by script."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import NamedTuple

import pytest
from browser_rig import descendants
from loopback_site import Answer, Request, Serve
from programs import DEADLINE_S, CommandLine, Ended

from bequest.testing.login_site import SESSION_COOKIE, LoginSite

CANARY = "canary-of-this-test"
DONE = 'a[href="/logout"]'
STEPS = """
name = "handbook"
start_urls = ["{url}"]
auth_id = "handbook"
allow_private = true

[[login]]
goto = "{url}"

[[login]]
fill = "#username"
secret = "user"

[[login]]
fill = "#password"
secret = "password"

[[login]]
click = "button"

[[login]]
fill = "#code"
totp = "seed"

[[login]]
click = "button"

[[login]]
wait_for = 'a[href="/logout"]'
"""


@pytest.fixture
def bequest(tmp_path: Path) -> CommandLine:
    """Give the command line."""
    return CommandLine(tmp_path)


class Portal(NamedTuple):
    """A site whose login form is sent by itself, as by a person who is quick."""

    url: str
    was_entered: threading.Event  # once a page was asked for with the session


@pytest.fixture
def portal(serve: Serve) -> Portal:
    """Give the site."""
    was_entered = threading.Event()

    def answer(request: Request) -> Answer:
        if request.path == "/login":
            return Answer("<form action=/in method=post></form><script>document.forms[0].submit()</script>")
        if request.path == "/in":
            headers = (("Location", "/"), ("Set-Cookie", f"sid={CANARY}; Path=/; HttpOnly"))
            return Answer("", 303, headers)
        if "sid=" in request.cookies:
            was_entered.set()
            return Answer("<title>Inside</title><a href=/logout>Log out</a><p>What only members read.</p>")
        return Answer("", 302, (("Location", "/login"),))

    return Portal(serve(answer).url(), was_entered)


def typed(line: CommandLine, text: str, *arguments: str) -> Ended:
    """Run one command with *text* on its standard input."""
    done = subprocess.run(
        [*line.program, *arguments],
        cwd=line.folder,
        env=line.environment,
        input=text,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


class OnTerminal:
    """A command with a terminal of its own, which a test types into and reads."""

    def __init__(self, line: CommandLine, *arguments: str, **environment: str) -> None:
        self._ours, theirs = os.openpty()
        self.process = subprocess.Popen(
            [*line.program, *arguments],
            cwd=line.folder,
            env={**line.environment, "TERM": "dumb", **environment},
            preexec_fn=lambda: os.login_tty(theirs),
        )
        os.close(theirs)
        self.shown = ""

    def reads(self, text: str) -> None:
        """Read until *text* was shown."""
        while text not in self.shown:
            self.shown += os.read(self._ours, 4096).decode()

    def types(self, text: str) -> None:
        """Type *text*."""
        os.write(self._ours, text.encode())

    def ends(self) -> int:
        """Read to the end and return the exit code."""
        try:
            while more := os.read(self._ours, 4096).decode():
                self.shown += more
        except OSError:  # how Linux says that nobody writes there any more
            os.close(self._ours)
        return self.process.wait(DEADLINE_S)


def test_session_of_a_window_crawls(bequest: CommandLine, portal: Portal, display: str) -> None:
    """What was captured when the condition held is sealed, reported, and a crawl reads the pages with it."""
    login = bequest("auth", "login", "wiki", portal.url, "--until", DONE, DISPLAY=display)
    crawl = bequest("crawl", portal.url, "--auth", "wiki", "--allow-private", "--export", "out.jsonl")

    assert login.code == 0, login
    assert login.out == "stored wiki: 1 cookie for 127.0.0.1\n"
    assert crawl.code == 0, crawl
    assert "What only members read." in (bequest.folder / "out.jsonl").read_text()
    assert CANARY not in login.out + login.err + crawl.out + crawl.err
    assert not any(CANARY.encode() in content for content in bequest.files().values())


def test_enter_ends_the_login(bequest: CommandLine, portal: Portal, display: str) -> None:
    """At a terminal the person says when, and what is skipped is named."""
    at = OnTerminal(
        bequest, "auth", "login", "wiki", portal.url, "--site", "127.0.0.1", "--until", "#never", DISPLAY=display
    )

    at.reads("log in in the window")
    assert portal.was_entered.wait(DEADLINE_S)
    at.types("\n")

    assert at.ends() == 0, at.shown
    assert "stored wiki: 1 cookie for 127.0.0.1" in at.shown


def test_interrupted_login_leaves_nothing(bequest: CommandLine, portal: Portal, display: str) -> None:
    """After a Ctrl-C there is no session, and neither a browser nor its driver."""
    running = bequest.start("auth", "login", "wiki", portal.url, "--until", "#never", DISPLAY=display)
    assert portal.was_entered.wait(DEADLINE_S)
    started = descendants(running.pid)

    running.interrupt(signal.SIGINT)
    ended = running.finish()

    left = {process.pid for process in descendants(os.getpid())}
    assert ended.code == 130, ended
    assert ended.err.splitlines()[-1] == "stopped"
    assert any(process.is_browser for process in started)
    assert not left & {process.pid for process in started}
    assert bequest("auth", "list").out.startswith("no session is stored")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("http://127.0.0.1/",), "found no display (DISPLAY and WAYLAND_DISPLAY are not set); log in on a machine"),
        (("127.0.0.1",), "URL: expected an http or https URL, found one without http:// or https://"),
        (("http://127.0.0.1/", "--until-url", "["), "--until-url: expected a regular expression"),
        (("http://127.0.0.1/", "--site", "com"), "'com' is a public suffix"),
    ],
    ids=["no display", "no URL", "no pattern", "no site"],
)
def test_login_that_cannot_begin_is_refused(bequest: CommandLine, arguments: tuple[str, ...], said: str) -> None:
    """Before anything is written one line says what is wrong."""
    ended = bequest("auth", "login", "wiki", *arguments)

    assert ended.code in (1, 2)
    assert said in ended.err
    assert len(ended.err.splitlines()) == 1
    assert bequest.files() == {}


def test_scripted_login_with_a_code_crawls(bequest: CommandLine) -> None:
    """Secrets from stdin, a login of password and code, and a crawl with its session; no value shows anywhere."""
    with LoginSite(asks_for_code=True, pages=3) as site:
        (bequest.folder / "handbook.toml").write_text(STEPS.format(url=site.url))
        kept = typed(
            bequest,
            f"{site.username}\n{site.password}\n",
            *("auth", "secret", "handbook", "user", "password", "--site", "127.0.0.1"),
        )
        seed = typed(bequest, site.totp_seed, "auth", "secret", "handbook", "seed", "--totp")
        renewed = bequest("auth", "renew", "handbook.toml")
        shown = bequest("auth", "show", "handbook")
        crawl = bequest("run", "handbook.toml")

    assert kept.out == "stored user, password of handbook\n", kept
    assert seed.out == "stored seed of handbook\n", seed
    assert renewed.out == "stored handbook: 2 cookies for 127.0.0.1\n", renewed
    assert SESSION_COOKIE in shown.out
    assert shown.out.splitlines()[-1] == "secrets for its login: password, seed, user"
    assert crawl.code == 0, crawl
    said = "".join(ended.out + ended.err for ended in (kept, seed, renewed, shown, crawl))
    files = b"".join(content for content in bequest.files().values())
    for value in (site.password, site.totp_seed):
        assert value not in said
        assert value.encode() not in files


def test_secret_is_asked_for_unseen(bequest: CommandLine) -> None:
    """At a terminal the value is typed and not shown."""
    at = OnTerminal(bequest, "auth", "secret", "wiki", "password", "--site", "wiki.example")

    at.reads("password: ")
    at.types(f"{CANARY}\n")

    assert at.ends() == 0, at.shown
    assert "stored password of wiki" in at.shown
    assert CANARY not in at.shown


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ("x\n", ("wiki", "password"), "'wiki', found none; name the sites that it is to be for"),
        (
            "",
            ("wiki", "password", "--site", "a.example"),
            "asked for the password as a line on standard input",
        ),
        (f"{CANARY}!\n", ("wiki", "seed", "--totp", "--site", "a.example"), "expected the seed of codes"),
        (f"otpauth://x/{CANARY}\n", ("wiki", "seed", "--site", "a.example"), "expected an otpauth://totp/ URI"),
        ("x\n", ("wiki", "seed", "--remove", "--site", "a.example"), "found none of that name"),
        ("x\n", ("wiki", " ", "--site", "a.example"), "a secret's name has 1 to 200 printable characters"),
    ],
    ids=["no site", "empty", "no seed", "no URI", "not there", "no name"],
)
def test_secret_that_cannot_be_is_refused(
    bequest: CommandLine, text: str, arguments: tuple[str, ...], said: str
) -> None:
    """One line says why, without the value, and nothing is stored."""
    ended = typed(bequest, text, "auth", "secret", *arguments)

    assert ended.code == 2, ended
    assert said in ended.err
    assert len(ended.err.splitlines()) == 1
    assert CANARY not in ended.err
    assert bequest.json("auth", "list") == [] if (bequest.folder / "bequest.db").exists() else True


def test_secret_is_removed(bequest: CommandLine) -> None:
    """Another secret of the name stays."""
    typed(bequest, "x\ny\n", "auth", "secret", "wiki", "user", "password", "--site", "wiki.example")

    removed = bequest("auth", "secret", "wiki", "user", "--remove")

    assert removed.out == "removed user of wiki\n", removed
    assert bequest.json("auth", "show", "wiki")[0]["secrets"] == ["password"]


def test_definition_without_a_login_is_refused(bequest: CommandLine) -> None:
    """There is nothing to do for it."""
    (bequest.folder / "x.toml").write_text('name = "x"\nstart_urls = ["http://127.0.0.1/"]\nauth_id = "x"\n')

    ended = bequest("auth", "renew", "x.toml")

    assert ended.code == 2
    assert "x.toml: login: expected the steps of a login and an auth_id, found none" in ended.err
