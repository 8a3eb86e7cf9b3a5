"""Acks are lost: one, and all of one recipient. The messages arrive, and WhatsApp's server never says so.

From *Nothing waits for what never comes*: "a page, an ack, a look-up | its own timeout for each | A definite outcome.
One lost ack must not hold up the account for more than `WA_ACK_WITHIN_S`." And of the outcome of a dispatch: "claimed →
`attempt_in_doubt`. As the last resort, after `WA_UNKNOWN_AFTER_S`: `unknown`."
"""

from pathlib import Path

import pytest

from tests.chaos.liveness.service import MAIN, run_service
from tests.chaos.liveness.verdict import run_flow
from tests.support.broker import KafkaEndpoint

pytestmark = [pytest.mark.chaos, pytest.mark.broker, pytest.mark.browser, pytest.mark.timeout(400)]

ACKS_MISSING = "wa_sender_acks_missing_total"
# After a minute the page is asked to reconnect, and sends again what has no ack.
UNKNOWN_AFTER_S = 90


async def test_only_their_recipients_wait(broker: KafkaEndpoint, tmp_path: Path) -> None:
    """The account's other recipients get their messages in time; each lost ack ends its own message's doubt."""
    async with (
        run_service(broker, tmp_path, unknown_after_s=UNKNOWN_AFTER_S) as service,
        run_flow(service) as run,
    ):
        once, always = run.flow.phones[MAIN][:2]
        run.begin_fault()
        await service.control.add_faults({"ack_lost": True}, number=once, count=1)
        await service.control.add_faults({"ack_lost": True}, number=always)
        first, last = [await run.flow.request(phone) for phone in (once, always)]
        await service.wait_for_queue(
            lambda row: row["id"] == last.id and row["reason"] == "attempt_in_doubt", always
        )
        await service.wait_for_health(lambda document: document["metrics"]["queueLength"] > 0)
        await service.wait_for_metric(ACKS_MISSING, 2.0, service.senders[MAIN])
        await service.caller.wait_for_status(first.id, "sent", timeout_s=UNKNOWN_AFTER_S)
        await service.caller.wait_for_status(last.id, "unknown", timeout_s=2 * UNKNOWN_AFTER_S)
        await service.control.clear_faults()
        await run.finish()
        unknown = {id: status for id, status in run.read_final().items() if status == "unknown"}
        assert {id.partition("/")[0] for id in unknown} == {always}
        assert len(service.caller.dead_letters()) == len(unknown)
        run.check(
            "acks are lost",
            run.flow.get_all_phones(except_={once, always}),
            not_sent=unknown,
        )
