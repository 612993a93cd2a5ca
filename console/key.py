"""Owns ``bequest key``: which key seals the stored sessions, and how another takes its place; no command shows one."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import click

from ..engine.database import database_at
from ..engine.database_file import is_missing
from ..engine.errors import KeyFileError, SealError
from ..engine.key_files import KeyFile
from ..engine.keys import Key, KeySource
from ..engine.records import CredentialEntry
from ..engine.vault import other_key
from .options import DEFAULT_DATABASE, FileName, database_option, json_option
from .orderly_engine import OrderlyEngine
from .reading import reading
from .terminal import Exit, Terminal, pass_terminal
from .words import counted


class Keys(NamedTuple):
    """What sessions are sealed with from now on, and whether that key is still to be made."""

    source: KeySource
    makes: KeyFile | None  # where
    current: Key


@click.group(short_help="Show the key of the stored sessions, and change it.")
def key() -> None:
    """Name the key of the stored sessions, and put another in its place.

    A key file has a line for each key: the first seals, the others only open
    what they sealed before.

    \b
    bequest key show
    bequest key rotate
    """


@key.command(short_help="Show which keys there are, and what each seals.")
@database_option
@json_option
@pass_terminal
def show(terminal: Terminal, database: Path, as_json: bool) -> int:
    """Show the ids of the keys, where they lie, and how many sessions each seals; never a key."""
    entries = entries_of(database)
    found = terminal.key()
    rows = [(one, "seals" if one == found.id else "opens", sealed_with(one, entries)) for one in found.ids]
    rows += [(one, "missing", sealed_with(one, entries)) for one in missing_of(found, entries)]
    if as_json:
        for key_id, use, count in rows:
            terminal.json({"key": key_id, "use": use, "sessions": count, "where": terminal.key.where})
        return Exit.DONE
    terminal.print(f"from {terminal.key.where}")
    terminal.table(("key", "use", "sessions"), ((key_id, use, str(count)) for key_id, use, count in rows))
    return Exit.DONE


@key.command(short_help="Make a new key in FILE.")
@click.argument("file", type=FileName())
@pass_terminal
def new(terminal: Terminal, file: Path) -> int:
    """Make a key in FILE; one that is there already stays below it and opens what it has sealed.

    \b
    bequest key new /etc/bequest/key
    """
    target = KeyFile(file)
    made = target.add() if target.path.exists() else target.create()
    terminal.print(f"made key {made.id} in {file}; keep a copy, without it nothing that it sealed can be opened")
    return Exit.DONE


@key.command(short_help="Seal the stored sessions with another key.")
@click.option(
    "--db",
    "databases",
    multiple=True,
    default=(DEFAULT_DATABASE,),
    show_default=True,
    metavar="FILE",
    type=FileName(),
    help="The database file; may be repeated.",
)
@click.option("--to", "target", metavar="FILE", type=FileName(), help="Make the new key there, with the others below.")
@pass_terminal
def rotate(terminal: Terminal, databases: tuple[Path, ...], target: Path | None) -> int:
    """Make a new key and seal every stored session with it; no byte of the former seals stays in the database.

    Where a session is still sealed with a former key, as after a rotation of another database or one that was killed,
    no other key is made: all are sealed with the newest there is. The former key stays below the new one, for other
    databases and older backups, until `bequest key forget` takes it out. What uses a database must be stopped; a
    program rotates with engine.credentials.rotate().

    \b
    bequest key rotate --db wiki.db --db shop.db
    """
    entries = [entry for database in databases for entry in entries_of(database)]
    keys = keys_of(terminal, entries, target)
    for entry in entries:
        if entry.key_id not in keys.current.ids:
            said = other_key(entry.key_id, keys.current.ids, terminal.key.where)
            raise SealError(f"credential {entry.auth_id!r} is {said}, or remove it; then rotate")
    with ExitStack() as stack:
        engines = [
            (database, stack.enter_context(OrderlyEngine(database, key=keys.source, resume=False)))
            for database in dict.fromkeys(databases)
            if not is_missing(Path(database_at(database)))
        ]
        made = make(keys)
        for database, engine in engines:
            done = engine.credentials.rotate()
            terminal.print(f"{database}: {counted(done.resealed, 'session')} sealed anew with key {done.key_id}")
            if not done.is_scrubbed:
                terminal.say(f"somebody reads {database}; former seals stay in its write-ahead log until that ends")
    if made is not None:
        say_what_is_left(terminal, made, target)
    return Exit.DONE


@key.command(short_help="Take a former key out of the key file.")
@click.argument("key_id", metavar="ID")
@database_option
@pass_terminal
def forget(terminal: Terminal, key_id: str, database: Path) -> int:
    """Take the former key ID out of the key file. What is still sealed with it, backups too, will never open again."""
    needed = sealed_with(key_id, entries_of(database))
    if needed:
        raise KeyFileError(
            f"asked to forget key {key_id}, found {counted(needed, 'session')} sealed with it in {database};"
            " run `bequest key rotate` first"
        )
    file_of(terminal).drop(key_id)
    terminal.print(f"forgot key {key_id}")
    return Exit.DONE


def keys_of(terminal: Terminal, entries: list[CredentialEntry], target: Path | None) -> Keys:
    """Return what to seal with: a key that is still to be made, or the newest, where not all is sealed with that."""
    current = terminal.key()
    if target is not None:
        file = KeyFile(target)
        if not file.path.exists():
            return Keys(file, file, current)
        there = file()
        if current.id not in there.ids:
            raise KeyFileError(f"asked to make a key in {target}, found other keys there; name another file")
        return Keys(file, None, there)
    if any(entry.key_id != current.id for entry in entries):
        return Keys(terminal.key, None, current)
    return Keys(terminal.key, file_of(terminal), current)


def make(keys: Keys) -> Key | None:
    """Make the key that is still to be made."""
    if keys.makes is None:
        return None
    return keys.makes.add() if keys.source is not keys.makes else keys.makes.create(former=[keys.current])


def file_of(terminal: Terminal) -> KeyFile:
    """Return the file of the keys; raises ``KeyFileError`` where they come from elsewhere."""
    if terminal.key.file is None:
        raise KeyFileError(
            f"asked to change the keys in {terminal.key.where}, found that they are only handed over; make the new"
            " key in a file with `bequest key rotate --to FILE`, and hand that over from then on"
        )
    return terminal.key.file


def say_what_is_left(terminal: Terminal, made: Key, target: Path | None) -> None:
    """Say what the person has still to do."""
    where = terminal.key.where if target is None else str(target)
    terminal.say(f"keep a copy of the new key {made.id} in {where}; without it no stored session can be opened")
    if target is not None:
        terminal.say(f"{where} is the key file from now on; name it in BEQUEST_KEY_FILE")
    terminal.say(
        f"the former key {made.ids[1]} is there too, for other databases and older backups;"
        f" `bequest key forget {made.ids[1]}` takes it out"
    )


def entries_of(database: Path) -> list[CredentialEntry]:
    """Return what is known of the stored sessions, nothing where there is no database."""
    if is_missing(Path(database_at(database))):
        return []
    with reading(database) as queries:
        return queries.credentials()


def sealed_with(key_id: str, entries: list[CredentialEntry]) -> int:
    """Return how many sessions that key has sealed."""
    return sum(entry.key_id == key_id for entry in entries)


def missing_of(found: Key, entries: list[CredentialEntry]) -> list[str]:
    """Return the ids of the keys that sealed a session and are not there."""
    return sorted({entry.key_id for entry in entries} - set(found.ids))
