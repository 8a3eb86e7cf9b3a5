"""The demo on a stack of its own: a temporary folder, any free ports, everything stopped at the end.

So it can run again, and several can run at the same time. Prints nothing; what it shows goes to a screen.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from streams.demo.acts import LOOKUP_CACHE_S, DemoRun
from streams.demo.judge import Finding
from streams.demo.screen import DemoScreen
from streams.demo.script import RATE_LIMIT_PER_MINUTE
from streams.local import run_dir
from streams.local.stack import LocalStack, StackOptions
from streams.local.start_limit import StartLimit
from streams.local.status import ServiceStatus
from streams.operations.errors import CommandInterrupted
from streams.settings import PREFIX, Settings, load
from streams.supervisor.orphans import adopt_orphans, kill_orphans
from streams.supervisor.shutdown import ShutdownSignal
from streams.system.tasks import race

# These describe the machine; all other settings of the user are left out.
_MACHINE_SETTINGS: Final = ("BROWSER_EXECUTABLE", "WHATSAPP_BUNDLE", "LOG_LEVEL")
ACCOUNTS: Final = ("north", "south")
_ORPHAN_EXIT_TIMEOUT_S: Final = 5.0


@contextmanager
def temporary_settings() -> Iterator[Settings]:
    """Settings with a new data folder, which is deleted at the end."""
    folder = Path(tempfile.mkdtemp(prefix="wa-demo-"))
    try:
        yield _make_settings(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_settings(folder: Path) -> Settings:
    """The settings of this machine, any free port, and limits that show their effect within a minute."""
    empty_config = folder / "nothing.toml"
    empty_config.touch()
    machine_settings = {
        PREFIX + name: os.environ.get(PREFIX + name, "") for name in _MACHINE_SETTINGS
    }
    return load(
        machine_settings | {PREFIX + "CONFIG": str(empty_config)},
        data_dir=str(folder),
        kafka_port=0,
        web_port=0,
        sandbox_port=0,
        partitions=4,
        accounts=ACCOUNTS,
        rate_limit_per_minute=RATE_LIMIT_PER_MINUTE,
        account_rate_per_minute=0,
        lookup_cache_s=LOOKUP_CACHE_S,
    )


def play(settings: Settings, screen: DemoScreen) -> list[Finding]:
    """Run the whole demo; returns the verdict. Afterwards no process of it is left.

    Raises:
        CommandInterrupted: a person interrupted it.
        CommandFailed: the stack does not start.
    """
    with run_dir.hold_lock(settings):
        adopt_orphans()
        try:
            return asyncio.run(_run_stack(settings, screen))
        finally:
            kill_orphans(_ORPHAN_EXIT_TIMEOUT_S)


async def _run_stack(settings: Settings, screen: DemoScreen) -> list[Finding]:
    verdict: list[Finding] = []
    options = StackOptions(sandbox=True, sandbox_options=("--auto-scan",))
    limit = StartLimit()

    def on_change(service: ServiceStatus) -> None:
        limit.note_service(service)
        screen.show_service(service)

    def on_progress(step: str) -> None:
        limit.note_step(step)
        screen.show_step(step)

    async with LocalStack(settings, options, on_change=on_change, on_progress=on_progress) as stack:
        shutdown = ShutdownSignal(kill=stack.kill, on_message=screen.show_step)

        async def run_acts() -> None:
            screen.show_step("starting Kafka, the simulated WhatsApp, a dispatcher and two senders")
            await race(stack.start(), limit.enforce())
            verdict.extend(await DemoRun(stack, screen).run())

        if not await shutdown.run_until(run_acts()):
            raise CommandInterrupted("the demo was interrupted; everything has been stopped")
        screen.show_step("stopping everything")
    return verdict


def keep_logs(settings: Settings) -> str:
    """Copy the logs to a folder that stays; returns it."""
    log_dir = tempfile.mkdtemp(prefix="wa-demo-logs-")
    shutil.copytree(settings.data_dir / "logs", log_dir, dirs_exist_ok=True)
    return log_dir
