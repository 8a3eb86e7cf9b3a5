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
from streams.contract import status as wire
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
    """Topics for this file. Each test has its own ids."""
    settings = make_settings(broker, tmp_path_factory.mktemp("client"))
    asyncio.run(admin.create_topics(settings))
    return settings


@contextlib.asynccontextmanager
async def service(settings: Settings, *words: str, **more: Any) -> AsyncIterator[list[Request]]:
    """Answers each request with these statuses, and yields the requests in order of arrival."""
    asked: list[Request] = []
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
                asked.append(request | {"key": record.key})
                for word in words:
                    # By its number, as the service does: else two statuses have no order.
                    await producer.send_and_wait(
                        names(settings).status,
                        wire.encode(event(request["id"], word, **more)),
                        key=E164.encode(),
                    )

    serving = asyncio.create_task(serve())
    await listening.wait()
    try:
        yield asked
    finally:
        serving.cancel()
        await asyncio.wait({serving})


def event(id: str, word: Any, **more: Any) -> StatusEvent:
    return wire.make(id=id, status=word, event_id_suffix="1", at_s=1.0, to=E164, **more)


async def eventually(condition: Callable[[], object]) -> None:
    """Wait until the condition is true."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the broker gives no event
            await asyncio.sleep(0.01)


async def test_send_returns_once_kafka_has_it(world: Settings) -> None:
    """`send` does not need a service that answers."""
    async with service(world) as asked, WhatsApp(settings=world) as whatsapp:
        receipt = await whatsapp.send(
            PHONE, "hello", id="plain", priority="bulk", metadata={"a": 1}
        )
        assert receipt == SendResponse("plain", success=True, queued=None, queue_position=None)
        await eventually(lambda: asked)
        assert asked == [
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
    """The response has the contract's `success`, `queued` and `queue_position`."""
    async with service(world, "accepted", queue_position=3), WhatsApp(settings=world) as whatsapp:
        receipt = await whatsapp.send(PHONE, "hello", answer_timeout_s=30)
        assert (receipt.success, receipt.queued, receipt.queue_position) == (True, True, 3)


async def test_send_with_an_answer_returns_a_rejection(world: Settings) -> None:
    """A rejected request is not a success."""
    async with service(world, "rejected"), WhatsApp(settings=world) as whatsapp:
        receipt = await whatsapp.send(PHONE, "", answer_timeout_s=30)
        assert (receipt.success, receipt.queued) == (False, False)
        assert receipt.first_status == event(receipt.id, "rejected")


@pytest.mark.parametrize("last", ["sent", "failed", "unknown", "expired"])
async def test_send_immediate_waits_for_the_end(world: Settings, last: str) -> None:
    """The request is urgent, and `accepted` and `queued` do not end the wait."""
    async with (
        service(world, "accepted", "queued", last) as asked,
        WhatsApp(settings=world) as whatsapp,
    ):
        said = await whatsapp.send_immediate(PHONE, {"type": "text", "body": "now"})
        assert (said.status, asked[0]["priority"]) == (last, "urgent")


async def test_many_callers_wait_at_the_same_time(world: Settings) -> None:
    """Each caller receives the events of its own request only."""
    async with service(world, "accepted", "sent"), WhatsApp(settings=world) as whatsapp:
        ids = [f"many-{number}" for number in range(20)]
        said = await asyncio.gather(
            *(whatsapp.send_immediate(PHONE, "x", id=id, timeout_s=60) for id in ids)
        )
        assert [each.id for each in said] == ids


async def test_no_answer_is_a_timeout(world: Settings) -> None:
    """Without an answer, `send` neither succeeds nor waits forever."""
    async with WhatsApp(settings=world) as whatsapp:
        with pytest.raises(TimeoutError):
            await whatsapp.send(PHONE, "hello?", answer_timeout_s=0.3)
        with pytest.raises(TimeoutError):
            await whatsapp.send_immediate(PHONE, "hello?", timeout_s=0.3)


async def test_a_batch_keeps_the_order_of_a_phone(world: Settings) -> None:
    """The order is kept for every notation of the number, and missing ids are added."""
    requests: list[Request] = [
        {"to": PHONE, "text": "0"},
        {"phoneNumber": E164, "message": "1"},
        {"to": "+60123456789", "text": "2", "id": "batch-2"},
        {"to": "nobody", "text": "3"},
    ]
    async with service(world) as asked, WhatsApp(settings=world) as whatsapp:
        receipts = await whatsapp.send_batch(requests)
        await eventually(lambda: len(asked) == 4)
        to_phone = [each for each in asked if each["key"] == E164.encode()]
        assert [each.get("text") or each.get("message") for each in to_phone] == ["0", "1", "2"]
        assert [each.id for each in receipts][2] == "batch-2"
        assert {each.id for each in receipts} == {each["id"] for each in asked}


async def test_statuses_follow_and_history_ends(world: Settings) -> None:
    """`statuses` begins with the next event, and `history` ends at the last one."""
    async with service(world, "accepted", "sent"), WhatsApp(settings=world) as whatsapp:
        await whatsapp.send_immediate(PHONE, "before", id="before")
        following = whatsapp.statuses()
        first = asyncio.ensure_future(anext(following))
        await asyncio.sleep(0.5)  # it has begun to listen: nothing tells
        await whatsapp.send(PHONE, "after", id="after")
        assert (await first).id == "after"
        await following.aclose()  # type: ignore[attr-defined]
        history = [each.status async for each in whatsapp.history(id="before")]
        assert history == ["accepted", "sent"]
        assert await whatsapp.status("before") == event("before", "sent")
        assert await whatsapp.status("never") is None


async def test_a_record_of_another_program_is_not_an_event(world: Settings) -> None:
    """A record that is not a status event is skipped."""
    async with AIOKafkaProducer(**producer_options(world)) as producer:
        await producer.send_and_wait(names(world).status, b"what?")
        await producer.send_and_wait(names(world).status, None, key=b"gone")
    async with service(world, "sent"), WhatsApp(settings=world) as whatsapp:
        assert (await whatsapp.send_immediate(PHONE, "x")).status == "sent"


async def test_no_broker_is_an_error_at_once(tmp_path: Path) -> None:
    """There is one error for every way in which a broker is unreachable."""
    settings = load({"WA_CONFIG": ""}, data_dir=tmp_path, kafka_bootstrap_servers="127.0.0.1:1")
    with pytest.raises(KafkaUnreachable):
        async with WhatsApp(settings=settings):
            raise AssertionError("connected to nobody")
