"""A stack for one run on a simulated WhatsApp: a temporary folder, any free ports, everything stopped at the end.

Prints nothing. Whatever settings a person has, no real account and no broker of theirs is used. So it can run again,
and several can run at the same time.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

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
_ORPHAN_EXIT_TIMEOUT_S: Final = 5.0

T = TypeVar("T")


class RunScreen(Protocol):
    """What is told of the run."""

    def show_step(self, text: str) -> None:
        """Show what happens now."""
        ...

    def show_service(self, service: ServiceStatus) -> None:
        """Show the new state of a service."""
        ...


@contextmanager
def temporary_settings(name: str, **options: Any) -> Iterator[Settings]:
    """The settings of this machine, these options, and a new data folder, which is deleted at the end."""
    folder = Path(tempfile.mkdtemp(prefix=f"wa-{name}-"))
    empty_config = folder / "nothing.toml"
    empty_config.touch()
    machine_settings = {
        PREFIX + name: os.environ.get(PREFIX + name, "") for name in _MACHINE_SETTINGS
    }
    try:
        yield load(
            machine_settings | {PREFIX + "CONFIG": str(empty_config)},
            data_dir=str(folder),
            kafka_port=0,
            web_port=0,
            sandbox_port=0,
            **options,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_once(
    settings: Settings, screen: RunScreen, name: str, work: Callable[[LocalStack], Awaitable[T]]
) -> T:
    """Start a stack with these settings, do the work, and stop it. Afterwards no process of it is left.

    `name` is what a person calls the work.

    Raises:
        CommandInterrupted: a person interrupted it.
        CommandFailed: the stack does not start.
    """
    with run_dir.hold_lock(settings):
        adopt_orphans()
        try:
            return asyncio.run(_run(settings, screen, name, work))
        finally:
            kill_orphans(_ORPHAN_EXIT_TIMEOUT_S)


async def _run(
    settings: Settings, screen: RunScreen, name: str, work: Callable[[LocalStack], Awaitable[T]]
) -> T:
    results: list[T] = []
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

        async def start_and_work() -> None:
            await race(stack.start(), limit.enforce())
            results.append(await work(stack))

        if not await shutdown.run_until(start_and_work()):
            raise CommandInterrupted(f"the {name} was interrupted; everything has been stopped")
        screen.show_step("stopping everything")
    return results[0]
