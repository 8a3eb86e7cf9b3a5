"""A real sender with its browser, under a wall clock that is wrong and that is set while they run.

The last test is about the broker's clock: its sender is built and never started.
"""

import time
from pathlib import Path
from unittest.mock import Mock

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import RecordMetadata

from streams.domain.errors import Error
from streams.domain.phone.events import Deferred, Sent
from streams.kafka.topics import APPEND_TIME_TYPE
from streams.sender.app import Sender
from streams.settings import load
from tests.sender.conftest import ACCOUNT, SenderHarness
from tests.support.clock import SteppedClock
from tests.support.system import Worker
from tests.support.whatsapp import link_account

pytestmark = [pytest.mark.broker, pytest.mark.browser]

DAY_S = 86_400.0
_HOUR_S = 3600.0
_NOW_S = 1_790_000_000.0
OFFSETS_S = (-600.0, 31.0, 600.0, -DAY_S, DAY_S)


def start_sender(harness: SenderHarness, clock: SteppedClock) -> Worker:
    """Start the sender, whose browser has the same clock."""
    name = f"sender-{ACCOUNT}"
    return harness.system.start_worker("sender", "--account", ACCOUNT, name=name, **clock.environ())


@pytest.mark.parametrize("own_system", [{"account_daily_cap": len(OFFSETS_S)}], indirect=True)
async def test_no_step_of_its_clock_matters(own_harness: SenderHarness, tmp_path: Path) -> None:
    """Messages are sent and have true times, late dispatches are late, the cap holds, also after a restart."""
    harness, clock = own_harness, SteppedClock(tmp_path / "sender.clock", OFFSETS_S[-1])
    sender = start_sender(harness, clock)
    await link_account(harness.caller, harness.control, ACCOUNT)
    for number, offset_s in enumerate(OFFSETS_S):
        clock.set(offset_s)
        sent = await harness.wait_for_result(
            await harness.dispatch(f"m{number}", f"+601200020{number:02}")
        )
        assert isinstance(sent, Sent), (offset_s, sent)
        assert sent.at_s == pytest.approx(time.time(), abs=30.0)
        late = await harness.dispatch(f"late{number}", "+60120002050", timeout_s=0.0)
        assert await harness.wait_for_result(late) == Deferred(error=Error("deadline_exceeded"))
    await check_daily_cap(harness, "beyond")
    sender.kill()
    clock.step(DAY_S)
    await start_sender(harness, clock).wait_until_ready()
    await check_daily_cap(harness, "beyond, after a restart")
    assert [row["body"] for row in await harness.control.fetch_log()] == [
        f"m{number}" for number in range(len(OFFSETS_S))
    ]


async def check_daily_cap(harness: SenderHarness, request_id: str) -> None:
    """One more message waits until the first one is a day old, by the broker's clock."""
    beyond = await harness.wait_for_result(await harness.dispatch(request_id, "+60120002060"))
    assert isinstance(beyond, Deferred)
    assert beyond.error.code == "account_daily_cap"
    assert beyond.until_s == pytest.approx(time.time() + DAY_S, abs=300.0)


@pytest.mark.parametrize("step_s", [_HOUR_S, -_HOUR_S])
async def test_each_produce_response_tells_the_time(tmp_path: Path, step_s: float) -> None:
    """After a step of the broker's clock, no dispatch is late until the next probe: any claim or outcome shows it."""
    sender = Sender(
        load({}, data_dir=str(tmp_path), kafka_bootstrap_servers="127.0.0.1:1"),
        "main",
        "sender-main",
        Mock(),
    )
    start_mono_s = time.monotonic() - 1.0
    for number, append_s in enumerate((_NOW_S, _NOW_S + step_s)):
        _answer(sender, append_s, mono_s=start_mono_s + number)
    assert sender.registry.get_sample_value("wa_broker_clock_jumps_total") == 1
    assert sender.broker_clock.now_s() == pytest.approx(_NOW_S + step_s, abs=10.0)


def _answer(sender: Sender, append_s: float, mono_s: float) -> None:
    partition = TopicPartition("wa.internal.phone", 0)
    metadata = RecordMetadata(*partition, partition, 1, round(append_s * 1000), APPEND_TIME_TYPE, 0)
    assert sender.app.on_produce_response is not None
    sender.app.on_produce_response(metadata, mono_s, mono_s)
