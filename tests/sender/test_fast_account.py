"""The account's record: published at each change, and as a heartbeat when nothing changes."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from streams.contract.timestamps import format_rfc3339
from streams.domain.accounts.restriction import Restriction
from streams.domain.phone.events import Sent
from streams.sender import account as account_module
from streams.whatsapp.driver import Phase, SessionState
from tests.sender.fast import FastSender, make_command, run_until_idle, until


@pytest.fixture
async def sender() -> AsyncIterator[FastSender]:
    """A sender that publishes its account; its session is not open yet."""
    sender = FastSender()
    task = asyncio.create_task(sender.account_publisher.run())
    await until(lambda: sender.account_records)
    yield sender
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def states(sender: FastSender) -> list[str]:
    """The states that were published, in order."""
    return [record.state for record in sender.account_records]


async def test_each_phase_is_published(sender: FastSender) -> None:
    """Even a short phase is published, with its last state."""
    for session in (
        SessionState(Phase.LINKING, qr="first"),
        SessionState(Phase.LINKING, qr="second"),
        SessionState(Phase.SYNCING),
        SessionState(Phase.READY, phone="+905550000001", link="link-1"),
    ):
        sender.account_publisher.update_session(session)
    await until(lambda: states(sender)[-1] == "ready")
    assert states(sender) == ["starting", "linking", "syncing", "ready"]
    assert [record.qr for record in sender.account_records] == [None, "second", None, None]
    assert sender.account_records[-1].phone == "+905550000001"
    assert sender.account_records[-1].owner == "host:1"


async def test_a_heartbeat_when_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same record is published again and again, and nothing else causes one."""
    monkeypatch.setattr(account_module, "HEARTBEAT_INTERVAL_S", 0.0)
    sender = FastSender()
    task = asyncio.create_task(sender.account_publisher.run())
    await until(lambda: len(sender.account_records) >= 3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(set(map(repr, sender.account_records))) == 1


async def test_no_record_without_a_change(sender: FastSender) -> None:
    """No record comes before the heartbeat is due."""
    await run_until_idle()
    assert states(sender) == ["starting"]
    sender.account_publisher.notify_change()
    await until(lambda: len(sender.account_records) == 2)
    await run_until_idle()
    assert states(sender) == ["starting", "starting"]


async def test_a_restriction_is_published_with_its_end(sender: FastSender) -> None:
    """It is published at once, and until it is over, even while the session is ready."""
    sender.account_publisher.update_session(SessionState(Phase.READY, link="link-1"))
    await until(lambda: states(sender)[-1] == "ready")
    now_s = sender.now_s
    restriction = Restriction(
        code="spam_flagged", since_s=now_s, until_s=now_s + 100, link="link-1"
    )
    await sender.restrictions.store(restriction)
    await until(lambda: states(sender)[-1] == "restricted")
    record = sender.account_records[-1]
    assert (record.reason, record.until) == ("spam_flagged", format_rfc3339(now_s + 100))
    sender.now_s += 100
    assert sender.account_publisher.make_record().state == "ready"


async def test_counts_of_sent_messages() -> None:
    """The record has those of the last minute and of the last day."""
    sender = FastSender()
    await sender.open()
    result = await sender.send(make_command("a"))
    assert isinstance(result, Sent)
    await sender.close()
    counted: Callable[[float], tuple[int, int]] = lambda after_s: _counts(sender, result, after_s)  # noqa: E731
    assert counted(1.0) == (1, 1)
    assert counted(61.0) == (0, 1)
    assert counted(2 * 86_400.0) == (0, 0)


def _counts(sender: FastSender, sent: Sent, after_s: float) -> tuple[int, int]:
    sender.now_s = sent.at_s + after_s
    record = sender.account_publisher.make_record()
    return record.sent_last_minute, record.sent_today


async def test_a_stopped_account_keeps_its_phone(sender: FastSender) -> None:
    """It is in the last record of an ownership."""
    sender.account_publisher.update_session(SessionState(Phase.READY, phone="+905550000001"))
    await until(lambda: states(sender)[-1] == "ready")
    await sender.account_publisher.publish_stopped()
    record = sender.account_records[-1]
    assert (record.state, record.phone) == ("stopped", "+905550000001")
    assert record.since == format_rfc3339(sender.now_s)
