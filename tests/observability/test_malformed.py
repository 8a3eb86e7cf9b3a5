"""Poison in the topics about the accounts: skipped, counted, and logged once with its position."""

from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from streams.domain.accounts.linking import check_record
from streams.domain.accounts.requests import AccountRequest, encode
from streams.kafka.view import CompactedView
from streams.observability.account_monitor import AccountCollector, AccountMonitor
from streams.settings import Settings

POISON = b"\xff{"


def make_record(value: bytes, offset: int) -> Any:
    """A record of the account `main`."""
    return SimpleNamespace(key=b"main", value=value, partition=0, offset=offset, timestamp=0)


def test_poison_among_the_heartbeats_is_counted_and_logged_once(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """The topic is read again after each error of a broker: that is no second record."""
    monitor, registry = AccountMonitor(settings, lambda: 0.0), CollectorRegistry()
    AccountCollector(registry, lambda: monitor.get_statuses().values(), (monitor.malformed,))
    for offset in (7, 7, 9):
        monitor.apply_record(make_record(POISON, offset))
    assert registry.get_sample_value("wa_account_records_malformed_total") == 2
    topic = f"{settings.topic_prefix}.accounts"
    assert [line.split(" cannot")[0] for line in caplog.messages] == [
        f"{topic}: the record at offset {offset} of partition 0" for offset in (7, 9)
    ]


async def test_poison_in_a_view_is_counted_and_logged_once(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """A record that can be read, and one without a value, are none."""
    view = CompactedView(settings, "requests", check=check_record)
    request = AccountRequest(account="main", requested="paused", by="me", at_s=1.0)
    records = [make_record(encode(request), 1), make_record(POISON, 2), make_record(POISON, 2)]
    records.append(SimpleNamespace(**{**vars(records[0]), "value": None, "offset": 3}))

    async def getmany(**_options: int) -> dict[str, list[Any]]:
        return {"partition": records}

    consumer: Any = SimpleNamespace(getmany=getmany)
    assert len(await view._poll(consumer)) == len(records)
    assert view.malformed.count == 1
    [line] = caplog.messages
    assert line.startswith("requests: the record at offset 2 of partition 0 cannot be read")
