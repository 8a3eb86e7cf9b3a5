"""A real Apache Kafka for tests: one for the whole session, and one for each test that must break it.

Tests that share the broker are independent: each has a topic prefix of its own (`make_settings`). A test that
kills, freezes or fills a broker uses `own_broker`, which costs about three seconds.
"""

import os
import shutil
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import psutil
import pytest
from aiokafka.admin import NewPartitions

from streams.embedded_kafka.broker import EmbeddedBroker
from streams.kafka import admin
from streams.kafka.connection import admin_client
from streams.settings import Settings, load
from tests.support.clock import SteppedClock
from tests.support.waiting import wait_until

PARTITIONS_TIMEOUT_S = 30.0


async def add_partitions(settings: Settings, topic: str, total: int) -> None:
    """Return when the topic has so many partitions, and clients that ask for them get them.

    The controller answers before the brokers show the new partitions, so whoever looked at once could miss them.
    """
    async with admin_client(settings) as client:
        await client.create_partitions({topic: NewPartitions(total_count=total)})

        async def are_visible() -> bool:
            return (await admin.partition_counts(client)).get(topic) == total

        await wait_until(
            are_visible,
            timeout_s=PARTITIONS_TIMEOUT_S,
            message=f"{topic} never had {total} partitions",
        )


class KafkaEndpoint(Protocol):
    """A broker, as far as clients are concerned."""

    @property
    def bootstrap_servers(self) -> str: ...


class OwnBroker(EmbeddedBroker):
    """A broker that a test may harm."""

    def kill(self) -> None:
        """SIGKILL. `start` brings it back on the same port, with what it had acknowledged."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def suspend(self) -> None:
        """SIGSTOP: connections stay open and nobody answers."""
        assert self.pid is not None
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        assert self.pid is not None
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """End it, frozen or not."""
        if self.is_running and psutil.Process(self.pid).status() == psutil.STATUS_STOPPED:
            self.resume()
        super().stop()


def make_settings(broker: KafkaEndpoint, data_dir: Path, **overrides: Any) -> Settings:
    """Settings of a world of its own on this broker: a fresh topic prefix, everything below `data_dir`.

    Few partitions, a short session and any free port, unless `given` says otherwise. The
    environment and the TOML file of the tests' user have no effect.
    """
    defaults: dict[str, Any] = {
        "kafka_bootstrap_servers": broker.bootstrap_servers,
        "topic_prefix": f"wa-{uuid.uuid4().hex[:8]}",
        "partitions": 4,
        "kafka_session_timeout_s": 6,  # the least that brokers allow (group.min.session.timeout.ms)
        "data_dir": data_dir,
        "web_port": 0,
        "sandbox_port": 0,
        "kafka_port": 0,
    }
    return load({"WA_CONFIG": ""}, **(defaults | overrides))


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """The broker of this test session."""
    broker = EmbeddedBroker(tmp_path_factory.mktemp("broker"), port=0)
    broker.start(print)
    yield broker
    broker.stop()
    shutil.rmtree(broker.directory / "log")


@pytest.fixture
def settings(broker: EmbeddedBroker, tmp_path: Path) -> Settings:
    """Settings with a fresh topic prefix on the session's broker; no topic exists yet."""
    return make_settings(broker, tmp_path)


@pytest.fixture
def broker_clock(tmp_path: Path) -> SteppedClock:
    """The wall clock of `stepped_broker`."""
    return SteppedClock(tmp_path / "broker.clock")


@pytest.fixture
def stepped_broker(
    tmp_path: Path, broker_clock: SteppedClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OwnBroker]:
    """A running broker for this test alone, whose wall clock is `broker_clock`."""
    broker = OwnBroker(tmp_path / "stepped-broker", port=0)
    with monkeypatch.context() as environment:
        for name, value in broker_clock.environ().items():
            environment.setenv(name, value)
        broker.start(print)
    yield broker
    broker.stop()
    shutil.rmtree(broker.directory / "log")


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[OwnBroker]:
    """A running broker for this test alone, to be killed or frozen."""
    broker = OwnBroker(tmp_path / "own-broker", port=0)
    broker.start(print)
    yield broker
    broker.stop()
    shutil.rmtree(broker.directory / "log")
