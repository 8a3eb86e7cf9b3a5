"""One of two accounts is removed by `accounts remove`, with messages in flight and others queued.

From *Nothing waits for what never comes*: "the outcome of a dispatch | … An account whose sender is alive answers." And
of a pinned account: "indefinite if the account is known; if it is unknown, the request is rejected | Other messages of
the phone go ahead."
"""

import asyncio
from pathlib import Path

import pytest

from tests.chaos.liveness.flow import make_phone
from tests.chaos.liveness.service import MAIN, SECOND, run_service
from tests.chaos.liveness.verdict import run_flow
from tests.support.broker import KafkaEndpoint

pytestmark = [pytest.mark.chaos, pytest.mark.broker, pytest.mark.browser, pytest.mark.timeout(400)]

STOPPED = f'wa_account_state{{account="{MAIN}",state="stopped"}}'
ACK_DELAY_MS = 4500  # so a message stays in flight, and no ack is lost


async def test_it_is_drained_and_its_recipients_move(broker: KafkaEndpoint, tmp_path: Path) -> None:
    """What is in flight is sent by it, what requires it fails, and all else goes by the other account."""
    async with run_service(broker, tmp_path) as service, run_flow(service) as run:
        pinned_phone = make_phone(9999)
        run.begin_fault()
        await service.control.add_faults(
            {"ack_delay_ms": ACK_DELAY_MS}, account=service.phones[MAIN]
        )
        in_flight, *queued = [await run.flow.request(pinned_phone, account=MAIN) for _ in range(3)]
        await run.wait_until_arrived(in_flight)
        removing = asyncio.create_task(
            service.run_command("accounts", "remove", MAIN, "--yes", "--wait")
        )
        await service.wait_for_queue(
            lambda row: row["in_flight"] and row["in_flight"]["account"] == MAIN
        )
        health = await service.wait_for_health(
            lambda document: document["accounts"][MAIN]["state"] == "stopped"
        )
        assert health["healthy"]
        assert health["accounts"][MAIN]["reason"] == "removed"
        assert await service.wait_for_metric(STOPPED, 1.0) == 1.0
        assert f"{MAIN} is removed and drained" in await removing
        await run.wait_until_moved(run.flow.phones[MAIN], SECOND)
        await run.finish()
        failed = [e for e in service.caller.status_events() if e["status"] == "failed"]
        assert {event["error"]["code"] for event in failed} == {"unknown_account"}
        assert service.caller.statuses(in_flight.id)[-1] in {"sent", "delivered"}
        run.check(
            "an account is removed",
            run.flow.phones[SECOND],
            not_sent={requested.id: "failed" for requested in queued},
        )
