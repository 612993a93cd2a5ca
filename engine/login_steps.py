"""Owns ``LoginStep``: one thing that a scripted login does, and what must hold of the list of them."""

from __future__ import annotations

from collections.abc import Iterator

from .definition_rules import shown, table_faults, url_fault
from .records import Record

MAX_STEPS = 100
VERBS = ("goto", "fill", "click", "wait_for")
ENDS = ("wait_for", "goto")  # what is done only when the page has answered
SOURCES = ("secret", "totp", "text")
EXPECTED = {
    "goto": "an http or https URL",
    "fill": "the selector of a field",
    "click": "the selector of what to click",
    "wait_for": "the selector of what only a session shows",
    "secret": "the name of a secret of the credential",
    "totp": "the name of a secret of the credential",
    "text": "the text to type",
}


class LoginStep(Record, frozen=True, kw_only=True):
    """One step: exactly one of *goto*, *fill*, *click* and *wait_for*; a *fill* names what it types.

    Selectors are Playwright's: CSS, or text=, or role=.
    """

    goto: str | None = None  # a URL to open
    fill: str | None = None  # the selector of a field to type into
    click: str | None = None  # the selector of what to click
    wait_for: str | None = None  # the selector of what must become visible
    secret: str | None = None  # of a fill: the secret of the credential that is typed
    totp: str | None = None  # of a fill: the secret that makes the code of this moment (RFC 6238)
    text: str | None = None  # of a fill: what is typed, in the clear


def login_faults(key: str, value: object) -> Iterator[str]:
    """Yield what is wrong with a list of login steps as a file holds it, each with the key that it stands under.

    The first step opens a page, and the last waits for one: a login that ended with a click would be taken for done
    while its form is still on the way.
    """
    if not isinstance(value, list | tuple):
        yield f"{key}: expected a list of tables, each one step, found {shown(value)}"
        return
    if len(value) > MAX_STEPS:
        yield f"{key}: expected at most {MAX_STEPS} steps, found {len(value)}"
        return
    last = len(value) - 1
    for index, step in enumerate(value):
        faults = list(_faults_of(step)) or list(_faults_of_place(step, is_first=not index, is_last=index == last))
        for name, fault in faults:
            yield f"{key}[{index}]{name}: {fault}"


def _faults_of(step: object) -> Iterator[tuple[str, str]]:
    faults = list(table_faults(step, LoginStep, EXPECTED))
    yield from faults
    if faults:
        return
    given = [name for name in EXPECTED if _given(step, name)]
    verbs = [name for name in given if name in VERBS]
    sources = [name for name in given if name in SOURCES]
    if len(verbs) != 1:
        yield "", f"expected exactly one of {', '.join(VERBS)}, found {' and '.join(verbs) or 'none'}"
    elif verbs == ["fill"] and len(sources) != 1:
        yield "", f"expected exactly one of {', '.join(SOURCES)} beside fill, found {' and '.join(sources) or 'none'}"
    elif verbs != ["fill"] and sources:
        yield f".{sources[0]}", f"expected none beside {verbs[0]}, found one"
    elif verbs == ["goto"] and (fault := url_fault(_given(step, "goto") or "")):
        yield ".goto", f"expected {EXPECTED['goto']}, found {fault}"


def _faults_of_place(step: object, *, is_first: bool, is_last: bool) -> Iterator[tuple[str, str]]:
    (verb,) = (name for name in VERBS if _given(step, name))
    if is_first and verb != "goto":
        yield "", f"expected goto as the first step, found {verb}"
    elif is_last and verb not in ENDS:
        yield "", f"expected wait_for {EXPECTED['wait_for']} as the last step, for {verb} waits for nothing"


def _given(step: object, name: str) -> str | None:
    found: str | None = step.get(name) if isinstance(step, dict) else getattr(step, name)
    return found
