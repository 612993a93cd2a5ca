"""Sites that mean harm, odd places, and definitions out of the ordinary."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from loopback_site import Answer, Request, Serve
from programs import CommandLine, NumberedPages

EVIL_TITLE = "Evil \x1b]0;owned\x07\x1b[2J\x9b31m \u202egnp [/red] [bold]x :lock:"
STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
BIG = 50_000_000


@pytest.fixture
def bequest(tmp_path: Path) -> CommandLine:
    """Give the command line in a folder of its own."""
    return CommandLine(tmp_path)


def evil(request: Request) -> Answer:
    """Answer with a page whose title and links hold what steers a terminal and what rich takes for markup."""
    links = "<a href='/[/red]\x1b[2J\x9b'>x</a><a href='/404/\u202eabc'>y</a>"
    status = 404 if "404" in request.path else 200
    return Answer(f"<link rel=icon href='data:,'><title>{EVIL_TITLE}</title><p>text</p>{links}", status)


def test_site_cannot_steer_the_terminal(bequest: CommandLine, serve: Serve) -> None:
    """No command prints a control character of a title, a link or an error, and none stumbles over markup."""
    site = serve(evil)

    crawled = bequest("crawl", site.url(), "--allow-private", "--export", "out.jsonl")

    shown = [bequest(*command) for command in (("jobs",), ("jobs", "--state", "completed"), ("job", "1"))]
    pages = [bequest(command, str(job_id)) for job_id in (2, 3, 4) for command in ("job", "logs")]
    values = [bequest(*command, "--json") for command in (("jobs",), ("job", "1"), ("logs", "1"))]
    document = json.loads((bequest.folder / "out.jsonl").read_text().splitlines()[0])
    assert crawled.code == 0, crawled
    for ended in (crawled, *shown, *pages, *values):
        assert ended.code == 0, ended
        assert not STEERING.search(ended.out + ended.err), ended
    assert "127.0.0.1/[/red]\\x1b[2J\\x9b" in shown[2].out
    assert "\x1b]0;owned" in document["title"]  # kept as it was, escaped as JSON does


def test_circle_of_redirects_ends(bequest: CommandLine, serve: Serve) -> None:
    """A site whose every page redirects in a circle fails once, with the cause."""
    site = serve(lambda request: Answer(status=302, headers=(("Location", f"/{len(request.path) % 3}" + "x"),)))

    ended = bequest("crawl", site.url("/0"), "--allow-private")

    (run,) = bequest.json("job", "1")
    assert ended.code == 1
    assert "its redirects do not end" in ended.err
    assert [child["attempts"] for child in run["child_jobs"]] == [1]


def test_page_without_links_completes(bequest: CommandLine, serve: Serve) -> None:
    """A run of one page that leads nowhere is complete with it."""
    site = serve(NumberedPages(1))

    ended = bequest("crawl", site.url(), "--allow-private")

    assert ended.code == 0
    assert ended.out == "run 1 completed: 1 page stored in bequest.db\n"


def test_huge_page_is_failed_and_its_neighbours_are_not(bequest: CommandLine, serve: Serve) -> None:
    """A page of fifty megabytes is given up with a reason; the others of the run are stored."""

    def answer(request: Request) -> Answer:
        if request.path == "/big":
            return Answer("<title>big</title>" + "<p>x</p>\n" * (BIG // 9))
        return Answer("<title>small</title><p>text</p>")

    site = serve(answer)
    definition = {"name": "big", "start_urls": [site.url("/big"), site.url("/small")], "allow_private": True}
    definition |= {"max_attempts": 1, "page_timeout_s": 15}
    (bequest.folder / "big.json").write_text(json.dumps(definition))

    ended = bequest("run", "big.json")

    assert ended.code == 0, ended
    assert "run 1 completed: 1 page stored" in ended.out
    assert re.search(r"1 x (too_large|timeout): asked for 127\.0\.0\.1/big", ended.out)


def test_two_hundred_start_urls_are_bounded_by_max_pages(bequest: CommandLine, serve: Serve) -> None:
    """A definition with more seeds than pages fetches exactly as many as it may, and its lines stay short (I14)."""
    pages = NumberedPages(200)
    site = serve(pages)
    urls = [site.url(f"/{number}") for number in range(1, 201)]
    text = f'name = "many"\nstart_urls = {json.dumps(urls)}\nmax_pages = 20\nallow_private = true\n'
    (bequest.folder / "many.toml").write_text(text)

    ended = bequest("run", "many.toml")

    listed, shown = bequest("jobs"), bequest("job", "1")
    assert ended.code == 0, ended
    assert ended.out == "run 1 completed: 20 pages stored in bequest.db\n"
    assert len(pages.paths) == 20
    assert "127.0.0.1/1, 127.0.0.1/2, 127.0.0.1/3 and 197 more" in listed.out
    assert max(map(len, (listed.out + shown.out).splitlines())) < 200


def test_places_with_spaces_and_other_scripts_work(bequest: CommandLine, serve: Serve) -> None:
    """Database, cookies, definition and export may lie anywhere; advice quotes them for the shell."""
    site = serve(NumberedPages(2))
    folder = bequest.folder / "Übersicht 目次 'x'"
    folder.mkdir()
    bequest.write_cookies(f"{folder.name}/keks ö.txt", "opensesame")
    database, export = folder / "wiki 1.db", folder / "aus gabe.jsonl"
    (folder / "de finition.toml").write_text(
        f'name = "wiki"\nstart_urls = ["{site.url()}"]\nallow_private = true\nauth_id = "wiki"\n'
    )

    added = bequest("auth", "add", "wiki", folder / "keks ö.txt", "--site", "127.0.0.1", "--db", database)
    ended = bequest("run", folder / "de finition.toml", "--db", database, "--export", export)

    assert added.code == ended.code == 0, (added, ended)
    assert f"2 pages stored in {database}" in ended.out
    assert len(export.read_text().splitlines()) == 2
    assert bequest("jobs", "--db", database).code == 0


def test_name_that_is_no_text_is_printed_as_escapes(bequest: CommandLine) -> None:
    """A file name of other bytes than text is written out in messages."""
    ended = bequest("jobs", "--db", os.fsdecode(b"\xff\x1b[2J.db"))

    assert ended.code == 2
    assert "\\udcff\\x1b[2J.db, found no database there" in ended.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("crawl", "http://127.0.0.1:1/", "--db", "{}/x.db"),
        ("crawl", "http://127.0.0.1:1/", "--export", "{}/out.jsonl"),
        ("auth", "add", "x", "cookies.txt", "--site", "127.0.0.1", "--db", "{}/x.db"),
        ("demo", "--keep", "{}/x.db"),
    ],
    ids=" ".join,
)
def test_folder_that_cannot_be_written_to_is_bad_input(bequest: CommandLine, arguments: tuple[str, ...]) -> None:
    """A read-only folder is said in one line, with the path, before anything is fetched or written."""
    bequest.write_cookies("cookies.txt", "opensesame")
    before = bequest.files()

    ended = bequest(*(argument.format(read_only_folder(bequest)) for argument in arguments))

    assert ended.code == 2, ended
    assert len(ended.err.splitlines()) == 1
    assert "name" in ended.err
    assert bequest.files() == before


def read_only_folder(bequest: CommandLine) -> Path:
    """Return a folder that this user cannot write to: for root, whom no mode stops, one that the system makes."""
    if os.geteuid() == 0:
        return Path("/proc/self")
    folder = bequest.folder.parent / "sealed"
    folder.mkdir()
    folder.chmod(0o500)
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ("jobs", "--db", "x" * 300),
        ("crawl", "http://127.0.0.1:1/", "--db", "x" * 300),
        ("crawl", "http://127.0.0.1:1/", "--cookies", "x" * 300),
        ("crawl", "http://127.0.0.1:1/", "--export", "x" * 300),
        ("run", "x" * 300 + ".toml"),
        ("doctor", "--db", "x" * 300),
    ],
    ids=lambda arguments: " ".join(argument for argument in arguments if len(argument) < 300),
)
def test_name_that_no_file_can_have_is_a_line(bequest: CommandLine, arguments: tuple[str, ...]) -> None:
    """A name that the system refuses is an error in one line, not a traceback."""
    before = bequest.files()

    ended = bequest(*arguments)

    said = ended.err + (ended.out if arguments[0] == "doctor" else "")
    assert ended.code in (1, 2)
    assert "File name too long" in said
    assert "Traceback" not in ended.err
    assert len(ended.err.splitlines()) <= 1
    assert bequest.files() == before
