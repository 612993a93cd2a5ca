"""Owns the options that several commands share, and how they are written back into advice."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

DEFAULT_DATABASE = "bequest.db"


class FileName(click.ParamType[Path]):
    """A path; ``~`` is expanded also where the shell did not, as in ``--db=~/wiki.db``."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path."""
        try:
            return Path(value).expanduser()
        except RuntimeError:
            self.fail(f"asked for {value}, found no user of that name", param, ctx)


database_option = click.option(
    "--db",
    "database",
    default=DEFAULT_DATABASE,
    show_default=True,
    metavar="FILE",
    type=FileName(),
    help="The database file.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one value a line, instead of text.")
export_option = click.option(
    "--export",
    "export",
    metavar="FILE.jsonl",
    type=FileName(),
    help="Write the documents there, one JSON object a line.",
)
site_option = click.option("--site", "sites", multiple=True, metavar="HOST", help="Where it goes; may be repeated.")
job_argument = click.argument("job_id", type=click.IntRange(1, 2**63 - 1), metavar="ID")


def advised(command: str, database: Path) -> str:
    """Return a command to type, with the database where that is not the default."""
    where = "" if str(database) == DEFAULT_DATABASE else f" --db {shlex.quote(str(database))}"
    return f"`bequest {command}{where}`"
