"""Receipts with a driver in memory: each is published once, in order, and remembered in the row."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from streams.domain.phone.events import ReceiptSeen, Sent
from streams.domain.sending.message_id import derive_whatsapp_id
from streams.sender import receipts as receipts_module
from streams.whatsapp.driver import Phase
from tests.sender.conftest import open_sender
from tests.sender.fast import FastSender, make_command, run_until_idle, until
from tests.support.incoming import make_incoming

WHATSAPP_ID = derive_whatsapp_id("wa", "main", "+60123456789", "a")


@pytest.fixture
async def sender(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FastSender]:
    """A sender that has sent the message `a`; a batch of receipts waits for nothing."""
    monkeypatch.setattr(receipts_module, "BATCH_DELAY_S", 0.0)
    async with open_sender() as sender:
        task = asyncio.create_task(sender.receipts.run())
        assert isinstance(await sender.send(make_command("a")), Sent)
        yield sender
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def kinds(sender: FastSender) -> list[str]:
    """What was published, in order."""
    return [event.receipt for event in sender.events if isinstance(event, ReceiptSeen)]


def stored_kind(sender: FastSender) -> str:
    """What the row remembers."""
    row = sender.claims.get(WHATSAPP_ID)
    assert row is not None
    return row.receipt


async def test_each_receipt_is_published_once(sender: FastSender) -> None:
    """Repeated and earlier receipts are not published."""
    for kind in ("delivered", "delivered", "read", "delivered", "played"):
        sender.driver.emit_receipt(WHATSAPP_ID, kind)
    await until(lambda: stored_kind(sender) == "played")
    assert kinds(sender) == ["delivered", "read", "played"]
    [first, *_] = [event for event in sender.events if isinstance(event, ReceiptSeen)]
    assert (first.phone, first.id, first.account) == ("+60123456789", "a", "main")
    assert first.whatsapp_id == WHATSAPP_ID


async def test_the_row_keeps_its_result(sender: FastSender) -> None:
    """A receipt changes the row in memory at once, and in the table at the next flush."""
    sender.driver.emit_receipt(WHATSAPP_ID, "read")
    await until(lambda: stored_kind(sender) == "read")
    await sender.claims.flush()
    row = sender.claims.get(WHATSAPP_ID)
    assert row is not None
    assert isinstance(row.result, Sent)
    assert b"read" in sender.disk.rows[WHATSAPP_ID.encode()]


async def test_what_is_not_a_receipt_of_ours_is_ignored(sender: FastSender) -> None:
    """Messages that a person wrote on the phone, and messages to the account, are ignored."""
    sender.driver.emit_receipt("3EB0UNKNOWN", "read")
    sender.driver.emit_message(make_incoming("3A0001"))
    sender.driver.emit_receipt(WHATSAPP_ID, "delivered")
    await until(lambda: kinds(sender))
    await run_until_idle()
    assert kinds(sender) == ["delivered"]


async def test_missed_receipts_are_read_from_the_acks(sender: FastSender) -> None:
    """Only messages that are not read yet are checked; without a session this is repeated later."""
    sender.driver.set_ack(WHATSAPP_ID, 3)
    sender.driver.set_phase(Phase.RECONNECTING)
    await sender.receipts.refresh_acks(sender.driver)
    await run_until_idle()
    assert kinds(sender) == []
    sender.driver.set_phase(Phase.READY)
    await sender.receipts.refresh_acks(sender.driver)
    await until(lambda: stored_kind(sender) == "read")
    assert kinds(sender) == ["read"]
    sender.driver.set_ack(WHATSAPP_ID, 4)
    await sender.receipts.refresh_acks(sender.driver)
    await run_until_idle()
    assert kinds(sender) == ["read"], "a message that was read is not watched any more"
