"""`status`: what became of messages."""

import asyncio

import click

from streams.cli import output
from streams.cli.rendering import print_event
from streams.cli.time_param import TimeParam
from streams.local import run_dir
from streams.operations import messages
from streams.operations.errors import CommandFailed
from streams.settings import Settings, load


@click.command()
@click.argument("id", required=False)
@click.option("--follow", "-f", is_flag=True, help="then print new ones, until Ctrl-C")
@click.option(
    "--since",
    "since_s",
    type=TimeParam(),
    help="from this time on: 15m, 2h, 7d (ago), or a time; with an ID the default is: all",
)
@output.json_option
def status(id: str | None, follow: bool, since_s: float | None, as_json: bool) -> None:
    """Print the status events of requests.

    Of the request ID, or of all requests in the last hour.
    """
    settings = run_dir.resolve_kafka(load())
    try:
        count = asyncio.run(_print_events(settings, id, follow, since_s, as_json))
    except KeyboardInterrupt:  # the regular end of --follow
        return
    if id is not None and not count:
        raise CommandFailed(f"there is no status of {id}; is this the id of a request?")


async def _print_events(
    settings: Settings, id: str | None, follow: bool, since_s: float | None, as_json: bool
) -> int:
    count = 0
    async for event in messages.read_events(settings, id=id, follow=follow, since_s=since_s):
        print_event(event, as_json=as_json)
        count += 1
    return count
