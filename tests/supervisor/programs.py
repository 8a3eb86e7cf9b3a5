"""Small real programs for the supervisor's tests, and what is asked of them."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import psutil

from streams.supervisor.backoff import BackoffPolicy
from streams.supervisor.process import Process
from streams.supervisor.service import Readiness, ServiceSpec

QUICK_BACKOFF = BackoffPolicy(base_delay_s=0.05, max_delay_s=0.1, reset_after_s=60.0)
SLEEPING_PROGRAM = "import time; time.sleep(600)"
STUBBORN_PROGRAM = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"


def make_spec(
    name: str, code: str, folder: Path, *, grace_s: float = 5.0, ready_text: str = ""
) -> ServiceSpec:
    """A part that runs this Python; it is ready once its log has the word `ready`."""
    log = folder / f"{name}.log"

    async def start() -> Process:
        return await Process.start((sys.executable, "-c", code), {}, log)

    async def probe(pid: int) -> Readiness:
        said = ready_text in log.read_text()
        return Readiness(said, "" if said else "says nothing", is_up=said)

    return ServiceSpec(
        name=name, start=start, probe=probe, log=log, grace_s=grace_s, backoff_policy=QUICK_BACKOFF
    )


async def wait_until(condition: Callable[[], object], timeout_s: float = 30.0) -> None:
    """Await that it is true."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - processes and files give no event
            await asyncio.sleep(0.01)


def is_running(pid: int) -> bool:
    """Whether the process is there, and no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
