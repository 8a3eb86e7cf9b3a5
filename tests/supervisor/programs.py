"""Small real programs for the supervisor's tests."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from streams.domain.backoff import Backoff
from streams.supervisor.process import Process
from streams.supervisor.service import Readiness, ServiceSpec

QUICK_BACKOFF = Backoff(base_delay_s=0.05, max_delay_s=0.1, jitter=0.5)
SLEEPING_PROGRAM = "import time; time.sleep(600)"
STUBBORN_PROGRAM = (
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); "
    "time.sleep(600)"
)


def make_spec(
    name: str, code: str, folder: Path, *, grace_s: float = 5.0, ready_text: str = ""
) -> ServiceSpec:
    """A service that runs this Python code. It is ready once its log contains `ready_text`."""
    log = folder / f"{name}.log"

    async def start() -> Process:
        return await Process.start((sys.executable, "-c", code), {}, log)

    async def probe(pid: int) -> Readiness:
        is_ready = ready_text in log.read_text()
        return Readiness(is_ready, "" if is_ready else "its log is empty", is_up=is_ready)

    return ServiceSpec(
        name=name,
        start=start,
        probe=probe,
        log=log,
        grace_s=grace_s,
        restart_backoff=QUICK_BACKOFF,
    )


async def wait_until(condition: Callable[[], object], timeout_s: float = 30.0) -> None:
    """Wait until the condition is true."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - processes and files give no event
            await asyncio.sleep(0.01)
