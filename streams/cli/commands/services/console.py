"""`console`: the console and the HTTP API in the foreground."""

import asyncio
import os

import click

from streams.cli import output
from streams.cli.options import name_option
from streams.local import data_dir, run_dir
from streams.operations.doctor.checks import require_free_web_port
from streams.settings import Settings, load
from streams.supervisor.shutdown import ShutdownSignal


@click.command()
@name_option
def console(name: str | None) -> None:
    """Run the console: pages for people, and the HTTP API.

    It listens on WA_WEB_HOST and WA_WEB_PORT. What it shows is read from the topics, so it may run anywhere.
    """
    settings = run_dir.resolve_kafka(load())
    require_free_web_port(settings)
    data_dir.prepare(settings, output.print_note)
    asyncio.run(_run(settings, name or "console"))


async def _run(settings: Settings, name: str) -> None:
    from streams.console.app import run
    from streams.logs.setup import set_up_logging
    from streams.tracing.tracing import set_up_tracing

    set_up_logging(settings)
    set_up_tracing(settings, f"{settings.topic_prefix}-console")
    shutdown = ShutdownSignal(kill=lambda: os._exit(1), on_message=output.print_note)
    await shutdown.run_until(run(settings, name))
