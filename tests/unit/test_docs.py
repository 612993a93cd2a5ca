"""What README and docs show is true: their code runs, their commands exist, their links lead somewhere."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest
from handler_rig import leaving_no_thread

from bequest import Definition, KeyFile, read_definition
from bequest.console.main import commands
from bequest.engine.limits import KindTerms
from bequest.engine.records import Completion, Document, NewJob, State
from bequest.engine.store import Store
from bequest.testing.manual_clock import ManualClock

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("tests/*.md"), *ROOT.glob("benchmarks/*.md")]
)
FENCES = {"ini", "json", "mermaid", "python", "python browser", "sh", "text", "toml"}
PROGRAMS = {"bequest", "pip", "pytest", "python", "python3", "ruff", "tox"}
COOKIES = "# Netscape HTTP Cookie File\n.wiki.example\tTRUE\t/\tFALSE\t0\tsid\tvalue\n"


class Block(NamedTuple):
    """One fenced block of a page."""

    page: Path
    line: int  # of its first line of code
    info: str
    text: str


class Link(NamedTuple):
    """One link of a page to another place of the checkout."""

    page: Path
    target: str


def blocks(*infos: str) -> list[Block]:
    """Return the blocks of all pages with one of these info strings, or all blocks."""
    return [block for page in PAGES for block in blocks_of(page) if not infos or block.info in infos]


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    text = page.read_text("utf-8")
    for found in re.finditer(r"^```(.*)\n((?:(?!```).*\n)*)```$", text, re.MULTILINE):
        yield Block(page, text[: found.start(2)].count("\n") + 1, found[1], found[2])


def place(found: Block | Link | Path) -> str:
    """Return where something stands, for the test's name."""
    page = found if isinstance(found, Path) else found.page
    line = f":{found.line}" if isinstance(found, Block) else ""
    return f"{page.relative_to(ROOT)}{line}"


def command_lines() -> list[tuple[str, list[str]]]:
    """Return every command of every shell block: where it stands, and its words."""
    found = []
    for block in blocks("sh"):
        for line in block.text.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\||;", line):
                words = shlex.split(part, comments=True)
                if words:
                    found.append((place(block), words))
    return found


