"""`ps`: what runs on this data folder."""

import click
import msgspec

from streams.cli import output
from streams.cli.screen import summarize
from streams.local import run_dir
from streams.local.status import make_empty_status
from streams.settings import load

_COLUMNS = ("name", "state", "pid", "restarts", "web", "reason")


@click.command()
@output.json_option
def ps(as_json: bool) -> None:
    """List the services that run on this data folder."""
    settings = load()
    status = run_dir.read_running_status(settings) or make_empty_status(settings)
    if as_json:
        output.print_json(msgspec.to_builtins(status))
        return
    if status.pid is None:
        output.print_note(f"nothing runs on {settings.data_dir}: start it with `wa-streams up`")
        return
    rows = [msgspec.to_builtins(service) for service in status.parts]
    output.print_rows(rows, _COLUMNS, as_json=False)
    output.print_note(summarize(status) if status.ready else "not ready yet")
