"""A real dispatcher, with the test as its sender: what is dispatched when, and what is published."""

import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest

from streams.contract import dead_letter
from streams.domain.errors import Error
from streams.domain.phone.events import Deferred, Failed, Moved, OutcomeUnknown
from tests.support.caller import Caller
from tests.support.dispatching import FakeSender
from tests.support.system import SystemUnderTest
from tests.support.waiting import wait_until

pytestmark = pytest.mark.broker


@pytest.fixture
async def caller(dispatching: SystemUnderTest) -> AsyncIterator[Caller]:
    async with Caller(dispatching.settings).open() as caller:
        yield caller


@pytest.fixture
async def fake_sender(caller: Caller) -> FakeSender:
    """The sender of `main`, ready; dispatches that are on its send topic already are skipped."""
    fake_sender = FakeSender(caller)
    await fake_sender.publish_state("ready")
    await fake_sender.skip_existing()
    return fake_sender


@pytest.fixture
def phone() -> str:
    return f"+90555{uuid4().int % 10_000_000:07}"


def request(phone: str, body: str = "hello", **more: Any) -> dict[str, Any]:
    return {"id": uuid4().hex, "to": phone, "text": body, **more}


async def test_one_is_in_flight_and_the_next_follows_its_outcome(
    caller: Caller, fake_sender: FakeSender, phone: str
) -> None:
    """The sender has one dispatch of a phone at a time, in order, with content and trace."""
    trace = ("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01")
    first, second = request(phone, "1"), request(phone, "2")
    await caller.produce((orjson.dumps(first), b"k"), headers=[trace])
    await caller.produce((orjson.dumps(second), b"k"))
    send = await fake_sender.take_command()
    assert (send.id, send.phone, send.trace) == (first["id"], phone, (trace,))
    assert orjson.loads(send.content) == {"type": "text", "body": "1"}
    assert send.timeout_s > 0
    await caller.wait_for_status(second["id"], "accepted")
    assert fake_sender.pending_count == 0
    await fake_sender.publish_outcome(send)
    await caller.wait_for_status(first["id"], "sent")
    follower = await fake_sender.take_command()
    assert (follower.id, follower.chat_id) == (second["id"], f"{phone[1:]}@c.us")
    await fake_sender.publish_outcome(follower)
    await caller.wait_for_status(second["id"], "sent")


async def test_receipts_move_forward_only(
    caller: Caller, fake_sender: FakeSender, phone: str
) -> None:
    """A receipt that precedes the outcome is kept; one that comes late changes nothing."""
    submitted = request(phone)
    await caller.request(submitted)
    send = await fake_sender.take_command()
    await fake_sender.publish_receipt(send, "delivered")
    await fake_sender.publish_outcome(send)
    await caller.wait_for_status(submitted["id"], "delivered")
    await fake_sender.publish_receipt(send, "read")
    await fake_sender.publish_receipt(send, "delivered")
    await caller.wait_for_status(submitted["id"], "read")
    follower = request(phone)
    await caller.request(follower)
    await caller.wait_for_status(follower["id"], "accepted")
    assert caller.statuses(submitted["id"]) == ["accepted", "sent", "delivered", "read"]
    await fake_sender.publish_outcome(await fake_sender.take_command())


async def test_a_transient_error_is_retried_until_it_is_a_dead_letter(
    caller: Caller, fake_sender: FakeSender, phone: str
) -> None:
    """After three retries, each with a dispatch of its own, the message fails."""
    submitted = request(phone)
    await caller.request(submitted)
    dispatch_numbers = []
    for _ in range(4):
        send = await fake_sender.take_command()
        dispatch_numbers.append(send.dispatch_number)
        await fake_sender.publish_outcome(send, Failed(error=Error("server_error", "500")))
    failed = await caller.wait_for_status(submitted["id"], "failed")
    assert (failed["attempt"], failed["error"]["code"]) == (4, "server_error")
    assert dispatch_numbers == [1, 2, 3, 4]
    letter = await _letter(caller, submitted["id"])
    assert (letter.info.attempts, letter.info.outcome) == (4, "not_sent")


