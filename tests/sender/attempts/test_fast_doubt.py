"""Messages in doubt, with a driver in memory: late acks, reconnects, and an account that is not held up."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from streams.domain.errors import Error
from streams.domain.phone.events import Deferred, OutcomeUnknown, ReceiptSeen, Sent
from streams.domain.sending import claim as claims
from streams.domain.sending import results
from streams.domain.sending.message_id import derive_whatsapp_id
from streams.domain.sending.reconciliation import (
    MAX_SUBMITS,
    STALL_TIMEOUT_S,
    InStore,
    LookupUnavailable,
)
from streams.sender import receipts
from streams.sender.attempts import reconciler
from streams.sender.attempts.reconciler import RECONCILE_TIMEOUT_S, Reconciler
from streams.sender.attempts.submitter import Limits
from streams.sender.clock import Clock
from streams.testing.phone_world import PHONE, PhoneWorld
from streams.whatsapp.driver import Phase
from tests.sender.conftest import open_sender
from tests.sender.fast import FastSender, make_command, run_until_idle, until


def id_of(request_id: str) -> str:
    """The WhatsApp id of a request's message."""
    return derive_whatsapp_id("wa", "main", PHONE, request_id)


def in_doubt(result: object) -> Deferred:
    """The result, which must be in doubt."""
    assert isinstance(result, Deferred)
    assert result.in_doubt
    return result


@pytest.fixture
async def sender(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FastSender]:
    """An open sender that publishes receipts at once."""
    monkeypatch.setattr(receipts, "BATCH_DELAY_S", 0.0)
    async with open_sender() as sender:
        task = asyncio.create_task(sender.receipts.run())
        yield sender
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def wait_for_receipt(sender: FastSender) -> ReceiptSeen:
    """Await that one receipt was published, and its row has it."""
    await until(lambda: [event for event in sender.events if isinstance(event, ReceiptSeen)])
    [receipt] = [event for event in sender.events if isinstance(event, ReceiptSeen)]
    return receipt


def count(sender: FastSender, name: str, **labels: str) -> float:
    """The value of a metric."""
    return sender.registry.get_sample_value(name, labels) or 0.0


def age_claim(sender: FastSender, request_id: str, age_s: float) -> None:
    """The message was claimed so long ago."""
    row = sender.claims.get(id_of(request_id))
    assert row is not None
    aged = msgspec.structs.replace(row, claimed_at_s=sender.now_s - age_s)
    sender.claims.put_buffered(id_of(request_id), aged)


async def test_a_late_ack_ends_the_doubt(sender: FastSender) -> None:
    """Seen to the caller's status: the ack comes 45 s late, and the message is `sent`, not `unknown`."""
    world = PhoneWorld()
    world.submit("a")
    sender.driver.lose_next_ack()
    result = in_doubt(await sender.send(make_command("a")))
    world.conclude(result)
    assert world.statuses("a") == ["accepted", "queued"]
    world.now_s += 45
    sender.driver.emit_receipt(id_of("a"), "sent")
    world.apply(await wait_for_receipt(sender))
    assert world.statuses("a") == ["accepted", "queued", "sent"]
    assert world.dead_letters() == []
    assert count(sender, "wa_sender_receipts_total", ack="sent") == 1
    assert count(sender, "wa_sender_doubts_resolved_total", by="receipt") == 1
    assert sender.pacer.count_last_day(sender.get_monotonic_s()) == 1
    assert isinstance(await sender.send(make_command("a", number=2)), Sent)
    assert len(sender.driver.submissions) == 1


async def test_a_lost_ack_does_not_hold_up_the_account(sender: FastSender) -> None:
    """The next message goes at once; the pending one is looked for again, and is not submitted again."""
    sender.driver.lose_next_ack()
    first = in_doubt(await sender.send(make_command("a")))
    assert 0 < first.until_s - sender.now_s <= 1
    assert isinstance(await sender.send(make_command("b")), Sent)
    age_claim(sender, "a", 40)
    later = in_doubt(await sender.send(make_command("a", number=2)))
    assert later.until_s - sender.now_s == pytest.approx(20, abs=1)
    assert len(sender.driver.submissions) == 2
    assert sender.driver.reconnect_count == 0


