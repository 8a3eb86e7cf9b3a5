"""`webhooks`: delivers events to endpoints in the foreground; its subcommands look at the endpoints and change them."""

import asyncio
import os
import time
from typing import Any

import click
import msgspec

from streams.cli import output
from streams.cli.options import name_option
from streams.cli.time_param import format_minute
from streams.local import data_dir, run_dir
from streams.operations.errors import CommandFailed, UsageError
from streams.settings import Settings, load
from streams.supervisor.shutdown import ShutdownSignal

_COLUMNS = ("name", "state", "waiting", "given_up", "failures")
_DETAILS = ("paused", "paused_at", "oldest", "delivered_at", "reason")
_TIMES = ("paused_at", "oldest", "delivered_at", "at")
_GIVEN_UP_COLUMNS = ("number", "endpoint", "type", "at", "failures", "reason")
_GIVEN_UP_DETAILS = ("recipient", "webhook_id")


@click.group(invoke_without_command=True)
@name_option
@click.pass_context
def webhooks(context: click.Context, name: str | None) -> None:
    """Deliver status events and received messages to the endpoints in WA_WEBHOOKS_FILE.

    The subcommands need the data folder of the process that delivers, and no running process.
    """
    if context.invoked_subcommand is not None:
        return
    settings = run_dir.resolve_kafka(load())
    data_dir.prepare(settings, output.print_note)
    asyncio.run(_run(settings, name or "webhooks"))


async def _run(settings: Settings, name: str) -> None:
    from streams.logs.setup import set_up_logging
    from streams.webhooks.app import run

    set_up_logging(settings)
    shutdown = ShutdownSignal(kill=lambda: os._exit(1), on_message=output.print_note)
    await shutdown.run_until(run(settings, name))


@webhooks.command("list")
@output.json_option
def list_(as_json: bool) -> None:
    """List the endpoints: whether they work, what waits, what was given up, and why."""
    from streams.webhooks import commands
    from streams.webhooks.endpoints import load_endpoints

    settings = load()
    endpoints = load_endpoints(settings)
    now_s = time.time()
    reports = _run_command(
        settings,
        lambda connection: [commands.report(connection, name, now_s) for name in endpoints],
    )
    output.print_records(
        [_format_times(report, as_json) for report in reports], _COLUMNS, _DETAILS, as_json=as_json
    )


@webhooks.command()
@click.argument("endpoint")
def pause(endpoint: str) -> None:
    """Deliver nothing to ENDPOINT until it is resumed; its events wait, as long as the topics keep them."""
    from streams.webhooks import commands

    settings = _load_with(endpoint)
    _run_command(settings, commands.pause(endpoint, time.time()))  # for people only
    output.print_note(f"{endpoint} is paused")


@webhooks.command()
@click.argument("endpoint")
def resume(endpoint: str) -> None:
    """Deliver to ENDPOINT again: what waits is tried at once."""
    from streams.webhooks import commands

    settings = _load_with(endpoint)
    _run_command(settings, commands.resume(endpoint))
    output.print_note(f"{endpoint} is resumed")


@webhooks.command()
@click.argument("endpoint")
def test(endpoint: str) -> None:
    """Send ENDPOINT an event of the type wa.test, and print what it answers. Also if it is paused."""
    from streams.webhooks.commands import send_test_event
    from streams.webhooks.endpoints import load_endpoints

    settings = _load_with(endpoint)
    chosen = load_endpoints(settings)[endpoint]
    answer = asyncio.run(send_test_event(settings, chosen, time.time()))
    if not answer.is_success:
        raise CommandFailed(f"{endpoint}: {answer.reason}")
    output.print_note(f"{endpoint} answers {answer.status}")


@webhooks.command("given-up")
@click.option("--retry", "endpoint", help="let the events of this endpoint wait again")
@click.option("--number", "numbers", type=int, multiple=True, help="with --retry: only this event")
@output.json_option
def given_up(endpoint: str | None, numbers: tuple[int, ...], as_json: bool) -> None:
    """List the events that were given up in the last seven days, or deliver them after all."""
    from streams.webhooks import commands

    now_s = time.time()
    if endpoint is not None:
        settings = _load_with(endpoint)
        count = _run_command(settings, commands.retry_given_up(endpoint, numbers, now_s))
        output.print_note(f"{count} events wait for {endpoint} again")
        return
    events = _run_command(load(), lambda connection: commands.list_given_up(connection, now_s))
    rows = [_format_times(event, as_json) for event in events]
    output.print_records(rows, _GIVEN_UP_COLUMNS, _GIVEN_UP_DETAILS, as_json=as_json)


@webhooks.command()
def secret() -> None:
    """Print a new secret for an endpoint."""
    from streams.webhooks.endpoints import make_secret

    output.print_data(make_secret())


def _load_with(endpoint: str) -> Settings:
    from streams.webhooks.endpoints import load_endpoints

    settings = load()
    if endpoint not in (names := load_endpoints(settings)):
        listed = ", ".join(names) or "none"
        raise UsageError(f"{endpoint} is not an endpoint of WA_WEBHOOKS_FILE ({listed})")
    return settings


def _run_command(settings: Settings, change: Any) -> Any:
    from streams.webhooks import commands

    data_dir.prepare(settings, output.print_note)
    return commands.run(settings, change)


def _format_times(row: msgspec.Struct, as_json: bool) -> dict[str, Any]:
    """A row of a report; for people, its times are minutes of the clock."""
    fields = msgspec.to_builtins(row)
    times = {} if as_json else {name: fields[name] for name in _TIMES if fields.get(name)}
    return fields | {name: format_minute(time) for name, time in times.items()}
