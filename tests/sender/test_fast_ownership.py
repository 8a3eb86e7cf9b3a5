"""One ownership of the send topic as the process wires it, with a driver and a table in memory."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from streams.contract.account import AccountRecord
from streams.contract.inbound import InboundMessage
from streams.domain.accounts.groups import GroupReport
from streams.domain.accounts.linking import Instructions, LinkedNumber
from streams.domain.accounts.requests import AccountRequest, RequestedState
from streams.domain.phone.events import Deferred, Event, ReceiptSeen
from streams.sender import receipts
from streams.sender.forgetting.instructions import ForgetInstructions
from streams.sender.metrics import Metrics
from streams.sender.ownership import SendTopicOwnership
from streams.sender.ports import Ports
from streams.settings import load
from streams.testing.memory_table import InMemoryTable
from streams.whatsapp.diagnosis import Diagnosis
from streams.whatsapp.driver import LateRefusal
from tests.sender.attempts.fake_media import FakeMedia
from tests.sender.fast import FastSender, OpenFence, make_command, run_until_idle, until


def make_ownership(
    tmp_path: Path,
    earlier: FastSender,
    registry: CollectorRegistry,
    published: list[Event],
    accounts: list[AccountRecord],
) -> SendTopicOwnership:
    """The next ownership, on the disk and the driver of an earlier sender."""

    async def publish_events(events: Sequence[Event]) -> None:
        published.extend(events)

    async def publish_account(record: AccountRecord) -> None:
        accounts.append(record)

    async def publish_inbound(messages: Sequence[InboundMessage]) -> None:
        assert not messages

    async def publish_groups(_: GroupReport) -> None:
        return

    async def read_send_end() -> int:
        return earlier.send_end

    async def publish_answer(topic: str, value: bytes | None, key: bytes) -> None:
        """Nobody is forgotten here."""

    async def catch_up() -> bool:
        return True

    async def store_number(number: LinkedNumber) -> None:
        ownership.apply_instructions(Instructions(numbers={number.account: number}))

    ownership = SendTopicOwnership(
        load({"WA_CONFIG": ""}, data_dir=tmp_path),
        "main",
        Ports(
            table=cast("Any", InMemoryTable(earlier.disk, earlier.get_now_s)),
            read_send_end=read_send_end,
            fence=OpenFence(),
            make_driver=lambda: earlier.driver,
            publish_events=publish_events,
            publish_account=publish_account,
            publish_inbound=publish_inbound,
            publish_groups=publish_groups,
            nack=lambda _: None,
            on_failure=lambda error: pytest.fail(str(error)),
            media=FakeMedia(),
            metrics=Metrics(registry),
            clock=earlier.clock,
            store_number=store_number,
            catch_up_requests=catch_up,
            forget_instructions=ForgetInstructions(
                load({"WA_CONFIG": ""}), "main", "forget", publish_answer
            ),
        ),
    )
    return ownership


async def test_a_message_left_in_doubt_by_an_earlier_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its ack is read when the session is ready, and it counts in the account's pace from then on."""
    monkeypatch.setattr(receipts, "BATCH_DELAY_S", 0.0)
    earlier = FastSender()
    await earlier.open()
    earlier.driver.lose_next_ack()
    assert isinstance(await earlier.send(make_command("a")), Deferred)
    await earlier.close()
    [whatsapp_id] = [submission.whatsapp_id for submission in earlier.driver.submissions]
    earlier.driver.set_ack(whatsapp_id, 1)

    published: list[Event] = []
    accounts: list[AccountRecord] = []
    registry = CollectorRegistry()
    ownership = make_ownership(tmp_path, earlier, registry, published, accounts)
    await ownership.open()
    by_receipt = {"by": "receipt"}
    await until(lambda: registry.get_sample_value("wa_sender_doubts_resolved_total", by_receipt))
    [receipt] = published
    assert isinstance(receipt, ReceiptSeen)
    assert (receipt.id, receipt.receipt, receipt.whatsapp_id) == ("a", "sent", whatsapp_id)
    await ownership.close()
    assert accounts[-1].sent_today == 1

    row = FastSender(disk=earlier.disk).claims.get(whatsapp_id)
    assert row is not None
    assert row.receipt == "sent", "it is durable when the ownership ends"


