"""How long the Kafka clients of this process wait for one broker: a frozen one costs seconds, not a session.

aiokafka has one timeout for every request. It must be as long as the longest one, a join, for which a broker waits
until every member of the group has joined. So a client would wait 40 s for a broker that accepts connections and
answers nothing (suspended, or behind a half-open connection), and then ask it again.

* A request that is not answered at once proves nothing: a commit waits for its replicas, a fetch for records. So the
  broker is probed over a new connection. If it does not answer that either, it is given up.
* What one client finds out holds for all of this process (silent_brokers.py): their connections to it are closed.
* Nobody waits for a broker that was given up. It is probed in the background until it answers again.

Nothing is lost by giving up: aiokafka fetches metadata from another broker and sends the request again to the new
leader or coordinator, a producer under the same sequence numbers. So no record is written twice.
"""

import asyncio
import random
import time
from typing import Any, Final

import aiokafka.conn as ak_conn
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, KafkaError, RequestTimedOutError

from streams.kafka import connection_errors
from streams.kafka.silent_brokers import silent_brokers

# Kafka itself needs nine seconds to elect new leaders: to give up a slow broker earlier would gain nothing.
CONNECT_TIMEOUT_S: Final = 4.0  # TCP, TLS, the broker's first answer, authentication
PROBE_AFTER_S: Final = 2.0  # a request that is not answered

_probes: Final = set["asyncio.Task[None]"]()  # a task that nobody holds may be collected


class BoundedConnection(ak_conn.AIOKafkaConnection):
    """A connection to one broker. It is closed when the broker is given up."""

    def __init__(self, host: str, port: int, **options: Any) -> None:
        super().__init__(host, port, **options)
        self._address = (host, port)
        self._is_connecting = False
        self._probe_options = {**options, "on_close": None}

    async def connect(self) -> Any:
        """Connect and authenticate.

        Raises:
            TimeoutError: the broker does not answer.
            KafkaConnectionError: it was given up, and does not answer yet.
        """
        if silent_brokers.is_silent(self._address):
            self._start_probe()
            raise KafkaConnectionError(f"{self.host}:{self.port} did not answer a moment ago")
        streams = await self._connect()
        silent_brokers.add_connection(self._address, self)
        return streams

    async def _connect(self) -> Any:
        self._is_connecting = True  # one timeout for all of it
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                streams = await super().connect()
        except TimeoutError as error:
            silent_brokers.give_up(self._address)
            self._record_failure(error)
            raise
        except (KafkaError, OSError) as error:
            self._record_failure(error)
            raise
        finally:
            self._is_connecting = False
        silent_brokers.forgive(self._address)
        connection_errors.record_success(self._address)
        return streams

    def _handle_frame(self, resp: bytes) -> None:
        silent_brokers.record_answer(self._address)
        super()._handle_frame(resp)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop in which it was created."""
        return self._loop

    def abort(self) -> None:
        """The broker was given up: its client is to send the requests elsewhere."""
        self.close(reason=ak_conn.CloseReason.CONNECTION_TIMEOUT)

    def close(self, reason: Any = None, exc: BaseException | None = None) -> Any:
        """Close the connection. If the broker closed it, that is recorded: it may expect another protocol."""
        if reason is ak_conn.CloseReason.CONNECTION_BROKEN and self._reader is not None:
            self._record_failure(KafkaConnectionError("closed by the broker"))
        return super().close(reason, exc)

    def _record_failure(self, error: BaseException) -> None:
        is_tls = self._security_protocol.endswith("SSL")
        connection_errors.record_failure(self._address, error, is_tls=is_tls)

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """Send a request. The result is awaitable, and raises RequestTimedOutError when the broker is given up.

        Not TimeoutError: aiokafka's client would then look for the connection to close it, and two requests
        that time out together would raise KeyError, which ends the coordinator.
        """
        waiting = super().send(request, expect_response)
        if not expect_response or self._is_connecting:
            return waiting
        waiting.close()  # aiokafka's own way to wait
        return self._wait_for(self._requests[-1][2])

    async def _wait_for(self, answer: "asyncio.Future[Any]") -> Any:
        deadline_s = time.monotonic() + self._request_timeout
        wait_s = PROBE_AFTER_S
        try:
            while not answer.done():
                await asyncio.wait({answer}, timeout=min(wait_s, deadline_s - time.monotonic()))
                if not answer.done() and time.monotonic() >= deadline_s:
                    raise self._abort_request()
                # Whatever else the broker answers is as good as a probe.
                wait_s = PROBE_AFTER_S - silent_brokers.silence_s(self._address)
                if not answer.done() and wait_s <= 0:
                    await self._probe_or_give_up(answer)
                    wait_s = PROBE_AFTER_S
            return answer.result()
        finally:
            answer.cancel()

    async def _probe_or_give_up(self, answer: "asyncio.Future[Any]") -> None:
        if not await self._is_answering_probe() and not answer.done():
            silent_brokers.give_up(self._address)
            raise self._abort_request()

    def _abort_request(self) -> RequestTimedOutError:
        self.abort()
        return RequestTimedOutError(f"{self.host}:{self.port}")

    # -- probes

    async def _is_answering_probe(self) -> bool:
        probe = BoundedConnection(self.host, self.port, **self._probe_options)
        try:
            await probe._connect()
        except (KafkaError, OSError, TimeoutError):
            return False
        finally:
            probe.close()
        return True

    def _start_probe(self) -> None:
        if silent_brokers.claim_probe(self._address):
            task = asyncio.create_task(self._probe())
            _probes.add(task)
            task.add_done_callback(_probes.discard)

    async def _probe(self) -> None:
        await self._is_answering_probe()  # an answer ends its silence


def _get_random_node(client: AIOKafkaClient) -> int | None:
    """Replaces aiokafka's: a broker that was given up is the last choice."""
    brokers = client.cluster.brokers()
    answering = [
        broker for broker in brokers if not silent_brokers.is_silent((broker.host, broker.port))
    ]
    candidates = answering or list(brokers)
    return random.choice(candidates).nodeId if candidates else None


def install() -> None:
    """Let every client of this process wait in this way. Harmless when it is done already."""
    ak_conn.AIOKafkaConnection = BoundedConnection  # pyright: ignore[reportAttributeAccessIssue] - `create_conn` takes it by name
    AIOKafkaClient.get_random_node = _get_random_node  # pyright: ignore[reportAttributeAccessIssue] - a method
