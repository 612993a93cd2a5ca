"""Owns what stands for the browser where there is none: a site that is a function of the page asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from ..actors.asking import Ask, answer
from ..actors.browser_messages import FetchPage, Login
from ..actors.session_messages import JudgeSession
from ..actors.supervised import Overseer, SupervisedActor
from ..engine.errors import BequestError
from ..engine.pages import PageRequest, PageSnapshot
from ..engine.sessions import Session


class Site(Protocol):
    """What a crawl finds."""

    def answer(self, request: PageRequest) -> PageSnapshot:
        """Return what the browser would read there; raises ``PageError`` and what else the browser does."""
        ...


@runtime_checkable
class LoginSite(Site, Protocol):
    """A site that somebody can log in to."""

    def log_in(self, login: Login) -> Session:
        """Return the session that the steps leave; raises ``LoginFailedError``."""
        ...


class SiteActor(SupervisedActor):
    """Answers ``FetchPage`` from *site*, and ``Login`` where it is a ``LoginSite``; it has no session to refresh."""

    def __init__(self, overseer: Overseer, site: Site) -> None:
        super().__init__(overseer)
        self._site = site

    def receive(self, message: object) -> None:
        """Answer one page, or a login."""
        match message:
            case Ask(message=FetchPage(request=request)) as ask:
                answer_with(ask, lambda: self._site.answer(request))
            case Ask(message=Login() as login) as ask if isinstance(self._site, LoginSite):
                site = self._site
                answer_with(ask, lambda: site.log_in(login))
            case JudgeSession():
                pass
            case _:
                self.refuse_unknown(message)


def answer_with(ask: Ask, found: Callable[[], Any]) -> None:
    """Answer with what *found* returns, or with what it raises as the browser does."""
    try:
        value = found()
    except BequestError as error:
        answer(ask.reply, error)
    else:
        ask.reply.set(value)
