"""A dispatcher is killed, and a second one joins and leaves: the result is always the same."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.caller import Caller
from tests.support.dispatching import FakeSender
from tests.support.system import SystemUnderTest

pytestmark = pytest.mark.broker

PHONES, MESSAGES_PER_PHONE = 40, 8


@pytest.fixture
async def caller(dispatcher: SystemUnderTest) -> AsyncIterator[Caller]:
    async with Caller(dispatcher.settings).open() as caller:
        yield caller


def requests() -> list[dict[str, Any]]:
    return [
        {"id": f"{phone}/{n}", "to": f"+90555{2_000_000 + phone}", "text": f"{n}"}
        for n in range(MESSAGES_PER_PHONE)
        for phone in range(PHONES)
    ]


async def serve(fake_sender: FakeSender) -> None:
    """A sender that answers every dispatch."""
    while True:
        await fake_sender.publish_outcome(await fake_sender.take_command(timeout_s=120))


def check(caller: Caller, fake_sender: FakeSender) -> None:
    """Each request was dispatched in order and under one number, and no other status was published."""
    first: dict[str, list[int]] = {}
    for send in fake_sender.read_commands():
        phone, n = send.id.split("/")
        order = first.setdefault(phone, [])
        if int(n) not in order:
            order.append(int(n))
    assert first == {str(phone): list(range(MESSAGES_PER_PHONE)) for phone in range(PHONES)}
    dispatches = {(send.id, send.dispatch_number) for send in fake_sender.read_commands()}
    assert (
        len(dispatches) == PHONES * MESSAGES_PER_PHONE
    )  # repeats are allowed, but not under a new number
    status_ids = Counter(e["event_id"].rpartition("/")[0] for e in caller.status_events())
    words = {status_id.rpartition("/")[2] for status_id in status_ids}
    assert words <= {"accepted", "queued", "sent"}


async def test_killed_in_the_middle(dispatcher: SystemUnderTest, caller: Caller) -> None:
    """It is killed twice, once with the loss of its tables; nothing is lost, no dispatch gets a new number."""
    fake_sender = FakeSender(caller)
    await fake_sender.publish_state("ready")
    serving = asyncio.create_task(serve(fake_sender))
    submitted = requests()
    for block in range(4):
        await caller.request(*submitted[block * 80 : block * 80 + 80])
        if block in (1, 2):
            dispatcher.workers[-1].kill()
            if block == 2:
                dispatcher.delete_tables("dispatch-1")
            dispatcher.start_dispatcher()
    await caller.wait_for_statuses([request["id"] for request in submitted], {"sent"}, timeout_s=90)
    serving.cancel()
    check(caller, fake_sender)


async def test_a_second_one_joins_and_leaves(dispatcher: SystemUnderTest, caller: Caller) -> None:
    """Partitions move to it and back, after SIGTERM and SIGKILL; nothing is lost, no dispatch gets a new number."""
    fake_sender = FakeSender(caller)
    await fake_sender.publish_state("ready")
    serving = asyncio.create_task(serve(fake_sender))
    submitted = requests()
    for block, how in enumerate((signal.SIGTERM, signal.SIGKILL)):
        second = dispatcher.start_dispatcher(2)
        await caller.request(*submitted[block * 160 : block * 160 + 80])
        await second.wait_until_ready()
        await caller.request(*submitted[block * 160 + 80 : block * 160 + 160])
        await asyncio.to_thread(second.kill, how)
    await caller.wait_for_statuses([request["id"] for request in submitted], {"sent"}, timeout_s=90)
    serving.cancel()
    check(caller, fake_sender)
