"""`up`: everything on this machine, until it is stopped. `ps`: what runs of it."""

import asyncio

import click
import msgspec

from streams.cli import output, screen
from streams.cli.screen import Screen
from streams.local import run_dir
from streams.local.stack import LocalStack, StackOptions
from streams.operations.accounts import LinkCodeWatcher
from streams.settings import Settings, load
from streams.supervisor.process import adopt_orphans, kill_orphans
from streams.supervisor.shutdown import ShutdownSignal

_ORPHAN_EXIT_TIMEOUT_S = 5.0


@click.command()
@click.option("--sandbox", is_flag=True, help="against a simulated WhatsApp, started too")
@click.option("--no-scan", is_flag=True, help="leave the sandbox's QR code to somebody else")
@click.option(
    "--dispatchers", type=click.IntRange(1, 64), default=1, show_default=True, help="how many"
)
@output.json_option
def up(sandbox: bool, no_scan: bool, dispatchers: int, as_json: bool) -> int:
    """Run everything on this machine: broker if WA_KAFKA_BOOTSTRAP_SERVERS names none, dispatcher, senders."""
    if no_scan and not sandbox:
        raise click.UsageError("--no-scan is about the simulated WhatsApp: add --sandbox.")
    settings = load()
    options = StackOptions(
        sandbox=sandbox,
        sandbox_options=() if no_scan else ("--auto-scan",),
        dispatchers=dispatchers,
    )
    with run_dir.hold_lock(settings), screen.make_screen(as_json=as_json) as display:
        adopt_orphans()
        try:
            asyncio.run(_run_stack(settings, options, display, as_json))
        finally:
            kill_orphans(_ORPHAN_EXIT_TIMEOUT_S)
    return 0


async def _run_stack(
    settings: Settings, options: StackOptions, display: Screen, as_json: bool
) -> None:
    async with LocalStack(
        settings, options, on_change=display.show_service, on_progress=display.show_message
    ) as stack:
        shutdown = ShutdownSignal(kill=stack.kill, on_message=display.show_message)
        async with LinkCodeWatcher(display.show_code) as link_codes:
            if not await shutdown.run_until(stack.start(on_topics_ready=link_codes.start)):
                return
            display.show_ready(stack.get_status())
            if as_json:
                output.print_json(msgspec.to_builtins(stack.get_status()))
            await shutdown.run_until(stack.wait_for_failure())


@click.command()
@output.json_option
def ps(as_json: bool) -> None:
    """Show what runs on this data folder."""
    settings = load()
    status = run_dir.read_running_status(settings) or run_dir.make_empty_status(settings)
    if as_json:
        output.print_json(msgspec.to_builtins(status))
        return
    if status.pid is None:
        output.print_note(f"nothing runs on {settings.data_dir}: start it with `wa-streams up`")
        return
    output.print_rows(
        [msgspec.to_builtins(part) for part in status.parts],
        ("name", "state", "pid", "restarts", "reason"),
        as_json=False,
    )
    output.print_note(screen.summarize(status) if status.ready else "not ready yet")
