"""A real sender with its browser, under a wall clock that is wrong and that is set while they run."""

import time
from pathlib import Path

import pytest

from streams.domain.errors import Error
from streams.domain.phone.events import Deferred, Sent
from tests.sender.conftest import ACCOUNT, SenderHarness
from tests.support.clock import SteppedClock
from tests.support.system import Worker
from tests.support.whatsapp import link_account

pytestmark = [pytest.mark.broker, pytest.mark.browser]

DAY_S = 86_400.0
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
