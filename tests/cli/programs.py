"""Small real programs for the supervisor's tests, and what is asked of them."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import psutil

from streams.supervisor.backoff import Patience
from streams.supervisor.process import Process
from streams.supervisor.service import Plan, Readiness

QUICK = Patience(base_s=0.05, cap_s=0.1, calm_s=60.0)
WAITS = "import time; time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"


def plan(name: str, code: str, folder: Path, *, grace_s: float = 5.0, ready: str = "") -> Plan:
    """A part that runs this Python; it is ready once its log has the word `ready`."""
    log = folder / f"{name}.log"

    async def start() -> Process:
        return await Process.start((sys.executable, "-c", code), {}, log)

    async def is_ready(pid: int) -> Readiness:
        said = ready in log.read_text()
        return Readiness(said, "" if said else "says nothing", up=said)

    return Plan(name=name, start=start, ready=is_ready, log=log, grace_s=grace_s, patience=QUICK)


async def until(condition: Callable[[], object], within_s: float = 30.0) -> None:
    """Await that it is true."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - processes and files give no event
            await asyncio.sleep(0.01)


def runs(pid: int) -> bool:
    """Whether the process is there, and no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