async def test_a_pause_stops_what_the_page_has_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as the sender knows of it. What lets the account send stops nothing."""
    earlier = FastSender()
    requested: list[RequestedState] = []
    stopped: set[RequestedState] = set()

    async def stop_turns() -> None:
        stopped.add(requested[-1])

    monkeypatch.setattr(earlier.driver, "stop_turns", stop_turns)
    ownership = make_ownership(tmp_path, earlier, CollectorRegistry(), [], [])
    await ownership.open()
    await until(lambda: ownership.browser_session.get_ready_driver() is not None)
    phone = earlier.driver.session.phone or ""
    numbers = {"main": LinkedNumber(account="main", linked_phone=phone, at_s=1)}
    for state in ("active", "paused"):
        requested.append(state)
        request = AccountRequest(account="main", requested=state, by="me", at_s=earlier.now_s)
        ownership.apply_instructions(Instructions(request=request, numbers=numbers))
        await run_until_idle()
    await until(lambda: stopped)
    assert stopped == {"paused"}
    await ownership.close()


async def test_a_late_refusal_stops_the_account(tmp_path: Path) -> None:
    """At once, and what the page has ahead with it: nothing has looked for the message yet."""
    earlier = FastSender()
    await earlier.open()
    earlier.driver.lose_next_ack(arrives=False)
    assert isinstance(await earlier.send(make_command("a")), Deferred)
    await earlier.close()
    [submission] = earlier.driver.submissions
    stopped: list[bool] = []

    async def stop_turns() -> None:
        stopped.append(True)

    earlier.driver.stop_turns = stop_turns
    accounts: list[AccountRecord] = []
    ownership = make_ownership(tmp_path, earlier, CollectorRegistry(), [], accounts)
    await ownership.open()
    await admit(ownership, earlier)
    await until(lambda: ownership.account_record.state == "ready")
    earlier.driver.emit(LateRefusal(submission.whatsapp_id, 429))
    await until(lambda: stopped)
    record = ownership.account_record
    assert record.reason == "account_rate_limited"
    await ownership.close()


async def admit(ownership: SendTopicOwnership, earlier: FastSender) -> None:
    """The number of the driver is that of the account."""
    phone = earlier.driver.session.phone or ""
    numbers = {"main": LinkedNumber(account="main", linked_phone=phone, at_s=1)}
    ownership.apply_instructions(Instructions(numbers=numbers))


async def test_acks_are_read_again_after_a_session_that_was_lost_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The session comes back while the page is read for a metric, which fails: the acks are read all the same."""
    earlier = FastSender()
    await earlier.open()
    await earlier.send(make_command("a"))
    await earlier.close()
    reads: list[Sequence[tuple[str, str]]] = []
    may_diagnose = asyncio.Event()

    async def read_acks(ids: Sequence[tuple[str, str]]) -> dict[str, int]:
        reads.append(ids)
        return {}

    async def diagnose() -> Diagnosis:
        await may_diagnose.wait()
        raise RuntimeError("the page is gone")

    monkeypatch.setattr(earlier.driver, "read_acks", read_acks)
    monkeypatch.setattr(earlier.driver, "diagnose", diagnose)
    ownership = make_ownership(tmp_path, earlier, CollectorRegistry(), [], [])
    await ownership.open()
    await until(lambda: len(reads) == 1)
    earlier.driver.reload_page()
    await run_until_idle()
    assert len(reads) == 1
    may_diagnose.set()
    await until(lambda: len(reads) == 2)
    await ownership.close()
    assert "the versions of WhatsApp's page cannot be read" in caplog.text
