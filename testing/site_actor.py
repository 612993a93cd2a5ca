"""Owns what stands for the browser where there is none: a site that is a function of the page asked for."""

from __future__ import annotations

from typing import Protocol

from ..actors.asking import Ask, answer
from ..actors.browser_messages import FetchPage
from ..actors.session_messages import JudgeSession
from ..actors.supervised import Overseer, SupervisedActor
from ..engine.errors import BequestError
from ..engine.pages import PageRequest, PageSnapshot


class Site(Protocol):
    """What a crawl finds."""

    def answer(self, request: PageRequest) -> PageSnapshot:
        """Return what the browser would read there; raises ``PageError`` and what else the browser does."""
        ...


class SiteActor(SupervisedActor):
    """Answers ``FetchPage`` from *site*; it has no session to refresh, and cannot log in."""

    def __init__(self, overseer: Overseer, site: Site) -> None:
        super().__init__(overseer)
        self._site = site

    def receive(self, message: object) -> None:
        """Answer one page."""
        match message:
            case Ask(message=FetchPage(request=request), reply=reply):
                try:
                    snapshot = self._site.answer(request)
                except BequestError as error:
                    answer(reply, error)
                else:
                    reply.set(snapshot)
            case JudgeSession():
                pass
            case _:
                self.refuse_unknown(message)
