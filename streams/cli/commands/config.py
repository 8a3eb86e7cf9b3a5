"""`config`: every setting with its value, default and meaning, in groups. Secrets are masked."""

from itertools import groupby
from operator import itemgetter

import click

from streams.cli import output
from streams.settings import GROUPS, describe, load

_COLUMNS = ("variable", "value", "default", "meaning")


@click.command()
@output.json_option
def config(as_json: bool) -> None:
    """Print every setting with its value, default and meaning."""
    rows = describe(load())
    if as_json:
        output.print_rows(rows, (), as_json=True)
        return
    for number, (group, members) in enumerate(groupby(rows, key=itemgetter("group"))):
        heading = f"[{group}] {GROUPS[group].__doc__}"
        output.print_data(heading if number == 0 else f"\n{heading}")
        output.print_rows(list(members), _COLUMNS, as_json=False)
