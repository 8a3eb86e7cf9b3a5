"""`alerts` with a real dispatcher: what is raised, and that nobody knows without one."""

import asyncio
from dataclasses import replace

import pytest

from streams.contract.alerts.record import AlertRecord
from streams.embedded_kafka.broker import EmbeddedBroker
from streams.kafka import admin
from streams.operations.alerts import read_alerts
from streams.settings import Settings
from tests.cli.conftest import Command
from tests.support.caller import Caller
from tests.support.dispatching import FakeSender
from tests.support.system import SystemUnderTest
from tests.support.waiting import wait_until

pytestmark = pytest.mark.broker


async def restrict_account(settings: Settings) -> list[AlertRecord]:
    """WhatsApp restricts the account. Returns what is raised then."""
    async with Caller(settings).open() as caller:
        await FakeSender(caller).publish_state("restricted")

        async def read_raised() -> list[AlertRecord]:
            return (await read_alerts(settings)).raised

        return await wait_until(read_raised, message="no alert is raised")


def test_a_restricted_account_is_an_alert(dispatching: SystemUnderTest, command: Command) -> None:
    """From the account's record through the metrics and samples of a dispatcher to the command."""
    settings = dispatching.settings
    [record] = asyncio.run(restrict_account(settings))
    assert (record.alert, record.labels) == ("account_restricted", {"account": "main"})
    printed = command("alerts", "--json", settings=settings)
    assert (printed.code, [row["event_id"] for row in printed.objects]) == (0, [record.event_id])
    table = command("alerts", settings=settings)
    assert "account_restricted" in table.out
    assert "about account main" in table.out
    assert "runbook docs/runbook/account_restricted.md" in table.out
    assert max(map(len, table.out.splitlines())) <= 80
    linked = replace(settings, runbook_url="https://wiki.example/{alert}/")
    assert (
        "runbook https://wiki.example/account_restricted/" in command("alerts", settings=linked).out
    )
    (row,) = command("alerts", "--json", settings=linked).objects
    assert row["runbook_url"] == "https://wiki.example/account_restricted/"


def test_without_a_dispatcher_nobody_knows(
    broker: EmbeddedBroker, settings: Settings, command: Command
) -> None:
    """The exit code is 1, and the line says what to do."""
    asyncio.run(admin.create_topics(settings))
    result = command("alerts", settings=settings)
    assert result.code == 1
    assert "no dispatcher evaluates the alerts" in result.error_line
    assert result.out == ""