def commands_in_prose() -> list[tuple[str, list[str]]]:
    """Return every ``bequest ...`` that stands within a line of a page."""
    found = []
    for page in PAGES:
        prose = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        found += [(place(page), shlex.split(span)) for span in re.findall(r"`(bequest [^`]+)`", prose)]
    return found


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that *words* name, and what is left for it."""
    command: click.Command = commands
    rest = words[1:]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"there is no {' '.join(words)}"
        command, rest = command.commands[rest[0]], rest[1:]
    return command, rest


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder as the pages take it for granted: a session, a key, a definition and a database with a run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    key = KeyFile("~/.config/bequest/key")
    monkeypatch.setenv("WIKI_KEY", key.create().encode())
    (tmp_path / "cookies.txt").write_text(COOKIES)
    (tmp_path / "handbook.toml").write_text('name = "handbook"\nstart_urls = ["https://handbook.example/"]\n')
    store = Store.open("wiki.db", clock=ManualClock())
    with store.group():
        (parent,) = store.jobs.create([NewJob(kind="crawl", state=State.WAITING)])
        store.parents.spawn(parent.job_id, [NewJob(kind="page")], seal=True)
        (lease,) = store.claims.claim("default", (KindTerms(kind="page"),), 1, 60.0)
        document = Document(
            url="https://wiki.example/",
            url_key="x",
            status=200,
            title="Wiki",
            markdown="# Wiki",
            depth=0,
            auth_id=None,
            fetched_at=1.0,
        )
        store.completions.complete(
            [Completion(job_id=lease.job_id, token=lease.token, state=State.COMPLETED, document=document)]
        )
        store.jobs.update_status(parent.job_id, State.COMPLETED)
    store.close()
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=place)
def test_page_has_only_fences_that_are_known(page: Path) -> None:
    """Each block says what it is in a word that some test here knows, and each is closed."""
    marks = re.findall(r"^ *```", page.read_text("utf-8"), re.MULTILINE)
    found = list(blocks_of(page))

    assert {block.info for block in found} <= FENCES
    assert len(marks) == 2 * len(found)


@pytest.mark.parametrize("page", sorted({block.page for block in blocks("python")}), ids=place)
def test_python_blocks_run(page: Path, workplace: Path) -> None:
    """The blocks of a page that need no browser run, one after the other, and leave no thread that keeps a program."""
    names: dict[str, object] = {"__name__": "page"}

    with leaving_no_thread():
        for block in blocks_of(page):
            if block.info == "python":
                code = compile("\n" * (block.line - 1) + block.text, str(block.page), "exec")
                exec(code, names)  # noqa: S102 - our own pages

    assert set(names) > {"__name__"}
    assert workplace == Path.cwd()


@pytest.mark.parametrize("block", blocks("python browser"), ids=place)
def test_browser_block_is_python(block: Block) -> None:
    """A block that the integration tests run is Python."""
    assert compile(block.text, place(block), "exec") is not None


@pytest.mark.parametrize("block", blocks("toml"), ids=place)
def test_toml_block_is_a_definition(block: Block, tmp_path: Path) -> None:
    """Each TOML block is a definition that can be run."""
    (tmp_path / "block.toml").write_text(block.text, encoding="utf-8")

    assert read_definition(tmp_path / "block.toml").name


@pytest.mark.parametrize("block", blocks("json"), ids=place)
def test_json_block_is_json(block: Block) -> None:
    """Each line of a JSON block is one JSON object."""
    assert all(isinstance(json.loads(line), dict) for line in block.text.splitlines())


@pytest.mark.parametrize("block", blocks("ini"), ids=place)
def test_unit_file_is_one(block: Block) -> None:
    """A systemd unit has its three sections."""
    unit = configparser.ConfigParser()

    unit.read_string(block.text)

    assert unit.sections() == ["Unit", "Service", "Install"]


@pytest.mark.parametrize(("where", "words"), command_lines(), ids=lambda value: value if isinstance(value, str) else "")
def test_shell_line_can_be_typed(where: str, words: list[str]) -> None:
    """Each command of a shell block is a program that is there, and what follows ``bequest`` is what it takes."""
    program = words[0].rpartition("/")[2]
    files = [word for word in words[1:] if word.startswith(("benchmarks/", "tests/"))]

    assert program in PROGRAMS, where
    assert all((ROOT / file).is_file() for file in files)
    if program == "bequest":
        command, rest = command_of(words)
        assert not isinstance(command, click.Group)
        assert command.make_context(command.name, rest) is not None


@pytest.mark.parametrize(
    ("where", "words"), commands_in_prose(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_command_in_prose_exists(where: str, words: list[str]) -> None:
    """A command that is named within a line is one, and has the options that are named with it."""
    command, rest = command_of(words)

    known = {option for parameter in command.params for option in parameter.opts}

    assert {word for word in rest if word.startswith("-")} <= known, where


def test_readme_has_the_two_commands() -> None:
    """The two commands that each do all the set-up stand in the README word by word."""
    readme = (ROOT / "README.md").read_text("utf-8")

    assert "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/bequest demo\n" in readme
    assert "python3 -m venv .venv && .venv/bin/pip install tox && .venv/bin/tox\n" in readme


def test_definition_page_names_every_key_and_its_default() -> None:
    """The table of keys has a line for each field of a definition, in order, with the default that the record has."""
    page = (ROOT / "docs/howto/definition_file.md").read_text("utf-8")
    written = {"max_pages", "max_depth", "concurrency", "error_tolerance", "page_timeout_s", "max_attempts"}

    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", page, re.MULTILINE))
    defaults = Definition(name="x", start_urls=())

    assert list(rows) == list(Definition.__struct_fields__)
    assert {name: float(rows[name]) for name in written} == {name: getattr(defaults, name) for name in written}
    assert rows["scope"] == f"`{defaults.scope}`"
    assert rows["allow_private"] == "false"


def links() -> list[Link]:
    """Return every link of a page that is not to the web."""
    found = []
    for page in PAGES:
        prose = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        targets = re.findall(r"\]\(([^)\s]+)\)", prose)
        found += [Link(page, target) for target in targets if not target.startswith(("https:", "http:"))]
    return found


def anchors(page: Path) -> set[str]:
    """Return what the headings of a page can be linked to by."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("link", links(), ids=place)
def test_link_leads_somewhere(link: Link) -> None:
    """Each link leads to a file that is there, and to a heading in it where it names one."""
    path, _, anchor = link.target.partition("#")
    file = (link.page.parent / path).resolve() if path else link.page

    assert file.is_file()
    assert not anchor or anchor in anchors(file)


def test_every_page_is_linked() -> None:
    """No page of the docs is an island: the README or the index names each."""
    named = {(link.page.parent / link.target.partition("#")[0]).resolve() for link in links()}

    assert [page for page in (ROOT / "docs").rglob("*.md") if page not in named] == []
