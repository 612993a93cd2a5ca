"""What a list of login steps must hold, and how a fault in one is said."""

from __future__ import annotations

from typing import Any

import pytest

from bequest import Definition, LoginStep
from bequest.engine.errors import DefinitionError
from bequest.engine.login_steps import MAX_STEPS, login_faults

LOGIN = [
    {"goto": "https://wiki.example/login"},
    {"fill": "#user", "text": "keeper"},
    {"fill": "#password", "secret": "password"},
    {"click": "button"},
    {"fill": "#code", "totp": "seed"},
    {"wait_for": "text=Log out"},
]
GOTO, *_, END = LOGIN


def faults(*steps: Any) -> list[str]:  # Any: as a file holds it
    return list(login_faults("login", list(steps)))


def test_login_is_tables_or_records() -> None:
    """The steps of a file and those of a program are one and the same definition."""
    records = [LoginStep(**step) for step in LOGIN]

    in_file = Definition.crawl("x", start_urls=["https://wiki.example/"], auth_id="wiki", login=LOGIN)
    in_code = Definition.crawl("x", start_urls=["https://wiki.example/"], auth_id="wiki", login=records)

    assert in_file == in_code
    assert in_file.login == tuple(records)


def test_login_may_be_left_out() -> None:
    """No steps are no fault."""
    assert faults() == []


def test_login_may_end_with_a_page() -> None:
    """A login that a URL does alone has one step."""
    assert faults(GOTO) == []


@pytest.mark.parametrize(
    ("steps", "fault"),
    [
        ([GOTO, 7, END], "login[1]: expected a table, found 7"),
        ([GOTO, {"fil": "#user"}, END], "login[1].fil: unknown key; did you mean fill?"),
        ([GOTO, {"click": " "}, END], "login[1].click: expected the selector of what to click, found an empty text"),
        ([GOTO, {"click": 7}, END], "login[1].click: expected the selector of what to click, found 7"),
        ([GOTO, {}, END], "login[1]: expected exactly one of goto, fill, click, wait_for, found none"),
        (
            [GOTO, {"click": "a", "wait_for": "b"}, END],
            "login[1]: expected exactly one of goto, fill, click, wait_for, found click and wait_for",
        ),
        ([GOTO, {"fill": "a"}, END], "login[1]: expected exactly one of secret, totp, text beside fill, found none"),
        (
            [GOTO, {"fill": "a", "secret": "b", "text": "canary"}, END],
            "login[1]: expected exactly one of secret, totp, text beside fill, found secret and text",
        ),
        ([GOTO, {"click": "a", "text": "canary"}, END], "login[1].text: expected none beside click, found one"),
        ([{"goto": "file:///x"}, END], "login[0].goto: expected an http or https URL, found one that begins with"),
        ([END], "login[0]: expected goto as the first step, found wait_for"),
        ([GOTO, {"click": "a"}], "login[1]: expected wait_for the selector of what only a session shows as the last"),
        ([GOTO, {"fill": "a", "text": "b"}], "login[1]: expected wait_for the selector of what only a session shows"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_fault_names_its_step(steps: list[Any], fault: str) -> None:
    """Each fault is said once, with the number of the step and never with what is typed."""
    (found,) = faults(*steps)

    assert found.startswith(fault)
    assert "canary" not in found


def test_fault_of_a_record_is_found() -> None:
    """A program's steps are judged as those of a file are."""
    assert faults(GOTO, LoginStep(fill="#user"), END) == faults(GOTO, {"fill": "#user"}, END)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("goto", "login: expected a list of tables, each one step, found 'goto'"),
        ([GOTO] * (MAX_STEPS + 1), f"login: expected at most {MAX_STEPS} steps, found {MAX_STEPS + 1}"),
    ],
    ids=["text", "many"],
)
def test_login_that_is_no_list_of_steps_is_refused(value: object, fault: str) -> None:
    """What is no list, or one without an end, is one fault."""
    assert list(login_faults("login", value)) == [fault]


def test_login_needs_the_name_of_a_credential() -> None:
    """A login without an ``auth_id`` beside it has nowhere to take its secrets from."""
    with pytest.raises(DefinitionError, match="login: expected an auth_id beside it"):
        Definition.crawl("x", start_urls=["https://wiki.example/"], login=LOGIN)
