"""The measurement on a stack of its own (streams/local/run_once.py). Prints nothing."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from streams.bench.figures import build_rows
from streams.bench.load import Load
from streams.client import WhatsApp
from streams.local.run_once import run_once, temporary_settings
from streams.local.stack import LocalStack
from streams.local.status import ServiceStatus
from streams.operations.errors import CommandFailed
from streams.sandbox.client import AsyncSandboxClient
from streams.system.tasks import race

_MIN_SINGLE_MESSAGES: Final = 10


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """`messages` are sent at once, and a tenth of them one by one; `ack_ms` is how late WhatsApp's server answers."""

    messages: int
    accounts: int
    ack_ms: int


class _Screen:
    """Each step is a line, and so is each service that is ready or has a problem."""

    def __init__(self, on_progress: Callable[[str], None]) -> None:
        self._on_progress = on_progress

    def show_step(self, text: str) -> None:
        self._on_progress(text)

    def show_service(self, service: ServiceStatus) -> None:
        if service.state not in ("starting", "stopped"):
            self._on_progress(f"{service.name} {service.state} {service.reason}".rstrip())


def measure(options: BenchOptions, on_progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """Run the measurement, without any limit of ours; returns its rows. Afterwards no process of it is left.

    Raises:
        CommandInterrupted: a person interrupted it.
        CommandFailed: the stack does not start, or stops answering, or a message was shown other than once.
    """

    async def measure_stack(stack: LocalStack) -> list[dict[str, Any]]:
        return await _measure(stack, options, on_progress)

    with temporary_settings(
        "bench",
        accounts=tuple(f"bench-{number + 1}" for number in range(options.accounts)),
        account_rate_per_minute=0,
        send_interval_ms=0,
        new_chat_interval_ms=0,
    ) as settings:
        on_progress("starting Kafka, the simulated WhatsApp, a dispatcher and the senders")
        return run_once(settings, _Screen(on_progress), "measurement", measure_stack)


async def _measure(
    stack: LocalStack, options: BenchOptions, on_progress: Callable[[str], None]
) -> list[dict[str, Any]]:
    assert stack.sandbox_url is not None
    sandbox = AsyncSandboxClient(stack.sandbox_url)
    await sandbox.add_faults({"ack_delay_ms": options.ack_ms})
    async with WhatsApp(settings=stack.settings) as whatsapp:
        load_run = Load(whatsapp, on_progress)

        async def run_load() -> list[dict[str, Any]]:
            single_count = max(_MIN_SINGLE_MESSAGES, options.messages // 10)
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
