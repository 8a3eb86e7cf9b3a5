"""The embedded broker: a real Kafka that keeps what it acknowledged and leaves nothing behind."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.embedded_kafka import address as address_file
from streams.embedded_kafka import broker as embedded
from streams.embedded_kafka import child, probe
from streams.embedded_kafka.broker import BrokerFailed, DataDirInUse, EmbeddedBroker, PortInUse
from tests.support.broker import OwnBroker
from tests.support.kafka.records import read_all

pytestmark = pytest.mark.broker

# A program that starts a broker, prints its pid and lives until it is killed.
_PARENT = """
import sys, time
from pathlib import Path
from streams.embedded_kafka.broker import EmbeddedBroker
broker = EmbeddedBroker(Path(sys.argv[1]), 0)
broker.start()
print(broker.pid, flush=True)
time.sleep(3600)
"""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Another process's listener."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def answers(broker: EmbeddedBroker) -> bool:
    return probe.is_ready("127.0.0.1", broker.port)


async def _write(bootstrap: str, topic: str, values: list[bytes]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for value in values:
            await producer.send_and_wait(topic, value)


async def test_acknowledged_records_survive_a_kill(own_broker: OwnBroker) -> None:
    """After SIGKILL it returns at the same address, with every record that it acknowledged."""
    values = [f"record {number}".encode() for number in range(200)]
    await _write(own_broker.bootstrap_servers, "kept", values)
    address, first = own_broker.bootstrap_servers, own_broker.pid
    own_broker.kill()
    assert (own_broker.is_running, own_broker.exit_code) == (False, -signal.SIGKILL)
    own_broker.start()
    assert own_broker.is_running and own_broker.pid != first
    assert own_broker.bootstrap_servers == address
    read = await read_all({"bootstrap_servers": address}, TopicPartition("kept", 0))
    assert [record.value for record in read] == values


def test_the_next_run_uses_the_same_port(own_broker: OwnBroker) -> None:
    """`any free port` is the same one in the next run, so that programs find it again."""
    data_dir, address = own_broker.directory.parent, own_broker.bootstrap_servers
    own_broker.stop()
    assert own_broker.pid is None
    assert address_file.last_bootstrap_servers(data_dir) == address
    again = EmbeddedBroker(data_dir, 0)
    with _controller_port_taken(own_broker):
        again.start()
        try:
            assert again.bootstrap_servers == address and answers(again)
        finally:
            again.stop()


def _controller_port_taken(broker: EmbeddedBroker) -> socket.socket:
    """Take the controller's port: no client uses it, so the broker must choose another one."""
    ports = address_file.read_listener_ports(broker.directory / "server.properties")
    return socket.create_server(("127.0.0.1", ports["CONTROLLER"]))


def test_no_other_broker_gets_the_folder(broker: EmbeddedBroker) -> None:
    """Two brokers on one folder would destroy the log; the second gets the process that has it."""
    second = EmbeddedBroker(broker.directory.parent, 0)
    with pytest.raises(DataDirInUse) as raised:
        second.start()
    message = str(raised.value)
    assert f"process {os.getpid()} " in message and "WA_DATA_DIR" in message and "\n" not in message
    assert broker.is_running and answers(broker)


def test_the_broker_gets_no_ctrl_c(broker: EmbeddedBroker) -> None:
    """Ctrl-C goes to a whole process group, and workers still need the broker while they stop."""
    assert broker.pid is not None
    assert os.getpgid(broker.pid) != os.getpgid(0)


def test_the_broker_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    """The kernel watches the thread that forked, so that thread must live as long as the process."""
    broker = OwnBroker(tmp_path / "thread", 0)
    try:
        starter = threading.Thread(target=broker.start)
        starter.start()
        starter.join()
        _, alive = psutil.wait_procs([psutil.Process(broker.pid)], timeout=1)
        assert alive and answers(broker)
    finally:
        broker.stop()


def test_the_broker_dies_with_its_parent(tmp_path: Path) -> None:
    """SIGKILL leaves no broker behind, and the next process gets the folder at once."""
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert parent.stdout is not None
        orphan = psutil.Process(int(parent.stdout.readline()))
    finally:
        parent.kill()
        parent.wait()
    successor = EmbeddedBroker(tmp_path, 0)
    try:
        successor.start()
        _, alive = psutil.wait_procs([orphan], timeout=30)
        assert not alive
        assert answers(successor)
    finally:
        successor.stop()
        with contextlib.suppress(psutil.NoSuchProcess):
            orphan.kill()


def test_a_taken_port_is_reported_in_one_line(tmp_path: Path, listener: socket.socket) -> None:
    """The message names the port and the two settings that help; nothing is left behind."""
    port = listener.getsockname()[1]
    broker = EmbeddedBroker(tmp_path, port)
    with pytest.raises(PortInUse) as raised:
        broker.start()
    message = str(raised.value)
    assert f"127.0.0.1:{port} is taken" in message and "\n" not in message
    assert (
        "WA_KAFKA_PORT=0" in message and f"WA_KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:{port}" in message
    )
    assert broker.pid is None
    lock = child.DirectoryLock(broker.directory)
    lock.acquire()
    lock.release()


def test_the_reason_of_a_failed_start_is_reported(tmp_path: Path) -> None:
    """Of a page of Java output it shows the line that says why, and where the rest is."""
    broker = EmbeddedBroker(tmp_path, 0, extra_properties={"num.io.threads": "many"})
    with pytest.raises(BrokerFailed) as raised:
        broker.start()
    message = str(raised.value)
    assert "num.io.threads" in message and "\n" not in message
    assert str(broker.log_file) in message and broker.pid is None


def test_a_broken_folder_is_reported(own_broker: OwnBroker) -> None:
    """After a start that fails, the message has the broker's own reason, and no process is left."""
    own_broker.stop()
    properties = own_broker.directory / "log" / "meta.properties"
    properties.write_text(properties.read_text().replace("node.id=1", "node.id=7"))
    with pytest.raises(BrokerFailed, match=r"node"):
        own_broker.start()
    assert own_broker.pid is None


def test_an_interrupted_format_is_repeated(tmp_path: Path) -> None:
    """Half a folder is not taken for a whole one; unusual characters in its path do not matter."""
    broker = OwnBroker(tmp_path / "ünï, çödé", 0)
    half = broker.directory / "log.new"
    half.mkdir(parents=True)
    (half / "meta.properties").write_text("half of it")
    try:
        broker.start()
        assert answers(broker) and not half.exists()
    finally:
        broker.stop()


@pytest.mark.parametrize(
    ("log", "telling"),
    [
        (["INFO a", "x.Exception: b", "\tat c", "Caused by: d", "\tat e"], "Caused by: d"),
        (["2026 ERROR x", "java.lang.IllegalStateException: b", "\tat c"], None),
        (["WARN a", "", "INFO b", ""], "INFO b"),
        ([], "it logged nothing"),
    ],
)
def test_the_error_line(log: list[str], telling: str | None) -> None:
    """The deepest cause, or else the last exception, the last error, or the last line."""
    assert embedded.find_error_line(log) == (telling or "java.lang.IllegalStateException: b")


def test_only_a_kafka_counts_as_ready(listener: socket.socket) -> None:
    """An open port is not a broker, whether it is silent or closes the connection; a closed port is not one either."""
    port = listener.getsockname()[1]

    def hang_up(_: Any = None) -> None:
        connection, _ = listener.accept()
        connection.close()

    strange = threading.Thread(target=hang_up)
    strange.start()
    assert not probe.is_ready("127.0.0.1", port)
    strange.join()
    listener.close()
    assert not probe.is_ready("127.0.0.1", port)
