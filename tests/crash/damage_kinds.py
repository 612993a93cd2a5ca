"""The ways in which a database can be damaged, each drawn from a seed."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

PAGE_BYTES = 4096
SECTOR_BYTES = 512
# https://www.sqlite.org/fileformat2.html#the_database_header: where each field begins, and how long it is
FIELDS = (
    *((0, 16), (16, 2), (18, 1), (19, 1), (20, 1), (21, 1), (22, 1), (23, 1)),
    *((at, 4) for at in range(24, 72, 4)),
    *((72, 20), (92, 4), (96, 4)),
)
Damage = Callable[[random.Random, Path, bytes], str]


def overwrite(file: Path, at: int, content: bytes) -> None:
    """Put *content* into the file."""
    with file.open("r+b") as opened:
        opened.seek(at)
        opened.write(content)


def header_field(chance: random.Random, file: Path, whole: bytes) -> str:
    """Change one field of the header."""
    at, length = chance.choice(FIELDS)
    content = chance.choice(
        [b"\x00" * length, b"\xff" * length, chance.randbytes(length), b"\x01".rjust(length, b"\0")]
    )
    overwrite(file, at, content)
    return f"header {at}: {content.hex()}"


def random_bytes(chance: random.Random, file: Path, whole: bytes) -> str:
    """Write random bytes over some of a page, or over all of it, its header or its cells."""
    page = chance.randrange(len(whole) // PAGE_BYTES)
    at, length = chance.choice(
        [(0, 8), (0, PAGE_BYTES), (8, 100), (chance.randrange(PAGE_BYTES), chance.randint(1, 64))]
    )
    at, length = (100, length) if page == 0 and at < 100 else (at, length)
    overwrite(file, page * PAGE_BYTES + at, chance.randbytes(min(length, PAGE_BYTES - at)))
    return f"page {page + 1}, {length} bytes at {at}"


def swapped_page(chance: random.Random, file: Path, whole: bytes) -> str:
    """Put a page into the place of another one."""
    source, target = (chance.randrange(1, len(whole) // PAGE_BYTES) for _ in range(2))
    overwrite(file, target * PAGE_BYTES, whole[source * PAGE_BYTES : (source + 1) * PAGE_BYTES])
    return f"page {source + 1} in the place of page {target + 1}"


def foreign_page(chance: random.Random, file: Path, whole: bytes) -> str:
    """Put a page of another application's file into the place of one."""
    target = chance.randrange(1, len(whole) // PAGE_BYTES)
    other = file.with_suffix(".other")
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE job (x TEXT)")
        connection.executemany("INSERT INTO job VALUES (?)", [("x" * 50,)] * 100)
    connection.close()
    overwrite(file, target * PAGE_BYTES, other.read_bytes()[PAGE_BYTES : 2 * PAGE_BYTES])
    other.unlink()
    return f"a page of another file in the place of page {target + 1}"


def zeroed_sectors(chance: random.Random, file: Path, whole: bytes) -> str:
    """Let some sectors be empty, as a disk does that gave them up."""
    sectors = sorted(chance.sample(range(1, len(whole) // SECTOR_BYTES), chance.randint(1, 8)))
    for sector in sectors:
        overwrite(file, sector * SECTOR_BYTES, b"\x00" * SECTOR_BYTES)
    return f"sectors {sectors} are empty"


def flipped_bits(chance: random.Random, file: Path, whole: bytes) -> str:
    """Flip single bits."""
    places = [chance.randrange(100, len(whole)) for _ in range(chance.randint(1, 20))]
    for at in places:
        overwrite(file, at, bytes([whole[at] ^ 1 << chance.randrange(8)]))
    return f"bits at {places} are flipped"


def cut_at_a_page(chance: random.Random, file: Path, whole: bytes) -> str:
    """Cut the file short at the end of a page."""
    pages = chance.randrange(len(whole) // PAGE_BYTES)
    file.write_bytes(whole[: pages * PAGE_BYTES])
    return f"cut to {pages} pages"


def cut_inside(chance: random.Random, file: Path, whole: bytes) -> str:
    """Cut the file short anywhere."""
    size = chance.randrange(len(whole))
    file.write_bytes(whole[:size])
    return f"cut to {size} bytes"


def foreign(chance: random.Random, file: Path, whole: bytes) -> str:
    """Have another file there."""
    content = chance.choice(
        [chance.randbytes(5_000), b"#!/bin/sh\n" * 99, whole[:16], whole[:99], b"\0" * 4096, b"", whole[::-1]]
    )
    file.write_bytes(content)
    return f"{len(content)} bytes of something else"


def newer(chance: random.Random, file: Path, whole: bytes) -> str:
    """Have the file of a newer release there."""
    version = chance.choice([2, 99, 2**31 - 1])
    overwrite(file, 60, version.to_bytes(4, "big"))
    return f"schema {version}"


def text_changed(chance: random.Random, file: Path, whole: bytes) -> str:
    """Change the content of rows, which no structure is about."""
    old = chance.choice([b'{"n":', b"echo", b"pending", b'{"type"', b"harbour", b"default", b"https:"])
    places = [at for at in range(len(whole)) if whole.startswith(old, at)]
    for at in chance.sample(places, min(len(places), 20)):
        overwrite(file, at, chance.randbytes(len(old)))
    return f"{old!r} is changed in {min(len(places), 20)} places"


def damaged_wal(chance: random.Random, file: Path, whole: bytes) -> str:
    """Have a write-ahead log beside it that is none, or that of another file."""
    content = chance.choice(
        [chance.randbytes(9_000), b"\0" * 9_000, bytes.fromhex("377f0682002de218") + chance.randbytes(5_000)]
    )
    Path(f"{file}-wal").write_bytes(content)
    return f"a write-ahead log of {len(content)} bytes"


DAMAGES: tuple[Damage, ...] = (
    *(header_field, random_bytes, swapped_page, foreign_page, zeroed_sectors, flipped_bits),
    *(cut_at_a_page, cut_inside, foreign, newer, text_changed, damaged_wal),
)
