"""The public API as a program that embeds the engine uses it; both checkers must accept every line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, assert_type

from bequest import (
    Admission,
    AuthPolicy,
    BequestError,
    CatchUp,
    Cookie,
    Counts,
    Credential,
    CredentialEntry,
    CredentialNeededError,
    Definition,
    Engine,
    FailureCause,
    Health,
    Job,
    JobContext,
    JobHandle,
    Key,
    KeyFile,
    LogEntry,
    Narrowed,
    OriginHeader,
    OriginStorage,
    Overlap,
    PageError,
    Run,
    RunStatus,
    Schedule,
    Secret,
    Skipped,
    State,
    Step,
    StoredDocument,
    child,
    read_definition,
)


class FrozenClock:
    """A clock of the program's own."""

    def now(self) -> float:
        """Return the same time."""
        return 0.0

    def monotonic(self) -> float:
        """Return the same reading."""
        return 0.0

    def on_set(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call nobody."""
        return lambda: None


def open_engines() -> None:
    """Open engines in every way that there is."""
    Engine()
    Engine(":memory:", clock=FrozenClock())
    Engine(Path("wiki.db"), key=KeyFile("~/.config/wiki/key"), durability="relaxed", concurrency=2, browser=None)
    Engine("wiki.db", key=Key.generate)
    key = Key.decode(Key.generate().encode())
    with Engine("wiki.db", key=lambda: key) as engine:
        assert_type(engine, Engine)
        assert_type(engine.health(), Health)


def declare(folder: Path) -> list[Definition]:
    """Declare recipes in Python and in files."""
    return [
        Definition.crawl("wiki", start_urls=["https://wiki.example/"]),
        Definition.crawl(
            "wiki",
            start_urls=("https://wiki.example/",),
            auth_id="wiki",
            auth_policy="degrade",
            max_pages=500,
            max_depth=5,
            include=["/docs/"],
            exclude=(r"\?print=",),
            scope="host",
            concurrency=2,
            allow_private=True,
            error_tolerance=0.1,
            page_timeout_s=10,
            max_attempts=2,
            labels={"team": "docs", "level": 3, "draft": False, "note": None},
        ),
        Definition.crawl("wiki", start_urls=[], auth_policy=AuthPolicy.REQUIRE),
        Definition.crawl("wiki", steps=[Step(kind="crawl", config={"start_urls": []}), {"kind": "index"}]),
        Definition.crawl("index", steps=[Step(kind="index", retries=2)], post_jobs=[{"kind": "report"}], timeout_s=60),
        read_definition("wiki.toml"),
        read_definition(folder / "wiki.json"),
    ]


def keep_sessions(engine: Engine) -> None:
    """Store sessions, and look at what is stored."""
    assert_type(engine.credentials.put(Credential.from_file("cookies.txt", auth_id="wiki")), int)
    cookie = Cookie(name="sid", value=Secret("x"), domain="wiki.example", host_only=True)
    credential = Credential(auth_id="wiki", sites=("wiki.example",), cookies=(cookie,))
    assert_type(credential.admitted(0.0), Admission)
    pasted = Credential.from_text("curl https://wiki.example/ -b sid=x", auth_id="wiki", sites=["wiki.example"])
    assert_type(pasted.examined(0.0).counts, dict[str, int])
    assert_type(pasted.examined(0.0).skipped, tuple[Skipped, ...])
    assert_type(pasted.examined(0.0).narrowed, tuple[Narrowed, ...])
    Credential.from_file(Path("request.txt"), auth_id="wiki", sites=("wiki.example",), host="www.wiki.example")
    bearer = OriginHeader.bearer("https://wiki.example", token="x")
    assert_type(bearer, OriginHeader)
    basic = OriginHeader.basic("https://wiki.example", user="ada", password=Secret("x"))
    storage = OriginStorage(origin="https://wiki.example", local={"a": Secret("x")}, indexed_db=Secret("[]"))
    Credential(auth_id="api", sites=("wiki.example",), headers=(bearer, basic), storages=(storage,))
    assert_type(engine.credentials.list(), list[CredentialEntry])
    assert_type(engine.credentials.get("wiki"), Credential | None)
    engine.credentials.remove("wiki")


def crawl(engine: Engine, definition: Definition) -> list[str]:
    """Run a definition and read what it left."""
    run = engine.run(definition, key="nightly")
    assert_type(run, Run)
    assert_type(run.id, int)
    assert_type(run.progress(), Iterator[RunStatus])
    try:
        assert_type(run.wait(timeout_s=600), State)
    except CredentialNeededError:
        assert_type(run.status().is_stalled, bool)
    except BequestError as error:
        return [str(error)]
    assert_type(run.stats(), Counts)
    assert_type(run.job(), Job)
    assert_type(run.logs(), list[LogEntry])
    assert_type(run.failure_causes(), list[FailureCause])
    assert_type(run.documents(), Iterator[StoredDocument])
    assert_type(engine.find_run(run.id).cancel(), int)
    return [f"{document.depth} {document.title}\n{document.markdown}" for document in run.documents()]


def reason_of(error: PageError) -> tuple[str, bool]:
    """Return what a program asks of a page that could not be fetched."""
    return error.reason, error.is_transient


def enqueue(engine: Engine) -> None:
    """Make jobs with a time for all of them."""

    @engine.kind("album")
    def album(job: JobContext, name: str) -> int:
        """Leave a part of it to a child."""
        job.spawn(album, name, run_timeout_s=0.5)
        return 1

    made = engine.enqueue(album, "a", children=[child(album, "b", run_timeout_s=5)], run_timeout_s=60)
    assert_type(made.result(), Any)
    assert_type(engine.enqueue_many(album, ["a"], run_timeout_s=7.5), list[JobHandle[Any]])


def schedule(engine: Engine, definition: Definition) -> float | None:
    """Have jobs and runs made at their times."""

    @engine.kind("report")
    def report(job: JobContext, team: str) -> None:
        """Do nothing."""

    assert_type(engine.schedules.put("nightly", report, "docs", cron="30 2 * * *", timezone="Europe/Berlin"), Schedule)
    engine.schedules.put("often", "report", "docs", every_s=60, catch_up="all", catch_up_limit=3, priority=1)
    engine.schedules.put("wiki", definition, every_s=0.5, catch_up=CatchUp.SKIP, overlap=Overlap.QUEUE)
    engine.schedules.pause("wiki")
    engine.schedules.resume("wiki")
    engine.schedules.remove("wiki")
    assert_type(engine.schedules.run_now("nightly"), JobHandle[Any])
    assert_type(engine.schedules.list(), list[Schedule])
    return engine.schedules.get("often").next_at
