"""From login steps to what the browser does: secrets in their places, codes that still hold when they arrive."""

from __future__ import annotations

import asyncio
import traceback

import pytest

from bequest import LoginStep, Secret
from bequest.actors.browser_messages import Click, Fill, FillCode, Goto, WaitFor
from bequest.actors.login_script import MARGIN_S, browser_steps, fresh_code
from bequest.engine.errors import LoginFailedError
from bequest.engine.totp import Totp
from bequest.testing.manual_clock import ManualClock

SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
TOTP = Totp.read(Secret(SEED))
SECRETS = {"password": Secret("canary"), "seed": Secret(SEED)}
PERIOD_START = 1_000_000_020.0  # a multiple of thirty seconds


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


@pytest.mark.parametrize("left_s", [30.0, MARGIN_S])
def test_code_that_holds_is_given_at_once(left_s: float) -> None:
    """A code of which two seconds are left is the one that is typed."""
    clock = ManualClock(PERIOD_START + 30.0 - left_s)

    assert asyncio.run(fresh_code(TOTP, clock)) == TOTP.code(PERIOD_START)


def test_code_that_ends_is_waited_out() -> None:
    """Where less is left the next code is typed, once its time has come; other moves of the clock change nothing."""
    clock = ManualClock(PERIOD_START + 28.5)

    async def moved() -> tuple[bool, Secret]:
        waiting = asyncio.create_task(fresh_code(TOTP, clock))
        await asyncio.sleep(0)
        clock.advance(0.5)
        for _ in range(10):  # turns of the loop
            await asyncio.sleep(0)
        is_early = waiting.done()
        clock.advance(1.0)
        return is_early, await waiting

    assert asyncio.run(moved()) == (False, TOTP.code(PERIOD_START + 30))


def test_wait_for_a_code_ends_by_itself() -> None:
    """On a clock that nobody moves by hand the wait is as long as what is left."""

    class Passing(ManualClock):
        """One that passes by each look at it."""

        def now(self) -> float:
            now = super().now()
            self.jump(now + 0.001)
            return now

    clock = Passing(PERIOD_START + 29.999)

    assert asyncio.run(fresh_code(TOTP, clock)) == TOTP.code(PERIOD_START + 30)
