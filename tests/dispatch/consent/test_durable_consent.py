"""Consent is durable: it outlives the recipient's row, a kill and a lost disk; and every decision is seen."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import orjson
import pytest

from streams.dispatch import phone_store
from streams.dispatch.batches import store as batch_store
from streams.domain.phone import events
from streams.domain.phone.events import Event, InboundSeen, RetentionElapsed
from streams.operations import consent as operations
from tests.support.broker import make_settings
from tests.support.caller import Caller
from tests.support.dispatching import FakeSender, start_dispatcher
from tests.support.stage_world import NOW_S, PHONE, StageWorld, request
from tests.support.system import SystemUnderTest

STOP = InboundSeen(phone=PHONE, account="main", whatsapp_id="3A01", text="STOP")


def apply(world: StageWorld, offset: int, event: Event, at_s: float = NOW_S) -> None:
    asyncio.run(world.stage.handle(world.store, offset, events.encode(event), at_s))


def offer(offset: int) -> Event:
    """A marketing message."""
    event = request("offer", offset)
    return events.RequestReceived(
        phone=PHONE,
        request=events.RequestInfo(id="offer", category="marketing"),
        source_record=event.source_record,
        content=event.content,
    )


def test_a_forgotten_recipient_with_a_lost_disk_is_still_opted_out() -> None:
    """What is left in the compacted changelog is enough: the row of the consent."""
    world = StageWorld()
    apply(world, 0, request("parcel"))
    apply(world, 1, STOP)
    apply(world, 2, events.CancelRequested(phone=PHONE))
    late_s = NOW_S + 30 * 86_400
    world.stage.timer_service.clear()
    in_flight = world.store.get_phone(PHONE)
    assert in_flight is not None
    assert in_flight.in_flight is not None
    flight = in_flight.in_flight
    apply(
        world,
        3,
        events.Outcome(
            phone=PHONE,
            id=flight.id,
            dispatch_number=flight.dispatch_number,
            account="main",
            whatsapp_id="3EB0",
            result=events.Sent(at_s=NOW_S),
        ),
    )
    apply(world, 4, RetentionElapsed(phone=PHONE, ids=("parcel",)), late_s)
    assert {key[:1] for key in world.disk.rows} == {b"o"}
    changelog = dict(world.disk.rows)
    recovered = StageWorld()
    recovered.disk.rows.update(changelog)
    apply(recovered, 5, offer(5), late_s)
    assert recovered.take_topics() == ["status", "dlq"]
    assert recovered.store.get_consent(PHONE) is not None


def test_no_two_kinds_of_row_have_one_key() -> None:
    """The rows of phones and batches are in one table; a row of a wrong kind is not recovered."""
    assert not phone_store._DECODERS.keys() & batch_store._DECODERS.keys()


def test_a_change_is_counted_once() -> None:
    """Neither a repeat of the message nor a second reading of the event counts."""
    world = StageWorld()
    apply(world, 0, STOP)
    apply(world, 0, STOP)
    apply(world, 1, STOP)
    assert world.metrics.consent_changes == ["opted_out"]


# -- a real dispatcher


@pytest.fixture
async def system(broker: Any, tmp_path: Any) -> AsyncIterator[SystemUnderTest]:
    """A dispatcher that confirms what a recipient has decided."""
    settings = make_settings(broker, tmp_path, opt_out_reply="No more offers.")
    system = await start_dispatcher(settings)
    yield system
    system.stop()


@pytest.mark.broker
async def test_an_opt_out_outlives_a_kill_and_a_lost_disk(system: SystemUnderTest) -> None:
    """It is confirmed once, listed, and still in force after the tables are gone; an operator ends it."""
    phone = f"+90555{uuid4().int % 10_000_000:07}"
    stop = InboundSeen(phone=phone, account="main", whatsapp_id="3A02", text="Stop.")
    async with Caller(system.settings).open() as caller:
        fake_sender = FakeSender(caller)
        await fake_sender.publish_state("ready")
        later = "2036-01-01T00:00:00Z"
        scheduled = {"id": "later", "to": phone, "text": "x", "category": "marketing"}
        await caller.request({**scheduled, "send_at": later})
        await caller.wait_for_status("later", "queued")
        for _ in range(2):  # the sender publishes it at least once
            await caller.produce((events.encode(stop), phone.encode()), topic=caller.names.phone)
        await caller.wait_for_status("later", "rejected")
        confirmation = await fake_sender.take_command()
        assert orjson.loads(confirmation.content) == {"type": "text", "body": "No more offers."}
        await fake_sender.publish_outcome(confirmation)
        (record,) = await operations.read_consents(system.settings)
        assert (record.phone, record.consent, record.source) == (phone, "opted_out", "message")

        system.workers[-1].kill()
        system.delete_tables("dispatch-1")
        await system.start_dispatcher().wait_until_ready()
        await caller.request({**scheduled, "id": "offer"})
        await caller.wait_for_status("offer", "rejected")

        answer = await operations.set_consent(system.settings, phone, "opted_in", timeout_s=30)
        assert (answer.consent, answer.source) == ("opted_in", "operator")
        await caller.request({**scheduled, "id": "offer2"})
        assert (await fake_sender.take_command()).id == "offer2"
        assert fake_sender.pending_count == 0
