"""Three real brokers, of which a test may kill or freeze one: each record is on all three (RF 3, min ISR 2).

They answer about ten seconds after `start`, and take about 1 GB of memory together. The times of Kafka's own
failure detection are its defaults, except the name of each broker's session (see `_PROPERTIES`).
"""

import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streams.embedded_kafka import config, jars
from streams.system import network
from tests.support.broker import OwnBroker

SIZE = 3
_PROPERTIES = {
    "broker.session.timeout.ms": "9000",  # Kafka's default: a silent broker is given up after this
    "broker.heartbeat.interval.ms": "2000",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    "min.insync.replicas": "2",
    "default.replication.factor": "3",
}


class ClusterBroker(OwnBroker):
    """One of the three."""

    def __init__(
        self, cluster: "Cluster", node_id: int, data_dir: Path, port: int, controller_port: int
    ) -> None:
        self.node_id = node_id
        self.controller_port = controller_port
        self.directory_id = _new_id()
        self._cluster = cluster
        super().__init__(data_dir, port=port, extra_properties={})

    def _write_properties(self) -> None:
        self._extra_properties = {
            **_PROPERTIES,
            "node.id": str(self.node_id),
            "controller.quorum.bootstrap.servers": self._cluster.controllers,
        }
        super()._write_properties()

    def _choose_controller_port(self, previous_port: int | None) -> int:
        return self.controller_port

    def _format_options(self) -> list[str]:
        voters = ",".join(
            f"{broker.node_id}@{network.HOST}:{broker.controller_port}:{broker.directory_id}"
            for broker in self._cluster.brokers
        )
        return ["--initial-controllers", voters, "-t", self._cluster.id]


class Cluster:
    """Three brokers. As an endpoint it names them all, the first one first."""

    def __init__(self, data_dir: Path) -> None:
        self.id = config.new_cluster_id()
        ports = network.find_several_free(2 * SIZE)
        self.brokers = [
            ClusterBroker(self, node_id, data_dir / f"broker-{node_id}", ports.pop(), ports.pop())
            for node_id in range(1, SIZE + 1)
        ]

    @property
    def bootstrap_servers(self) -> str:
        """The addresses of all brokers."""
        return ",".join(f"{network.HOST}:{broker.port}" for broker in self.brokers)

    @property
    def controllers(self) -> str:
        """The addresses of all controllers."""
        return ",".join(f"{network.HOST}:{broker.controller_port}" for broker in self.brokers)

    def start(self) -> None:
        """Start all of them at once: none answers before two run."""
        jars.install(print)
        with ThreadPoolExecutor(SIZE) as pool:
            for started in [pool.submit(broker.start) for broker in self.brokers]:
                started.result()

    def recover(self) -> None:
        """Undo what a test did: resume the frozen brokers and restart the killed ones."""
        for broker in self.brokers:
            if broker.is_running:
                broker.resume()
            else:
                broker.start()

    def stop(self) -> None:
        """End all of them, frozen or not."""
        with ThreadPoolExecutor(SIZE) as pool:
            for stopped in [pool.submit(broker.stop) for broker in self.brokers]:
                stopped.result()


def _new_id() -> str:
    while (id_ := urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass  # would be read as an option
    return id_


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three running brokers for one module; a test that harms one calls `recover` at its end."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
