"""Each of three brokers is killed and frozen in turn under the whole service: nothing is lost or shown twice.

`make chaos` runs it and prints its figures. CHAOS_REQUESTS (2000) and CHAOS_SEED (1) set it. Never are two
brokers harmed at once: each record needs two.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from streams.kafka.connection import client_options
from streams.settings import Settings
from tests.chaos.support.judged_run import pause, run_messages
from tests.chaos.support.producers import make_requests
from tests.chaos.support.running_stack import RunningStack, run_stack
from tests.support.cluster import SIZE, Cluster, ClusterBroker
from tests.support.sandbox import SandboxControl
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.broker, pytest.mark.browser, pytest.mark.timeout(2400)]

REQUESTS = int(os.environ.get("CHAOS_REQUESTS", "2000"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
MESSAGES_A_PHONE, LIMIT = 30, 5  # so it takes five minutes: every broker has its turn, twice
MIN_HARM_S, MAX_HARM_S = 12.0, 25.0  # the other brokers give a silent one up after nine seconds
PRODUCE_S = 120.0
FINISH_TIMEOUT_S = 1500.0


@dataclass
class BrokerFaults:
    """Kills and freezes each broker in turn, one at a time."""

    cluster: Cluster
    settings: Settings
    dice: random.Random
    counts: Counter[str] = field(default_factory=Counter)

    async def run(self, done: asyncio.Event) -> None:
        """Every broker in both ways in an order of the seed, again and again."""
        while not done.is_set():
            steps = [(broker, how) for broker in self.cluster.brokers for how in ("kill", "freeze")]
            self.dice.shuffle(steps)
            for broker, how in steps:
                await wait_until(self._is_in_sync, timeout_s=180, message="not in sync")
                await pause(done, self.dice.uniform(2.0, 5.0))
                if done.is_set():
                    return
                await self._harm(broker, how, done)

    async def _harm(self, broker: ClusterBroker, how: str, done: asyncio.Event) -> None:
        print(f"  {how} broker {broker.node_id}", flush=True)
        self.counts[f"{how} broker {broker.node_id}"] += 1
        try:
            if how == "kill":
                broker.kill()
            else:
                broker.suspend()
            await pause(done, self.dice.uniform(MIN_HARM_S, MAX_HARM_S))
        finally:
            await asyncio.to_thread(self.cluster.recover)

    async def _is_in_sync(self) -> bool:
        """Whether each partition is on all brokers, so that the next one may fail."""
        admin = AIOKafkaAdminClient(**client_options(self.settings))
        await admin.start()
        try:
            topics = await admin.describe_topics()
        finally:
            await admin.close()
        partitions = [partition for topic in topics for partition in topic["partitions"]]
        return all(len(partition["isr"]) == SIZE for partition in partitions)


@pytest.fixture
def stack(cluster: Cluster, tmp_path: Path) -> Iterator[RunningStack]:
    """A running `up` on the three brokers."""
    with run_stack(
        tmp_path,
        limit=LIMIT,
        kafka_bootstrap_servers=cluster.bootstrap_servers,
        replication_factor=SIZE,
        kafka_session_timeout_s=10,
    ) as stack:
        yield stack


async def test_each_broker_is_killed_and_frozen(stack: RunningStack, cluster: Cluster) -> None:
    """Each record is on all three, and two are enough."""
    status = await asyncio.to_thread(stack.wait_until_ready)
    faults = BrokerFaults(cluster, stack.settings, random.Random(SEED))
    run = await run_messages(
        stack.settings,
        SandboxControl(status["sandbox"]),
        make_requests("plain", REQUESTS, 2 * REQUESTS // MESSAGES_A_PHONE),
        faults,
        produce_s=PRODUCE_S,
        finish_timeout_s=FINISH_TIMEOUT_S,
    )
    run.report(f"seed {SEED}, three brokers")
    run.check()
    assert len(run.counts) == 2 * SIZE  # every broker was harmed in both ways
