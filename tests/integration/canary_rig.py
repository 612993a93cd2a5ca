"""A secret whose value is known, a site for its holder alone, and how it is searched for (I16)."""

from __future__ import annotations

import base64
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from loopback_site import Answer, Request
from programs import DEADLINE_S

CANARY = "Kanarienvogel-47c1e0b9d2f6"
LOGIN = "<form method=post><input name=username><input type=password name=password><button>Log in</button></form>"


class Watch:
    """Reads the command line and the environment of every process that starts while it looks."""

    def __init__(self) -> None:
        self.seen: set[tuple[bytes, bytes]] = set()
        self._former = set(process_ids())
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(0.01):
            for pid in set(process_ids()) - self._former:
                folder = Path(f"/proc/{pid}")
                with contextlib.suppress(OSError):  # it has ended
                    command, environment = ((folder / name).read_bytes() for name in ("cmdline", "environ"))
                    if (folder / "cmdline").read_bytes() == command:  # else another program has taken its place
                        self.seen.add((command, environment))


class Members:
    """A site that shows its pages to the holder of the session alone, and holds one of them back when told to."""

    def __init__(self) -> None:
        self.session = CANARY
        self.admitted = 0
        self.is_held = threading.Event()
        self.is_free = threading.Event()
        self.is_free.set()

    def __call__(self, request: Request) -> Answer:
        """Answer."""
        head = "<link rel=icon href='data:,'>"
        if request.method == "POST" and f"password={self.session}".encode() in request.body:
            return Answer("", 303, (("Location", "/"), ("Set-Cookie", f"sid={self.session}; Path=/; HttpOnly")))
        if f"sid={self.session}" not in request.cookies:
            return Answer(head + LOGIN)
        self.admitted += 1
        if request.path == "/missing":
            return Answer("none", 404)
        if request.path == "/held":
            self.is_held.set()
            self.is_free.wait(DEADLINE_S)
        return Answer(f"{head}<title>Inside</title><p>content</p><a href='/two'>2</a><a href='/missing'>3</a>")


def process_ids() -> Iterator[int]:
    """Yield the ids of all processes."""
    return (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())


def spellings(secret: str) -> list[bytes]:
    """Return how *secret* may be written: as it is, in UTF-16, in hexadecimal, and in base64 at each offset."""
    plain = secret.encode()
    shifted = [base64.b64encode(b"x" * shift + plain)[4 if shift else 0 : -4] for shift in range(3)]
    return [plain, secret.encode("utf-16-le"), plain.hex().encode(), *shifted]


def hits(secret: str, contents: dict[str, bytes]) -> list[str]:
    """Return the places that hold *secret* in any spelling."""
    return [place for place, content in contents.items() if any(one in content for one in spellings(secret))]


def files_under(*folders: Path) -> dict[str, bytes]:
    """Return all files under *folders* with their contents."""
    found: dict[str, bytes] = {}
    for path in (path for folder in folders for path in folder.rglob("*")):
        try:
            if path.is_file():
                found[str(path)] = path.read_bytes()
        except OSError:  # a temporary file of a browser that is at work
            continue
    return found
