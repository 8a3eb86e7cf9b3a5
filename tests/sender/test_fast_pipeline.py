"""The send pipeline with a driver in memory, from a record to its outcome, and its shutdown."""

import asyncio
from typing import get_args

import pytest

from streams.domain.accounts.pacing import Pace
from streams.domain.errors import Error
from streams.domain.phone.events import Deferred, Failed, Moved, Result, Sent
from streams.domain.sending.claim import Claim
from streams.domain.sending.message_id import derive_whatsapp_id
from streams.sender import pipeline as pipeline_module
from streams.sender.attempts.permission import GC_EVERY, GC_INTERVAL_S, IDLE_GC_EVERY
from streams.sender.metrics import RESULT_NAMES
from streams.testing.fake_driver import FakeDriver
from streams.testing.memory_table import Disk
from streams.whatsapp.driver import LookupFailed, Phase
from tests.sender.fast import FastSender, Record, make_command, run_until_idle, until

PHONE = "+60123456789"


def id_of(request_id: str) -> str:
    """The WhatsApp id of a request's message."""
    return derive_whatsapp_id("wa", "main", PHONE, request_id)


def row_of(sender: FastSender, request_id: str) -> Claim | None:
    """The row of a request's message."""
    return sender.claims.get(id_of(request_id))


async def test_a_dispatch_becomes_a_message_and_its_outcome(sender: FastSender) -> None:
    """The number is looked up, the message has the derived id, and the record is acknowledged at the end."""
    record = await sender.dispatch(make_command("a", chat_id=None))
    result = await sender.wait_for_result("a")
    assert isinstance(result, Sent)
    await until(lambda: record.is_acked)
    [outcome] = sender.outcomes("a")
    assert outcome.chat_id == "60123456789@c.us"
    [message] = sender.driver.sent
    assert (message.whatsapp_id, message.chat_id) == (id_of("a"), "60123456789@c.us")
    assert message.content == {"type": "text", "body": "a"}
    row = row_of(sender, "a")
    assert row is not None
    assert row.result == result
    assert len(sender.pipeline) == 0


async def test_a_chat_of_another_number_is_reported(sender: FastSender) -> None:
    """Nothing is submitted: the dispatcher sends it to the number that identifies the recipient."""
    sender.driver.canonical_phones[PHONE] = "+554188887777"
    record = await sender.dispatch(make_command("a", chat_id=None))
    assert await sender.wait_for_result("a") == Moved(phone="+554188887777")
    await until(lambda: record.is_acked)
    [outcome] = sender.outcomes("a")
    assert outcome.chat_id == "554188887777@c.us"
    assert not sender.driver.submissions


def test_every_result_can_be_counted() -> None:
    """A result without a name would end the sender."""
    assert set(RESULT_NAMES) == set(get_args(Result))


async def test_the_order_of_dispatches_is_kept(sender: FastSender) -> None:
    """Some are looked up and some are not; none overtakes another."""
    names = [f"m{number}" for number in range(30)]
    for number, name in enumerate(names):
        chat_id = None if number % 3 else "60123456789@c.us"
        await sender.dispatch(make_command(name, chat_id=chat_id))
    await until(lambda: len(sender.outcomes()) == 30)
    assert [message.content["body"] for message in sender.driver.sent] == names


async def test_one_claim_is_stored_ahead(sender: FastSender) -> None:
    """While one message is submitted and the page has the next one, one more is claimed, and no other."""
    sender.driver.hold_submits()
    for name in ("a", "b", "c", "d"):
        await sender.dispatch(make_command(name))
    await until(lambda: row_of(sender, "c"))
    await run_until_idle()
    assert [row_of(sender, name) is not None for name in "abcd"] == [True, True, True, False]
    sender.driver.release_submits()
    await until(lambda: len(sender.outcomes()) == 4)


async def test_a_malformed_record_is_skipped(sender: FastSender) -> None:
    """It is acknowledged and counted; the next one is sent."""
    malformed = [Record(value) for value in (None, b"", b"\xc1", b"{}")]
    for record in malformed:
        await sender.pipeline.accept(record, sender.now_s, 0)
    assert all(record.is_acked for record in malformed)
    assert isinstance(await sender.send(make_command("a")), Sent)