async def test_an_ack_that_no_event_reported(sender: FastSender) -> None:
    """The page was replaced meanwhile; the lookup of the next dispatch finds the ack."""
    sender.driver.lose_next_ack()
    in_doubt(await sender.send(make_command("a")))
    sender.driver.set_ack(id_of("a"), 1)
    assert isinstance(await sender.send(make_command("a", number=2)), Sent)
    assert count(sender, "wa_sender_doubts_resolved_total", by="lookup") == 1


async def test_missed_acks_of_messages_in_doubt_are_read(sender: FastSender) -> None:
    """Whenever the session is ready; the same ack of a message that is sent says nothing new."""
    sender.driver.lose_next_ack()
    in_doubt(await sender.send(make_command("a")))
    await sender.send(make_command("b"))
    sender.driver.set_ack(id_of("a"), 1)
    await sender.receipts.refresh_acks(sender.driver)
    receipt = await wait_for_receipt(sender)
    assert (receipt.id, receipt.receipt) == ("a", "sent")
    await sender.receipts.refresh_acks(sender.driver)
    await run_until_idle()
    await wait_for_receipt(sender)


async def test_a_stalled_page_is_asked_to_reconnect(sender: FastSender) -> None:
    """It then sends what is pending. One reconnect is enough for all messages in doubt."""
    for name in ("a", "b"):
        sender.driver.lose_next_ack(arrives=False)
        in_doubt(await sender.send(make_command(name)))
        age_claim(sender, name, STALL_TIMEOUT_S)
    for name in ("a", "b"):
        in_doubt_or_sent = await sender.send(make_command(name, number=2))
        assert isinstance(in_doubt_or_sent, Deferred if name == "a" else Sent)
    assert sender.driver.reconnect_count == 1
    assert [message.whatsapp_id for message in sender.driver.sent] == [id_of("a"), id_of("b")]
    assert len(sender.driver.submissions) == 2


async def test_no_two_reconnects_within_a_minute(sender: FastSender) -> None:
    """A connection that does not help is not closed again and again."""
    for number in (1, 2, 3):
        sender.driver.lose_next_ack(arrives=False)
        in_doubt(await sender.send(make_command(f"m{number}")))
        age_claim(sender, f"m{number}", STALL_TIMEOUT_S)
        in_doubt(await sender.send(make_command(f"m{number}", number=2)))
    assert sender.driver.reconnect_count == 1


@pytest.mark.parametrize("arrives", [True, False])
async def test_what_an_earlier_page_left_is_sent_again(sender: FastSender, arrives: bool) -> None:
    """Nothing else sends it; the recipient drops it if it has it (source: WAWebStoreMsgs)."""
    sender.driver.lose_next_ack(arrives=arrives)
    in_doubt(await sender.send(make_command("a")))
    sender.driver.reload_page()
    await until(lambda: sender.session.state.phase is Phase.READY)
    assert isinstance(await sender.send(make_command("a", number=2)), Sent)
    assert len(sender.driver.submissions) == 2
    assert [message.whatsapp_id for message in sender.driver.sent] == [id_of("a")]


async def test_a_refusal_of_what_may_have_arrived(sender: FastSender) -> None:
    """It stays with this account; after a refusal of one that had not arrived, another one may try."""
    sender.driver.lose_next_page(arrives=True, is_stored=True)
    sender.driver.refuse_next_submit(500)
    assert in_doubt(await sender.send(make_command("a"))).error.detail == "server_error: 500"


