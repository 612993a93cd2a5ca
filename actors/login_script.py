"""Owns the way from a definition's login steps to what the browser does: each secret in its place.

Imports no browser. No error of it holds a value, only the names of secrets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..engine.errors import CredentialError, LoginFailedError
from ..engine.login_steps import LoginStep
from ..engine.secret import Secret
from ..engine.totp import Totp
from .browser_messages import BrowserStep, Click, Fill, FillCode, Goto, WaitFor


def browser_steps(steps: Sequence[LoginStep], secrets: Mapping[str, Secret]) -> tuple[BrowserStep, ...]:
    """Return what the browser does for *steps*, with the credential's *secrets* in their places.

    Raises ``LoginFailedError`` for a secret that is not there, and for one that is no seed of codes.
    """
    return tuple(_browser_step(number, step, secrets) for number, step in enumerate(steps, 1))


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
