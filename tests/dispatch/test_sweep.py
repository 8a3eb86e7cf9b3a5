"""The sweep finds rows that may be forgotten, one slice at a time, and no others."""

import asyncio
from typing import Any, cast

import pytest

from streams.dispatch import sweep as sweeping
from streams.dispatch.phone_store import PhoneStore
from streams.dispatch.sweep import Sweep
from streams.domain.conversation import Conversation
from streams.domain.phone import events
from streams.domain.phone import state as stored
from streams.domain.phone.events import RetentionElapsed
from streams.domain.phone.state import Chat, InFlight, Message, Phone, State
from streams.domain.policy import Policy
from streams.runtime.table import PartitionRevoked
from streams.testing.memory_table import Disk, InMemoryPublisher, InMemoryTable

NOW_S = 1_000_000.0
POLICY = Policy(idempotency_window_s=100.0, conversation_expiry_s=10.0)
OLD_S, YOUNG_S = NOW_S - 101.0, NOW_S - 99.0


@pytest.fixture
def disk() -> Disk:
    return Disk()


def put(disk: Disk, row: Phone | Message, phone: str = "") -> None:
    if isinstance(row, Phone):
        disk.rows[b"p" + row.phone.encode()] = stored.encode_phone(row)
    else:
        disk.rows[b"m" + phone.encode() + b"\0" + row.id.encode()] = stored.encode_message(row)


def sweep_names(disk: Disk, rounds: int = 1) -> dict[str, set[str]]:
    """What the sweep has found, by phone, after this many slices."""
    sweep = Sweep(
        lambda: [PhoneStore(cast("Any", InMemoryTable(disk)), 0)],
        InMemoryPublisher(disk),
        "phone",
        POLICY,
        lambda: NOW_S,
    )
    for _ in range(rounds):
        asyncio.run(sweep.run_once())
    named: dict[str, set[str]] = {}
    for record in disk.topics:
        event = events.decode(record.value or b"")
        assert isinstance(event, RetentionElapsed)
        named.setdefault(event.phone, set()).update(event.ids)
    return named


def test_completed_messages_past_their_time_are_named(disk: Disk) -> None:
    """Young messages are not named, and neither are open ones of any age."""
    put(disk, Message(id="old", offset=1, state=State.SENT, completed_at_s=OLD_S), "a")
    put(disk, Message(id="young", offset=1, state=State.SENT, completed_at_s=YOUNG_S), "a")
    put(disk, Message(id="open", offset=1, state=State.WAITING), "a")
    assert sweep_names(disk) == {"a": {"old"}}


def test_ended_conversations_are_named(disk: Disk) -> None:
    """Also of a recipient whose row is still needed; one that goes on is not."""
    chat = Chat(chat_id="c", valid_until_s=NOW_S + 1)
    ended, current = (
        Conversation(received_count=1, last_received_at_s=NOW_S - age_s) for age_s in (10, 9)
    )
    put(disk, Phone(phone="ended", chat=chat, conversation=ended))
    put(disk, Phone(phone="current", chat=chat, conversation=current))
    assert sweep_names(disk) == {"ended": set()}


def test_idle_phones_are_named(disk: Disk) -> None:
    """A phone is not idle if it was active, waits, has a message in flight, or a valid look-up."""
    flight = InFlight(id="x", account="main", dispatch_number=1)
    put(disk, Phone(phone="idle"))
    put(disk, Phone(phone="active", last_active_s=NOW_S - 9))
    put(disk, Phone(phone="waiting", scheduled_count=1))
    put(disk, Phone(phone="in flight", in_flight=flight))
    put(disk, Phone(phone="looked up", chat=Chat(chat_id="c", valid_until_s=NOW_S + 1)))
    assert sweep_names(disk) == {"idle": set()}


def test_every_row_is_examined(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slice by slice, and then from the beginning again."""
    monkeypatch.setattr(sweeping, "BATCH_SIZE", 3)
    for number in range(10):
        name = f"m{number}"
        put(disk, Message(id=name, offset=1, state=State.SENT, completed_at_s=OLD_S), "a")
    assert sweep_names(disk, rounds=1) == {"a": {"m0", "m1", "m2"}}
    disk.topics.clear()
    assert sweep_names(disk, rounds=4) == {"a": {f"m{number}" for number in range(10)}}
    disk.topics.clear()
    assert len(sweep_names(disk, rounds=6)["a"]) == 10


def test_a_revoked_partition_is_skipped(disk: Disk) -> None:
    """The sweep awaits between two partitions, and a rebalance may come."""

    class RevokedTable(InMemoryTable):
        def scan(self, partition: int, prefix: bytes, *, after: bytes = b"") -> Any:
            if partition == 0:
                raise PartitionRevoked("partition 0 is not open in this process")
            return super().scan(partition, prefix, after=after)

    put(disk, Phone(phone="idle"))
    owned = [PhoneStore(cast("Any", RevokedTable(disk)), partition) for partition in (0, 1)]
    sweep = Sweep(lambda: owned, InMemoryPublisher(disk), "phone", POLICY, lambda: NOW_S)
    assert asyncio.run(sweep.run_once()) == 1
    assert [record.partition for record in disk.topics] == [1]