async def test_an_unknown_message_is_sent_again_only_by_a_replay(
    caller: Caller, fake_sender: FakeSender, phone: str
) -> None:
    """Its dead letter has that outcome; the replay may send a duplicate, and is dispatched only once."""
    submitted = request(phone)
    await caller.request(submitted)
    await fake_sender.publish_outcome(
        await fake_sender.take_command(),
        OutcomeUnknown(at_s=time.time(), error=Error("outcome_unknown")),
    )
    await caller.wait_for_status(submitted["id"], "unknown")
    letter = await _letter(caller, submitted["id"])
    assert letter.info.outcome == "unknown"
    headers = letter.build_replay_headers()
    record = (letter.value, letter.key)
    await caller.produce(record, record, headers=headers)  # pyright: ignore[reportArgumentType]
    send = await fake_sender.take_command()
    assert (send.id, send.allow_duplicate) == (submitted["id"], True)
    await fake_sender.publish_outcome(send)
    sent = await caller.wait_for_status(submitted["id"], "sent")
    assert sent["event_id"] == f"{submitted['to']}/{submitted['id']}/sent/2"
    after = request(phone)
    await caller.request(after)
    await fake_sender.publish_outcome(await fake_sender.take_command())
    await caller.wait_for_status(after["id"], "sent")
    assert [s.id for s in fake_sender.read_commands()].count(submitted["id"]) == 2


async def test_a_deferred_dispatch_comes_back(
    caller: Caller, fake_sender: FakeSender, phone: str
) -> None:
    """No attempt is counted; an attempt in doubt goes to the same account again."""
    submitted = request(phone)
    await caller.request(submitted)
    send = await fake_sender.take_command()
    error = Error("disconnected", "the page is offline")
    await fake_sender.publish_outcome(send, Deferred(error=error, until_s=0.0, in_doubt=True))
    again = await fake_sender.take_command()
    assert (again.id, again.dispatch_number) == (submitted["id"], send.dispatch_number + 1)
    assert (send.was_claimed, again.was_claimed) == (False, True)
    await fake_sender.publish_outcome(again)
    sent = await caller.wait_for_status(submitted["id"], "sent")
    assert sent["attempt"] == 1


async def test_without_an_account_it_waits_for_one(
    caller: Caller, fake_sender: FakeSender, phone: str
) -> None:
    """It is queued with the reason, and dispatched as soon as an account is ready."""
    await fake_sender.publish_state("reconnecting")
    submitted = request(phone)
    await wait_until(lambda: _is_in_state(caller, "reconnecting"))
    await caller.request(submitted)
    queued = await caller.wait_for_status(submitted["id"], "queued")
    assert queued["reason"] == "no_account"
    assert fake_sender.pending_count == 0
    await fake_sender.publish_state("ready")
    await fake_sender.publish_outcome(await fake_sender.take_command())
    await caller.wait_for_status(submitted["id"], "sent")


async def test_dispatches_are_bounded_and_turns_are_fair(
    caller: Caller, fake_sender: FakeSender, dispatching: SystemUnderTest
) -> None:
    """No more than the limit is in flight; a flood to one phone holds up no other."""
    max_in_flight = dispatching.settings.account_max_in_flight
    flood = [request("+905551110000", f"{n}") for n in range(10)]
    others = [request(f"+9055522{n:05}") for n in range(40)]
    await caller.request(*flood, *others)
    await caller.wait_for_statuses([request["id"] for request in (*flood, *others)], {"accepted"})
    await wait_until(
        lambda: fake_sender.pending_count >= max_in_flight - 2 * dispatching.settings.partitions
    )
    assert fake_sender.pending_count <= max_in_flight
    order: list[str] = []
    for _ in range(50):
        send = await fake_sender.take_command()
        order.append(send.phone)
        assert fake_sender.pending_count <= max_in_flight
        await fake_sender.publish_outcome(send)
    await caller.wait_for_statuses([request["id"] for request in (*flood, *others)], {"sent"})
    flooded = [position for position, phone in enumerate(order) if phone == "+905551110000"]
    assert flooded[-1] > 20  # the flood did not delay the others


