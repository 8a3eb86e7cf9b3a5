"""What became of dead letters: the table of results, and the statuses on the real broker that lead to them."""

from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from streams.contract import replay, status
from streams.contract.dead_letter import DeadLetter, DeadLetterInfo
from streams.contract.timestamps import format_rfc3339
from streams.kafka import admin
from streams.kafka.connection import producer_options
from streams.kafka.topics import names
from streams.operations.replays.results import describe_result, read_results
from streams.settings import Settings

PHONE, CHAT = "+60123456789", "+60987654321"
FAILED_S = 1_700_000_000.0


def make_letter(id: str, replay_of: str | None = None) -> DeadLetter:
    """A dead letter of this request; its id is the same with a prefix."""
    failed_at = format_rfc3339(FAILED_S)
    info = DeadLetterInfo(
        id=f"dead/{id}",
        reason="server_error",
        error_class="transient",
        message="the server refused it",
        attempts=4,
        first_failed_at=failed_at,
        last_failed_at=failed_at,
        topic="wa.outbound",
        partition=0,
        offset=0,
        timestamp=1,
        outcome="not_sent",
        request_id=id,
        replay_count=0,
    )
    headers = () if replay_of is None else ((replay.REPLAY_OF, replay_of.encode()),)
    value = f'{{"to": "{PHONE}", "text": "hello"}}'.encode()
    return DeadLetter(info=info, value=value, headers=headers)


@pytest.mark.parametrize(
    ("last_status", "is_accepted", "expected"),
    [
        (None, False, "not replayed"),
        ("failed", False, "not replayed"),
        ("unknown", False, "not replayed"),
        ("delivered", False, "not replayed, sent"),  # a receipt came late
        ("accepted", True, "replayed, waiting"),
        ("queued", True, "replayed, waiting"),
        ("sent", True, "replayed, sent"),
        ("read", True, "replayed, sent"),
        ("failed", True, "replayed, dead again"),
        ("unknown", True, "replayed, dead again"),
        ("rejected", True, "replayed, dead again"),
        ("expired", True, "replayed, expired"),
        ("cancelled", True, "replayed, cancelled"),
    ],
)
def test_the_last_status_says_how_it_ended(
    last_status: str | None, is_accepted: bool, expected: str
) -> None:
    """Without an acceptance after the failure there was no replay."""
    assert describe_result(last_status, is_accepted=is_accepted) == expected


@pytest.mark.broker
async def test_only_what_came_after_the_failure_counts(settings: Settings) -> None:
    """Each message is known by its id and its recipient, also if WhatsApp has the chat under another number."""
    await admin.create_topics(settings)
    events: list[tuple[str, Any, float, dict[str, Any]]] = [
        ("old", "accepted", -60.0, {}),
        ("old", "failed", 0.0, {}),
        ("sent", "accepted", 10.0, {}),
        ("sent", "sent", 20.0, {}),
        ("sent", "failed", -5.0, {}),  # a repeat of what was before
        ("moved", "accepted", 10.0, {"to": CHAT, "requested_to": PHONE}),
        ("moved", "queued", 11.0, {"to": CHAT, "requested_to": PHONE}),
        ("other", "failed", 0.0, {}),
        ("other", "accepted", 10.0, {"to": CHAT}),  # somebody else's message with this id
        ("again", "accepted", 10.0, {}),
    ]
    async with AIOKafkaProducer(**producer_options(settings)) as producer:
        topic = names(settings).status
        await producer.send_and_wait(topic, b"somebody else's record", partition=0)
        for number, (id, kind, after_s, fields) in enumerate(events):
            event = status.make(
                id=id,
                status=kind,
                event_id_suffix=str(number),
                at_s=FAILED_S + after_s,
                **({"to": PHONE} | fields),
            )
            await producer.send_and_wait(topic, status.encode(event), partition=0)
    selected = [make_letter(id) for id in ("old", "sent", "moved", "other", "again")]
    letters = [*selected, make_letter("later", replay_of="dead/again")]
    assert await read_results(settings, letters, selected) == {
        "dead/old": "not replayed",
        "dead/sent": "replayed, sent",
        "dead/moved": "replayed, waiting",
        "dead/other": "not replayed",
        "dead/again": "replayed, dead again",
    }
    # Statuses that take too long: only what the dead letters tell is said.
    assert await read_results(settings, letters, selected, timeout_s=0.0) == {
        "dead/again": "replayed, dead again"
    }


@pytest.mark.broker
async def test_nothing_is_said_if_the_statuses_have_been_removed(settings: Settings) -> None:
    """They are kept for a shorter time. A message that looks as if it was not replayed would be sent twice."""
    await admin.create_topics(settings)
    sent = status.make(
        id="late", status="sent", event_id_suffix="1", at_s=FAILED_S + 86_400, to=PHONE
    )
    async with AIOKafkaProducer(**producer_options(settings)) as producer:
        await producer.send_and_wait(names(settings).status, status.encode(sent))
    letters = [make_letter("gone"), make_letter("late")]
    assert await read_results(settings, letters, letters) == {"dead/gone": None, "dead/late": None}
