"""A real Apache Kafka on this machine: one process, KRaft, loopback only. For one user's machine.

Not a cluster: it keeps one copy of each record, and a power failure may lose the last seconds. Production names its
brokers in `WA_KAFKA_BOOTSTRAP_SERVERS`, and then nothing of this is used. Everything is below `<data_dir>/kafka`:
`log/` holds the records, `server.properties` the configuration (with the ports of the last start), `kafka.log` the
broker's output, and `lock` the owner of the folder.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from streams.embedded_kafka import address, child, config, jars, java, probe
from streams.embedded_kafka.jars import JarsMissing
from streams.embedded_kafka.java import JavaMissing
from streams.system import network
from streams.system.private_files import PRIVATE_DIR_MODE

__all__ = [
    "BrokerFailed",
    "DataDirInUse",
    "EmbeddedBroker",
    "JarsMissing",
    "JavaMissing",
    "PortInUse",
]

START_TIMEOUT_S = 120.0  # 1.5 s on an idle machine
STOP_TIMEOUT_S = 20.0  # 0.2 s on an idle machine
_POLL_INTERVAL_S = 0.05
_MAX_LOG_BYTES = 10_000_000


class BrokerFailed(RuntimeError):
    """The broker cannot be started; the message says why and what to do, in one line."""


class PortInUse(BrokerFailed):
    """Another process listens on the port."""


class DataDirInUse(BrokerFailed):
    """Another live broker uses the data folder."""


class EmbeddedBroker:
    """The broker of one data folder. Not for two threads at once; all calls block."""

    def __init__(
        self,
        data_dir: Path,
        port: int = 9092,
        *,
        java_home: str | None = None,
        extra_properties: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`port` 0 is any free port, the same at each start. `java_home` wins over $JAVA_HOME.

        `extra_properties` are added to server.properties, and win over ours.
        """
        self.directory = data_dir.absolute() / "kafka"
        self.log_file = self.directory / "kafka.log"
        self._requested_port = port
        self._extra_properties = extra_properties
        self._java_home = java_home or os.environ.get("JAVA_HOME")
        self._properties_file = self.directory / "server.properties"
        self._lock = child.DirectoryLock(self.directory)
        self._process: subprocess.Popen[bytes] | None = None
        self._port = port

    @property
    def port(self) -> int:
        """The port on which it listens; 0 before the first start with port 0."""
        return self._port

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients."""
        return f"{network.HOST}:{self._port}"

    @property
    def pid(self) -> int | None:
        """The process id; None before the start and after the stop."""
        return self._process.pid if self._process else None

    @property
    def is_running(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code of a process that ended by itself or was killed; None while it runs."""
        return self._process.poll() if self._process else None

    def start(self, progress: jars.Progress = lambda line: None) -> None:
        """Start it, and return once it answers. Restarts it if it has died.

        Raises:
            JarsMissing, JavaMissing: its jars or its Java are missing.
            PortInUse, DataDirInUse: another process uses the port or the folder.
            BrokerFailed: it ended or did not answer; the message has the line of the log that says why.
        """
        if self.is_running:
            return
        jars.install(progress)
        java_path = java.find_java(self._java_home)
        self.directory.mkdir(parents=True, exist_ok=True, mode=PRIVATE_DIR_MODE)
        try:
            self._lock_directory()
            self._write_properties()
            self._format_storage(java_path)
            self._start_broker(java_path)
        except BaseException:
            self.stop()
            raise

    def _lock_directory(self) -> None:
        try:
            if not self._lock.is_held:
                self._lock.acquire()
        except child.DirectoryInUse as error:
            raise DataDirInUse(
                f"process {error.pid or 'unknown'} already runs a Kafka on {self.directory}; stop it, "
                "or set WA_DATA_DIR to another folder"
            ) from None

    def _write_properties(self) -> None:
        previous_ports = address.read_listener_ports(self._properties_file)
        self._port = self._choose_port(previous_ports.get("PLAINTEXT"))
        controller_port = self._choose_controller_port(previous_ports.get("CONTROLLER"))
        text = config.PROPERTIES.format(
            host=network.HOST, port=self._port, controller_port=controller_port
        )
        extra_lines = "".join(f"{name}={value}\n" for name, value in self._extra_properties.items())
        self._properties_file.write_text(text + extra_lines)

    def _choose_port(self, previous_port: int | None) -> int:
        fixed_port = self._requested_port or self._port  # clients may use it already
        if not fixed_port:
            return (
                previous_port
                if previous_port and network.is_free(previous_port)
                else network.find_free()
            )
        if not network.is_free(fixed_port):
            address = f"{network.HOST}:{fixed_port}"
            raise PortInUse(
                f"{address} is taken; stop what listens there, or set WA_KAFKA_PORT=0 for any free "
                f"port, or WA_KAFKA_BOOTSTRAP_SERVERS={address} if that is a Kafka to use"
            )
        return fixed_port

    def _choose_controller_port(self, previous_port: int | None) -> int:
        if previous_port and previous_port != self._port and network.is_free(previous_port):
            return previous_port
        return network.find_free(excluded_port=self._port)

    def _format_options(self) -> list[str]:
        """Options of StorageTool: the broker is a cluster of its own."""
        return ["--standalone", "-t", config.new_cluster_id()]

    def _format_storage(self, java_path: Path) -> None:
        # The folder gets its name once it is complete, so a format that was killed leaves none behind.
        log_dir, new_log_dir = self.directory / "log", self.directory / "log.new"
        if log_dir.exists():
            return
        shutil.rmtree(new_log_dir, ignore_errors=True)
        properties = self.directory / "format.properties"
        properties.write_text(f"{self._properties_file.read_text()}log.dirs={new_log_dir.name}\n")
        tool = ["kafka.tools.StorageTool", "format", *self._format_options(), "-c"]
        process = self._start_java(java_path, [*tool, str(properties)])
        try:
            code = process.wait(START_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            code = None
        if code != 0:
            raise BrokerFailed(f"Kafka cannot format {log_dir}: {self._error_line()}")
        new_log_dir.rename(log_dir)
        properties.unlink()

    def _start_broker(self, java_path: Path) -> None:
        process = self._start_java(java_path, ["kafka.Kafka", str(self._properties_file)])
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not probe.is_ready(network.HOST, self._port):
            if process.poll() is not None:
                raise BrokerFailed(f"Kafka does not start: {self._error_line()}")
            if time.monotonic() > deadline_s:
                raise BrokerFailed(
                    f"Kafka does not answer within {START_TIMEOUT_S:.0f} s: {self._error_line()}"
                )
            time.sleep(_POLL_INTERVAL_S)

    def _start_java(self, java_path: Path, arguments: list[str]) -> "subprocess.Popen[bytes]":
        if self.log_file.exists() and self.log_file.stat().st_size > _MAX_LOG_BYTES:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        command = [str(java_path), *config.JVM_OPTIONS, "-cp", jars.class_path(), *arguments]
        with self.log_file.open("ab") as output:
            self._log_start = output.tell()
            self._process = child.start(
                command,
                directory=self.directory,
                output=output,
                lock=self._lock,
                env=config.java_environment(),
            )
        return self._process

    def _error_line(self) -> str:
        with self.log_file.open("rb") as file:
            file.seek(self._log_start)
            lines = file.read().decode(errors="replace").splitlines()
        return f"{find_error_line(lines)} (full log: {self.log_file})"

    def stop(self) -> None:
        """Stop it; what it acknowledged is kept. Harmless when it does not run."""
        if self._process is not None:
            child.stop(self._process, STOP_TIMEOUT_S)
            self._process = None
        self._lock.release()


def find_error_line(lines: list[str]) -> str:
    """The line of a Java log that best says what went wrong."""
    log_lines = [line.strip() for line in lines if line.strip()]
    for marks in (("Caused by:",), ("Exception", "Error:"), (" ERROR ",)):
        for line in reversed(log_lines):
            if any(mark in line for mark in marks) and not line.startswith("at "):
                return line
    return log_lines[-1] if log_lines else "it logged nothing"
