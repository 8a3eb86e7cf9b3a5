"""The page of one of two accounts never answers: its connection stays open and nothing passes it, again and again.

From *Nothing waits for what never comes*: "a page, an ack, a look-up | its own timeout for each | A definite outcome."
And of the outcome of a dispatch: "claimed → `attempt_in_doubt`".
"""

import asyncio
from pathlib import Path

import pytest

from tests.chaos.liveness.service import MAIN, SECOND, run_service
from tests.chaos.liveness.verdict import run_flow
from tests.support.broker import KafkaEndpoint

pytestmark = [pytest.mark.chaos, pytest.mark.broker, pytest.mark.browser, pytest.mark.timeout(400)]

NOT_READY = f'wa_account_state{{account="{MAIN}",state="reconnecting"}}'
SILENT_S = 60.0  # the page itself takes a connection for dead after 20 s


async def test_only_its_recipients_wait(broker: KafkaEndpoint, tmp_path: Path) -> None:
    """The account is not ready, and what its page had waits in doubt; it is sent once the page answers again."""
    async with run_service(broker, tmp_path) as service, run_flow(service) as run:
        run.begin_fault()
        end_s = asyncio.get_running_loop().time() + SILENT_S
        await service.control.add_faults(
            {"dead_socket": True}, account=service.phones[MAIN], is_lasting=True
        )
        await service.wait_for_queue(
            lambda row: row["account"] == MAIN and row["reason"] == "attempt_in_doubt"
        )
        health = await service.wait_for_health(
            lambda document: document["accounts"][MAIN]["state"] == "reconnecting", 60.0
        )
        assert health["healthy"]
        assert await service.wait_for_metric(NOT_READY, 1.0) == 1.0
        await asyncio.sleep(max(0.0, end_s - asyncio.get_running_loop().time()))
        await service.control.clear_faults()
        await service.wait_for_health(
            lambda document: document["accounts"][MAIN]["state"] == "ready", 60.0
        )
        await run.finish()
        run.check("a page is silent", run.flow.phones[SECOND])
