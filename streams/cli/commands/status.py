"""`status`: what became of messages."""

import asyncio

import click

from streams.cli import output
from streams.cli.batch_progress import print_progress, show_progress
from streams.cli.rendering import print_event
from streams.cli.time_param import TimeParam, TypedTime, resolve_time
from streams.local import run_dir
from streams.operations import messages
from streams.operations.batches import sending
from streams.operations.errors import CommandFailed, UsageError
from streams.operations.queue import parse_recipient
from streams.settings import Settings, load


@click.command()
@click.argument("id", metavar="[ID|PHONE|BATCH]", required=False)
@click.option("--follow", "-f", is_flag=True, help="then print new ones, until Ctrl-C")
@click.option(
    "--since",
    "since",
    type=TimeParam(),
    help="from this time on: 15m, 2h, 7d (ago), or a time; with an ID the default is: all",
)
@click.option("--to", help="of requests to this phone number")
@output.json_option
def status(
    id: str | None, follow: bool, since: TypedTime | None, to: str | None, as_json: bool
) -> None:
    """Print the status events of requests.

    Of the request ID, of the requests to one recipient, or of all requests in the last hour. A recipient is a group, or
    a number with `+`. Of a BATCH, print how far it is.
    """
    settings = run_dir.resolve_kafka(load())
    if id is not None and to is None and _is_recipient(settings, id):
        id, to = None, id
    if follow and id is not None and _print_batch(settings, id, as_json, follow=True):
        return
    recipient = None if to is None else parse_recipient(settings, to)
    since_s = resolve_time(settings, since)
    try:
        count = asyncio.run(_print_events(settings, id, recipient, follow, since_s, as_json))
    except KeyboardInterrupt:
        if not follow:
            raise
        return  # the regular end
    if id is not None and not count and not _print_batch(settings, id, as_json):
        raise CommandFailed(
            f"there is no status of {id}; is this the id of a request or a batch? Write a number with `+`"
        )


def _is_recipient(settings: Settings, text: str) -> bool:
    """Whether this names a recipient and not a request. Digits alone may be an id, so a number needs its `+`."""
    if not text.startswith("+") and not text.endswith("@g.us"):
        return False
    try:
        parse_recipient(settings, text)
    except UsageError:
        return False
    return True


def _print_batch(settings: Settings, id: str, as_json: bool, *, follow: bool = False) -> bool:
    """Print the progress of a batch, and with `follow` each change up to its end. False: there is none."""
    progress = asyncio.run(sending.read_progress(settings, id))
    if progress is None:
        return False
    if follow:
        asyncio.run(show_progress(settings, id, as_json=as_json))
    else:
        print_progress(progress, as_json=as_json)
    return True


async def _print_events(
    settings: Settings,
    id: str | None,
    to: str | None,
    follow: bool,
    since_s: float | None,
    as_json: bool,
) -> int:
    count = 0
    events = messages.read_events(settings, id=id, to=to, follow=follow, since_s=since_s)
    async for event in events:
        print_event(event, as_json=as_json)
        count += 1
    return count
