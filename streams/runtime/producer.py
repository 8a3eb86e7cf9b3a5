"""Faust's producer made idempotent, and fenced at its last step before the socket.

The fence is there and not where records are accepted, because batches may have been queued before the process was
suspended and resumed.

aiokafka gives up a record in two cases: its partition has had no leader for too long, or the broker refuses it for
good. Both leave a gap in the sequence numbers of an idempotent producer, and the broker then refuses every later
record of the partition. So the first case never happens here: nothing expires, and callers have their own
deadlines. After the second case, the producer requests a new producer id.
"""

import asyncio
import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.producer.transaction_manager import NO_PRODUCER_EPOCH, NO_PRODUCER_ID, PidAndEpoch
from faust.transport.drivers import aiokafka as driver

from streams.runtime.batching import ITERATIONS_BEFORE_REQUEST, join_next_request
from streams.runtime.exit_codes import ExitCode, terminate
from streams.runtime.protocols import FencedApp

_MAX_REQUEST_BYTES = 32 << 20  # one batch has at most 8 MiB; the rest waits for the next request


class Producer(driver.Producer):
    """The one producer of an app."""

    app: FencedApp  # pyright: ignore[reportIncompatibleVariableOverride] made by our App only

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}

    async def on_start(self) -> None:
        """Connect, and install the fence."""
        await super().on_start()
        client: Any = self._ensure_producer()
        client._message_accumulator._batch_ttl = math.inf
        self._install_fence(client._sender)
        _yield_before_requests(client._sender)
        client._sender.sender_task.add_done_callback(_on_sender_ended)

    def _install_fence(self, sender: Any) -> None:
        send, check_before_write = sender._send_produce_req, self.app.fence.check_before_write

        async def fenced_send(node_id: int, batches: Mapping[Any, Any]) -> None:
            for part in _split_batches(batches):
                sender._in_flight.add(node_id)  # `send` removes it
                await check_before_write()
                sent_mono_s = time.monotonic()
                await send(node_id, part)
                self._report_responses(part, sent_mono_s)
                if any(_has_failed(batch.future) for batch in part.values()):
                    _reset_producer_id(sender._txn_manager)

        sender._send_produce_req = fenced_send

    def _report_responses(self, batches: Mapping[Any, Any], sent_mono_s: float) -> None:
        """Report when the broker appended the batches. One that was sent again may have the time of its first try."""
        received_mono_s = time.monotonic()
        for batch in batches.values():
            is_first_try = batch.retry_count == 1  # counted when it is sent
            if is_first_try and batch.future.done() and not _has_failed(batch.future):
                metadata = batch.future.result()
                self.app.on_produce_response(metadata, sent_mono_s, received_mono_s)

    @property
    def client(self) -> AIOKafkaProducer:
        """aiokafka's producer. Raises NotReady before the start and after the stop."""
        return self._ensure_producer()


def _split_batches(batches: Mapping[Any, Any]) -> Iterator[dict[Any, Any]]:
    """Requests that a broker takes: one above `socket.request.max.bytes` (100 MiB) would be repeated for ever."""
    part: dict[Any, Any] = {}
    size = 0
    for partition, batch in batches.items():
        batch_size = len(batch.get_data_buffer())
        if part and size + batch_size > _MAX_REQUEST_BYTES:
            yield part
            part, size = {}, 0
        part[partition] = batch
        size += batch_size
    yield part


def _yield_before_requests(sender: Any) -> None:
    """Before a request is assembled, let the event loop run, so that it carries more records (batching.py)."""
    wait_for_producer_id = sender._maybe_wait_for_pid  # the last step before

    async def wait_and_yield() -> None:
        await wait_for_producer_id()
        await join_next_request(ITERATIONS_BEFORE_REQUEST)

    sender._maybe_wait_for_pid = wait_and_yield


def _has_failed(future: "asyncio.Future[Any]") -> bool:
    return future.done() and not future.cancelled() and future.exception() is not None


def _reset_producer_id(transaction_manager: Any) -> None:
    # The sender requests a new one before its next request. Batches that are to be sent again keep
    # the old id and their sequence numbers.
    transaction_manager._pid_and_epoch = PidAndEpoch(NO_PRODUCER_ID, NO_PRODUCER_EPOCH)
    transaction_manager._pid_waiter = asyncio.get_running_loop().create_future()
    transaction_manager._sequence_numbers.clear()


def _on_sender_ended(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        terminate(ExitCode.PRODUCER_DEAD, f"the producer's sender task has ended: {error!r}")