async def test_a_message_in_doubt_waits_for_the_session(
    sender: FastSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is not connected, nothing is looked for and nothing is submitted."""
    sender.driver.lose_next_ack()
    in_doubt(await sender.send(make_command("a")))
    monkeypatch.setattr(reconciler, "RECONCILE_TIMEOUT_S", 0.0)
    sender.driver.set_phase(Phase.RECONNECTING)
    await until(lambda: sender.session.state.phase is Phase.RECONNECTING)
    assert "reconnecting" in in_doubt(await sender.send(make_command("a", number=2))).error.detail
    assert len(sender.driver.submissions) == 1


async def test_a_receipt_after_an_unknown_outcome(sender: FastSender) -> None:
    """The account was linked again; a receipt comes, and even a forced dispatch sends nothing."""
    sender.driver.lose_next_ack()
    in_doubt(await sender.send(make_command("a")))
    sender.driver.link_account()
    await until(lambda: sender.session.state.link == sender.driver.link)
    assert isinstance(await sender.send(make_command("a", number=2)), OutcomeUnknown)
    sender.driver.emit_receipt(id_of("a"), "delivered")
    assert (await wait_for_receipt(sender)).receipt == "delivered"
    await until(lambda: count(sender, "wa_sender_doubts_resolved_total", by="receipt"))
    assert isinstance(await sender.send(make_command("a", number=3, allow_duplicate=True)), Sent)
    assert len(sender.driver.submissions) == 1


async def test_a_late_refusal_restricts_the_account(sender: FastSender) -> None:
    """The page learns it after the submit has given up. The next look-up of the message concludes it."""
    sender.driver.lose_next_ack(arrives=False)
    in_doubt(await sender.send(make_command("a")))
    sender.driver.refuse_pending(463)
    assert isinstance(await sender.send(make_command("a", number=2)), OutcomeUnknown)
    assert count(sender, "wa_sender_refusals_total", code="463") == 1
    held = await sender.send(make_command("b", chat_id="60129999999@c.us"))
    assert isinstance(held, Deferred)
    assert held.error.code == "new_chats_restricted"
    assert sender.driver.sent == []


async def test_a_message_that_is_refused_late_is_submitted_again(sender: FastSender) -> None:
    """The account rests first: its limit is not about the message."""
    sender.driver.lose_next_ack(arrives=False)
    in_doubt(await sender.send(make_command("a")))
    sender.driver.refuse_pending(429)
    held = in_doubt(await sender.send(make_command("a", number=2)))
    assert held.is_held_back
    sender.advance(held.until_s - sender.now_s)
    assert isinstance(await sender.send(make_command("a", number=3)), Sent)
    assert len(sender.driver.sent) == 1


async def test_one_outage_is_waited_for_once(
    sender: FastSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that answers no lookup holds up the account for one timeout, not for one a message."""
    monkeypatch.setattr(reconciler, "POLL_INTERVAL_S", 0.0)
    clock = iter(range(1_000_000))
    subject = Reconciler(sender.session, Clock(sender.get_now_s, lambda: next(clock)))
    sender.driver.is_lookup_broken = True
    assert subject_gave_up(await subject.reconcile("3EB0A", "a"))
    assert next(clock) >= RECONCILE_TIMEOUT_S
    before = next(clock)
    assert subject_gave_up(await subject.reconcile("3EB0B", "b"))
    assert next(clock) - before < RECONCILE_TIMEOUT_S
    sender.driver.is_lookup_broken = False
    sender.driver.set_ack("3EB0A", 0)
    assert await subject.reconcile("3EB0A", "a") == InStore(0)


def subject_gave_up(lookup: object) -> bool:
    """Whether the lookup had no answer."""
    return isinstance(lookup, LookupUnavailable)


def test_what_bounds_a_dispatch() -> None:
    """Each submit waits for its ack once, and nothing waits for it again."""
    short, long = (Limits(ack_timeout_s=ack_s, lease_s=30.0) for ack_s in (0.0, 20.0))
    assert long.max_dispatch_s - short.max_dispatch_s == MAX_SUBMITS * 20.0
    assert short.max_dispatch_s > MAX_SUBMITS * (RECONCILE_TIMEOUT_S + 30.0)


async def test_the_acks_of_all_drivers_are_summed(sender: FastSender) -> None:
    """The counters of the page are exposed, and go on when the browser is started again."""
    assert isinstance(await sender.send(make_command("a")), Sent)
    sender.driver.emit_receipt(id_of("a"), "delivered")
    for source in ("heard", "read"):
        assert count(sender, "wa_sender_acks_total", source=source) == 1
    sender.metrics.acks.follow(sender.driver)
    for source in ("heard", "read"):
        assert count(sender, "wa_sender_acks_total", source=source) == 2


def test_the_doubt_of_an_open_claim_is_not_forgotten() -> None:
    """The row of a message in doubt keeps the time of its first claim: the doubt grows old with it."""
    first = claims.new_claim(make_command("a"), None, chat_id="c", link="1", now_s=10.0)
    second = claims.new_claim(make_command("a", number=2), first, chat_id="c", link="1", now_s=90.0)
    assert (second.claimed_at_s, second.dispatch_number) == (10.0, 2)
    assert (
        claims.concluded_claim(
            make_command("a", number=2), second, results.in_doubt_result("x"), 91.0
        )
        is None
    )
    assert results.in_doubt_result("x").error == Error("attempt_in_doubt", "x")
