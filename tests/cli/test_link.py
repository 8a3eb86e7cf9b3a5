"""`accounts link` and `accounts list`: the topic keeps the past, and the past is never told as the present."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from streams.contract import account as accounts
from streams.contract.account import AccountRecord
from streams.embedded_kafka.broker import EmbeddedBroker
from streams.kafka import admin
from streams.kafka.connection import producer_options
from streams.kafka.topics import names
from streams.operations import accounts as accounts_operations
from streams.operations.linking import link as operations
from streams.settings import Settings
from tests.cli.conftest import Command
from tests.support.broker import make_settings

pytestmark = pytest.mark.broker

PHONE = "+905550000001"


def make_record(state: Any, **fields: Any) -> AccountRecord:
    """A record of the account `main`."""
    return AccountRecord(account="main", state=state, since="2026-08-08T00:00:00Z", **fields)


async def publish(settings: Settings, *records: AccountRecord) -> None:
    """Write records as a sender does."""
    async with AIOKafkaProducer(**producer_options(settings)) as producer:
        for record in records:
            await producer.send_and_wait(
                names(settings).accounts, accounts.encode(record), key=b"main"
            )


@pytest.fixture
def world(broker: EmbeddedBroker, tmp_path: Path) -> Settings:
    """The topics, on which an earlier run has left a linked account and a code."""
    settings = make_settings(broker, tmp_path)
    asyncio.run(admin.create_topics(settings))
    earlier = [make_record("linking", qr="an old code"), make_record("ready", phone=PHONE)]
    asyncio.run(publish(settings, *earlier, make_record("logged_out", reason="by its phone")))
    return settings


@pytest.fixture
def sender(world: Settings) -> Iterator[threading.Timer]:
    """A sender that speaks once the command listens."""
    records = [
        make_record("logged_out", reason="by its phone"),
        make_record("linking", qr="a new code"),
        make_record("linking", qr="a new code"),
        make_record("ready", phone=PHONE),
    ]
    timer = threading.Timer(2.0, lambda: asyncio.run(publish(world, *records)))
    timer.start()
    yield timer
    timer.join()


def test_a_past_state_is_not_a_link(world: Settings, command: Command) -> None:
    """An account that was linked once and is logged out is not linked, and its old code is not shown."""
    ran = command("accounts", "link", "main", "--timeout", "1", settings=world)
    assert (ran.code, ran.out) == (1, "")
    assert "no heartbeat of main came within 1 s" in ran.err
    assert "█" not in ran.err


def test_what_the_sender_says_now_counts(
    world: Settings, command: Command, sender: threading.Timer
) -> None:
    """Each new code is shown once; then the account is linked."""
    ran = command("accounts", "link", "main", "--timeout", "30", settings=world)
    assert (ran.code, ran.out) == (0, f"main is linked with {PHONE}\n")
    assert ran.err.count("scan this code") == 1
    assert "main is logged_out: by its phone" in ran.err


class Listener:
    """Keeps what would be shown."""

    def __init__(self) -> None:
        self.codes: list[str] = []

    async def show_code(self, qr: str) -> None:
        self.codes.append(qr)

    async def show_pairing_code(self, code: str) -> None:
        self.codes.append(code)

    def show_state(self, record: AccountRecord) -> None:
        return


@pytest.mark.parametrize(
    ("owner", "clock_s", "shown"),
    [("host:1", 0.0, ["code"]), ("host:2", 0.0, []), ("host:1", 60.0, [])],
    ids=["its own", "another process", "too old"],
)
def test_the_last_record_counts_if_it_is_current(
    world: Settings,
    monkeypatch: pytest.MonkeyPatch,
    owner: str,
    clock_s: float,
    shown: list[str],
) -> None:
    """A code that waits is shown at once, if the sender that runs here has shown it just now."""
    asyncio.run(publish(world, make_record("linking", qr="code", owner="host:1")))

    async def fetch_broker_time_s(_: Settings) -> float:
        return time.time() + clock_s

    monkeypatch.setattr(operations, "fetch_broker_time_s", fetch_broker_time_s)
    listener = Listener()
    with pytest.raises(operations.CommandFailed):
        asyncio.run(
            operations.wait_until_linked(world, "main", listener, timeout_s=1.5, owner=owner)
        )
    assert listener.codes == shown


def test_a_silent_account_is_down(
    world: Settings, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last state is not its state, and its code is not shown."""
    asyncio.run(publish(world, make_record("linking", qr="code", phone=PHONE)))
    (row,) = command("accounts", "list", "--json", settings=world).objects
    assert (row["state"], row["stale"], row["qr"]) == ("linking", False, "code")

    async def fetch_broker_time_s(_: Settings) -> float:
        return time.time() + 300

    monkeypatch.setattr(accounts_operations, "fetch_broker_time_s", fetch_broker_time_s)
    (row,) = command("accounts", "list", "--json", settings=world).objects
    assert (row["state"], row["stale"], row["last_state"]) == ("down", True, "linking")
    assert (row["qr"], row["phone"]) == (None, PHONE)
    table = command("accounts", "list", settings=world).out
    assert "silent for 5 min" in table
    assert max(map(len, table.splitlines())) <= 80


async def test_a_code_disappears_when_it_is_scanned_or_old() -> None:
    """`up` shows each code once, and none that nobody can scan any more."""
    shown: list[tuple[str, str | None]] = []
    is_gone = asyncio.Event()

    def on_code(account: str, qr: str | None) -> None:
        shown.append((account, qr))
        if qr is None:
            is_gone.set()

    watcher = accounts_operations.LinkCodeWatcher(on_code, code_lifetime_s=0.05)
    for record in (
        make_record("linking", qr="one"),
        make_record("linking", qr="one"),
        make_record("linking", qr="two"),
        make_record("syncing"),
        make_record("linking", qr="three"),
    ):
        watcher.handle_record(record)
    is_gone.clear()
    await asyncio.wait_for(is_gone.wait(), 5)
    assert shown == [("main", qr) for qr in ("one", "two", None, "three", None)]
