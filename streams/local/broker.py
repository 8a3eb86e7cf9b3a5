"""The embedded broker as a part of an `up`."""

import asyncio
import contextlib
import os
import signal

from streams.embedded_kafka.broker import (
    STOP_TIMEOUT_S,
    BrokerFailed,
    EmbeddedBroker,
    DataDirInUse,
    JarsMissing,
    JavaMissing,
    PortInUse,
)
from streams.embedded_kafka.jars import Progress
from streams.operations.errors import Failed, Wrong
from streams.settings import Settings
from streams.supervisor.process import ended
from streams.supervisor.service import Plan, Readiness, Running


def plan(settings: Settings, progress: Progress) -> tuple[EmbeddedBroker, Plan]:
    """The broker, whose `bootstrap` is known once it is ready, and how it is run."""
    broker = EmbeddedBroker(settings.data_dir, settings.kafka_port)

    async def start() -> Running:
        try:
            await asyncio.to_thread(broker.start, progress)
        except (PortInUse, DataDirInUse, JarsMissing, JavaMissing) as error:
            raise Wrong(str(error)) from error
        except BrokerFailed as error:
            raise Failed(str(error)) from error
        return _Running(broker)

    async def ready(_: int) -> Readiness:
        return Readiness(True)  # `start` returns once the broker answers

    return broker, Plan(
        name="kafka-1", start=start, ready=ready, log=broker.log_file, grace_s=STOP_TIMEOUT_S
    )


class _Running:
    """A started broker."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        assert broker.pid is not None
        self._broker = broker
        self.pid = broker.pid

    async def wait(self) -> int:
        await ended(self.pid)
        return self._broker.exit_code or 0

    async def end(self, grace_s: float) -> int:
        await asyncio.to_thread(self._broker.stop)
        return 0

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
