"""The Python client: sends requests to wa-streams through Kafka, and reads the status events.

    async with WhatsApp(kafka="localhost:9092") as whatsapp:
        await whatsapp.send("+60 12-345 6789", "Your parcel is on its way", id="order-8841-shipped")

It decides nothing about a message: limits, order and retries belong to the service, so any number of programs
can use it at the same time. Entering the context raises KafkaUnreachable if no broker answers. Later errors of
Kafka (`aiokafka.errors.KafkaError`) are passed on unchanged.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack

import msgspec
import orjson
from aiokafka import AIOKafkaProducer

from streams.contract import status
from streams.contract.status import StatusEvent
from streams.domain.numbers import to_key
from streams.kafka.connection import producer_options, translate_errors
from streams.kafka.reader import Reader, open_reader
from streams.kafka.topics import names
from streams.settings import ClientSettings, load_client
from streams.system.tasks import race

SENT_STATUSES = frozenset({"sent", "delivered", "read", "played"})


class RequestOptions(TypedDict, total=False):
    """The other fields of a request. Times are RFC 3339."""

    priority: str
    category: str
    send_at: str
    expires_at: str
    ttl_s: float
    account: str
    reply_to: str
    batch_id: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SendResponse:
    """Kafka has the request. Without an answer of the service, `queued`, `queue_position` and `first_status` are None.

    `success` is False if the first status is final, for example `rejected`.
    """

    id: str
    success: bool = True
    queued: bool | None = None
    queue_position: int | None = None
    first_status: StatusEvent | None = None


class WhatsApp:
    """A connection, used as an async context manager. Do not share it between event loops."""

    def __init__(self, kafka: str | None = None, *, settings: ClientSettings | None = None) -> None:
        """`kafka` is `host:port,…`. All other settings come from the environment (`WA_…`) or the settings file.

        Raises:
            SettingError: a setting is wrong.
        """
        self._settings = (
            load_client(kafka_bootstrap_servers=kafka) if settings is None else settings
        )
        self._names = names(self._settings)
        self._stack = AsyncExitStack()
        self._listener_task: asyncio.Task[None] | None = None
        self._listener_lock = asyncio.Lock()
        self._subscriptions: dict[str, list[_Subscription]] = {}

    async def __aenter__(self) -> Self:
        options = producer_options(self._settings)
        self._producer = AIOKafkaProducer(**options)
        self._stack.push_async_callback(self._producer.stop)
        try:
            with translate_errors(options["bootstrap_servers"]):
                await self._producer.start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def send(
        self,
        to: str,
        content: str | Mapping[str, Any],
        *,
        id: str | None = None,
        answer_timeout_s: float | None = None,
        **options: Unpack[RequestOptions],
    ) -> SendResponse:
        """Send a request. Returns once Kafka has it; with `answer_timeout_s`, once the service has answered it too.

        `content` is a text, or a content object of the contract. `id` is the idempotency key: a second request
        with the same id to the same recipient sends nothing. Without an id, a new one is generated.

        Raises:
            TimeoutError: the service did not answer in time. The request remains valid.
        """
        request = _build_request(to, content, id, options)
        if answer_timeout_s is None:
            await self._produce(request)
            return SendResponse(request["id"])
        async with asyncio.timeout(answer_timeout_s):
            async with self._subscribe(request["id"]) as subscription:
                await self._produce(request)
                return _build_response(await subscription.next())

    async def send_immediate(
        self,
        to: str,
        content: str | Mapping[str, Any],
        *,
        id: str | None = None,
        timeout_s: float = 60.0,
        **options: Unpack[RequestOptions],
    ) -> StatusEvent:
        """Send a request with priority `urgent`. Returns the event `sent` (or a receipt), or the final status.

        Raises:
            TimeoutError: neither came in time. The request remains valid.
        """
        request = _build_request(to, content, id, {"priority": "urgent", **options})
        async with asyncio.timeout(timeout_s):
            async with self._subscribe(request["id"]) as subscription:
                await self._produce(request)
                while True:
                    event = await subscription.next()
                    if event.status in SENT_STATUSES or event.is_final:
                        return event

    async def send_batch(self, requests: Iterable[Mapping[str, Any]]) -> list[SendResponse]:
        """Send many requests, in the long or the short form. Returns once Kafka has all of them.

        A request without an `id` gets one. Requests to one recipient keep the given order.
        """
        identified = [{"id": uuid.uuid4().hex, **request} for request in requests]
        acknowledgements = [
            await self._producer.send(
                self._names.outbound, _encode(request_with_id), key=_get_key(request_with_id)
            )
            for request_with_id in identified
        ]
        await asyncio.gather(*acknowledgements)
        return [SendResponse(request["id"]) for request in identified]

    async def statuses(
        self, *, id: str | None = None, since_s: float | None = None
    ) -> AsyncIterator[StatusEvent]:
        """Follow the status events of one request or of all, from now on or since a time (epoch seconds).

        Delivery is at least once: the same fact always has the same `event_id`.
        """
        async with open_reader(self._settings, self._names.status) as reader:
            if since_s is None:
                await reader.seek_to_end()
            else:
                await reader.seek_to_time(since_s)
            async for record in reader.follow():
                event = _decode_event(record.value)
                if event is not None and id in (None, event.id):
                    yield event

    async def history(
        self, *, id: str | None = None, since_s: float = 0.0
    ) -> AsyncIterator[StatusEvent]:
        """Read the status events that are kept, of one request or of all, since a time; then stop.

        This reads the whole topic. A program that needs it often should follow `statuses` instead.
        """
        async with open_reader(self._settings, self._names.status) as reader:
            if since_s:
                await reader.seek_to_time(since_s)
            async for record in reader.read_to_end():
                event = _decode_event(record.value)
                if event is not None and id in (None, event.id):
                    yield event

    async def status(self, id: str) -> StatusEvent | None:
        """The last status of a request, or None if none is kept. This reads the whole topic, like `history`."""
        last_event = None
        async for event in self.history(id=id):
            last_event = event
        return last_event

    async def _produce(self, request: Mapping[str, Any]) -> None:
        await self._producer.send_and_wait(
            self._names.outbound, _encode(request), key=_get_key(request)
        )

    @asynccontextmanager
    async def _subscribe(self, id: str) -> AsyncIterator["_Subscription"]:
        """Receive the events of one request from now on."""
        await self._start_listener()
        assert self._listener_task is not None
        subscription = _Subscription(self._listener_task)
        subscriptions = self._subscriptions.setdefault(id, [])
        subscriptions.append(subscription)
        try:
            yield subscription
        finally:
            subscriptions.remove(subscription)
            if not subscriptions:
                del self._subscriptions[id]

    async def _start_listener(self) -> None:
        """Start to receive events, once per connection, before the request is produced."""
        async with self._listener_lock:
            if self._listener_task is None:
                reader = await self._stack.enter_async_context(
                    open_reader(self._settings, self._names.status)
                )
                await reader.seek_to_end()
                self._listener_task = asyncio.create_task(self._route_events(reader))
                self._stack.push_async_callback(_cancel, self._listener_task)

    async def _route_events(self, reader: Reader) -> None:
        async for record in reader.follow():
            event = _decode_event(record.value)
            if event is not None:
                for subscription in self._subscriptions.get(event.id, ()):
                    subscription.events.put_nowait(event)


class _Subscription:
    """The events of one request, in order of arrival."""

    def __init__(self, listener_task: asyncio.Task[None]) -> None:
        self.events: asyncio.Queue[StatusEvent] = asyncio.Queue()
        self._listener_task = listener_task

    async def next(self) -> StatusEvent:
        """Wait for the next event. Raises the error that ended the listener, if it has ended."""
        return await race(self.events.get(), self._raise_listener_error())

    async def _raise_listener_error(self) -> StatusEvent:
        await asyncio.shield(self._listener_task)  # others listen too
        raise AssertionError("unreachable: a topic has no end")


def _build_request(
    to: str, content: str | Mapping[str, Any], id: str | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    body = {"type": "text", "body": content} if isinstance(content, str) else dict(content)
    return {"id": id or uuid.uuid4().hex, "to": to, "content": body, **options}


def _encode(request: Mapping[str, Any]) -> bytes:
    return orjson.dumps(request)


def _get_key(request: Mapping[str, Any]) -> bytes:
    """The recipient's number in one notation, so that all its requests are in one partition, in order."""
    to = str(request.get("to") or request.get("phoneNumber") or "")
    return to_key(to).encode(errors="replace")


def _decode_event(value: bytes | None) -> StatusEvent | None:
    """The event, or None if the record is not a status event."""
    try:
        return None if value is None else status.decode(value)
    except msgspec.DecodeError:
        return None


def _build_response(first_status: StatusEvent) -> SendResponse:
    return SendResponse(
        id=first_status.id,
        success=first_status.status == "accepted"
        or first_status.status not in status.FINAL_STATUSES,
        queued=first_status.status in ("accepted", "queued"),
        queue_position=first_status.queue_position,
        first_status=first_status,
    )


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
