"""The account's record: published at each change, and as a heartbeat when nothing changes."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

import pytest

from streams.contract import account
from streams.contract.timestamps import format_rfc3339
from streams.domain.accounts.restriction import RESTRICTION_DURATION_S
from streams.domain.errors import Error
from streams.domain.phone.events import Sent
from streams.sender import account as account_module
from streams.whatsapp.driver import NewChatQuota, Phase, SessionState, TimeLock
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
    make_ready(sender)
    await until(lambda: states(sender)[-1] == "ready")
    await sender.restrictions.restrict(Error("spam_flagged"), "link-1", sender.now_s)
    await until(lambda: states(sender)[-1] == "restricted")
    record = sender.account_records[-1]
    end_s = sender.now_s + RESTRICTION_DURATION_S
    assert (record.reason, record.until) == ("spam_flagged", format_rfc3339(end_s))
    assert record.since == format_rfc3339(sender.now_s)
    assert read_metric(sender, "wa_account_restricted", reason="spam_flagged") == 1
    sender.advance(RESTRICTION_DURATION_S)
    assert sender.account_publisher.make_record().state == "ready"


async def test_a_pause_leaves_the_account_ready(sender: FastSender) -> None:
    """The record says why nothing goes, and when the account is free again, so that nobody asks before."""
    make_ready(sender)
    await sender.restrictions.restrict(Error("account_rate_limited", "429"), "link-1", sender.now_s)
    await until(lambda: sender.account_records[-1].free_at)
    record = sender.account_records[-1]
    end = format_rfc3339(sender.now_s + 60)
    assert (record.state, record.reason) == ("ready", "account_rate_limited")
    assert (record.until, record.free_at) == (end, end)
    assert record.new_chats_allowed


async def test_a_time_lock_is_published(sender: FastSender) -> None:
    """The account stays ready, because it still writes to people who have written to it."""
    end_s = sender.now_s + 600
    make_ready(sender, time_lock=TimeLock(end_s, "DEFAULT"))
    await until(lambda: states(sender)[-1] == "ready")
    record = sender.account_records[-1]
    end = format_rfc3339(end_s)
    assert (record.reason, record.until, record.time_lock_until) == (
        "reachout_timelocked",
        end,
        end,
    )
    assert not record.new_chats_allowed
    assert read_metric(sender, "wa_account_restricted", reason="reachout_timelocked") == 1
    make_ready(sender)
    await until(lambda: sender.account_records[-1].reason is None)
    assert sender.account_records[-1].new_chats_allowed
    assert read_metric(sender, "wa_account_restricted", reason="reachout_timelocked") is None


async def test_the_quota_is_published(sender: FastSender) -> None:
    """With what is used of it; at its reserve no more new chats are allowed."""
    end_s = sender.now_s + 600
    make_ready(sender, new_chat_quota=NewChatQuota(100, 7, end_s, is_used_up=False))
    await until(lambda: states(sender)[-1] == "ready")
    quota = sender.account_records[-1].new_chat_quota
    assert quota == account.NewChatQuota(
        total=100, used=7, is_used_up=False, resets_at=format_rfc3339(end_s)
    )
    assert read_metric(sender, "wa_account_new_chat_quota", kind="total") == 100
    assert read_metric(sender, "wa_account_new_chat_quota", kind="used") == 7
    make_ready(sender, new_chat_quota=NewChatQuota(100, 95, end_s, is_used_up=False))
    await until(lambda: not sender.account_records[-1].new_chats_allowed)
    assert sender.account_records[-1].reason == "new_chats_capped"


async def test_progress_and_the_end_of_a_phase_are_published(sender: FastSender) -> None:
    """Whatever the session knows of its phase is in the record."""
    session = SessionState(Phase.SYNCING, progress=40, link="link-1")
    sender.account_publisher.update_session(session)
    await until(lambda: states(sender)[-1] == "syncing")
    assert sender.account_records[-1].progress == 40
    banned = SessionState(Phase.RESTRICTED, reason="temporarily_banned", until_s=sender.now_s + 9)
    sender.account_publisher.update_session(banned)
    await until(lambda: states(sender)[-1] == "restricted")
    record = sender.account_records[-1]
    assert (record.reason, record.until) == (
        "temporarily_banned",
        format_rfc3339(sender.now_s + 9),
    )


async def test_each_change_is_logged_once(
    sender: FastSender, caplog: pytest.LogCaptureFixture
) -> None:
    """One line for each state and reason; a heartbeat and a new QR code give none."""
    with caplog.at_level(logging.INFO):
        for qr in ("first", "second"):
            sender.account_publisher.update_session(SessionState(Phase.LINKING, qr=qr))
            await until(lambda qr=qr: sender.account_records[-1].qr == qr)
        make_ready(sender)
        await until(lambda: states(sender)[-1] == "ready")
        await sender.restrictions.restrict(Error("spam_flagged"), "link-1", sender.now_s)
        await until(lambda: states(sender)[-1] == "restricted")
    lines = [r.getMessage() for r in caplog.records if r.name == "streams.sender.account"]
    end = format_rfc3339(sender.now_s + RESTRICTION_DURATION_S)
    assert lines == [
        "the account main is linking",
        "the account main is ready",
        f"the account main is restricted: spam_flagged until {end}",
    ]


def make_ready(
    sender: FastSender,
    *,
    time_lock: TimeLock | None = None,
    new_chat_quota: NewChatQuota | None = None,
) -> None:
    """The session is ready with these limits."""
    session = SessionState(
        Phase.READY, link="link-1", time_lock=time_lock, new_chat_quota=new_chat_quota
    )
    sender.new_chats.update_session(session)
    sender.account_publisher.update_session(session)


def read_metric(sender: FastSender, name: str, **labels: str) -> float | None:
    """The value of a metric; None if it is absent."""
    return sender.registry.get_sample_value(name, labels)


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
    sender.advance(sent.at_s + after_s - sender.now_s)
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


async def test_a_sender_that_begins_to_end_says_so_at_once(sender: FastSender) -> None:
    """Nobody owns the account from then on, whatever becomes of its browser meanwhile."""
    sender.account_publisher.update_session(
        SessionState(Phase.LINKING, qr="1", phone="+905550000001")
    )
    await until(lambda: states(sender)[-1] == "linking")
    sender.account_publisher.begin_stop()
    await until(lambda: states(sender)[-1] == "stopped")
    sender.account_publisher.update_session(SessionState(Phase.STOPPED))
    await sender.account_publisher.publish_stopped()
    for record in sender.account_records[-2:]:
        assert (record.state, record.owner, record.qr) == ("stopped", None, None)
        assert record.phone == "+905550000001"
