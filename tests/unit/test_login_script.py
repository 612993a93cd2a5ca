"""From login steps to what the browser does: each secret in its place."""

from __future__ import annotations

import traceback

import pytest

from bequest import LoginStep, Secret
from bequest.actors.browser_messages import Click, Fill, FillCode, Goto, WaitFor
from bequest.actors.login_script import browser_steps
from bequest.engine.errors import LoginFailedError
from bequest.engine.totp import Totp

SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
TOTP = Totp.read(Secret(SEED))
SECRETS = {"password": Secret("canary"), "seed": Secret(SEED)}


def test_steps_hold_the_secrets() -> None:
    """Each step becomes one of the browser's, with the value that it names."""
    steps = (
        LoginStep(goto="https://wiki.example/login"),
        LoginStep(fill="#user", text="keeper"),
        LoginStep(fill="#password", secret="password"),
        LoginStep(click="button"),
        LoginStep(fill="#code", totp="seed"),
        LoginStep(wait_for="text=Log out"),
    )

    assert browser_steps(steps, SECRETS) == (
        Goto(url="https://wiki.example/login"),
        Fill(selector="#user", value=Secret("keeper")),
        Fill(selector="#password", value=Secret("canary")),
        Click(selector="button"),
        FillCode(selector="#code", totp=TOTP),
        WaitFor(selector="text=Log out"),
    )


@pytest.mark.parametrize(
    ("step", "secrets", "said"),
    [
        (LoginStep(fill="#p", secret="pass"), SECRETS, "the secret 'pass' of the credential, which has 'password', "),
        (LoginStep(fill="#p", totp="pass"), {}, "the secret 'pass' of the credential, which has none; store it"),
        (LoginStep(fill="#p", totp="password"), SECRETS, "secret 'password': expected the seed of codes as"),
    ],
    ids=["missing", "none at all", "no seed"],
)
def test_secret_that_cannot_be_typed_is_told(step: LoginStep, secrets: dict[str, Secret], said: str) -> None:
    """Before a browser is asked for anything, the error names the step, its field and the secret; never a value."""
    with pytest.raises(LoginFailedError, match=said) as caught:
        browser_steps((LoginStep(goto="https://wiki.example/"), step), secrets)

    assert str(caught.value).startswith("login step 2, fill '#p': ")
    assert "canary" not in "".join(traceback.format_exception(caught.value))
