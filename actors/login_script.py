"""Owns the way from a definition's login steps to what the browser does: secrets are put in, codes made when typed.

Imports no browser. No error of it holds a value, only the names of secrets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

from ..engine.clock import Clock
from ..engine.errors import CredentialError, LoginFailedError
from ..engine.login_steps import LoginStep
from ..engine.secret import Secret
from ..engine.totp import Totp
from .browser_messages import BrowserStep, Click, Fill, FillCode, Goto, WaitFor

MARGIN_S = 2.0  # what a code must hold yet when it is typed, for it to arrive in time


def browser_steps(steps: Sequence[LoginStep], secrets: Mapping[str, Secret]) -> tuple[BrowserStep, ...]:
    """Return what the browser does for *steps*, with the credential's *secrets* in their places.

    Raises ``LoginFailedError`` for a secret that is not there, and for one that is no seed of codes.
    """
    return tuple(_browser_step(number, step, secrets) for number, step in enumerate(steps, 1))


async def fresh_code(totp: Totp, clock: Clock) -> Secret:
    """Return a code that holds for two seconds at least; waits for the next one where this one ends sooner."""
    loop = asyncio.get_running_loop()
    was_set = asyncio.Event()
    forget = clock.on_set(lambda: loop.call_soon_threadsafe(was_set.set))
    try:
        while (left_s := totp.left_s(clock.now())) < MARGIN_S:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await was_set.wait()
            was_set.clear()
        return totp.code(clock.now())
    finally:
        forget()


def _browser_step(number: int, step: LoginStep, secrets: Mapping[str, Secret]) -> BrowserStep:
    if step.goto is not None:
        return Goto(url=step.goto)
    if step.click is not None:
        return Click(selector=step.click)
    if step.wait_for is not None:
        return WaitFor(selector=step.wait_for)
    place = f"login step {number}, fill {step.fill!r}"
    selector = step.fill or ""
    if step.text is not None:
        return Fill(selector=selector, value=Secret(step.text))
    if step.totp is None:
        return Fill(selector=selector, value=_secret(place, step.secret or "", secrets))
    try:
        return FillCode(selector=selector, totp=Totp.read(_secret(place, step.totp, secrets)))
    except CredentialError as error:
        raise LoginFailedError(f"{place}: secret {step.totp!r}: {error}") from None


def _secret(place: str, name: str, secrets: Mapping[str, Secret]) -> Secret:
    found = secrets.get(name)
    if found is None:
        has = f"has {', '.join(map(repr, sorted(secrets)))}" if secrets else "has none"
        raise LoginFailedError(
            f"{place}: asked for the secret {name!r} of the credential, which {has};"
            f" store it with `bequest auth secret`"
        )
    return found
