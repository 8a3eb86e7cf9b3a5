"""A dispatcher that is killed, doubled and halved: its log is folded to the same end."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.dispatching import Lane
from tests.support.system import Caller, System

pytestmark = pytest.mark.broker

PHONES, EACH = 40, 8


@pytest.fixture
async def caller(dispatcher: System) -> AsyncIterator[Caller]:
    async with Caller(dispatcher.settings).open() as caller:
        yield caller


def requests() -> list[dict[str, Any]]:
    return [
        {"id": f"{phone}/{n}", "to": f"+90555{2_000_000 + phone}", "text": f"{n}"}
        for n in range(EACH)
        for phone in range(PHONES)
    ]


async def serve(lane: Lane) -> None:
    """A sender that never tires."""
    while True:
        await lane.answer(await lane.next(within_s=120))


def check(caller: Caller, lane: Lane) -> None:
    """Each request was released in order, told once under each event id, and nothing else was told."""
    first: dict[str, list[int]] = {}
    for send in lane.sends():
        phone, n = send.id.split("/")
        seen = first.setdefault(phone, [])
        if int(n) not in seen:
            seen.append(int(n))
    assert first == {str(phone): list(range(EACH)) for phone in range(PHONES)}
    releases = {(send.id, send.dispatch_number) for send in lane.sends()}
    assert len(releases) == PHONES * EACH  # repeated perhaps, but never anew
    facts = Counter(e["event_id"].rpartition("/")[0] for e in caller.events())
    words = {fact.rpartition("/")[2] for fact in facts}
    assert words <= {"accepted", "queued", "sent"}


async def test_killed_in_the_middle(dispatcher: System, caller: Caller) -> None:
    """SIGKILL, twice, once with the loss of its tables: nothing lost, nothing released anew."""
    lane = Lane(caller)
    await lane.is_("ready")
    serving = asyncio.create_task(serve(lane))
    asked = requests()
    for part in range(4):
        await caller.ask(*asked[part * 80 : part * 80 + 80])
        if part in (1, 2):
            dispatcher.workers[-1].kill()
            if part == 2:
                dispatcher.forget_tables("dispatch-1")
            dispatcher.dispatcher()
    await caller.all_heard([each["id"] for each in asked], {"sent"}, within_s=90)
    serving.cancel()
    check(caller, lane)


async def test_a_second_one_joins_and_leaves(dispatcher: System, caller: Caller) -> None:
    """Partitions move to it and back, by SIGTERM and by SIGKILL: nothing lost, nothing released anew."""
    lane = Lane(caller)
    await lane.is_("ready")
    serving = asyncio.create_task(serve(lane))
    asked = requests()
    for part, how in enumerate((signal.SIGTERM, signal.SIGKILL)):
        second = dispatcher.dispatcher(2)
        await caller.ask(*asked[part * 160 : part * 160 + 80])
        await second.ready()
        await caller.ask(*asked[part * 160 + 80 : part * 160 + 160])
        await asyncio.to_thread(second.kill, how)
    await caller.all_heard([each["id"] for each in asked], {"sent"}, within_s=90)
    serving.cancel()
    check(caller, lane)
