"""One of three brokers is frozen (SIGSTOP) under the whole service: its connections stay open, and it answers nothing.

Here everybody is affected for a short time: until the brokers and each client have given it up.
"""

import asyncio
from pathlib import Path

import pytest

from tests.chaos.liveness.service import run_service
from tests.chaos.liveness.verdict import run_flow
from tests.support.cluster import SIZE, Cluster

pytestmark = [pytest.mark.chaos, pytest.mark.broker, pytest.mark.browser, pytest.mark.timeout(400)]

MAX_LATE_S = 20.0  # Kafka itself needs nine seconds to give up a broker
FROZEN_S = 40.0
CLIENT_ERRORS = "wa_kafka_client_errors_total"


async def test_nobody_waits_longer_than_the_bound(cluster: Cluster, tmp_path: Path) -> None:
    """Messages, commands and probes go on with the other two brokers, and the metric counts the outage."""
    async with (
        run_service(
            cluster, tmp_path, replication_factor=SIZE, kafka_session_timeout_s=10
        ) as service,
        run_flow(service) as run,
    ):
        errors = await service.read_metric(CLIENT_ERRORS)
        run.begin_fault()
        cluster.brokers[-1].suspend()
        try:
            end_s = asyncio.get_running_loop().time() + FROZEN_S
            await service.wait_for_metric(CLIENT_ERRORS, errors + 1)
            await asyncio.sleep(MAX_LATE_S)
            late = await run.flow.request(run.flow.phones["main"][0])
            await service.caller.wait_for_status(late.id, "sent")
            assert (await service.wait_for_health(lambda document: document["healthy"]))["healthy"]
            assert await service.run_command("queue") is not None
            await service.wait_for_metric("wa_under_replicated_topics", 1)
            await service.wait_for_health(
                lambda document: document["metrics"]["underReplicatedTopics"] > 0
            )
            await asyncio.sleep(max(0.0, end_s - asyncio.get_running_loop().time()))
        finally:
            cluster.recover()
        await run.finish()
        run.check("a broker is frozen", run.flow.get_all_phones(), max_late_s=MAX_LATE_S)
