"""Small parts of Faust, made safe: transport, flow control, agents, tables. The app (app.py) installs them."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from faust.agents import Agent as FaustAgent
from faust.tables.manager import TableManager as FaustTableManager
from faust.transport.drivers import aiokafka as driver
from mode.utils.queues import FlowControlEvent

from streams.runtime.broker.publisher import AppStopped, PartitionRevoked
from streams.runtime.consumer.consumer import Consumer
from streams.runtime.exit_codes import ExitCode, terminate
from streams.runtime.producer import Producer
from streams.runtime.protocols import AbandoningApp
from streams.runtime.recovery.service import Recovery


class Transport(driver.Transport):
    """Creates our consumer and producer."""

    Consumer = Consumer
    Producer = Producer


class QueueKeepingFlowControl(FlowControlEvent):
    """Faust's `resume` would also empty every agent's queue, and with it what was delivered in the meantime."""

    def resume(self) -> None:
        """Let records into the queues again. Records of an earlier generation are skipped when they are read."""
        self._suspend.clear()
        self._resume.set()


class Agent(FaustAgent):
    """Faust's agent acknowledges an event whose processing raised or was cancelled. This one ends the process.

    Unless the event cannot be finished here: its partition was revoked, or the app has stopped (Faust stops it in the
    middle of events when it crashes). Such an event is abandoned: whoever has the partition next reads it again.
    """

    app: AbandoningApp  # pyright: ignore[reportIncompatibleVariableOverride] made by our App only

    async def _execute_actor(self, coro: Awaitable[Any], aref: Any) -> None:
        await super()._execute_actor(self._terminate_on_failure(coro, aref), aref)

    async def _terminate_on_failure(self, coro: Awaitable[Any], aref: Any) -> None:
        stream = aref.stream.get_active_stream()
        try:
            return await coro
        except asyncio.CancelledError:
            if stream.current_event is not None:
                terminate(
                    ExitCode.EVENT_INTERRUPTED, f"agent {self.name} was cancelled during an event"
                )
            raise
        except (PartitionRevoked, AppStopped) as error:
            self.log.warning("agent %s abandons an event: %s", self.name, error)
            self.app.abandon(stream.current_event)
        except Exception as error:
            self.log.exception("agent %s raised", self.name)
            terminate(
                ExitCode.EVENT_INTERRUPTED, f"agent {self.name} raised {type(error).__name__}"
            )
        # Until Faust cancels the actor. If it does not, the watchdog finds the partition stalled.
        await asyncio.get_running_loop().create_future()


class TableManager(FaustTableManager):
    """Faust's, with our recovery. Faust's own sleeps for a second at each start, in case a table is defined late."""

    @property
    def recovery(self) -> Recovery:
        """The service that recovers the tables."""
        if self._recovery is None:
            self._recovery = Recovery(self.app, self, beacon=self.beacon, loop=self.loop)
        assert isinstance(self._recovery, Recovery)
        return self._recovery

    async def on_start(self) -> None:
        """Register the tables, which were all defined before the start."""
        await self._update_channels()
        await self.recovery.start()