async def test_a_number_that_is_not_on_whatsapp(sender: FastSender) -> None:
    """It fails permanently, and nothing was claimed or submitted."""
    sender.driver.remove_number(PHONE)
    result = await sender.send(make_command("a", chat_id=None))
    assert result == Failed(error=Error("recipient_not_on_whatsapp"))
    assert sender.driver.submissions == []
    row = row_of(sender, "a")
    assert row is not None
    assert row.claimed_at_s == 0.0


async def test_a_look_up_that_is_cut_off_costs_no_attempt(
    sender: FastSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The browser died under it: the number is not at fault."""

    async def look_up(phone: str) -> LookupFailed:
        return LookupFailed("the page is lost", is_session_lost=True)

    monkeypatch.setattr(sender.driver, "look_up", look_up)
    result = await sender.send(make_command("a", chat_id=None))
    assert result == Deferred(error=Error("disconnected", "the page is lost"))


async def test_dispatches_of_one_message_at_once(sender: FastSender) -> None:
    """Copies and a later dispatch get the same result, and one message leaves."""
    for number in (1, 1, 2):
        await sender.dispatch(make_command("a", number=number))
    await until(lambda: len(sender.outcomes("a")) == 3)
    assert len({outcome.result for outcome in sender.outcomes("a")}) == 1
    assert len(sender.driver.sent) == 1


async def test_a_lost_page_is_reconciled(sender: FastSender) -> None:
    """If the message arrived, it is in the store; if not, it is submitted once more, under the same id."""
    sender.driver.lose_next_page(arrives=True)
    assert isinstance(await sender.send(make_command("arrived")), Sent)
    sender.driver.lose_next_page(arrives=False)
    assert isinstance(await sender.send(make_command("lost")), Sent)
    ids = [message.whatsapp_id for message in sender.driver.sent]
    assert ids == [id_of("arrived"), id_of("lost")]
    assert len(sender.driver.submissions) == 3


async def test_a_submit_that_never_left_the_page_has_failed(sender: FastSender) -> None:
    """Nothing is in doubt, so nothing is looked for, and the next dispatch is submitted."""
    sender.driver.reject_next_submit("content_refused", "no such message")
    result = await sender.send(make_command("a"))
    assert result == Failed(error=Error("content_refused", "no such message"))
    assert isinstance(await sender.send(make_command("b")), Sent)
    assert [submission.whatsapp_id for submission in sender.driver.submissions] == [
        id_of("a"),
        id_of("b"),
    ]


async def test_a_dispatch_beyond_the_pace_is_deferred() -> None:
    """The outcome has the time at which the account may send again, and the account's record is published."""
    sender = FastSender(pace=Pace(interval_s=0.0, per_minute=1))
    await sender.open()
    assert isinstance(await sender.send(make_command("a")), Sent)
    deferred = await sender.send(make_command("b"))
    assert isinstance(deferred, Deferred)
    assert deferred.error == Error("account_rate_limited")
    assert deferred.until_s == pytest.approx(sender.now_s + 60, abs=5)
    assert sender.paced_count == 1
    await sender.close()


async def test_a_link_that_changes_after_the_claim(sender: FastSender) -> None:
    """The claim is stored again under the new link before the message is submitted."""
    sender.driver.hold_submits()
    await sender.dispatch(make_command("a"))
    await sender.dispatch(make_command("b"))
    await until(lambda: row_of(sender, "b"))
    sender.driver.link_account()
    await until(lambda: sender.session.state.link == sender.driver.link)
    sender.driver.release_submits()
    assert isinstance(await sender.wait_for_result("b"), Sent)
    row = row_of(sender, "b")
    assert row is not None
    assert row.link == sender.driver.link


async def test_a_bug_costs_one_message(sender: FastSender) -> None:
    """What may have left stays in doubt, and the next dispatch is sent."""
    sender.driver.break_next_submit(KeyError("a bug"))
    result = await sender.send(make_command("a"))
    assert result == Deferred(error=Error("attempt_in_doubt", "KeyError"), in_doubt=True)
    row = row_of(sender, "a")
    assert row is not None
    assert row.is_open
    assert isinstance(await sender.send(make_command("b")), Sent)


async def test_the_page_collects_garbage_now_and_then(sender: FastSender) -> None:
    """It does so every few hundred submits, and a reload is waited for."""
    sender.driver.needs_reload = True
    for number in range(GC_EVERY):
        await sender.dispatch(make_command(f"m{number}"))
    await until(lambda: sender.session.state.phase is Phase.SYNCING)
    assert len(sender.driver.submissions) == GC_EVERY - 1
    sender.driver.set_phase(Phase.READY)
    await until(lambda: len(sender.outcomes()) == GC_EVERY)
    assert sender.driver.garbage_collections == 1


async def test_an_idle_page_collects_garbage_after_fewer_submits(sender: FastSender) -> None:
    """Once for them, and not for nothing; after some minutes also without any."""
    for expected in (1, 2):
        for number in range(IDLE_GC_EVERY):
            await sender.runner.collect_garbage()
            await sender.send(make_command(f"m{expected}-{number}"))
        await sender.runner.collect_garbage()
        await sender.runner.collect_garbage()
        assert sender.driver.garbage_collections == expected
    sender.advance(GC_INTERVAL_S)
    await sender.runner.collect_garbage()
    assert sender.driver.garbage_collections == 3


# -- shutdown


async def test_close_concludes_what_was_submitted_and_withdraws_the_next_claim(
    sender: FastSender,
) -> None:
    """The submit under way ends with its outcome; the next claim is gone, and the rest is nacked."""
    sender.driver.hold_submits()
    records = [await sender.dispatch(make_command(name)) for name in ("a", "b", "c")]
    await until(lambda: row_of(sender, "b"))
    closing = asyncio.create_task(sender.pipeline.close())
    await run_until_idle()
    assert not closing.done()
    sender.driver.release_submits()
    await closing
    assert isinstance(await sender.wait_for_result("a"), Sent)
    assert [record.is_acked for record in records] == [True, False, False]
    withdrawn, unclaimed = row_of(sender, "b"), row_of(sender, "c")
    assert withdrawn is not None
    assert (isinstance(withdrawn.result, Deferred), unclaimed) == (True, None)
    assert {id(record) for record in sender.nacked} == {id(record) for record in records[1:]}
    assert len(sender.driver.submissions) == 1


async def test_close_leaves_the_claim_of_a_submit_that_does_not_end(
    sender: FastSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time the record is nacked, and the next ownership finds the message."""
    monkeypatch.setattr(pipeline_module, "CLOSE_TIMEOUT_S", 0.01)
    sender.driver.hold_submits()
    record = await sender.dispatch(make_command("a"))
    await until(lambda: sender.driver.submissions)
    await sender.close()
    assert sender.outcomes() == []
    assert sender.nacked == [record]
    row = row_of(sender, "a")
    assert row is not None
    assert row.is_open
    sender.driver.release_submits()
    successor = FastSender(driver=sender.driver, disk=sender.disk)
    await successor.open()
    assert isinstance(await successor.send(make_command("a")), Sent)
    assert len(sender.driver.sent) == 1
    await successor.close()


async def test_close_wakes_a_record_that_waits_for_room(sender: FastSender) -> None:
    """A record that is not accepted yet is nacked."""
    sender.driver.hold_submits()
    for number in range(pipeline_module.MAX_AHEAD):
        await sender.dispatch(make_command(f"m{number}"))
    waiting = asyncio.create_task(sender.dispatch(make_command("late")))
    await run_until_idle()
    assert not waiting.done()
    closing = asyncio.create_task(sender.pipeline.close())
    record = await waiting
    assert record in sender.nacked
    sender.driver.release_submits()
    await closing


async def test_a_failure_of_the_broker_ends_the_process() -> None:
    """A claim that cannot be written is not swallowed."""
    sender = FastSender(driver=FakeDriver(), disk=Disk())
    await sender.open()
    sender.disk.take_step = lambda: int("the broker refuses")  # type: ignore[method-assign]
    await sender.dispatch(make_command("a"))
    await until(lambda: sender.failures)
    assert sender.driver.submissions == []
    sender.disk.take_step = lambda: None  # type: ignore[method-assign]
    await sender.close()
