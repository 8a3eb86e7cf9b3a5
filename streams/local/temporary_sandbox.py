"""A sandbox for one check, with a data folder of its own, stopped afterwards.

A sandbox that already runs here could link the page of the check to an account.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from streams.local import services
from streams.settings import Settings
from streams.supervisor.log_file import read_last_line
from streams.supervisor.process import Process

_START_TIMEOUT_S = 60.0
_STOP_GRACE_S = 5.0
_POLL_INTERVAL_S = 0.05


@asynccontextmanager
async def run_temporary_sandbox(settings: Settings) -> AsyncIterator[str]:
    """Start a sandbox and yield the URL of its control. Raises TimeoutError if it does not start."""
    with tempfile.TemporaryDirectory(prefix="wa-doctor-") as folder:
        log = Path(folder) / "log"
        command = (sys.executable, "-m", "streams.sandbox", "--json", "--port=0")
        environ = services.env_for(replace(settings, data_dir=Path(folder)))
        process = await Process.start((*command, f"--data-dir={folder}"), environ, log)
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                url = await _wait_for_url(log)
            yield url
        finally:
            await process.stop(_STOP_GRACE_S)


async def _wait_for_url(log: Path) -> str:
    """The URL that the sandbox prints once it listens."""
    while True:
        line = read_last_line(log)
        if line.startswith("{"):
            return json.loads(line)["url"]
        await asyncio.sleep(_POLL_INTERVAL_S)
