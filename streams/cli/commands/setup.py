"""`setup`: fetches what this machine lacks, with progress. Changes nothing of a service or its data."""

import click

from streams.cli import output
from streams.operations import installation
from streams.settings import load


@click.command()
@output.json_option
def setup(as_json: bool) -> None:
    """Fetch what the packages do not contain: Kafka's jars, wa-js and a browser. Quick if nothing is missing.

    The jars and wa-js go into the user's cache ($XDG_CACHE_HOME, else ~/.cache). The browser is
    Playwright's download or, as root on Debian, the system's package.
    """
    installed = installation.install_all(load(), output.print_note)
    output.print_rows(
        [{"name": name, "path": path} for name, path in installed.items()],
        ("name", "path"),
        as_json=as_json,
    )
