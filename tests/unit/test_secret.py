"""A secret shows itself to nobody who does not ask it to."""

from __future__ import annotations

import base64
import copy
import hmac
import importlib
import io
import json
import logging
import pickle
import pkgutil
import pprint
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from rich.console import Console
from rich.pretty import pretty_repr
from rich.traceback import Traceback

import bequest.actors
import bequest.engine
from bequest.actors.browser_messages import Fill, FillCode, Login
from bequest.engine.cookies import Cookie, CookieAdmission
from bequest.engine.credentials import Admission, Contents, Credential, encode_credential
from bequest.engine.errors import CredentialError
from bequest.engine.original_payload import Token
from bequest.engine.pages import PageSnapshot
from bequest.engine.records import Record
from bequest.engine.renewals import Renewal
from bequest.engine.secret import Secret
from bequest.engine.session_reading import Reading
from bequest.engine.sessions import OriginHeader, OriginStorage, Session
from bequest.engine.totp import Totp

CANARY = "canary-value"


class Holder(Record, frozen=True, kw_only=True):
    """A record with a secret in it."""

    name: str
    value: Secret


def secret() -> Secret:
    return Secret(CANARY)


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        "{}".format,
        "{:>40}".format,
        "{!r:^20}".format,
        "%s".__mod__,
        "%r".__mod__,
        lambda one: f"{one}",
        lambda one: f"{[one]} {{'a': {one!r}}}",
        lambda one: repr(Holder(name="sid", value=one)),
        lambda one: repr(vars(type(one)).keys()),
        lambda one: repr(dir(one)),
    ],
)
def test_secret_shows_nothing_of_itself(show: Callable[[Secret], str]) -> None:
    """No repr, format or container of it holds its value (I16)."""
    assert CANARY not in show(secret())


def test_secret_fills_the_place_that_a_format_gives_it() -> None:
    """In a column it takes the width that was asked for, as any text does."""
    assert f"{secret():>14}" == "   Secret(...)"


def test_secret_reveals_itself_when_asked() -> None:
    """There is one way to the value."""
    assert secret().reveal() == CANARY


TAKING: list[Callable[[Any], object]] = [  # Any: a secret, or a record of any type that holds one
    copy.copy,
    copy.deepcopy,
    *(lambda one, protocol=protocol: pickle.dumps(one, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)),
]


@pytest.mark.parametrize(
    "take", [*TAKING, lambda one: one.__getstate__(), lambda one: one.__reduce__(), lambda one: one.__reduce_ex__(4)]
)
def test_secret_is_not_pickled_or_copied(take: Callable[[Any], object]) -> None:
    """It goes into no other process and no file that way, and the error says what to do instead."""
    with pytest.raises(TypeError, match="is not pickled or copied; pass the sealed record") as caught:
        take(secret())

    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("write", [json.dumps, msgspec.json.encode, msgspec.msgpack.encode, msgspec.to_builtins, vars])
def test_secret_is_not_written(write: Callable[[Any], object]) -> None:
    """No encoder takes one, and it has no attributes to list; the errors hold nothing of it."""
    with pytest.raises(TypeError) as caught:
        write(secret())

    assert CANARY not in f"{caught.value!r}"


def test_secret_that_an_encoder_makes_a_text_of_shows_nothing() -> None:
    """Where whatever has no place in JSON is written as its text, that is what everybody else sees too."""
    assert json.dumps({"sid": secret()}, default=str) == '{"sid": "Secret(...)"}'


def test_secret_stays_out_of_a_traceback_with_its_locals() -> None:
    """Whoever logs the variables of every frame logs no value."""

    def fail(session: Secret) -> None:
        raise ValueError(f"cannot use {session}")

    try:
        fail(secret())
    except ValueError as error:
        text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())

    assert "session = Secret(...)" in text
    assert CANARY not in text


@pytest.mark.parametrize("show", [str, repr, lambda error: "".join(traceback.format_exception(error))])
def test_secret_in_an_error_shows_nothing(show: Callable[[BaseException], str]) -> None:
    """An error that was given one, or a record of one, holds its name alone."""
    text = show(LookupError(secret(), Holder(name="sid", value=secret())))

    assert "Secret(...)" in text
    assert CANARY not in text


