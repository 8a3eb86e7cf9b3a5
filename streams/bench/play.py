"""The measurement on a stack of its own: a temporary folder, any free ports, everything stopped at the end.

Prints nothing. Whatever settings a person has, no real account and no broker of theirs is used.
"""

import asyncio
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from streams.bench.figures import build_rows
from streams.bench.load import Load
from streams.client import WhatsApp
from streams.local import run_dir
from streams.local.stack import LocalStack, StackOptions
from streams.local.start_limit import StartLimit
from streams.local.status import ServiceStatus
from streams.operations.errors import CommandFailed, CommandInterrupted
from streams.sandbox.client import AsyncSandboxClient
from streams.settings import PREFIX, Settings, load
from streams.supervisor.orphans import adopt_orphans, kill_orphans
from streams.supervisor.shutdown import ShutdownSignal
from streams.system.tasks import race

_MACHINE_SETTINGS: Final = ("BROWSER_EXECUTABLE", "WHATSAPP_BUNDLE", "LOG_LEVEL")
_ORPHAN_EXIT_TIMEOUT_S: Final = 5.0
_WARM_UP_MESSAGES: Final = 10


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """`messages` are sent at once, and a tenth of them one by one; `ack_ms` is how late WhatsApp's server answers."""

    messages: int
    accounts: int
    ack_ms: int


def measure(options: BenchOptions, on_progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """Run the measurement; returns its rows. Afterwards no process of it is left.

    Raises:
        CommandInterrupted: a person interrupted it.
        CommandFailed: the stack does not start, or stops answering, or a message was shown other than once.
    """
    folder = Path(tempfile.mkdtemp(prefix="wa-bench-"))
    try:
        settings = _make_settings(folder, options.accounts)
        with run_dir.hold_lock(settings):
            adopt_orphans()
            try:
                return asyncio.run(_run(settings, options, on_progress))
            finally:
                kill_orphans(_ORPHAN_EXIT_TIMEOUT_S)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_settings(folder: Path, accounts: int) -> Settings:
    """No limit slows anything down; all settings of the user but those of the machine are left out."""
    empty_config = folder / "nothing.toml"
    empty_config.touch()
    machine = {PREFIX + name: os.environ.get(PREFIX + name, "") for name in _MACHINE_SETTINGS}
    return load(
        machine | {PREFIX + "CONFIG": str(empty_config)},
        data_dir=str(folder),
        kafka_port=0,
        web_port=0,
        sandbox_port=0,
        accounts=tuple(f"bench-{number + 1}" for number in range(accounts)),
        account_rate_per_minute=0,
        send_interval_ms=0,
        new_chat_interval_ms=0,
    )


async def _run(
    settings: Settings, options: BenchOptions, on_progress: Callable[[str], None]
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    limit = StartLimit()

    def on_change(service: ServiceStatus) -> None:
        limit.note_service(service)
        if service.state not in ("starting", "stopped"):
            on_progress(f"{service.name} {service.state} {service.reason}".rstrip())

    def on_step(step: str) -> None:
        limit.note_step(step)
        on_progress(step)

    stack_options = StackOptions(sandbox=True, sandbox_options=("--auto-scan",))
    async with LocalStack(
        settings, stack_options, on_change=on_change, on_progress=on_step
    ) as stack:
        shutdown = ShutdownSignal(kill=stack.kill, on_message=on_progress)

        async def run() -> None:
            on_progress("starting Kafka, the simulated WhatsApp, a dispatcher and the senders")
            await race(stack.start(), limit.enforce())
            rows.extend(await _measure(stack, options, on_progress))

        if not await shutdown.run_until(run()):
            raise CommandInterrupted("the measurement was interrupted; everything has been stopped")
        on_progress("stopping everything")
    return rows


async def _measure(
    stack: LocalStack, options: BenchOptions, on_progress: Callable[[str], None]
) -> list[dict[str, Any]]:
    assert stack.sandbox_url is not None
    sandbox = AsyncSandboxClient(stack.sandbox_url)
    await sandbox.add_faults({"ack_delay_ms": options.ack_ms})
    async with WhatsApp(settings=stack.settings) as whatsapp:
        load_run = Load(whatsapp, on_progress)

        async def run_load() -> list[dict[str, Any]]:
            single_count = max(_WARM_UP_MESSAGES, options.messages // 10)
            on_progress(f"{single_count} messages, one after the other")
            single = await load_run.measure_single(single_count)
            on_progress(f"{options.messages} messages at once")
            burst = await load_run.measure_burst(options.messages)
            await _check_log(sandbox, single_count + options.messages)
            return build_rows(single, burst)

        async def follow() -> list[dict[str, Any]]:
            await load_run.follow()
            raise CommandFailed("the status events have ended")

        return await race(run_load(), follow())


async def _check_log(sandbox: AsyncSandboxClient, expected: int) -> None:
    """Figures of a run that lost or repeated something would be worth nothing."""
    log = await sandbox.fetch_log()
    shown = Counter(row["whatsapp_id"] for row in log if row["event"] == "message" and row["shown"])
    if len(shown) != expected or max(shown.values()) != 1:
        raise CommandFailed(
            f"{expected} messages were sent, and the simulated phones show {sum(shown.values())}"
        )
