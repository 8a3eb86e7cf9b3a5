"""What waits is counted by priority and reason, and the oldest is found."""

from typing import cast

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from streams.dispatch.phone_store import PHONE, PhoneStore
from streams.dispatch.queue_survey import QueueSurvey
from streams.domain.phone import state as stored
from streams.domain.phone import waiting
from streams.domain.phone.state import InFlight, Message, Parked, Phone, PriorityQueue, State
from streams.runtime.table import DurableTable, PartitionRevoked
from streams.testing.memory_table import Disk, InMemoryTable

NOW_S = 1000.0


@pytest.fixture
def disk() -> Disk:
    return Disk()


def put(disk: Disk, row: Phone, *messages: Message) -> None:
    """Store a recipient with these messages at the heads of its queues."""
    disk.rows[PHONE + row.phone.encode()] = stored.encode_phone(row)
    for message in messages:
        key = row.phone.encode() + b"\0"
        disk.rows[b"m" + key + message.id.encode()] = stored.encode_message(message)
        slot = message.queue_name.encode() + b"\0" + message.seq.to_bytes(8)
        disk.rows[b"s" + key + slot] = message.id.encode()


async def survey(disk: Disk, *phones: str) -> dict[str, float]:
    """What a scrape returns."""
    store = PhoneStore(cast("DurableTable", InMemoryTable(disk)), 0)
    registry = CollectorRegistry()
    survey = QueueSurvey(registry, lambda: [(store, phone) for phone in phones], lambda: NOW_S)
    await survey.run_once()
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for metric in registry.collect()
        for sample in metric.samples
    }


def head(id: str, **fields: object) -> Message:
    """The first message of a queue."""
    values = {"offset": 1, "seq": 7, "accepted_at_s": 900.0, **fields}
    return Message(id=id, **values)  # pyright: ignore[reportArgumentType]


async def test_each_message_counts_and_not_each_recipient(disk: Disk) -> None:
    """974 messages that wait for one recipient are 974, with the reason that holds up their queue."""
    queue = PriorityQueue(head=5, tail=981, count=974)  # the slots 5 and 6 are empty
    put(disk, Phone(phone="a", queues={"normal": queue}), head("a1", last_reason="rate_limited"))
    one = PriorityQueue(head=7, tail=8, count=1)
    urgent = head("b1", priority="urgent", last_reason="no_account", accepted_at_s=400.0)
    put(
        disk,
        Phone(phone="b", queues={"urgent": one}, scheduled_count=3),
        urgent,
    )
    assert await survey(disk, "a", "b") == {
        "wa_messages_waiting normal rate_limited": 974,
        "wa_messages_waiting urgent no_account": 1,
        "wa_messages_waiting any scheduled": 3,
        "wa_oldest_waiting_seconds": 600.0,
    }


async def test_a_message_with_a_sender_does_not_wait(disk: Disk) -> None:
    """Those behind it wait for their turn."""
    row = Phone(
        phone="a",
        queues={"normal": PriorityQueue(head=7, tail=10, count=3)},
        in_flight=InFlight(id="a1", account="main", dispatch_number=1),
    )
    put(disk, row, head("a1", state=State.DISPATCHED))
    samples = await survey(disk, "a")
    assert samples["wa_messages_waiting normal in_turn"] == 2
    assert samples["wa_oldest_waiting_seconds"] == 100.0


async def test_each_queue_has_its_own_reason(disk: Disk) -> None:
    """What may use only one account waits for it, and what is in doubt stands alone."""
    queue = PriorityQueue(head=7, tail=9, count=2)
    row = Phone(
        phone="a",
        queues={"normal": queue, "normal@b": queue},
        parked=(Parked(id="p", priority="normal"),),
        in_flight=InFlight(id="a1", account="main", dispatch_number=1),
    )
    doubt = head("p", pinned_to="main", seq=99)
    put(disk, row, head("a1"), head("b1", account="b", last_reason="no_account"), doubt)
    samples = await survey(disk, "a")
    assert samples["wa_messages_waiting normal in_turn"] == 1
    assert samples["wa_messages_waiting normal no_account"] == 2
    assert samples["wa_messages_waiting normal attempt_in_doubt"] == 1


async def test_nothing_waits(disk: Disk) -> None:
    """Also for a recipient whose row is gone."""
    assert await survey(disk, "gone") == {"wa_oldest_waiting_seconds": 0.0}


async def test_a_revoked_partition_is_left_out(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk goes on, and raises nothing."""

    def revoke(*_: object) -> None:
        raise PartitionRevoked

    monkeypatch.setattr(PhoneStore, "get_phone", revoke)
    assert await survey(disk, "a") == {"wa_oldest_waiting_seconds": 0.0}


def test_why_a_message_waits() -> None:
    """With the account that it waits for, and the time at which it is examined again."""
    row = Phone(phone="a", timer_at_s=1100.0)
    busy = Phone(
        phone="a", in_flight=InFlight(id="x", account="main", dispatch_number=1, deadline_s=9.0)
    )
    doubt = head("d", pinned_to="main", not_before_s=1200.0)
    explain = waiting.explain
    assert explain(row, head("a", last_reason="retry", not_before_s=1050.0)) == (
        "retry",
        1100.0,
        None,
    )
    assert explain(row, head("a", last_reason="no_account", account="b")).account == "b"
    assert explain(row, head("a")) == ("in_turn", 0.0, None)
    assert explain(busy, head("a", last_reason="rate_limited")).reason == "in_turn"
    assert explain(busy, head("x")) == ("in_flight", 9.0, "main")
    assert busy.in_flight is not None
    silent = replace(busy, in_flight=replace(busy.in_flight, overdue_since_s=10.0))
    assert explain(silent, head("x")) == ("overdue", 0.0, "main")
    assert explain(row, doubt) == ("attempt_in_doubt", 1200.0, "main")
    assert explain(busy, head("x", pinned_to="main")).reason == "attempt_in_doubt"
    scheduled = head("s", state=State.SCHEDULED, send_at_s=5000.0)
    assert explain(busy, scheduled) == ("scheduled", 5000.0, None)


async def test_what_quiet_hours_hold_back_could_not_be_sent(disk: Disk) -> None:
    """It is counted under its reason, and is not the oldest that could be sent."""
    queue = PriorityQueue(head=7, tail=9, count=2)
    row = Phone(phone="a", queues={"normal/marketing": queue}, quiet_until_s=2000.0)
    put(disk, row, head("a1", category="marketing", last_reason="quiet_hours"))
    metrics = await survey(disk, "a")
    assert metrics["wa_messages_waiting normal quiet_hours"] == 2
    assert metrics["wa_oldest_waiting_seconds"] == 0
