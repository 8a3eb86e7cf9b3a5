"""What the benchmarks of the browser share: a sandbox, a linked driver, and the machine's name."""

import asyncio
import contextlib
import json
import platform
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from streams.whatsapp.driver import Phase, ServerAccepted, Submission
from streams.whatsapp.web.browser.launch import BrowserConfig
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb

PEER_CHAT = "905551112233@c.us"


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox."""

    url: str
    browser_args: tuple[str, ...]

    def ack_after(self, delay_ms: int) -> None:
        """From now on every ack comes this long after its message."""
        body = json.dumps({"ack_delay_ms": delay_ms}).encode()
        with urllib.request.urlopen(f"{self.url}/faults", data=body) as response:
            assert response.status == 200


@contextlib.contextmanager
def sandbox(folder: Path) -> Iterator[Sandbox]:
    """Run a sandbox whose phones scan by themselves."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "streams.sandbox",
            f"--data-dir={folder}",
            "--port=0",
            "--auto-scan",
            "--json",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        overview = json.loads(process.stdout.readline())
        yield Sandbox(overview["url"], tuple(overview["browser_args"]))
    finally:
        process.terminate()
        process.wait(20)


@contextlib.asynccontextmanager
async def ready_driver(
    sandbox: Sandbox, profile: Path, executable: str | None = None
) -> AsyncIterator[WhatsAppWeb]:
    """A driver that is linked and ready."""
    config = BrowserConfig(profile, executable=executable, extra_args=sandbox.browser_args)
    driver = WhatsAppWeb(config)
    await driver.start()
    try:
        async with asyncio.timeout(60):
            async for session in driver.watch_session():
                if session.phase is Phase.READY:
                    break
        yield driver
    finally:
        await driver.stop()


async def send(driver: WhatsAppWeb, whatsapp_id: str) -> None:
    content = {"type": "text", "body": "hello"}
    deadline_mono_s = time.monotonic() + 30
    result = await driver.submit(
        Submission(whatsapp_id, PEER_CHAT, content, deadline_mono_s, None, ack_timeout_s=30)
    )
    assert isinstance(result, ServerAccepted), result


def machine() -> str:
    """The machine on which the figures were measured."""
    memory = psutil.virtual_memory().total / 2**30
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    load = psutil.getloadavg()[0]
    return f"{psutil.cpu_count()} x {cpu}, {memory:.0f} GiB, load {load:.1f} at the start"
