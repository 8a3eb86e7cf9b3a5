"""What the embedded broker is started with: JVM options, server.properties, environment. Starts nothing."""

import base64
import os
import uuid

JVM_OPTIONS = (
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

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
# Java reads this file as Latin-1 and splits the value at commas, so it contains no path.
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
# A killed broker is not admitted again before its last session has ended; the default is 9 s.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=400
num.network.threads=2
num.io.threads=4
# The default of 128 MiB would be a third of the heap; this is enough for 300,000 keys at a time.
log.cleaner.dedupe.buffer.size=8388608
log.cleaner.backoff.ms=3000
"""


def new_cluster_id() -> str:
    """A fresh id for a data folder."""
    # Kafka's form of a UUID. One that begins with a dash would be read as an option.
    while True:
        id_ = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not id_.startswith("-"):
            return id_


def java_environment() -> dict[str, str]:
    """This process's environment without the variables that change the JVM; UTF-8 for paths in any script."""
    excluded = ("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH")
    inherited = {name: value for name, value in os.environ.items() if name not in excluded}
    return inherited | {"LC_ALL": "C.UTF-8"}
