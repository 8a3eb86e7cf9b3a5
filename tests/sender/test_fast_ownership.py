"""One ownership of the send topic as the process wires it, with a driver and a table in memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from streams.contract.account import AccountRecord
from streams.domain.phone.events import Deferred, Event, ReceiptSeen
from streams.sender import receipts
from streams.sender.metrics import Metrics
from streams.sender.ownership import Ports, SendTopicOwnership
from streams.settings import load
from streams.testing.memory_table import InMemoryTable
from tests.sender.fast import FastSender, OpenFence, make_command, until


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

    async def publish_events(events: Sequence[Event]) -> None:
        published.extend(events)

    async def publish_account(record: AccountRecord) -> None:
        accounts.append(record)

    ownership = SendTopicOwnership(
        load({"WA_CONFIG": ""}, data_dir=tmp_path),
        "main",
        Ports(
            table=cast("Any", InMemoryTable(earlier.disk)),
            fence=OpenFence(),
            make_driver=lambda: earlier.driver,
            publish_events=publish_events,
            publish_account=publish_account,
            nack=lambda _: None,
            on_failure=lambda error: pytest.fail(str(error)),
            metrics=Metrics(registry),
        ),
    )
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
