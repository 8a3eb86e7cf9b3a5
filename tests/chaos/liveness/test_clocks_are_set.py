"""The wall clocks of the dispatcher, of a sender with its browser, and of the broker are set while messages flow.

Invariant 8: "No host's clock decides anything." So nobody is affected, and only a jump of the broker's clock is an
event: it is counted.
"""

import asyncio
from pathlib import Path

import pytest

from tests.chaos.liveness.service import MAIN, run_service
from tests.chaos.liveness.verdict import run_flow
from tests.support.broker import OwnBroker
from tests.support.clock import SteppedClock

pytestmark = [pytest.mark.chaos, pytest.mark.broker, pytest.mark.browser, pytest.mark.timeout(400)]

JUMPS = "wa_broker_clock_jumps_total"
HOST_STEPS_S = (600.0, 31.0, -31.0, -600.0, -86_400.0)  # from the true time
BROKER_STEPS_S = (3600.0, -3600.0)
EACH_S = 4.0
BROKER_EACH_S = 12.0


async def test_no_clock_makes_anybody_late(
    stepped_broker: OwnBroker, broker_clock: SteppedClock, tmp_path: Path
) -> None:
    """Each clock is set forwards and back; nobody is late, and health, queue and metrics tell the truth."""
    dispatcher, sender = (SteppedClock(tmp_path / name) for name in ("dispatcher", "sender"))
    environs = {"dispatch-1": dispatcher.environ(), f"sender-{MAIN}": sender.environ()}
    async with (
        run_service(stepped_broker, tmp_path, environs=environs) as service,
        run_flow(service) as run,
    ):
        run.begin_fault()
        for clock in (dispatcher, sender):
            for step_s in HOST_STEPS_S:
                clock.set(step_s)
                await asyncio.sleep(EACH_S)
            clock.set(0.0)
        assert await service.read_metric(JUMPS) == 0.0
        for step_s in BROKER_STEPS_S:
            broker_clock.step(step_s)
            await asyncio.sleep(BROKER_EACH_S)
        await service.wait_for_metric(JUMPS, len(BROKER_STEPS_S))
        health = await service.wait_for_health(lambda document: document["healthy"])
        states = {name: account["state"] for name, account in health["accounts"].items()}
        assert states == dict.fromkeys(service.senders, "ready")
        await run.finish()
        assert await service.run_command("queue", "--json") == ""
        run.check("clocks are set", run.flow.get_all_phones())
