"""Page, browser and sender are killed in turn while people write: every message is on `wa.inbound`, chats in order.

`make chaos` runs it and prints its figures. CHAOS_INBOUND (5000) and CHAOS_PHONES (100) set its size. Every twentieth
message is a picture; every thirtieth is edited later.
"""

import asyncio
import base64
import os
import random
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from streams.contract import inbound
from tests.chaos.support.running_stack import RunningStack, run_stack
from tests.support.browser import SandboxControl
from tests.support.caller import Caller
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.broker, pytest.mark.browser, pytest.mark.timeout(2400)]

MESSAGES = int(os.environ.get("CHAOS_INBOUND", "5000"))
PHONES = int(os.environ.get("CHAOS_PHONES", "100"))
FINISH_TIMEOUT_S = float(os.environ.get("CHAOS_FINISH_TIMEOUT_S", "300"))
_PICTURE = {"data": base64.b64encode(b"\x89PNG picture").decode(), "mime": "image/png"}


@dataclass
class Writers:
    """People who write to an account, as fast as the sandbox takes it."""

    control: SandboxControl
    account: str
    messages: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    edits: dict[str, str] = field(default_factory=dict)  # from the edit to its message

    async def run(self, dice: random.Random) -> None:
        """Write all messages."""
        for number in range(MESSAGES):
            phone = f"+6012{dice.randrange(PHONES):07}"
            fields = {"type": "image", "media": _PICTURE} if number % 20 == 0 else {}
            whatsapp_id = await self._write(phone, str(number), **fields)
            self.messages[phone].append(whatsapp_id)
            if number % 30 == 1:
                edit = await self._write(phone, "new", type="edit", message_id=whatsapp_id)
                self.edits[edit] = whatsapp_id

    async def _write(self, phone: str, body: str, **fields: Any) -> str:
        return await self.control.write_to_account(phone, self.account, body, **fields)


async def kill_in_turn(
    stack: RunningStack, control: SandboxControl, done: asyncio.Event, dice: random.Random
) -> Counter[str]:
    """Kill the page, the browser and the sender in turn until `done`, and each of them at least once."""
    killed: Counter[str] = Counter()
    while not done.is_set() or len(killed) < 3:
        victim = ("page", "browser-main", "sender-main")[sum(killed.values()) % 3]
        if victim == "page":
            await control.add_faults({"page_crash": True})
        else:
            await asyncio.to_thread(stack.kill, victim)
        killed[victim] += 1
        await asyncio.sleep(dice.uniform(1.0, 4.0))
    return killed


async def test_every_message_is_received(tmp_path: Path) -> None:
    """All are there, each chat is in order, each picture has its file, and each edit follows its message."""
    dice, started_s = random.Random(23), time.monotonic()
    with run_stack(tmp_path, limit=10) as stack:
        status = await asyncio.to_thread(stack.wait_until_ready)
        settings = replace(stack.settings, kafka_bootstrap_servers=status["kafka"])
        control = SandboxControl(status["sandbox"])
        overview = await control.fetch_overview()
        writers = Writers(control, overview.accounts[0].phone)
        async with Caller(settings).open() as caller:
            topic, done = caller.follow(caller.names.inbound), asyncio.Event()
            killing = asyncio.create_task(kill_in_turn(stack, control, done, dice))
            await writers.run(dice)
            written_s = time.monotonic() - started_s
            done.set()
            killed = await killing
            expected = {id for ids in writers.messages.values() for id in ids} | set(writers.edits)
            await _wait_for_all(writers, expected, topic)
            received = [_decode(record) for record in topic]
    _check(writers, received)
    print(
        f"\n{MESSAGES} messages and {len(writers.edits)} edits of {PHONES} people in {written_s:.0f} s,"
        f" all received after {time.monotonic() - started_s:.0f} s; killed {dict(killed)};"
        f" records {len(received)}, repeats {len(received) - len(expected)}",
        flush=True,
    )


async def _wait_for_all(writers: Writers, expected: set[str], topic: list[Any]) -> None:
    def find_missing() -> set[str]:
        return expected - {_decode(record).whatsapp_id for record in topic}

    try:
        await wait_until(lambda: not find_missing(), timeout_s=FINISH_TIMEOUT_S)
    except AssertionError:
        missing = find_missing()
        raise AssertionError(
            f"{len(missing)} of {len(expected)} are missing, of them {len(missing & set(writers.edits))} edits"
        ) from None


def _decode(record: Any) -> inbound.InboundMessage:
    return inbound.decode(record.value)


def _check(writers: Writers, received: list[inbound.InboundMessage]) -> None:
    first_seen: dict[str, list[str]] = defaultdict(list)
    for message in received:
        ids = first_seen[message.from_ or ""]
        if message.whatsapp_id not in ids:
            ids.append(message.whatsapp_id)
    for phone, ids in writers.messages.items():
        assert [id for id in first_seen[phone] if id not in writers.edits] == ids
        for edit, target in writers.edits.items():
            if target in ids:
                assert first_seen[phone].index(target) < first_seen[phone].index(edit)
    media = [message.media for message in received if message.type == "image"]
    assert media
    assert all(item and item.sha256 and not item.error for item in media)
