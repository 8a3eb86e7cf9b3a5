"""The client for programs without an event loop, on the real broker."""

import asyncio
import inspect
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from streams.client import KafkaUnreachable, RequestInvalid, SyncWhatsApp, WhatsApp
from streams.contract import status as wire
from streams.embedded_kafka.broker import EmbeddedBroker
from streams.kafka import admin
from streams.kafka.connection import producer_options
from streams.kafka.reader import open_reader
from streams.kafka.topics import names
from streams.settings import Settings
from tests.support.broker import make_settings

PHONE = "+60123456789"


@pytest.fixture(scope="module")
def world(broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Topics for this file; each test has its own ids."""
    settings = make_settings(broker, tmp_path_factory.mktemp("sync-client"))
    asyncio.run(admin.create_topics(settings))
    return settings


def publish_statuses(settings: Settings, id: str, *statuses: str) -> None:
    """Publish these statuses, as the service would."""

    async def publish() -> None:
        async with AIOKafkaProducer(**producer_options(settings)) as producer:
            for status in statuses:
                event = wire.make(id=id, status=status, event_id_suffix="1", at_s=1.0, to=PHONE)  # type: ignore[arg-type]
                await producer.send_and_wait(
                    names(settings).status, wire.encode(event), key=PHONE.encode()
                )

    asyncio.run(publish())


def read_request_ids(settings: Settings) -> list[str]:
    """The ids of all requests that were produced."""

    async def read() -> list[str]:
        async with open_reader(settings, names(settings).outbound) as reader:
            reader.seek(await reader.beginning_offsets())
            return [
                orjson.loads(record.value or b"{}")["id"] async for record in reader.read_to_end()
            ]

    return asyncio.run(read())


def list_public_calls(client: type) -> dict[str, inspect.Signature]:
    """The public methods of a client, without the types of their results."""
    return {
        name: inspect.signature(call).replace(return_annotation=inspect.Signature.empty)
        for name, call in inspect.getmembers(client, inspect.isfunction)
        if not name.startswith("_")
    }


def test_both_clients_have_the_same_calls() -> None:
    """A call of the asynchronous client, and each of its parameters, exists in the synchronous one."""
    assert list_public_calls(SyncWhatsApp) == list_public_calls(WhatsApp)


@pytest.mark.broker
def test_requests_are_produced(world: Settings) -> None:
    """Single requests, batches and cancels return once Kafka has them."""
    with SyncWhatsApp(settings=world) as whatsapp:
        assert whatsapp.send(PHONE, "hello", id="single").id == "single"
        batch = whatsapp.send_batch(iter([{"id": "in-batch", "to": PHONE, "text": "x"}]))
        assert [response.id for response in batch] == ["in-batch"]
        whatsapp.cancel(PHONE, "single", request_id="withdrawn")
        with pytest.raises(RequestInvalid):
            whatsapp.send(PHONE, "")
    assert {"single", "in-batch"} <= set(read_request_ids(world))


@pytest.mark.broker
def test_answers_are_read(world: Settings) -> None:
    """The history ends at the end of the topic, and a generator that is left can be closed."""
    publish_statuses(world, "answered", "accepted", "sent")
    with SyncWhatsApp(settings=world) as whatsapp:
        events = list(whatsapp.history(id="answered"))
        assert [event.status for event in events] == ["accepted", "sent"]
        last = whatsapp.status("answered", PHONE)
        assert last is not None
        assert last.status == "sent"
        following = whatsapp.statuses(after=events[0].position)
        assert next(following).status == "sent"
        following.close()
        with pytest.raises(TimeoutError):
            whatsapp.send(PHONE, "hello", id="silent", answer_timeout_s=0.01)


@pytest.mark.broker
def test_threads_share_a_connection(world: Settings) -> None:
    """Each thread's request arrives."""
    ids = {f"thread-{number}" for number in range(8)}
    with SyncWhatsApp(settings=world) as whatsapp:
        sending: list[Callable[[], None]] = [
            lambda id=id: whatsapp.send(PHONE, "hello", id=id) and None for id in ids
        ]
        threads = [threading.Thread(target=send) for send in sending]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert ids <= set(read_request_ids(world))


def test_no_broker_is_one_error_and_no_thread_remains() -> None:
    """The connection's thread ends when it cannot be opened."""
    count = threading.active_count()
    with pytest.raises(KafkaUnreachable), SyncWhatsApp(kafka="127.0.0.1:1"):
        pass
    assert threading.active_count() == count


@pytest.mark.broker
def test_ctrl_c_ends_a_program_that_follows(world: Settings, tmp_path: Path) -> None:
    """A wait for the next event is interrupted, and the program ends by itself."""
    program = f"""
        from streams.client import SyncWhatsApp
        options = dict(topic_prefix={world.topic_prefix!r})
        with SyncWhatsApp({world.kafka_bootstrap_servers!r}, **options) as whatsapp:
            for event in whatsapp.statuses(since_s=0):
                print(event.status, flush=True)
    """
    publish_statuses(world, "before-ctrl-c", "accepted")
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "accepted\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert errors.rstrip().endswith("KeyboardInterrupt")


@pytest.mark.broker
@pytest.mark.timeout(60)
def test_ctrl_c_just_after_a_step_was_started_hangs_nothing(
    world: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step waits for an event that never comes, and whoever was interrupted does not know the step yet."""
    publish_statuses(world, "between", "accepted")
    with SyncWhatsApp(settings=world) as whatsapp:
        events = whatsapp.statuses(id="between", since_s=0)
        assert next(events).status == "accepted"
        start = whatsapp._portal.start_task_soon

        def start_and_interrupt(*arguments: Any) -> None:
            monkeypatch.undo()
            start(*arguments)
            raise KeyboardInterrupt

        monkeypatch.setattr(whatsapp._portal, "start_task_soon", start_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            next(events)
