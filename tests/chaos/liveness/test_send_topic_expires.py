"""The records of an account's send topic are deleted before its sender has read them, as retention would delete them.

From *Nothing waits for what never comes*: "the outcome of a dispatch | its deadline, then the reconciliation of its
claim | An account whose sender is alive answers. … never claimed → back to the phone".
"""

import asyncio
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from streams.kafka import connection
from streams.kafka.topics import names
from tests.chaos.liveness.service import MAIN, SECOND, Service, run_service
from tests.chaos.liveness.verdict import run_flow
from tests.support.broker import KafkaEndpoint

pytestmark = [pytest.mark.chaos, pytest.mark.broker, pytest.mark.browser, pytest.mark.timeout(400)]

NOT_CLAIMED = 'wa_dispatches_resolved_total{result="not_claimed"}'
FROZEN_S = 12.0  # longer than the session, and too short for the account to be down
ALIVE_TIMEOUT_S = 150.0  # a sender that is alive has a minute more to answer


async def test_what_was_deleted_goes_back_and_is_sent(
    broker: KafkaEndpoint, tmp_path: Path
) -> None:
    """The sender, which is alive, can never answer; its claims do, and each message is sent once."""
    async with run_service(broker, tmp_path) as service, run_flow(service) as run:
        run.begin_fault()
        service.freeze_sender(MAIN)
        await asyncio.sleep(FROZEN_S)
        await _delete_dispatches(service)
        service.continue_sender(MAIN)
        await service.restart_sender(MAIN)
        await service.wait_for_queue(
            lambda row: row["in_flight"] and row["in_flight"]["account"] == MAIN
        )
        health = await service.wait_for_health(
            lambda document: document["metrics"]["queueLength"] >= len(run.flow.phones[MAIN])
        )
        assert health["accounts"][MAIN]["state"] == "ready"
        await service.wait_for_metric("wa_dispatches_overdue", 1.0, timeout_s=60.0)
        await service.wait_for_metric(NOT_CLAIMED, 1.0, timeout_s=ALIVE_TIMEOUT_S)
        await run.finish()
        run.check("a send topic expired", run.flow.phones[SECOND])


async def _delete_dispatches(service: Service) -> None:
    """Everything that the send topic has now."""
    settings = service.system.settings
    topic = names(settings).send(MAIN)
    end = await service.caller.fetch_end_offset(topic)
    async with connection.admin_client(settings) as client:
        await client.delete_records({TopicPartition(topic, 0): RecordsToDelete(end)})
