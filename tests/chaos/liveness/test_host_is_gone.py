"""The host of one of two accounts is gone: its sender and its browser are killed, and nothing restarts them.

From *Nothing waits for what never comes*: "the outcome of a dispatch | its deadline, then the reconciliation of its
claim | … never claimed → back to the phone, claimed → `attempt_in_doubt`. As the last resort, after
`WA_UNKNOWN_AFTER_S`: `unknown`."
"""

from pathlib import Path

import pytest

from streams.contract.account import MAX_HEARTBEAT_AGE_S
from tests.chaos.liveness.service import MAIN, SECOND, run_service
from tests.chaos.liveness.verdict import run_flow
from tests.support.broker import KafkaEndpoint

pytestmark = [pytest.mark.chaos, pytest.mark.broker, pytest.mark.browser, pytest.mark.timeout(400)]

DOWN = f'wa_account_state{{account="{MAIN}",state="down"}}'
RESOLVED = 'wa_dispatches_resolved_total{result="%s"}'
UNKNOWN_AFTER_S = 20


async def test_what_it_never_claimed_is_sent_by_the_other_account(
    broker: KafkaEndpoint, tmp_path: Path
) -> None:
    """Only the message whose ack was lost before the kill ends as `unknown`; it is not sent again."""
    async with (
        run_service(broker, tmp_path, unknown_after_s=UNKNOWN_AFTER_S) as service,
        run_flow(service) as run,
    ):
        in_doubt, *others = run.flow.phones[MAIN]
        run.begin_fault()
        await service.control.add_faults({"ack_lost": True}, number=in_doubt)
        claimed = await run.flow.request(in_doubt)
        await run.wait_until_arrived(claimed)
        service.kill_sender_and_browser(MAIN)
        await service.control.clear_faults()
        await service.wait_for_health(
            lambda document: document["accounts"][MAIN]["state"] == "down",
            MAX_HEARTBEAT_AGE_S + 15.0,
        )
        assert await service.wait_for_metric(DOWN, 1.0) == 1.0
        await service.wait_for_queue(
            lambda row: row["id"] == claimed.id and row["reason"] == "attempt_in_doubt", in_doubt
        )
        await run.wait_until_moved(others, SECOND)
        await service.wait_for_metric(RESOLVED % "not_claimed", 1.0)
        await service.wait_for_metric(RESOLVED % "in_doubt", 1.0)
        await run.finish()
        [letter] = service.caller.dead_letters()
        assert dict(letter.headers)["wa-dlq-outcome"] == b"unknown"
        run.check("a host is gone", run.flow.phones[SECOND], not_sent={claimed.id: "unknown"})
