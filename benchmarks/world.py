"""The service on this machine, to be measured: a broker, the simulated WhatsApp, topics, workers to start.

Both pacings are off, so that the figures contain no waiting.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.browser_common import Sandbox, sandbox
from streams.embedded_kafka.broker import EmbeddedBroker
from streams.kafka import admin
from tests.support.broker import make_settings
from tests.support.caller import Caller
from tests.support.system import SystemUnderTest


@dataclass(frozen=True, slots=True)
class World:
    """What a benchmark uses. No worker runs yet."""

    folder: Path
    whatsapp: Sandbox
    system: SystemUnderTest
    caller: Caller


@asynccontextmanager
async def run_broker() -> AsyncIterator[tuple[EmbeddedBroker, Path]]:
    """A broker, and the folder that it is in; both are gone at the end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = EmbeddedBroker(folder / "broker", port=0)
        await asyncio.to_thread(broker.start, lambda _: None)
        try:
            yield broker, folder
        finally:
            broker.stop()


@asynccontextmanager
async def world(**overrides: Any) -> AsyncIterator[World]:
    """A world that is stopped and removed at the end; `overrides` are settings."""
    async with AsyncExitStack() as stack:
        broker, folder = await stack.enter_async_context(run_broker())
        whatsapp = stack.enter_context(sandbox(folder / "sandbox"))
        settings = make_settings(
            broker,
            folder / "data",
            whatsapp_browser_args=list(whatsapp.browser_args),
            send_interval_ms=0,
            account_rate_per_minute=0,
            **overrides,
        )
        await admin.create_topics(settings)
        system = SystemUnderTest(settings)
        stack.callback(system.stop)
        caller = await stack.enter_async_context(Caller(settings).open())
        yield World(folder, whatsapp, system, caller)
