"""The path of a request through the running service, judged by the sandbox's log and the topics."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import orjson
import pytest

from tests.support.browser import SandboxControl
from tests.support.caller import Caller
from tests.support.system import SystemUnderTest
from tests.support.verdict import judge
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.broker, pytest.mark.browser]

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgAAIAAAUAAeImBZsAAAAASUVORK5CYII="
)


@pytest.fixture
async def caller(running: SystemUnderTest) -> AsyncIterator[Caller]:
    async with Caller(running.settings).open() as caller:
        yield caller


@pytest.fixture
def phone() -> str:
    """A number that no other test uses."""
    return f"+90555{uuid4().int % 10_000_000:07}"


def request(phone: str, body: str = "hello", **more: Any) -> dict[str, Any]:
    fields = {"id": uuid4().hex, "to": phone, "content": {"type": "text", "body": body}}
    return fields | more


async def rows_to(control: SandboxControl, phone: str) -> list[dict[str, Any]]:
    return [r for r in await control.fetch_log() if r["event"] == "message" and r["to"] == phone]


async def test_a_request_becomes_a_message(
    caller: Caller, module_control: SandboxControl, phone: str
) -> None:
    """Accepted, sent under the id that the phone sees, delivered; what the caller attached is echoed."""
    submitted = request(phone, "Your parcel", metadata={"order": 8841}, batch_id="b-17")
    await caller.request(submitted)
    sent = await caller.wait_for_status(submitted["id"], "sent")
    await caller.wait_for_status(submitted["id"], "delivered")
    assert caller.statuses(submitted["id"])[:2] == ["accepted", "sent"]
    assert (sent["to"], sent["metadata"], sent["batch_id"]) == (phone, {"order": 8841}, "b-17")
    (row,) = await rows_to(module_control, phone)
    assert (row["body"], row["whatsapp_id"], row["shown"]) == (
        "Your parcel",
        sent["whatsapp_id"],
        True,
    )


async def test_a_read_message_is_read(
    caller: Caller, module_control: SandboxControl, phone: str
) -> None:
    """When the recipient reads the message, a status reports it."""
    submitted = request(phone)
    await caller.request(submitted)
    await caller.wait_for_status(submitted["id"], "delivered")
    row = (await rows_to(module_control, phone))[0]
    await module_control.post("/read", {"by": phone, "to": row["from"]})
    await caller.wait_for_status(submitted["id"], "read")


async def test_short_forms_are_understood(
    caller: Caller, module_control: SandboxControl, phone: str
) -> None:
    """Callers of the earlier service keep their payloads; without an id, the record's position is the id."""
    await caller.request({"to": phone, "text": "one"})
    await caller.request({"phoneNumber": phone, "message": "two"})
    await wait_until(
        lambda: sum(e["status"] == "sent" and e["to"] == phone for e in caller.status_events()) == 2
    )
    assert [row["body"] for row in await rows_to(module_control, phone)] == ["one", "two"]
    ids = {event["id"] for event in caller.status_events() if event["to"] == phone}
    assert all(id.startswith(f"{caller.names.outbound}:") for id in ids)


async def test_a_repeat_is_answered_and_not_sent(
    caller: Caller, module_control: SandboxControl, phone: str
) -> None:
    """The same id again gives the last status under the same event id, and no second message."""
    submitted = request(phone)
    await caller.request(submitted)
    await caller.wait_for_status(submitted["id"], "delivered")
    before = caller.status_events(submitted["id"])
    await caller.request(submitted)
    await wait_until(lambda: len(caller.status_events(submitted["id"])) > len(before))
    assert caller.status_events(submitted["id"])[-1] == before[-1]
    assert len(await rows_to(module_control, phone)) == 1


async def test_order_is_kept_and_positions_are_reported(
    caller: Caller, module_control: SandboxControl, phone: str
) -> None:
    """Ten messages to one phone are sent in the order of their acceptance."""
    submitted = [request(phone, f"{n}") for n in range(10)]
    await caller.request(*submitted)
    await caller.wait_for_statuses([request["id"] for request in submitted], {"sent"})
    assert [row["body"] for row in await rows_to(module_control, phone)] == [
        str(n) for n in range(10)
    ]
    accepted = [await caller.wait_for_status(request["id"], "accepted") for request in submitted]
    assert all("queue_position" in event for event in accepted)


