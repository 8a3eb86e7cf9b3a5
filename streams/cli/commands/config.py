"""`config`: every setting with its value, default and meaning. Secrets are masked."""

import click

from streams.cli import output
from streams.settings import describe, load

_COLUMNS = ("variable", "value", "default", "meaning")


@click.command()
@output.json_option
def config(as_json: bool) -> None:
    """Print every setting with its value, default and meaning."""
    output.print_rows(describe(load()), _COLUMNS, as_json=as_json)
