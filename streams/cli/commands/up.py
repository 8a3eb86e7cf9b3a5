"""`up`: run the whole stack on this machine until it is stopped."""

import asyncio

import click
import msgspec

from streams.cli import output
from streams.cli.screen import Screen, make_screen
from streams.local import data_dir, run_dir
from streams.local.stack import LocalStack, StackOptions
from streams.operations.accounts import LinkCodeWatcher
from streams.settings import Settings, load
from streams.supervisor.orphans import adopt_orphans, kill_orphans
from streams.supervisor.shutdown import ShutdownSignal

_ORPHAN_EXIT_TIMEOUT_S = 5.0


@click.command()
@click.option("--sandbox", is_flag=True, help="use a simulated WhatsApp, and start it too")
@click.option("--no-scan", is_flag=True, help="do not let the sandbox scan the QR codes by itself")
@click.option(
    "--dispatchers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="number of dispatchers",
)
@output.json_option
def up(sandbox: bool, no_scan: bool, dispatchers: int, as_json: bool) -> None:
    """Run the whole service on this machine.

    It starts an embedded broker (unless WA_KAFKA_BOOTSTRAP_SERVERS is set), dispatchers and senders.
    """
    if no_scan and not sandbox:
        raise click.UsageError("--no-scan needs --sandbox.")
    settings = load()
    options = StackOptions(
        sandbox=sandbox,
        sandbox_options=() if no_scan else ("--auto-scan",),
        dispatchers=dispatchers,
    )
    data_dir.prepare(settings, output.print_note)
    picture_dir = run_dir.get_path(settings)
    with (
        run_dir.hold_lock(settings),
        make_screen(as_json=as_json, picture_dir=picture_dir) as screen,
    ):
        adopt_orphans()
        try:
            asyncio.run(_run_stack(settings, options, screen, as_json))
        finally:
            kill_orphans(_ORPHAN_EXIT_TIMEOUT_S)


async def _run_stack(
    settings: Settings, options: StackOptions, screen: Screen, as_json: bool
) -> None:
    async with LocalStack(
        settings, options, on_change=screen.show_service, on_progress=screen.show_message
    ) as stack:

        def kill() -> None:
            stack.kill()
            screen.__exit__(None, None, None)  # this process ends without another chance

        shutdown = ShutdownSignal(kill=kill, on_message=screen.show_message)
        async with LinkCodeWatcher(screen.show_code) as link_codes:
            if not await shutdown.run_until(stack.start(on_topics_ready=link_codes.start)):
                return
            screen.show_ready(stack.get_status())
            if as_json:
                output.print_json(msgspec.to_builtins(stack.get_status()))
            await shutdown.run_until(stack.wait_for_failure())