async def test_the_limit_holds(caller: Caller, module_control: SandboxControl, phone: str) -> None:
    """The thirty-first message within a minute waits, and its status has the time until which it waits."""
    submitted = [request(phone, f"{n}") for n in range(31)]
    await caller.request(*submitted)
    queued = await caller.wait_for_status(submitted[30]["id"], "queued")
    while queued["reason"] != "rate_limited":
        await wait_until(
            lambda: caller.status_events(submitted[30]["id"])[-1]["reason"] == "rate_limited"
        )
        queued = caller.status_events(submitted[30]["id"])[-1]
    assert "due_at" in queued
    assert len(await rows_to(module_control, phone)) == 30


@pytest.mark.parametrize(
    ("content", "details"),
    [
        ({"type": "location", "latitude": 41.01, "longitude": 28.98, "name": "Galata"}, ()),
        ({"type": "contact", "name": "Ali", "phones": ["+90 555 111 22 44"]}, ()),
        ({"type": "poll", "question": "When?", "options": ["now", "later"]}, ()),
        ({"type": "image", "data": PIXEL, "caption": "a dot"}, ("image/png", "image.png")),
        ({"type": "document", "data": PIXEL, "filename": "dot"}, ("image/png", "dot.png")),
    ],
    ids=["location", "contact", "poll", "image", "document"],
)
async def test_other_contents_arrive(
    caller: Caller,
    module_control: SandboxControl,
    phone: str,
    content: dict[str, Any],
    details: tuple[str, ...],
) -> None:
    """Each kind of content becomes one message; WhatsApp gets the type and the name of each file."""
    submitted = request(phone) | {"content": content}
    await caller.request(submitted)
    sent = await caller.wait_for_status(submitted["id"], "sent")
    (row,) = await rows_to(module_control, phone)
    assert row["whatsapp_id"] == sent["whatsapp_id"]
    if details:
        assert (row["details"]["mimetype"], row["details"]["filename"]) == details


async def test_a_reaction_and_a_reply_refer_to_a_message(
    caller: Caller, module_control: SandboxControl, phone: str
) -> None:
    """They refer to it by the WhatsApp id in its status."""
    first = request(phone)
    await caller.request(first)
    sent = await caller.wait_for_status(first["id"], "sent")
    reply = request(phone, "and so", reply_to=sent["whatsapp_id"])
    reaction = request(phone) | {
        "content": {"type": "reaction", "message_id": sent["whatsapp_id"], "emoji": "👍"}
    }
    await caller.request(reply, reaction)
    await caller.wait_for_statuses([reply["id"], reaction["id"]], {"sent"})


async def test_a_number_that_is_not_on_whatsapp_fails_and_is_replayed(
    caller: Caller, module_control: SandboxControl, phone: str
) -> None:
    """It fails with a dead letter; replayed after the number has joined WhatsApp, it is sent once."""
    await module_control.post("/numbers", {phone: {"on_whatsapp": False}})
    submitted = request(phone)
    value = orjson.dumps(submitted)
    await caller.produce((value, b"my key"), headers=[("x-caller", b"1")])
    failed = await caller.wait_for_status(submitted["id"], "failed")
    assert failed["error"]["code"] == "recipient_not_on_whatsapp"
    letter = await wait_until(lambda: _letter_of(caller, value))
    headers = dict(letter.headers)
    assert (letter.key, headers["x-caller"]) == (b"my key", b"1")
    assert headers["wa-dlq-reason"] == b"recipient_not_on_whatsapp"
    assert headers["wa-dlq-outcome"] == b"not_sent"
    await module_control.post("/numbers", {phone: {"on_whatsapp": True}})
    await asyncio.sleep(1.1)  # WA_LOOKUP_CACHE_S: until then the number is not looked up again
    again = [
        *letter.headers,
        ("wa-replay-of", headers["wa-dlq-id"]),
        ("wa-replay-count", b"1"),
        ("wa-request-id", submitted["id"].encode()),
    ]
    await caller.produce((letter.value, letter.key), (letter.value, letter.key), headers=again)
    await caller.wait_for_status(submitted["id"], "sent")
    await wait_until(lambda: caller.statuses(submitted["id"]).count("sent") >= 1)
    assert len(await rows_to(module_control, phone)) == 1


async def test_a_number_that_left_whatsapp_is_looked_up_anew(
    caller: Caller, module_control: SandboxControl, phone: str
) -> None:
    """The remembered chat does not decide: the message fails at once, and the next one asks WhatsApp."""
    submitted = [request(phone, text) for text in ("before", "away", "back")]
    await caller.request(submitted[0])
    await caller.wait_for_status(submitted[0]["id"], "sent")
    await module_control.post("/numbers", {phone: {"on_whatsapp": False}})
    await caller.request(submitted[1])
    failed = await caller.wait_for_status(submitted[1]["id"], "failed")
    assert (failed["error"]["code"], failed["attempt"]) == ("recipient_not_on_whatsapp", 1)
    await module_control.post("/numbers", {phone: {"on_whatsapp": True}})
    await caller.request(submitted[2])
    await caller.wait_for_status(submitted[2]["id"], "sent")
    assert [row["body"] for row in await rows_to(module_control, phone)] == ["before", "back"]