async def test_scheduled_and_expired(caller: Caller, fake_sender: FakeSender, phone: str) -> None:
    """Nothing is dispatched before `send_at`, or after it has expired."""
    now = datetime.now(UTC)
    later = request(phone, send_at=(now + timedelta(seconds=2)).isoformat())
    late = request(phone, expires_at=(now - timedelta(seconds=1)).isoformat())
    await caller.request(later, late)
    await caller.wait_for_status(late["id"], "expired")
    assert (await caller.wait_for_status(later["id"], "queued"))["reason"] == "scheduled"
    send = await fake_sender.take_command()
    assert send.id == later["id"]
    assert time.time() >= (now + timedelta(seconds=2)).timestamp()
    await fake_sender.publish_outcome(send)
    await caller.wait_for_status(later["id"], "sent")


async def test_a_full_queue_rejects(broker: Any, tmp_path: Any) -> None:
    """The message gets `queue_full` and a dead letter; waiting messages are not affected."""
    from tests.support.broker import make_settings
    from tests.support.dispatching import start_dispatcher

    system = await start_dispatcher(make_settings(broker, tmp_path, max_queue=2))
    try:
        async with Caller(system.settings).open() as caller:
            fake_sender = FakeSender(caller)
            submitted = [request("+905551119999", f"{n}") for n in range(4)]
            await caller.request(*submitted)
            rejected = await caller.wait_for_status(submitted[2]["id"], "rejected")
            assert rejected["error"]["code"] == "queue_full"
            letter = await _letter(caller, submitted[2]["id"])
            assert orjson.loads(letter.value or b"") == submitted[2]
            await fake_sender.publish_state("ready")
            for waiting in submitted[:2]:
                send = await fake_sender.take_command()
                assert send.id == waiting["id"]
                await fake_sender.publish_outcome(send)
    finally:
        system.stop()


async def _letter(caller: Caller, request_id: str) -> dead_letter.DeadLetter:
    def find() -> dead_letter.DeadLetter | None:
        for record in caller.dead_letters():
            letter = dead_letter.parse(record.key, record.value, record.headers)
            if letter.info.request_id == request_id:
                return letter
        return None

    return await wait_until(find, message="no dead letter")


def _is_in_state(caller: Caller, state: str) -> bool:
    records = caller.follow(caller.names.accounts)
    return bool(records) and orjson.loads(records[-1].value)["state"] == state


async def test_faust_can_run_it(broker: Any, tmp_path: Any) -> None:
    """`faust -A streams.dispatch worker` is a dispatcher too."""
    from streams.kafka import admin
    from tests.support.broker import make_settings

    system = SystemUnderTest(make_settings(broker, tmp_path))
    await admin.create_topics(system.settings)
    worker = system.start_program(
        [sys.executable, "-m", "faust", "-A", "streams.dispatch", "worker"]
    )
    try:
        await worker.wait_until_ready()
        async with Caller(system.settings).open() as caller:
            submitted = request("+905551118888")
            await caller.request(submitted)
            await caller.wait_for_status(submitted["id"], "accepted")
    finally:
        system.stop()


async def test_two_spellings_have_one_limit(caller: Caller, fake_sender: FakeSender) -> None:
    """Of 40 requests to both numbers of a chat, 30 are sent at once; an id under both is one of them."""
    subscriber = f"8{uuid4().int % 10_000_000:07}"
    alias, phone = f"+55419{subscriber}", f"+5541{subscriber}"
    messages = [request((alias, phone)[n % 2]) for n in range(40)]
    messages[1]["id"] = messages[0]["id"]
    await caller.request(*messages)
    sent_ids: list[str] = []
    while len(sent_ids) < 30:
        send = await fake_sender.take_command()
        if send.phone == alias:
            await fake_sender.publish_outcome(send, Moved(phone=phone))
        else:
            sent_ids.append(send.id)
            await fake_sender.publish_outcome(send)
    waiting = next(message["id"] for message in messages if message["id"] not in sent_ids)
    await wait_until(lambda: "rate_limited" in reasons_to(caller, phone))
    assert len(set(sent_ids)) == 30
    assert not fake_sender.pending_count
    assert "sent" not in caller.statuses(waiting)


def reasons_to(caller: Caller, phone: str) -> set[str | None]:
    return {event.get("reason") for event in caller.status_events() if event["to"] == phone}
