"""Owns how the work that an input takes is compared with its size: a format's worst inputs, made in any length.

Work is the processor time of the one thread, the least of some runs: what is written in C counts no steps. Four times
the input may take ``MAX_RATIO`` times as long; a square law takes sixteen times.
"""

from __future__ import annotations

import contextlib
import gc
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

from fuzz_mutations import WORDS
from fuzz_targets import SITE, Target

from bequest.engine import hosts, urls
from bequest.engine.credentials import credential_of
from bequest.engine.definition_files import read_definition
from bequest.engine.errors import BequestError
from bequest.engine.login_pages import is_login_url
from bequest.engine.session_files import read_session

MAX_RATIO = 9.0
NEGLIGIBLE_S = 0.1  # below that the parts that do not grow count too much
TIMES = 4


class Pump(NamedTuple):
    """One kind of long input."""

    read: Callable[[str], object]
    make: Callable[[int], str]
    n: int = 20_000


def ratio_of(pump: Pump) -> float:
    """Return how much more work four times the input takes; 1.0 where that is too little to tell.

    What looks like too much is measured once more with longer inputs, where a busy machine disturbs less.
    """
    ratio = _ratio_at(pump, pump.n)
    return ratio if ratio <= MAX_RATIO else min(ratio, _ratio_at(pump, TIMES * pump.n))


def _ratio_at(pump: Pump, n: int) -> float:
    long = pump.make(TIMES * n)
    if work_of(pump, long) < NEGLIGIBLE_S:
        return 1.0
    short = pump.make(n)
    return min(work_of(pump, long) for _ in range(2)) / min(work_of(pump, short) for _ in range(3))


def work_of(pump: Pump, text: str) -> float:
    """Return the processor time that reading *text* takes, in seconds."""
    for cached in (urls.canonical_url, hosts.canonical_host):
        cached.cache_clear()
    gc.collect()
    begun = time.thread_time()
    with contextlib.suppress(BequestError):
        pump.read(text)
    return time.thread_time() - begun


def read_credential(text: str) -> None:
    """Read a session and judge what of it may be used."""
    credential_of(read_session(text, source="f", sites=(SITE,)), auth_id="wiki", sites=(SITE,)).examined(1.0)


def ask_url(text: str) -> None:
    """Ask all that is asked of a link."""
    urls.is_logout_url(text)
    urls.is_page_url(text)
    is_login_url(text)
    urls.canonical_url(text)


def read_toml(text: str) -> None:
    """Read a definition in TOML."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as opened:
        opened.write(text)
        opened.flush()
        read_definition(Path(opened.name))


def drawn(rng: Random, target: Target) -> Pump:
    """Return an input of *target* with a piece of a seed, or some words, repeated in it."""
    seed = rng.choice(target.seeds)
    at = rng.randint(0, len(seed))
    piece = b"".join(rng.choice((*target.words, *WORDS)) for _ in range(rng.randint(1, 3)))
    if rng.random() < 0.5:
        piece = seed[at : at + rng.choice((1, 3, 10, 40))] or piece
    start, end = seed[:at].decode("utf-8", "ignore"), rng.choice((seed[at:], b"")).decode("utf-8", "ignore")
    repeated = piece.decode("utf-8", "ignore")
    return Pump(
        lambda text: target.check(text.encode("utf-8", "surrogatepass")), lambda n: start + repeated * n + end, 5_000
    )
