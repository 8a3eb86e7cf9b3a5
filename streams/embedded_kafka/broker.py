"""A real Apache Kafka on this machine: one process, KRaft, loopback only. For one user's machine.

Not a cluster: one copy of each record, and a power cut may take the last seconds. Production names
its brokers in `WA_KAFKA`, and then nothing here is used. Everything is below `<data_dir>/kafka`:
`log/` the records, `server.properties` what the broker was told (its ports are remembered there),
`kafka.log` what it said, `lock` who owns the folder.
"""

import base64
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from streams.embedded_kafka import child, jars, java, probe
from streams.embedded_kafka.jars import JarsMissing
from streams.embedded_kafka.java import JavaMissing
from streams.system import ports

__all__ = [
    "BrokerFailed",
    "EmbeddedBroker",
    "FolderTaken",
    "JarsMissing",
    "JavaMissing",
    "PortTaken",
]

START_WITHIN_S = 120.0  # 1.5 s on an idle machine
STOP_WITHIN_S = 20.0  # 0.2 s on an idle machine
_LOOK_EVERY_S = 0.05
_LOG_KEPT_BYTES = 10_000_000

_JVM = (
    "-Xms64m",
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
# Java reads this file as Latin-1 and splits the value at commas, so no path is written here.
log.dirs=log
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
# A killed broker is not let in again before its last session has ended; the default is 9 s.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=400
num.network.threads=2
num.io.threads=4
# The default of 128 MiB would be a third of the heap; this is enough for 300,000 keys at a time.
log.cleaner.dedupe.buffer.size=8388608
log.cleaner.backoff.ms=3000
"""


class BrokerFailed(RuntimeError):
    """The broker cannot be started; the message says why and what to do, in one line."""


class PortTaken(BrokerFailed):
    """Somebody else listens there."""


class FolderTaken(BrokerFailed):
    """Another live broker uses the data folder."""


class EmbeddedBroker:
    """The broker of one data folder. Not for two threads at once; all calls block."""

    def __init__(
        self,
        data_dir: Path,
        port: int = 9092,
        *,
        java_home: str | None = None,
        further: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`port` 0 is any free one, the same at each start. `java_home` wins over $JAVA_HOME.

        `further` are lines of server.properties that are added, or win over ours.
        """
        self.folder = data_dir.absolute() / "kafka"
        self.log_file = self.folder / "kafka.log"
        self._asked_port = port
        self._further = further
        self._java_home = java_home or os.environ.get("JAVA_HOME")
        self._properties = self.folder / "server.properties"
        self._lock = child.FolderLock(self.folder)
        self._process: subprocess.Popen[bytes] | None = None
        self._port = port

    @property
    def port(self) -> int:
        """Where it listens; 0 before the first start with port 0."""
        return self._port

    @property
    def bootstrap(self) -> str:
        """What clients are told."""
        return f"{ports.HOST}:{self._port}"

    @property
    def pid(self) -> int | None:
        """The process, None before the start and after the stop."""
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Of a process that ended by itself or was killed; None while it runs."""
        return self._process.poll() if self._process else None

    def start(self, progress: jars.Progress = lambda line: None) -> None:
        """Start it, and return once it answers. Starts it anew when it has died.

        Raises:
            JarsMissing, JavaMissing: what it consists of is not there.
            PortTaken, FolderTaken: another one has it.
            BrokerFailed: it ended or did not answer; the message has the log's last telling line.
        """
        if self.alive:
            return
        jars.install(progress)
        runtime = java.find(self._java_home)
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._take_folder()
            self._configure()
            self._format(runtime)
            self._run(runtime)
        except BaseException:
            self.stop()
            raise

    def _take_folder(self) -> None:
        try:
            if not self._lock.held:
                self._lock.take()
        except child.FolderInUse as error:
            raise FolderTaken(
                f"process {error.pid or 'unknown'} runs a Kafka on {self.folder}; stop it, "
                "or set WA_DATA_DIR to another folder"
            ) from None

    def _configure(self) -> None:
        before = _listeners(self._properties)
        self._port = self._choose_port(before.get("PLAINTEXT"))
        controller = before.get("CONTROLLER")
        if controller is None or controller == self._port or not ports.is_free(controller):
            controller = ports.free(other_than=self._port)
        text = _PROPERTIES.format(host=ports.HOST, port=self._port, controller_port=controller)
        further = "".join(f"{name}={value}\n" for name, value in self._further.items())
        self._properties.write_text(text + further)

    def _choose_port(self, before: int | None) -> int:
        told = self._asked_port or self._port  # clients may know it already
        if not told:
            return before if before and ports.is_free(before) else ports.free()
        if not ports.is_free(told):
            address = f"{ports.HOST}:{told}"
            raise PortTaken(
                f"{address} is taken; stop what listens there, or set WA_KAFKA_PORT=0 for any free "
                f"port, or WA_KAFKA={address} if that is a Kafka to use"
            )
        return told

    def _format(self, runtime: Path) -> None:
        # The folder gets its name once it is complete: a format that was killed leaves none behind.
        log, fresh = self.folder / "log", self.folder / "log.new"
        if log.exists():
            return
        shutil.rmtree(fresh, ignore_errors=True)
        properties = self.folder / "format.properties"
        properties.write_text(f"{self._properties.read_text()}log.dirs={fresh.name}\n")
        tool = ["kafka.tools.StorageTool", "format", "--standalone", "-t", _cluster_id(), "-c"]
        process = self._java(runtime, [*tool, str(properties)])
        try:
            code = process.wait(START_WITHIN_S)
        except subprocess.TimeoutExpired:
            code = None
        if code != 0:
            raise BrokerFailed(f"Kafka cannot format {log}: {self._telling_line()}")
        fresh.rename(log)
        properties.unlink()

    def _run(self, runtime: Path) -> None:
        process = self._java(runtime, ["kafka.Kafka", str(self._properties)])
        deadline = time.monotonic() + START_WITHIN_S
        while not probe.answers(ports.HOST, self._port):
            if process.poll() is not None:
                raise BrokerFailed(f"Kafka does not start: {self._telling_line()}")
            if time.monotonic() > deadline:
                raise BrokerFailed(
                    f"Kafka does not answer within {START_WITHIN_S:.0f} s: {self._telling_line()}"
                )
            time.sleep(_LOOK_EVERY_S)

    def _java(self, runtime: Path, arguments: list[str]) -> "subprocess.Popen[bytes]":
        if self.log_file.exists() and self.log_file.stat().st_size > _LOG_KEPT_BYTES:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        command = [str(runtime), *_JVM, "-cp", jars.class_path(), *arguments]
        with self.log_file.open("ab") as output:
            self._said_before = output.tell()
            self._process = child.start(
                command,
                folder=self.folder,
                output=output,
                lock=self._lock,
                environment=_environment(),
            )
        return self._process

    def _telling_line(self) -> str:
        with self.log_file.open("rb") as file:
            file.seek(self._said_before)
            lines = file.read().decode(errors="replace").splitlines()
        return f"{telling_line(lines)} (all of it: {self.log_file})"

    def stop(self) -> None:
        """End it; what it acknowledged is kept. Harmless when it does not run."""
        if self._process is not None:
            child.end(self._process, STOP_WITHIN_S)
            self._process = None
        self._lock.give_back()


def telling_line(lines: list[str]) -> str:
    """The line of a Java log that says best what went wrong."""
    said = [line.strip() for line in lines if line.strip()]
    for marks in (("Caused by:",), ("Exception", "Error:"), (" ERROR ",)):
        for line in reversed(said):
            if any(mark in line for mark in marks) and not line.startswith("at "):
                return line
    return said[-1] if said else "it said nothing"


def last_bootstrap(data_dir: Path) -> str | None:
    """Where the broker of this data folder listens, or did when it last ran; None if it never did."""
    port = _listeners(data_dir / "kafka" / "server.properties").get("PLAINTEXT")
    return f"{ports.HOST}:{port}" if port else None


def _listeners(properties: Path) -> dict[str, int]:
    """The ports that a broker was told before, by listener."""
    if not properties.exists():
        return {}
    return dict(_parsed(properties.read_text()))


def _parsed(text: str) -> Iterator[tuple[str, int]]:
    for line in text.splitlines():
        name, _, value = line.partition("=")
        if name == "listeners":
            for each in value.split(","):
                listener, _, port = each.rpartition(":")
                yield listener.partition(":")[0], int(port)


def _cluster_id() -> str:
    # Kafka's form of a UUID; one that began with a dash would be read as an option.
    while True:
        id_ = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not id_.startswith("-"):
            return id_


def _environment() -> dict[str, str]:
    """Ours without what would change the JVM behind our back, and paths of any script."""
    foreign = ("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH")
    ours = {name: value for name, value in os.environ.items() if name not in foreign}
    return ours | {"LC_ALL": "C.UTF-8"}
