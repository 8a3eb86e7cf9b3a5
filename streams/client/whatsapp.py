"""The class `WhatsApp`: one connection to Kafka, with the calls that send requests and read what became of them.

Entering the context raises KafkaUnreachable if no broker answers. Later errors of Kafka
(`aiokafka.errors.KafkaError`) are passed on unchanged, except those that name a topic.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import fields
from types import TracebackType
from typing import Any, Self, Unpack

from streams.client.events import (
    SENT_STATUSES,
    PositionedEvent,
    PositionedMessage,
    read_message,
    read_status,
)
from streams.client.following import follow, require_time
from streams.client.listener import StatusListener
from streams.client.producing import RequestProducer
from streams.client.recipient_calls import RecipientCalls
from streams.client.recipients import is_for
from streams.client.requests import (
    EncodedRequest,
    RequestOptions,
    build_request,
    encode_batch,
    encode_request,
    refuse_unknown,
)
from streams.client.responses import SendResponse, build_response
from streams.client.status_log import read_status_log
from streams.contract.status import StatusEvent
from streams.domain.batch.events import default_id
from streams.kafka.topics import names
from streams.settings import ClientSettings, Settings, load_client


class WhatsApp(RecipientCalls):
    """A connection, used as an async context manager. Do not share it between event loops."""

    def __init__(
        self, kafka: str | None = None, *, settings: ClientSettings | None = None, **options: Any
    ) -> None:
        """`kafka` is `host:port,…`; `options` are other settings, for example `topic_prefix`.

        All other settings come from the environment (`WA_…`) or the settings file.

        Raises:
            TypeError: an option is not a setting of the client.
            SettingError: a setting is wrong.
        """
        refuse_unknown("a setting of the client", options, [f.name for f in fields(ClientSettings)])
        if settings is None:
            settings = load_client(None, **{"kafka_bootstrap_servers": kafka} | options)
        elif not isinstance(settings, ClientSettings) or kafka is not None or options:
            raise TypeError("give `settings` (from load_client), or single settings, and not both")
        self._settings = settings
        self._region = settings.default_region if isinstance(settings, Settings) else None
        self._names = names(self._settings)
        self._stack = AsyncExitStack()
        self._listener = StatusListener(self._settings, self._names.status)
        self._producer = RequestProducer(self._settings, self._names.outbound)

    async def __aenter__(self) -> Self:
        self._stack.push_async_callback(self._producer.stop)
        self._stack.push_async_callback(self._listener.close)
        try:
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

    # -- sending

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
            TypeError, RequestInvalid: an option does not exist, or a value is wrong. Nothing was produced.
            TopicNotFound, TopicForbidden: the topic is missing, or may not be written.
            TimeoutError: the service did not answer in time. The request remains valid.
        """
        request = build_request(to, content, id, options)
        if answer_timeout_s is None:
            await self._producer.produce(request)
            return SendResponse(request.id)
        async with asyncio.timeout(answer_timeout_s), aclosing(self._follow(request)) as events:
            return build_response(await anext(events))

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
            TypeError, RequestInvalid, TopicNotFound, TopicForbidden: as `send`.
        """
        request = build_request(to, content, id, {"priority": "urgent", **options})
        async with asyncio.timeout(timeout_s), aclosing(self._follow(request)) as events:
            async for event in events:
                if event.status in SENT_STATUSES or event.is_final:
                    return event
        raise AssertionError("unreachable: a topic has no end")

    async def send_batch(
        self, requests: Iterable[Mapping[str, Any]], *, batch_id: str | None = None
    ) -> list[SendResponse]:
        """Send many requests, in the long or the short form. Returns once Kafka has all of them.

        With a `batch_id` they are one batch: `wa.batches` has its progress, and `cancel(batch_id=…)` withdraws it. A
        request without an `id` gets `<batch_id>/<index>` then, and else a new one. Requests to one recipient keep the
        given order. If one of them is wrong, none is produced.

        Raises:
            TypeError, RequestInvalid, TopicNotFound, TopicForbidden: as `send`.
        """
        if batch_id is None:
            encoded = [encode_request(request) for request in requests]
            ids = [request.id for request in encoded]
        else:
            messages = list(requests)
            encoded = encode_batch(batch_id, messages)
            ids = [
                request.get("id") or default_id(batch_id, n) for n, request in enumerate(messages)
            ]
        await self._producer.produce(*encoded)
        return [SendResponse(request_id) for request_id in ids]

    async def _follow(self, request: EncodedRequest) -> AsyncGenerator[StatusEvent, None]:
        """Produce the request, and yield its events from then on."""

        def matches(event: StatusEvent) -> bool:
            return is_for(event, request.to, self._region)

        async with self._listener.subscribe(request.id, matches) as subscription:
            await self._producer.produce(request)
            while True:
                yield await subscription.next()

    # -- reading

    def statuses(
        self,
        *,
        id: str | None = None,
        to: str | None = None,
        since_s: float | None = None,
        after: str | None = None,
        group: str | None = None,
        skip_lost: bool = False,
    ) -> AsyncGenerator[PositionedEvent, None]:
        """Follow the status events of one request or of all, for ever, from now on or from:

        * `since_s`: a time (epoch seconds).
        * `after`: the `position` of an event that this program has handled. Store it with your own data, and nothing
          is missed.
        * `group`: the position that Kafka keeps for this consumer group. Programs with the same group share the
          events. An event is committed, within a second, after the next one was requested, and when the iterator is
          closed; the event at which the loop was left comes again. A new group begins with the oldest event.

        Delivery is at least once: the same fact always has the same `event_id`. Ids are per recipient: give `to` too.

        Raises:
            ValueError: an argument is wrong, or two of the three are given.
            PositionLost: events were removed before they were read; with `skip_lost`, the oldest event follows.
        """
        events = follow(
            self._settings,
            self._names.status,
            read_status,
            since_s=since_s,
            after=after,
            group=group,
            skip_lost=skip_lost,
        )
        return self._select(events, id, to)

    def inbound(
        self,
        *,
        since_s: float | None = None,
        after: str | None = None,
        group: str | None = None,
        skip_lost: bool = False,
    ) -> AsyncGenerator[PositionedMessage, None]:
        """Follow the messages that people write to the accounts, for ever; from where, and errors: as `statuses`.

        Delivery is at least once, in order for each chat: the same message always has the same `event_id`.
        """
        return follow(
            self._settings,
            self._names.inbound,
            read_message,
            since_s=since_s,
            after=after,
            group=group,
            skip_lost=skip_lost,
        )

    def history(
        self, *, id: str | None = None, to: str | None = None, since_s: float = 0.0
    ) -> AsyncGenerator[PositionedEvent, None]:
        """Read the status events that are kept, of one request or of all, since a time; then stop.

        This reads the whole topic. A program that needs it often should follow `statuses` instead.
        """
        require_time(since_s)
        events = read_status_log(self._settings, self._names.status, since_s=since_s)
        return self._select(events, id, to)

    async def status(self, id: str, to: str | None = None) -> PositionedEvent | None:
        """The last status of a request, or None if none is kept. This reads the whole topic, like `history`.

        Another recipient's request may have the same id: give `to` too.
        """
        last_event = None
        async for event in self.history(id=id, to=to):
            last_event = event
        return last_event

    async def _select(
        self, events: AsyncGenerator[PositionedEvent, None], id: str | None, to: str | None
    ) -> AsyncGenerator[PositionedEvent, None]:
        async with aclosing(events) as following:
            async for event in following:
                if id in (None, event.id) and (to is None or is_for(event, to, self._region)):
                    yield event
