"""Owns the strategies for jobs and for the JSON that they carry.

What takes no argument is made once: to make and to check a strategy costs more than to draw from it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from ..engine.json_values import MAX_DEPTH, MAX_INTEGER
from ..engine.records import Json, KeyScope, OnClash
from .hypothesis_strategies import st

ODD_TEXTS = (
    "",
    " ",
    "a.b",
    "$",
    "[0]",
    '"',
    "\\",
    "'",
    "%s",
    "null",
    "\u2028",
    "\x85",
    "\x7f",
    "e\u0301",
    "\U0001f512",
)
WIDE_NUMBERS = (MAX_INTEGER, -MAX_INTEGER, 2**53 + 1, -(2**53) - 1)
DEEPEST = MAX_DEPTH - 10  # what is drawn is put into an object, and perhaps into another one
LONGEST_S = 10.0 * 366 * 86_400
LATEST_AT = 4_000_000_000.0  # in the year 2096
OWN_KEYS = frozenset({"auth_id", "job_definition_id"})  # of metadata: they mean something to the engine


@cache
def json_texts() -> st.SearchStrategy[str]:
    """Return all texts that JSON in a database can hold: any but a NUL and halves of surrogate pairs."""
    return st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20) | st.sampled_from(ODD_TEXTS)


@cache
def json_values() -> st.SearchStrategy[Json]:
    """Return any JSON that an engine takes: integers of 64 bits, finite floats, odd keys, and deep nesting."""
    leaves = (
        st.none()
        | st.booleans()
        | st.integers(-MAX_INTEGER, MAX_INTEGER)
        | st.sampled_from(WIDE_NUMBERS)
        | st.floats(allow_nan=False, allow_infinity=False)
        | json_texts()
    )
    wide = st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(json_texts(), inner, max_size=4),
        max_leaves=10,
    )
    return wide | st.builds(_nested, leaves, st.integers(1, DEEPEST))


@cache
def metadata() -> st.SearchStrategy[dict[str, Json]]:
    """Return metadata of a job: an object of any JSON, without the keys that mean something to the engine."""
    return st.dictionaries(json_texts().filter(lambda key: key not in OWN_KEYS), json_values(), max_size=4)


def jobs(
    kind: str | st.SearchStrategy[str] = "work", *, configs: st.SearchStrategy[Any] | None = None
) -> st.SearchStrategy[dict[str, Any]]:  # Any: what enqueue takes
    """Return arguments of ``Engine.enqueue``: the kind, a config and any options that go together.

    ``engine.enqueue(**drawn)``. Without *configs* there is none. A job may be due later, and its key may be taken by
    one that was drawn before; ``on_clash`` is never ``raise``.
    """
    return _jobs(kind, st.none() if configs is None else configs)


@st.composite
def _jobs(draw: st.DrawFn, kind: str | st.SearchStrategy[str], configs: st.SearchStrategy[Any]) -> dict[str, Any]:
    return {
        "kind": kind if isinstance(kind, str) else draw(kind),
        "config": draw(configs),
        **draw(_options()),
        **draw(_whens()),
        **(draw(_keys()) if draw(st.booleans()) else {}),
    }


@cache
def _options() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "queue": _names(),
            "priority": st.integers(-MAX_INTEGER, MAX_INTEGER),
            "partition": st.just("") | _names(),
            "tags": st.lists(_names(), max_size=3),
            "metadata": metadata(),
            "max_attempts": st.integers(1, MAX_INTEGER),
            "timeout_s": _seconds(),
            "run_timeout_s": _seconds(),
            "max_child_failures": st.integers(0, MAX_INTEGER) | st.floats(0, 1),
        },
    )


@cache
def _whens() -> st.SearchStrategy[dict[str, Any]]:
    """Return when a job is due, if not at once."""
    at = st.fixed_dictionaries({}, optional={"run_at": st.floats(0, LATEST_AT)})
    return at | st.fixed_dictionaries({"delay_s": st.floats(0, LONGEST_S)})


@cache
@st.composite
def _keys(draw: st.DrawFn) -> dict[str, Any]:
    """Return a key with a scope, and what becomes of a job whose key is taken."""
    scope = draw(st.sampled_from(KeyScope))
    clashes = [OnClash.EXISTING, OnClash.REPLACE] + [OnClash.AFTER] * (scope is KeyScope.UNFINISHED)
    period = {"key_period_s": draw(_seconds())} if scope is KeyScope.PERIOD else {}
    return {"key": draw(_names()), "key_scope": scope, "on_clash": draw(st.sampled_from(clashes)), **period}


@cache
def _names() -> st.SearchStrategy[str]:
    """Return what names a queue, a partition, a tag or a key."""
    printable = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)
    return st.sampled_from(("a", "b", "a b")) | printable.filter(str.isprintable)


@cache
def _seconds() -> st.SearchStrategy[float]:
    return st.floats(0, LONGEST_S, exclude_min=True)


def _nested(leaf: Json, depth: int) -> Json:
    value = leaf
    for level in range(depth):
        value = [value] if level % 2 else {"in": value}
    return value
