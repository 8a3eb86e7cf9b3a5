"""The embedded broker as a service of `up`: adapts it to the supervisor, decides nothing."""

import asyncio
import contextlib
import os
import signal

from streams.embedded_kafka.broker import (
    STOP_TIMEOUT_S,
    BrokerFailed,
    DataDirInUse,
    EmbeddedBroker,
    JarsMissing,
    JavaMissing,
    PortInUse,
)
from streams.embedded_kafka.jars import Progress
from streams.operations.errors import CommandFailed, UsageError
from streams.settings import Settings
from streams.supervisor.process import wait_for_exit
from streams.supervisor.service import Readiness, RunningProcess, ServiceSpec


def build_spec(settings: Settings, on_progress: Progress) -> tuple[EmbeddedBroker, ServiceSpec]:
    """The broker and how to run it. Its `bootstrap_servers` are known once it is ready."""
    broker = EmbeddedBroker(settings.data_dir, settings.kafka_port)

    async def start() -> RunningProcess:
        try:
            await asyncio.to_thread(broker.start, on_progress)
        except (PortInUse, DataDirInUse, JarsMissing, JavaMissing) as error:
            raise UsageError(str(error)) from error
        except BrokerFailed as error:
            raise CommandFailed(str(error)) from error
        return _BrokerProcess(broker)

    async def probe(_: int) -> Readiness:
        return Readiness(True)  # `start` returns once the broker answers

    return broker, ServiceSpec(
        name="kafka-1", start=start, probe=probe, log=broker.log_file, grace_s=STOP_TIMEOUT_S
    )


class _BrokerProcess:
    """A started broker, as the supervisor sees it."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        assert broker.pid is not None
        self._broker = broker
        self.pid = broker.pid

    async def wait_for_exit(self) -> int:
        await wait_for_exit(self.pid)
        return self._broker.exit_code or 0

    async def stop(self, grace_s: float) -> int:
        await asyncio.to_thread(self._broker.stop)
        return 0

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
