"""`up`: everything on this machine, until it is stopped. `ps`: what runs of it."""

import asyncio

import click
import msgspec

from streams.cli import output, screen
from streams.cli.screen import Screen
from streams.local import run_dir
from streams.local.stack import Fleet, Options
from streams.operations.accounts import Codes
from streams.settings import Settings, load
from streams.supervisor.process import adopt_orphans, end_orphans
from streams.supervisor.shutdown import Stop

_ORPHANS_LEAVE_WITHIN_S = 5.0


@click.command()
@click.option("--sandbox", is_flag=True, help="against a simulated WhatsApp, started too")
@click.option("--no-scan", is_flag=True, help="leave the sandbox's QR code to somebody else")
@click.option(
    "--dispatchers", type=click.IntRange(1, 64), default=1, show_default=True, help="how many"
)
@output.json_option
def up(sandbox: bool, no_scan: bool, dispatchers: int, as_json: bool) -> int:
    """Run everything on this machine: broker if WA_KAFKA names none, dispatcher, senders."""
    if no_scan and not sandbox:
        raise click.UsageError("--no-scan is about the simulated WhatsApp: add --sandbox.")
    settings = load()
    options = Options(
        sandbox=sandbox,
        sandbox_options=() if no_scan else ("--auto-scan",),
        dispatchers=dispatchers,
    )
    with run_dir.claimed(settings), screen.make(as_json=as_json) as shown:
        adopt_orphans()
        try:
            asyncio.run(_up(settings, options, shown, as_json))
        finally:
            end_orphans(_ORPHANS_LEAVE_WITHIN_S)
    return 0


async def _up(settings: Settings, options: Options, shown: Screen, as_json: bool) -> None:
    async with Fleet(settings, options, changed=shown.changed, progress=shown.say) as fleet:
        stop = Stop(kill=fleet.kill, say=shown.say)
        async with Codes(shown.code) as codes:
            if not await stop.unless(fleet.start(when_topics=codes.follow)):
                return
            shown.picture(fleet.picture())
            if as_json:
                output.document(msgspec.to_builtins(fleet.picture()))
            await stop.unless(fleet.until_broken())


@click.command()
@output.json_option
def ps(as_json: bool) -> None:
    """Show what runs on this data folder."""
    settings = load()
    picture = run_dir.running(settings) or run_dir.nothing(settings)
    if as_json:
        output.document(msgspec.to_builtins(picture))
        return
    if picture.pid is None:
        output.say(f"nothing runs on {settings.data_dir}: start it with `wa-streams up`")
        return
    output.rows(
        [msgspec.to_builtins(part) for part in picture.parts],
        ("name", "state", "pid", "restarts", "why"),
        as_json=False,
    )
    output.say(screen.summary(picture) if picture.ready else "not ready yet")
