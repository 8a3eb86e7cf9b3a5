"""The Python client on the real broker, with a service that gives fixed answers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from streams.client import SendResponse, WhatsApp
from streams.contract import inbound
from streams.contract import status as wire
from streams.contract.inbound import InboundMessage
from streams.contract.status import StatusEvent
from streams.embedded_kafka.broker import EmbeddedBroker
from streams.kafka import admin
from streams.kafka.connection import KafkaUnreachable, producer_options
from streams.kafka.reader import open_reader
from streams.kafka.topics import names
from streams.settings import Settings, load
from tests.support.broker import make_settings

pytestmark = pytest.mark.broker

PHONE = "+60 12-345 6789"
E164 = "+60123456789"
Request = dict[str, Any]


@pytest.fixture(scope="module")
def world(broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Topics for this file; each test has its own ids."""
    settings = make_settings(broker, tmp_path_factory.mktemp("client"))
    asyncio.run(admin.create_topics(settings))
    return settings


@contextlib.asynccontextmanager
async def service(settings: Settings, *statuses: str, **more: Any) -> AsyncIterator[list[Request]]:
    """Answer each request with these statuses; yields the requests, in the order of arrival."""
    requests: list[Request] = []
    listening = asyncio.Event()

    async def serve() -> None:
        async with (
            open_reader(settings, names(settings).outbound) as reader,
            AIOKafkaProducer(**producer_options(settings)) as producer,
        ):
            await reader.seek_to_end()
            listening.set()
            async for record in reader.follow():
                request = orjson.loads(record.value or b"{}")
                requests.append(request | {"key": record.key})
                for status in statuses:
                    # Keyed by the number, as the service does: otherwise two statuses have no order.
                    await producer.send_and_wait(
                        names(settings).status,
                        wire.encode(event(request["id"], status, **more)),
                        key=E164.encode(),
                    )

    serving = asyncio.create_task(serve())
    await listening.wait()
    try:
        yield requests
    finally:
        serving.cancel()
        await asyncio.wait({serving})


def event(id: str, status: Any, **more: Any) -> StatusEvent:
    return wire.make(id=id, status=status, event_id_suffix="1", at_s=1.0, to=E164, **more)


async def eventually(condition: Callable[[], object]) -> None:
    """Wait until it is true."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the broker gives no event
            await asyncio.sleep(0.01)


async def test_send_returns_once_kafka_has_it(world: Settings) -> None:
    """No answer of a service is needed."""
    async with service(world) as requests, WhatsApp(settings=world) as whatsapp:
        response = await whatsapp.send(
            PHONE, "hello", id="plain", priority="bulk", metadata={"a": 1}
        )
        assert response == SendResponse("plain", success=True, queued=None, queue_position=None)
        await eventually(lambda: requests)
        assert requests == [
            {
                "id": "plain",
                "to": PHONE,
                "content": {"type": "text", "body": "hello"},
                "priority": "bulk",
                "metadata": {"a": 1},
                "key": E164.encode(),
            }
        ]


async def test_send_with_an_answer_returns_the_position(world: Settings) -> None:
    """The response has the contract's `{success, queued, queue_position}`."""
    async with service(world, "accepted", queue_position=3), WhatsApp(settings=world) as whatsapp:
        response = await whatsapp.send(PHONE, "hello", answer_timeout_s=30)
        assert (response.success, response.queued, response.queue_position) == (True, True, 3)


async def test_send_with_an_answer_returns_a_refusal(world: Settings) -> None:
    """A rejected request is not a success."""
    async with service(world, "rejected"), WhatsApp(settings=world) as whatsapp:
        response = await whatsapp.send(PHONE, "refused", answer_timeout_s=30)
        assert (response.success, response.queued) == (False, False)
        assert response.first_status == event(response.id, "rejected")


@pytest.mark.parametrize("last", ["sent", "failed", "unknown", "expired"])
async def test_immediate_waits_for_the_end(world: Settings, last: str) -> None:
    """The request is urgent; `accepted` and `queued` are skipped."""
    async with (
        service(world, "accepted", "queued", last) as requests,
        WhatsApp(settings=world) as whatsapp,
    ):
        event = await whatsapp.send_immediate(PHONE, {"type": "text", "body": "now"})
        assert (event.status, requests[0]["priority"]) == (last, "urgent")