def _letter_of(caller: Caller, value: bytes) -> Any:
    return next((letter for letter in caller.dead_letters() if letter.value == value), None)


async def test_a_transient_error_is_retried(
    caller: Caller, module_control: SandboxControl, phone: str
) -> None:
    """The server refuses the first attempt; the second has the same id and arrives."""
    await module_control.post("/faults", {"send_error": 500, "count": 1, "number": phone})
    submitted = request(phone)
    await caller.request(submitted)
    sent = await caller.wait_for_status(submitted["id"], "sent")
    assert sent["attempt"] == 2
    queued = [e for e in caller.status_events(submitted["id"]) if e["status"] == "queued"]
    assert [e["reason"] for e in queued] == ["retry"]


async def test_a_scheduled_message_waits_and_a_late_one_expires(
    caller: Caller, module_control: SandboxControl, phone: str
) -> None:
    """Nothing is sent before `send_at` or after `expires_at`."""
    from datetime import UTC, datetime, timedelta

    now = datetime.now(UTC)
    later = request(phone, "later", send_at=(now + timedelta(seconds=3)).isoformat())
    late = request(phone, "late", expires_at=(now - timedelta(seconds=1)).isoformat())
    await caller.request(later, late)
    await caller.wait_for_status(late["id"], "expired")
    queued = await caller.wait_for_status(later["id"], "queued")
    assert queued["reason"] == "scheduled"
    sent = await caller.wait_for_status(later["id"], "sent")
    assert sent["at"] >= queued["due_at"]
    assert [row["body"] for row in await rows_to(module_control, phone)] == ["later"]


async def test_urgent_overtakes(caller: Caller, module_control: SandboxControl, phone: str) -> None:
    """The messages that wait behind the one in flight are sent by priority."""
    await module_control.post("/faults", {"ack_delay_ms": 500, "count": 1, "number": phone})
    submitted = [request(phone, "first")] + [request(phone, f"n{n}") for n in range(3)]
    urgent = request(phone, "urgent", priority="urgent")
    await caller.request(*submitted, urgent)
    await caller.wait_for_statuses([request["id"] for request in (*submitted, urgent)], {"sent"})
    bodies = [row["body"] for row in await rows_to(module_control, phone)]
    assert bodies == ["first", "urgent", "n0", "n1", "n2"]


async def test_nothing_was_lost_or_shown_twice(
    caller: Caller, module_control: SandboxControl
) -> None:
    """After all of these tests, every message that was reported as sent was shown, each once."""
    verdict = judge(await module_control.fetch_log())
    rows = [row for rows in verdict.shown.values() for row in rows]
    assert len({row["whatsapp_id"] for row in rows}) == len(rows)
    sent_ids = {e["whatsapp_id"] for e in caller.status_events() if e["status"] == "sent"}
    assert sent_ids <= {row["whatsapp_id"] for row in rows}


async def test_two_spellings_are_one_recipient(
    caller: Caller, module_control: SandboxControl
) -> None:
    """Brazil's ninth digit: WhatsApp names one number for both, and an id under both is shown once."""
    subscriber = f"8{uuid4().int % 10_000_000:07}"
    with_nine, without = f"+55419{subscriber}", f"+5541{subscriber}"
    await module_control.set_numbers({with_nine: {"chat_id": f"{without[1:]}@c.us"}})
    messages = [request((with_nine, without)[n % 2], f"{n}") for n in range(6)]
    messages[1]["id"] = messages[0]["id"]
    await caller.request(*messages)
    await caller.wait_for_statuses([message["id"] for message in messages[1:]], {"sent"})
    rows = [r for spelling in (with_nine, without) for r in await rows_to(module_control, spelling)]
    assert len(rows) == len({row["whatsapp_id"] for row in rows}) == 5
    events = [event for event in caller.status_events() if event["status"] == "sent"]
    for n in range(2, 6):
        (event,) = [event for event in events if event["id"] == messages[n]["id"]]
        expected = None if messages[n]["to"] == without else with_nine
        assert (event["to"], event.get("requested_to")) == (without, expected)
