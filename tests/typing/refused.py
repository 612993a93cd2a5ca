"""Wrong uses of the public API; both checkers must refuse each marked line, with the code that its comment names.

A line that one of them takes makes its comment an unused one, and that is an error. Nothing here is ever run.
"""

from __future__ import annotations

from bequest import Credential, Definition, Engine, KeyFile, OriginHeader, OriginStorage, Run, Secret

SEEDS = ["https://wiki.example/"]


def open_engines() -> None:
    """A key comes from a source, not as a text; durability is one of two words."""
    Engine("wiki.db", key="0123456789")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Engine("wiki.db", key=KeyFile("key")())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Engine("wiki.db", durability="fast")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Engine("wiki.db", KeyFile("key"))  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Engine("wiki.db", workers=4)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def declare() -> None:
    """Options are known by name and type; a declared recipe does not change."""
    Definition.crawl("wiki")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    Definition.crawl("wiki", start_urls=SEEDS, steps=[{"kind": "index"}])  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    Definition.crawl("wiki", SEEDS)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    Definition.crawl("wiki", start_urls=SEEDS, max_page=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    Definition.crawl("wiki", start_urls=SEEDS, max_pages="3")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    Definition.crawl("wiki", start_urls=SEEDS, auth_policy="strict")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    Definition.crawl("wiki", start_urls=SEEDS, scope="planet")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    definition = Definition.crawl("wiki", start_urls=SEEDS)
    definition.max_pages = 3  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def keep_sessions(engine: Engine) -> None:
    """A session has a name; a secret is no text until it is revealed."""
    Credential.from_file("cookies.txt")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Credential.from_file("cookies.txt", "wiki")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Credential(auth_id="wiki", sites=("wiki.example",), cookies=("sid=1",))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Credential.from_text(b"sid=1", auth_id="wiki")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    OriginHeader(origin="https://a.example", name="X-Key", value="x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    OriginHeader.basic("https://a.example", "ada", "x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    OriginStorage(origin="https://a.example", local={"a": "x"})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
    engine.credentials.put("cookies.txt")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    list(engine.credentials.get("wiki").cookies)  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    str("Cookie: " + Secret("x"))  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue, reportUnknownArgumentType]
    len(Secret("x"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def crawl(engine: Engine, run: Run) -> None:
    """A run is started from a definition, and its documents are records."""
    engine.run("wiki.toml")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    engine.run(Definition.crawl("wiki", start_urls=SEEDS), "nightly")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    run.wait("600")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    run.documents()[0]  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
    for document in run.documents():
        list(document.html)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownArgumentType, reportUnknownMemberType]
        document.title = ""  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def enqueue(engine: Engine) -> None:
    """An option of a job is known by name and type."""
    engine.enqueue("album", run_timeout_s="60")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    engine.enqueue_many("album", [1], run_timeout_s=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def schedule(engine: Engine, definition: Definition) -> None:
    """A policy is one of a few words, and a schedule is a record."""
    engine.schedules.put("wiki", definition, every_s=60, catch_up="maybe")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    engine.schedules.put("wiki", definition, every_s="60")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    engine.schedules.put("wiki", definition, "0 3 * * *", "UTC")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    engine.schedules.put("wiki", definition, every_s=60, keys="x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    engine.schedules.get("wiki").is_paused = True  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
