"""One of two accounts is lost while it has messages: the other account takes over, and how long that takes.

From issue 10: "Failover at most 40 s after the last sign of life and at most 5 s after a known loss, with an exact
hand-over". The machine of a test is busy, so a known loss has a few seconds more here; the figures are printed.
"""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.chaos.liveness.failover import begin_loss, report, wait_until_moved
from tests.chaos.liveness.service import MAIN, SECOND, Service, run_service
from tests.chaos.liveness.verdict import Run, run_flow
from tests.support.broker import KafkaEndpoint
from tests.support.whatsapp import link_account

pytestmark = [pytest.mark.chaos, pytest.mark.broker, pytest.mark.browser, pytest.mark.timeout(500)]

SILENT_LOSS_S = 40.0
KNOWN_LOSS_S = 5.0
LOAD_S = 5.0  # of a machine that runs all of this at once
# Each recipient of the flow gets a message in this time, and a frozen sender begins only four.
PILE_UP_S = 6.0
SESSION_S = 30  # the sender is a member of its group all the time


async def bring_back(service: Service, run: Run) -> None:
    """The recipients use `main` again."""
    for phone in run.flow.phones[MAIN]:
        await run.flow.request(phone, account=MAIN)
    await run.wait_until_moved(run.flow.phones[MAIN], MAIN)


async def pile_up(service: Service) -> None:
    """The sender gets more dispatches than it has begun."""
    service.freeze_sender(MAIN)
    await asyncio.sleep(PILE_UP_S)


async def test_a_known_loss(broker: KafkaEndpoint, tmp_path: Path) -> None:
    """Its sender is stopped, it is paused, and it is logged out by the phone."""
    async with (
        run_service(broker, tmp_path, kafka_session_timeout_s=SESSION_S) as service,
        run_flow(service) as run,
    ):
        run.begin_fault()
        await pile_up(service)
        losses = [begin_loss("stopped")]
        service.senders[MAIN].process.send_signal(signal.SIGTERM)
        service.continue_sender(MAIN)
        await wait_until_moved(run, losses[-1])
        await asyncio.to_thread(service.senders[MAIN].process.wait, 60)
        await service.restart_sender(MAIN)
        await bring_back(service, run)

        losses.append(begin_loss("paused"))
        await service.run_command("accounts", "pause", MAIN)
        await wait_until_moved(run, losses[-1])
        await service.run_command("accounts", "resume", MAIN)
        await bring_back(service, run)

        losses.append(begin_loss("logged out"))
        await service.control.add_faults({"logout": True}, account=service.phones[MAIN])
        await wait_until_moved(run, losses[-1])
        await service.control.clear_faults()
        await link_account(service.caller, service.control, MAIN)
        await run.finish()
        slowest_s = [report(run, loss) for loss in losses]
        run.check("an account is lost in three known ways", run.flow.phones[SECOND])
        assert max(slowest_s) <= KNOWN_LOSS_S + LOAD_S


@pytest.mark.parametrize("harm", ["killed", "frozen"])
async def test_a_silent_loss(broker: KafkaEndpoint, tmp_path: Path, harm: str) -> None:
    """Nobody says that the sender is gone: what it was given until then goes by the other account too."""
    async with run_service(broker, tmp_path) as service, run_flow(service) as run:
        run.begin_fault()
        loss = begin_loss(harm)
        if harm == "killed":
            service.kill_sender_and_browser(MAIN)
        else:
            service.freeze_sender(MAIN)
        await wait_until_moved(run, loss)
        if harm == "frozen":
            service.continue_sender(MAIN)
        await service.restart_sender(MAIN)
        await run.finish()
        slowest_s = report(run, loss)
        run.check(f"a sender is {harm}", run.flow.phones[SECOND])
        assert slowest_s <= SILENT_LOSS_S + LOAD_S
