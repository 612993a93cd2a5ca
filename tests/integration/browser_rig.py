"""A supervised ``BrowserActor`` as an engine would have it, and a look at the processes that it starts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import pykka

from bequest.actors.address import Address
from bequest.actors.browser import BrowserActor
from bequest.actors.browser_messages import BrowserStep, FetchPage, Login
from bequest.actors.guard import LookUp
from bequest.actors.name_lookup import Address as IpAddress
from bequest.actors.name_lookup import look_up
from bequest.actors.supervisor import Supervisor
from bequest.actors.write_back import Seals
from bequest.engine.clock import Clock, SystemClock
from bequest.engine.cookies import Cookie
from bequest.engine.credentials import Credential
from bequest.engine.keys import Key
from bequest.engine.pages import PageRequest, PageSnapshot
from bequest.engine.records import SealedCredential
from bequest.engine.sessions import Session
from bequest.engine.vault import Vault

ANSWER_TIMEOUT_S = 60.0


class Rig:
    """A browser actor with its supervisor; names under ``.example`` lead to 127.0.0.1."""

    def __init__(
        self,
        *,
        executable: str | None = None,
        tabs: int = 4,
        clock: Clock | None = None,
        look_up_name: LookUp | None = None,
    ) -> None:
        self.vault = Vault(Key.generate(), "the database of this test")
        self.browser = Address("browser")
        self._executable = executable
        self._tabs = tabs
        self._clock = clock or SystemClock()
        self._look_up = look_up_name or look_up_example
        self._supervisor = Supervisor(self._clock)

    def __enter__(self) -> Rig:
        self._supervisor.start()
        self._supervisor.add(
            self.browser,
            lambda: BrowserActor.start(
                self._supervisor,
                Seals(self.vault.open),
                self._clock,
                self._executable,
                tabs_per_context=self._tabs,
                look_up_name=self._look_up,
            ),
        )
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def restarts(self) -> int:
        """How often the actor crashed and was started again."""
        return self._supervisor.restarts

    def stop(self) -> None:
        """Stop the actor and the supervisor."""
        self._supervisor.stop()

    def seal(self, *cookies: Cookie, auth_id: str = "wiki", sites: Sequence[str], version: int = 1) -> SealedCredential:
        """Return a sealed credential of those cookies."""
        credential = Credential(auth_id=auth_id, sites=tuple(sites), cookies=cookies)
        return self.vault.seal(credential, version=version, now=0.0)

    def read(
        self,
        url: str,
        *,
        credential: SealedCredential | None = None,
        allow_private: bool = True,
        timeout_s: float = 20.0,
    ) -> PageSnapshot:
        """Read *url* and wait for what comes of it."""
        request = PageRequest(url=url, credential=credential, allow_private=allow_private, timeout_s=timeout_s)
        snapshot: PageSnapshot = self.browser.ask(FetchPage(request=request), timeout_s=ANSWER_TIMEOUT_S)
        return snapshot

    def read_later(self, url: str, *, allow_private: bool = True, timeout_s: float = 20.0) -> pykka.Future[Any]:
        """Begin to read *url* and return the future of the answer."""
        request = PageRequest(url=url, allow_private=allow_private, timeout_s=timeout_s)
        return self.browser.ask_later(FetchPage(request=request))

    def log_in(
        self,
        *steps: BrowserStep,
        sites: tuple[str, ...] | None = None,
        allow_private: bool = True,
        timeout_s: float = 20.0,
    ) -> Session:
        """Take the steps of a login and return its session."""
        message = Login(steps=steps, sites=sites, allow_private=allow_private, timeout_s=timeout_s)
        session: Session = self.browser.ask(message, timeout_s=ANSWER_TIMEOUT_S)
        return session


async def look_up_example(host: str, port: int) -> list[IpAddress]:
    """Lead every name under ``.example`` to loopback, all others through the system."""
    return [ip_address("127.0.0.1")] if host.endswith(".example") else await look_up(host, port)


class Process(NamedTuple):
    """One process of the system."""

    pid: int
    parent: int
    group: int
    command: str

    @property
    def is_browser(self) -> bool:
        """Whether it is a Chromium's main process, which alone has no type."""
        return "--remote-debugging-pipe" in self.command and "--type=" not in self.command


def descendants(of: int) -> list[Process]:
    """Return the living children of process *of*, and theirs (Linux)."""
    living = [found for folder in Path("/proc").glob("[0-9]*") if (found := process_at(folder)) is not None]
    family: dict[int, Process] = {}
    while new := [one for one in living if one.pid not in family and (one.parent == of or one.parent in family)]:
        family.update((process.pid, process) for process in new)
    return list(family.values())


def process_at(folder: Path) -> Process | None:
    """Return the process that a folder of /proc tells of, or None when it has ended, also when nobody reaped it."""
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return None
    return None if fields[0] == "Z" else Process(int(folder.name), int(fields[1]), int(fields[2]), command)


def browser_processes() -> list[Process]:
    """Return the Chromiums that this process started."""
    return [process for process in descendants(os.getpid()) if process.is_browser]
