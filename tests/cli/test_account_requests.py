"""`accounts add|remove|pause|resume` on the real broker, without any worker."""

import asyncio
import io

import pytest
from aiokafka import AIOKafkaProducer

from streams.domain.accounts.requests import AccountRequest, DrainReport, encode, report_key
from streams.kafka import admin, connection, topics
from streams.operations import account_requests as operations
from streams.operations.errors import CommandFailed
from streams.operations.linking import link as linking
from streams.settings import Settings
from tests.cli.conftest import Command
from tests.support.broker import OwnBroker, make_settings

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def settings(broker: OwnBroker, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Topics that the tests of this module share; each test has an account of its own."""
    accounts = ("main", "paused", "gone")
    settings = make_settings(broker, tmp_path_factory.mktemp("requests"), accounts=accounts)
    asyncio.run(admin.create_topics(settings))
    return settings


async def report(settings: Settings, request: AccountRequest, *counts: int) -> None:
    """Dispatchers report what the account has in flight, in partition 0, 1 …"""
    async with AIOKafkaProducer(**connection.producer_options(settings)) as producer:
        for partition, in_flight in enumerate(counts):
            record = DrainReport(
                account=request.account,
                partition=partition,
                in_flight=in_flight,
                requested_at_s=request.at_s,
            )
            topic = topics.names(settings).account_requests
            key = report_key(request.account, partition)
            await producer.send_and_wait(topic, encode(record), key=key)


def test_the_last_request_of_an_account_counts(command: Command, settings: Settings) -> None:
    """It is a record, so it survives every process."""
    for name, requested in (("pause", "paused"), ("resume", "active"), ("pause", "paused")):
        result = command("accounts", name, "paused", "--json", settings=settings)
        assert (result.code, result.objects[0]["requested"]) == (0, requested)
    requests = asyncio.run(operations.read_requests(settings))
    assert requests["paused"].requested == "paused"


def test_a_request_without_a_sender(command: Command, settings: Settings) -> None:
    """It holds, and the command says what that means: a pause is in force, a logout is not done."""
    result = command("accounts", "pause", "paused", "--json", settings=settings)
    assert (result.code, result.objects[0]["acknowledged"]) == (0, False)
    result = command("accounts", "logout", "paused", "--yes", settings=settings)
    assert result.code == 1
    assert "no sender of paused answers" in result.error_line
    requests = asyncio.run(operations.read_requests(settings))
    assert requests["paused"].requested == "logged_out"


def test_a_number_is_confirmed_for_one_account(command: Command, settings: Settings) -> None:
    """Another account cannot have it; what is not a number is refused before anything is written."""
    options = ("--timeout", "1", "--confirm-number")
    result = command("accounts", "link", "main", *options, "+905550000001", settings=settings)
    assert result.code == 1
    assert asyncio.run(linking.read_numbers(settings))["main"].linked_phone == "+905550000001"
    for number, problem in (("+905550000001", "is the number of the account main"), ("12x", "12x")):
        result = command("accounts", "link", "paused", *options, number, settings=settings)
        assert result.code == 2
        assert problem in result.err
    result = command(
        "accounts", "link", "main", "--code", "nobody", "--timeout", "1", settings=settings
    )
    assert result.code == 2


def test_an_account_that_there_is_not(command: Command, settings: Settings) -> None:
    """A mistyped name is refused, and names that would do are shown."""
    result = command("accounts", "remove", "mian", "--yes", settings=settings)
    assert result.code == 2
    assert "there is no account mian (" in result.error_line
    assert "main" in result.error_line


def test_a_name_that_no_account_can_have(command: Command, settings: Settings) -> None:
    """It would become a part of topic names."""
    assert command("accounts", "add", "Ma/in", settings=settings).code == 2


@pytest.mark.parametrize("answer", ["", "n\n"])
def test_removing_an_account_asks_first(
    command: Command, settings: Settings, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    """Without a yes nothing happens."""
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    assert command("accounts", "remove", "main", settings=settings).code == 1
    assert "main" in asyncio.run(operations.find_accounts(settings))


def test_a_removed_account_is_gone_until_it_is_added(command: Command, settings: Settings) -> None:
    """WA_ACCOUNTS still names it; adding it again creates nothing that exists."""
    assert command("accounts", "remove", "gone", "--yes", settings=settings).code == 0
    assert "gone" not in asyncio.run(operations.find_accounts(settings))
    assert command("accounts", "add", "gone", settings=settings).code == 0
    assert "gone" in asyncio.run(operations.find_accounts(settings))


def test_an_added_account_has_topics(command: Command, settings: Settings) -> None:
    """Its sender can start at once."""
    assert command("accounts", "add", "new", settings=settings).code == 0

    async def list_topics() -> set[str]:
        async with connection.admin_client(settings) as client:
            return set(await client.list_topics())

    app_id = topics.sender_app_id(settings, "new")
    changelog = topics.changelog_topic(app_id, topics.SENDS)
    assert {topics.names(settings).send("new"), changelog} <= asyncio.run(list_topics())
    assert "new" in asyncio.run(operations.find_accounts(settings))


async def test_it_is_drained_when_every_partition_has_reported(settings: Settings) -> None:
    """Reports of an earlier removal do not count."""
    request = AccountRequest(account="main", requested="removed", by="me", at_s=2.0)
    earlier = AccountRequest(account="main", requested="removed", by="me", at_s=1.0)
    none = [0] * settings.partitions
    progress: list[tuple[int, int]] = []
    await report(settings, earlier, *none)
    with pytest.raises(CommandFailed):
        await _wait(settings, request, progress, timeout_s=1.0)
    await report(settings, request, 1, *none[1:])
    await report(settings, request, 0)
    await _wait(settings, request, progress, timeout_s=30.0)
    assert progress[-1] == (0, 0)


async def _wait(
    settings: Settings,
    request: AccountRequest,
    progress: list[tuple[int, int]],
    *,
    timeout_s: float,
) -> None:
    await operations.wait_until_drained(
        settings, request, lambda *counts: progress.append(counts), timeout_s=timeout_s
    )