def test_secret_in_a_log_shows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """As an argument, as a field and in the traceback of a record."""
    caplog.set_level(logging.DEBUG)
    error = ValueError(secret())

    logging.getLogger("test").error("failed with %s, %r", secret(), [secret()], extra={"sid": secret()}, exc_info=error)

    assert "failed with Secret(...), [Secret(...)]" in caplog.text
    assert CANARY not in caplog.text + repr([vars(record) for record in caplog.records])


def test_secret_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """How much of a guess is right cannot be told from how long the comparison takes."""
    monkeypatch.setattr(hmac, "compare_digest", lambda *compared: compared != (CANARY.encode(), CANARY.encode()))

    assert secret() != secret()
    assert secret() == Secret("other")


# Records that hold one

HOLDING: list[Record] = [
    Cookie(name="sid", value=secret(), domain="wiki.example", host_only=True),
    OriginHeader.bearer("https://wiki.example", token=CANARY),
    OriginHeader.basic("https://wiki.example", user="me", password=CANARY),
    OriginStorage(origin="https://wiki.example", local={"a": secret()}, session={"b": secret()}, indexed_db=secret()),
    Fill(selector="input", value=secret()),
    Login(steps=(Fill(selector="input", value=secret()),)),
    CookieAdmission(kept=(Cookie(name="sid", value=secret(), domain="wiki.example", host_only=True),), skipped=()),
]
SESSION: dict[str, Any] = {  # Any: fields of several types
    "cookies": tuple(HOLDING[:1]),
    "headers": tuple(HOLDING[1:3]),
    "storages": tuple(HOLDING[3:4]),
}
HOLDING += [
    Session(**SESSION),
    Admission(**SESSION),
    Contents(**SESSION, secrets={"password": secret()}),
    Credential(auth_id="wiki", sites=("wiki.example",), **SESSION, secrets={"password": secret()}),
    Reading(**SESSION, form="cookies.txt"),
    Renewal(credential=Credential(auth_id="wiki", sites=("wiki.example",), **SESSION)),
    Token(name="access", value=secret(), kinds=frozenset({"bearer"}), area=None),
    Totp(seed=secret()),
    FillCode(selector="input", totp=Totp(seed=secret())),
    PageSnapshot(
        url="https://wiki.example/",
        status=200,
        content_type="text/html",
        html="",
        was_redirected=False,
        login_form=None,
        cookies=None,
        left=SESSION["cookies"],
    ),
]


def spelled(text: str) -> list[str]:
    """Return how the value may stand in a header."""
    return [text, base64.b64encode(f"me:{text}".encode()).decode()]


@pytest.mark.parametrize("record", HOLDING, ids=lambda record: type(record).__name__)
def test_record_shows_nothing_of_its_secret(record: Record) -> None:
    """Printed in any way, it shows that there is a secret, and not which (I16)."""
    shown = [repr(record), str(record), f"{record}", pprint.pformat(record), pretty_repr(record), f"{[record]}"]
    shown.append(repr(msgspec.structs.asdict(record)))

    assert all("Secret(...)" in text for text in shown)
    assert not any(spelling in text for text in shown for spelling in spelled(CANARY))


@pytest.mark.parametrize("record", HOLDING, ids=lambda record: type(record).__name__)
def test_record_with_a_secret_is_not_copied_or_written(record: Record) -> None:
    """Neither pickle nor deepcopy nor an encoder takes it; what replaces a part of it keeps the secret as it is."""
    writing = (copy.deepcopy, pickle.dumps, msgspec.json.encode, msgspec.msgpack.encode, msgspec.to_builtins)

    for write in writing:
        with pytest.raises((TypeError, pickle.PicklingError)) as caught:  # the latter where msgspec was imported twice
            write(record)
        assert not any(spelling in f"{caught.value!r}" for spelling in spelled(CANARY))
    assert msgspec.structs.replace(record) == record


def test_every_record_that_holds_a_secret_is_among_them() -> None:
    """A record of engine or actors that gets one is held to the same."""
    for package in (bequest.engine, bequest.actors):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)

    ours = {one for one in subclasses(Record) if one.__module__.startswith(("bequest.engine.", "bequest.actors."))}

    assert {type(record) for record in HOLDING} == {one for one in ours if holds(one, set())}