async def test_many_wait_at_the_same_time(world: Settings) -> None:
    """Each call receives the events of its own request only."""
    async with service(world, "accepted", "sent"), WhatsApp(settings=world) as whatsapp:
        ids = [f"many-{number}" for number in range(20)]
        events = await asyncio.gather(
            *(whatsapp.send_immediate(PHONE, "x", id=id, timeout_s=60) for id in ids)
        )
        assert [event.id for event in events] == ids


async def test_no_answer_is_a_timeout(world: Settings) -> None:
    """It is neither a success nor an endless wait."""
    async with WhatsApp(settings=world) as whatsapp:
        with pytest.raises(TimeoutError):
            await whatsapp.send(PHONE, "hello?", answer_timeout_s=0.3)
        with pytest.raises(TimeoutError):
            await whatsapp.send_immediate(PHONE, "hello?", timeout_s=0.3)


async def test_a_batch_keeps_the_order_of_a_recipient(world: Settings) -> None:
    """The order holds for any notation of the number, and a request without an id gets one."""
    batch: list[Request] = [
        {"to": PHONE, "text": "0"},
        {"phoneNumber": E164, "message": "1"},
        {"to": "+60123456789", "text": "2", "id": "batch-2"},
        {"to": "nobody", "text": "3"},
    ]
    async with service(world) as requests, WhatsApp(settings=world) as whatsapp:
        responses = await whatsapp.send_batch(batch)
        await eventually(lambda: len(requests) == 4)
        to_phone = [request for request in requests if request["key"] == E164.encode()]
        assert [request.get("text") or request.get("message") for request in to_phone] == [
            "0",
            "1",
            "2",
        ]
        assert [response.id for response in responses][2] == "batch-2"
        assert {response.id for response in responses} == {request["id"] for request in requests}


async def test_statuses_follow_and_history_ends(world: Settings) -> None:
    """`statuses` begins with the next event; `history` ends with the last one."""
    async with service(world, "accepted", "sent"), WhatsApp(settings=world) as whatsapp:
        await whatsapp.send_immediate(PHONE, "before", id="before")
        following = whatsapp.statuses()
        first = asyncio.ensure_future(anext(following))
        await asyncio.sleep(0.5)  # until it listens, which no event shows
        await whatsapp.send(PHONE, "after", id="after")
        assert (await first).id == "after"
        await following.aclose()  # type: ignore[attr-defined]
        history = [event.status async for event in whatsapp.history(id="before")]
        assert history == ["accepted", "sent"]
        last = await whatsapp.status("before")
        assert last is not None
        assert wire.encode(last) == wire.encode(event("before", "sent"))
        assert await whatsapp.status("never") is None


async def test_received_messages_are_followed_from_a_position(world: Settings) -> None:
    """Each message has the position after it; what is not a message is skipped."""
    topic = names(world).inbound
    messages = [
        InboundMessage(
            event_id=f"main/{n}",
            account="main",
            from_=E164,
            chat_id="1@lid",
            whatsapp_id=str(n),
            type="text",
            at="2026-11-24T09:00:00.000Z",
            body=str(n),
        )
        for n in range(3)
    ]
    async with AIOKafkaProducer(**producer_options(world)) as producer:
        for value in (b"what?", *(inbound.encode(message) for message in messages)):
            await producer.send_and_wait(topic, value, key=E164.encode())
    async with WhatsApp(settings=world) as whatsapp:
        following = whatsapp.inbound(since_s=0.0)
        first = await anext(following)
        await following.aclose()
        assert inbound.encode(first) == inbound.encode(messages[0])
        resumed = whatsapp.inbound(after=first.position)
        assert [(await anext(resumed)).body for _ in range(2)] == ["1", "2"]
        await resumed.aclose()


async def test_a_record_that_is_not_an_event_is_skipped(world: Settings) -> None:
    """Another program may have produced it."""
    async with AIOKafkaProducer(**producer_options(world)) as producer:
        await producer.send_and_wait(names(world).status, b"what?")
        await producer.send_and_wait(names(world).status, None, key=b"gone")
    async with service(world, "sent"), WhatsApp(settings=world) as whatsapp:
        assert (await whatsapp.send_immediate(PHONE, "x")).status == "sent"


async def test_an_unreachable_broker_is_reported_at_once(tmp_path: Path) -> None:
    """There is one error for every cause."""
    settings = load({"WA_CONFIG": ""}, data_dir=tmp_path, kafka_bootstrap_servers="127.0.0.1:1")
    with pytest.raises(KafkaUnreachable):
        async with WhatsApp(settings=settings):
            raise AssertionError("connected to nobody")
