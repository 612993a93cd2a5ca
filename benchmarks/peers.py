"""Owns who the peers are: what each one's figures are called, and the durability that it really has.

The durability begins with what the contender reads back from its own connection, and refuses to run without; see
``contenders/durability.py``. What follows the semicolon is what its worker promises about a job that it has taken.
"""

from __future__ import annotations

import msgspec
from question import Contender


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """A system that is compared with this one, in the manner in which its users run it."""

    name: str
    module: str
    durability: str
    packages: tuple[str, ...]
    servers: tuple[str, ...] = ()

    def doing(self, function: str, *, name: str = "") -> Contender:
        """Return it as the contender of a question, under another *name* where it answers twice."""
        return Contender(
            name=name or self.name,
            call=f"contenders.{self.module}:{function}",
            durability=self.durability,
            packages=self.packages,
            servers=self.servers,
        )


POSTGRES = "postgres:serving"

HUEY = Peer(
    name="huey",
    module="huey_jobs",
    durability="WAL, synchronous=FULL; a job is deleted as it is taken, and lost when the worker dies",
    packages=("huey",),
)
LITEQUEUE = Peer(
    name="litequeue",
    module="litequeue_jobs",
    durability="WAL, synchronous=NORMAL; a job is locked as it is taken, and marked when done",
    packages=("litequeue",),
)
PERSIST_QUEUE = Peer(
    name="persist-queue",
    module="persistqueue_jobs",
    durability="WAL, synchronous=FULL; a job is marked as it is taken, and marked when done",
    packages=("persist-queue",),
)
PROCRASTINATE = Peer(
    name="procrastinate",
    module="procrastinate_jobs",
    durability="fsync=on, synchronous_commit=on; a job is marked as it is taken, and marked when done",
    packages=("procrastinate", "psycopg"),
    servers=(POSTGRES,),
)
APSCHEDULER = Peer(
    name="APScheduler",
    module="apscheduler_jobs",
    durability="WAL, synchronous=FULL; a job is deleted as it is taken, and lost when the worker dies",
    packages=("apscheduler", "sqlalchemy"),
)
DBOS = Peer(
    name="DBOS",
    module="dbos_jobs",
    durability="WAL, synchronous=FULL; a job is marked as it is taken, and its outcome kept",
    packages=("dbos", "sqlalchemy"),
)
