"""`dispatch`: one dispatcher in the foreground."""

import click

from streams.cli import output
from streams.cli.options import name_option
from streams.local import data_dir, run_dir
from streams.operations.doctor.checks import require_free_web_port
from streams.settings import load


@click.command()
@name_option
def dispatch(name: str | None) -> int:
    """Run a dispatcher.

    It accepts requests, and it queues, limits and dispatches messages.
    """
    settings = run_dir.resolve_kafka(load())
    require_free_web_port(settings)
    data_dir.prepare(settings, output.print_note)
    from streams.dispatch.app import run

    return run(settings, name or "dispatch-1")
