"""Owns the options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

DEFAULT_DATABASE = "bequest.db"

database_option = click.option(
    "--db",
    "database",
    default=DEFAULT_DATABASE,
    show_default=True,
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=True),
    help="The database file.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
export_option = click.option(
    "--export",
    "export",
    metavar="FILE.jsonl",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the documents there, one JSON object a line.",
)
