"""The sender of one of two accounts is stopped (SIGSTOP) for longer than three heartbeats, and continued.

From *Nothing waits for what never comes*: "an account | its account heartbeat, 30 s | The account is down. Nothing more
is dispatched to it, and its phones move to other accounts." And of the outcome of a dispatch: "never claimed → back to
the phone".
"""

import json
from pathlib import Path

import pytest

from streams.contract.account import MAX_HEARTBEAT_AGE_S
from tests.chaos.liveness.service import MAIN, SECOND, run_service
from tests.chaos.liveness.verdict import run_flow
from tests.support.broker import KafkaEndpoint

pytestmark = [pytest.mark.chaos, pytest.mark.broker, pytest.mark.browser, pytest.mark.timeout(400)]

DOWN = f'wa_account_state{{account="{MAIN}",state="down"}}'
DOWN_TIMEOUT_S = MAX_HEARTBEAT_AGE_S + 15.0


async def test_its_recipients_move_and_it_is_used_again(
    broker: KafkaEndpoint, tmp_path: Path
) -> None:
    """The account is down for the dispatcher, health and commands; when it is back, it sends again."""
    async with run_service(broker, tmp_path) as service, run_flow(service) as run:
        affected = run.flow.phones[MAIN]
        run.begin_fault()
        service.freeze_sender(MAIN)
        await service.wait_for_queue(lambda row: row["in_flight"] and row["account"] == MAIN)
        health = await service.wait_for_health(
            lambda document: document["accounts"][MAIN]["state"] == "down", DOWN_TIMEOUT_S
        )
        assert health["healthy"]
        assert health["accounts"][MAIN]["stale"]
        assert await service.wait_for_metric(DOWN, 1.0) == 1.0
        accounts = (await service.run_command("accounts", "list", "--json")).splitlines()
        states = {row["account"]: row["state"] for row in map(json.loads, accounts)}
        assert states == {MAIN: "down", SECOND: "ready"}
        await run.wait_until_moved(affected, SECOND)

        service.continue_sender(MAIN)
        await service.restart_sender(MAIN)
        await service.wait_for_health(lambda document: not document["accounts"][MAIN]["stale"])
        back = affected[:2]
        for phone in back:
            await run.flow.request(phone, account=MAIN)
        await run.wait_until_moved(back, MAIN)
        await run.finish()
        run.check("a sender is stopped", run.flow.phones[SECOND])