def subclasses(record: type[Record]) -> Iterator[type[Record]]:
    """Yield all that are derived from it."""
    for derived in record.__subclasses__():
        yield from (derived, *subclasses(derived))


def holds(hint: Any, seen: set[Any]) -> bool:  # Any: a type, or what stands for several
    """Return whether a value of that type has a secret in it; what was *seen* is not looked at again."""
    if hint is Secret:
        return True
    if str(hint) in seen:
        return False
    seen.add(str(hint))
    fields = get_type_hints(hint).values() if hasattr(hint, "__struct_fields__") else get_args(hint)
    return any(holds(inner, seen) for inner in fields)


# Tracebacks


def failing_header() -> None:
    OriginHeader(origin="https://wiki.example", name="Authorization", value=Secret(f"{CANARY}\n"))


def failing_bearer() -> None:
    OriginHeader.bearer("https://wiki.example", token=f"{CANARY}\n"[:])


def failing_basic() -> None:
    OriginHeader.basic("https://wiki.example", user="a:b", password=CANARY)


def failing_seal() -> None:
    encode_credential(Credential(auth_id="wiki", sites=(), secrets={"password": Secret(f"{CANARY}\ud800")}))


@pytest.mark.parametrize("fail", [failing_header, failing_bearer, failing_basic, failing_seal])
def test_error_about_a_secret_keeps_it_out_of_the_variables_of_its_frames(fail: Callable[[], None]) -> None:
    """Whoever logs the variables of every frame, as rich and error trackers do, logs no value (I16)."""
    with pytest.raises(CredentialError) as caught:
        fail()

    assert_hidden(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        f"127.0.0.1\tFALSE\t/\tMAYBE\t0\tsid\t{CANARY}\n",
        f'[{{"name": "sid", "value": "{CANARY}", "domain": ["{CANARY}"]}}]',
        f'{{"cookies": "{CANARY}"',
        f"{CANARY}\udcff",
        f"{CANARY}" * 1_000_000,
    ],
    ids=["cookies.txt", "JSON", "half", "no text", "too large"],
)
def test_file_that_is_refused_stays_out_of_the_variables_of_a_traceback(content: str, tmp_path: Path) -> None:
    """What was read of it is in no frame that the error leads through (I16)."""
    (tmp_path / "given").write_text(content, "utf-8", "surrogateescape")

    with pytest.raises(CredentialError) as caught:
        Credential.from_file(tmp_path / "given", auth_id="wiki")

    assert_hidden(caught.value)


def assert_hidden(error: BaseException) -> None:
    """Find no value in a traceback, with the variables of our frames, as Python and as rich show it."""
    while error.__traceback__ is not None and error.__traceback__.tb_frame.f_code.co_filename == __file__:
        error.__traceback__ = error.__traceback__.tb_next
    assert error.__traceback__ is not None
    text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    console = Console(record=True, file=io.StringIO(), width=500)
    console.print(Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True))
    for shown in (text, console.export_text()):
        assert type(error).__name__ in shown
        assert CANARY not in shown


def test_secrets_are_equal_by_value_and_to_nothing_else() -> None:
    """Two secrets of one value are one key of a dict; a text is no secret."""
    assert secret() == secret()
    assert hash(secret()) == hash(secret())
    assert secret() != Secret("other")
    assert secret() != CANARY
    assert {secret(), secret()} == {secret()}


def test_secrets_of_any_text_are_compared() -> None:
    """Half of a surrogate pair, which UTF-8 has not, is compared as well."""
    assert Secret("\ud800") == Secret("\ud800")
    assert Secret("\ud800") != Secret("\ud801")


@pytest.mark.parametrize(("value", "expected"), [("", False), ("x", True)])
def test_secret_is_true_when_there_is_something_to_keep(value: str, expected: bool) -> None:
    """An empty one is as good as none."""
    assert bool(Secret(value)) is expected


def test_secret_takes_no_other_attribute() -> None:
    """Nothing can be hung on it that a dump of its attributes would show."""
    assert not hasattr(secret(), "__dict__")
