"""How long the Kafka clients of this process wait for one broker: a frozen one costs seconds, not a session.

aiokafka has one timeout for every request. It must be as long as the longest one, a join, for which a broker waits
until every member of the group has joined. So a client would wait 40 s for a broker that accepts connections and
answers nothing (suspended, or behind a half-open connection), and then ask it again.

* A request that a live broker answers at once has a short timeout, if nothing else waits on its connection.
* Any other request is waited for, but after a few seconds the broker is probed over a new connection. If it does not
  answer that either, it is given up.
* A broker that was given up is not asked again for a few seconds, by any client of the process, while others answer.

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

# Kafka itself needs nine seconds to elect new leaders: to give up a slow broker earlier would gain nothing.
CONNECT_TIMEOUT_S: Final = 4.0  # TCP, TLS, the broker's first answer, authentication
ANSWER_TIMEOUT_S: Final = 5.0  # a request that a live broker answers at once
PROBE_AFTER_S: Final = 3.0  # any other request
SILENCE_S: Final = 3.0  # a broker that was given up is not asked again for this long
_OTHERS_ANSWER_S: Final = 10.0  # if another broker answered within this time

# By the numbers of https://kafka.apache.org/protocol#protocol_api_keys
_QUICK_REQUESTS: Final = frozenset(
    {
        2,  # ListOffsets
        3,  # Metadata
        8,  # OffsetCommit
        9,  # OffsetFetch
        10,  # FindCoordinator
        12,  # Heartbeat
        13,  # LeaveGroup
        17,  # SaslHandshake
        18,  # ApiVersions
        22,  # InitProducerId
        36,  # SaslAuthenticate
    }
)

# When a broker was given up, and when one answered, by address. Shared by all clients and threads of the process.
_given_up_at_s: dict[tuple[str, int], float] = {}
_answered_at_s: dict[tuple[str, int], float] = {}


def is_silent(host: str, port: int) -> bool:
    """Whether the broker at this address was given up a moment ago, while another one answers.

    If no other answers, it is not avoided: it may be the only one, and slow.
    """
    now_s, address = time.monotonic(), (host, port)
    given_up_at_s = _given_up_at_s.get(address)
    if given_up_at_s is None or now_s - given_up_at_s >= SILENCE_S:
        return False
    return any(
        now_s - answered_at_s < _OTHERS_ANSWER_S
        for other, answered_at_s in list(_answered_at_s.items())
        if other != address
    )


class BoundedConnection(ak_conn.AIOKafkaConnection):
    """A connection to one broker. It is closed when the broker is given up."""

    def __init__(self, host: str, port: int, **options: Any) -> None:
        super().__init__(host, port, **options)
        self._probe_options = {**options, "on_close": None}

    async def connect(self) -> Any:
        """Connect and authenticate.

        Raises:
            TimeoutError: the broker does not answer.
            KafkaConnectionError: it was given up a moment ago.
        """
        address = (self.host, self.port)
        if is_silent(*address):
            raise KafkaConnectionError(f"{self.host}:{self.port} did not answer a moment ago")
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                streams = await super().connect()
        except TimeoutError as error:
            _given_up_at_s[address] = time.monotonic()
            self._record_failure(error)
            raise
        except (KafkaError, OSError) as error:
            self._record_failure(error)
            raise
        _given_up_at_s.pop(address, None)
        connection_errors.record_success(address)
        return streams

    def _handle_frame(self, resp: bytes) -> None:
        _answered_at_s[self.host, self.port] = time.monotonic()
        super()._handle_frame(resp)

    def close(self, reason: Any = None, exc: BaseException | None = None) -> Any:
        """Close the connection. If the broker closed it, that is recorded: it may expect another protocol."""
        if reason is ak_conn.CloseReason.CONNECTION_BROKEN and self._reader is not None:
            self._record_failure(KafkaConnectionError("closed by the broker"))
        return super().close(reason, exc)

    def _record_failure(self, error: BaseException) -> None:
        is_tls = self._security_protocol.endswith("SSL")
        connection_errors.record_failure((self.host, self.port), error, is_tls=is_tls)

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """Send a request. The result is awaitable, and raises RequestTimedOutError when the broker is given up.

        Not TimeoutError: aiokafka's client would then look for the connection to close it, and two requests
        that time out together would raise KeyError, which ends the coordinator.
        """
        waiting = super().send(request, expect_response)
        if not expect_response:
            return waiting
        waiting.close()  # aiokafka's own way to wait
        answer: asyncio.Future[Any] = self._requests[-1][2]
        # A broker answers the requests of one connection in order.
        is_first = len(self._requests) == 1
        is_quick = is_first and request.API_KEY in _QUICK_REQUESTS
        return self._wait_for_quick(answer) if is_quick else self._wait_for(answer)

    async def _wait_for_quick(self, answer: "asyncio.Future[Any]") -> Any:
        try:
            return await asyncio.wait_for(answer, min(ANSWER_TIMEOUT_S, self._request_timeout))
        except TimeoutError:
            raise self._give_up() from None

    async def _wait_for(self, answer: "asyncio.Future[Any]") -> Any:
        deadline_s = time.monotonic() + self._request_timeout
        try:
            while not answer.done():
                remaining_s = deadline_s - time.monotonic()
                await asyncio.wait({answer}, timeout=min(PROBE_AFTER_S, remaining_s))
                if answer.done():
                    break
                if time.monotonic() >= deadline_s or not await self._is_broker_answering():
                    raise self._give_up()
            return answer.result()
        finally:
            answer.cancel()

    async def _is_broker_answering(self) -> bool:
        probe = BoundedConnection(self.host, self.port, **self._probe_options)
        try:
            await probe.connect()
        except (KafkaError, OSError, TimeoutError):
            return False
        finally:
            probe.close()
        return True

    def _give_up(self) -> RequestTimedOutError:
        _given_up_at_s[self.host, self.port] = time.monotonic()
        self.close(reason=ak_conn.CloseReason.CONNECTION_TIMEOUT)
        return RequestTimedOutError(f"{self.host}:{self.port}")


def _get_random_node(client: AIOKafkaClient) -> int | None:
    """Replaces aiokafka's: a broker that was given up a moment ago is the last choice."""
    brokers = client.cluster.brokers()
    answering = [broker for broker in brokers if not is_silent(broker.host, broker.port)]
    candidates = answering or list(brokers)
    return random.choice(candidates).nodeId if candidates else None


def install() -> None:
    """Let every client of this process wait in this way. Harmless when it is done already."""
    ak_conn.AIOKafkaConnection = BoundedConnection  # pyright: ignore[reportAttributeAccessIssue] - `create_conn` takes it by name
    AIOKafkaClient.get_random_node = _get_random_node  # pyright: ignore[reportAttributeAccessIssue] - a method
