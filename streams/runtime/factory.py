"""Creates a safe Faust app from the settings. Every Faust setting that matters is here, with its reason.

The figures were measured on Apache Kafka 4.3.1. Where a default of Faust would lose something, the reason says so.
"""

import logging
from typing import Any

import faust
from faust.types.auth import CredentialsT
from yarl import URL

from streams.kafka import admin, connection
from streams.runtime import patches, worker_dir
from streams.runtime.app import App, Readiness
from streams.runtime.exit_codes import ExitCode, terminate
from streams.runtime.fence import MAX_AGE_IN_HEARTBEATS, MAX_AGE_IN_SESSIONS, Fence
from streams.runtime.parts.assignor import PartitionAssignor
from streams.runtime.watchdog import WatchdogTimeouts
from streams.runtime.worker_dir import WorkerAlreadyRunning, WorkerDir
from streams.settings import Settings

__all__ = ["App", "Readiness", "WorkerAlreadyRunning", "create_app"]

log = logging.getLogger(__name__)

HEARTBEATS_PER_SESSION = 10  # a static member may wait 1.5 of them at its start
_YEAR_S = 365 * 86_400.0
_BATCH_BYTES = 512 << 10
# New partitions of wa.outbound are read after this time at the latest.
_METADATA_MAX_AGE_MS = 10_000


def create_app(
    app_id: str,
    settings: Settings,
    *,
    name: str,
    partitions: int,
    event_timeout_s: float = 30.0,
    is_leaving_at_stop: bool = False,
) -> App:
    """Create the app of the worker `name`. From now on this process alone has the name on this data folder.

    `partitions`: the number of partitions of the topics and tables that move together. `event_timeout_s`: the
    longest time that an event may take. A rebalance waits this long for it; after that the watchdog ends
    the process. `is_leaving_at_stop`: when it is stopped, a standby takes over at once; else its partitions wait for
    its return until its session ends. The topics are checked when the app is run (worker.py).

    Raises:
        WorkerAlreadyRunning: another live process has this name.
        KafkaUnreachable, SettingError: the settings do not say, or not correctly, how to reach Kafka.
        RuntimeError: other versions of Faust or aiokafka are installed than the known ones.
    """
    patches.install()
    broker, credentials = faust_broker(settings)
    directory = worker_dir.acquire(settings, name)
    options = _faust_options(settings, directory, partitions, event_timeout_s)
    return App(
        app_id,
        fence=_create_fence(settings, directory),
        member_id=directory.member_id,
        partitions=partitions,
        event_timeout_s=event_timeout_s,
        watchdog_timeouts=WatchdogTimeouts.derive(
            event_timeout_s, settings.kafka_session_timeout_s
        ),
        read_retention_s=lambda topic: admin.read_tombstone_retention_s(settings, topic),
        consumer_options=connection.client_options(settings),
        release_dir=directory.release,
        is_leaving_at_stop=is_leaving_at_stop,
        broker=broker,
        broker_credentials=credentials,
        **options,
    )


def _heartbeat_interval_s(settings: Settings) -> float:
    return settings.kafka_session_timeout_s / HEARTBEATS_PER_SESSION


def _create_fence(settings: Settings, directory: WorkerDir) -> Fence:
    # The next process with our member id waits for as long as our fence can stay open.
    max_heartbeat_age_s = min(
        MAX_AGE_IN_SESSIONS * settings.kafka_session_timeout_s,
        MAX_AGE_IN_HEARTBEATS * _heartbeat_interval_s(settings),
    )

    def terminate_expelled(code: ExitCode, reason: str) -> None:
        directory.on_expelled()
        terminate(code, reason)

    return Fence(
        max_heartbeat_age_s,
        has_predecessor=directory.has_predecessor,
        terminate=terminate_expelled,
    )


def _faust_options(
    settings: Settings, directory: WorkerDir, partitions: int, event_timeout_s: float
) -> dict[str, Any]:
    session_timeout_s = float(settings.kafka_session_timeout_s)
    return {
        # at_least_once and idempotent rows: Faust's exactly_once repeats outputs and miscounts.
        "processing_guarantee": "at_least_once",
        "PartitionAssignor": PartitionAssignor,
        "autodiscover": False,
        "datadir": directory.path,
        "store": "rocksdb://",
        # -- membership; the member id, and the address that represents it, are set at the start
        "broker_session_timeout": session_timeout_s,
        "broker_heartbeat_interval": _heartbeat_interval_s(settings),
        "broker_request_timeout": max(30.0, session_timeout_s),
        "broker_rebalance_timeout": max(30.0, event_timeout_s + 10.0),
        # aiokafka leaves the group for good when nothing is fetched for this long, as on a standby.
        "broker_max_poll_interval": _YEAR_S,
        # -- reading
        "consumer_auto_offset_reset": "earliest",  # with `latest`, recoveries get stuck
        "broker_max_poll_records": 500,
        "consumer_metadata_max_age_ms": _METADATA_MAX_AGE_MS,
        "stream_wait_empty": True,  # otherwise the events in progress at SIGTERM are lost
        "broker_commit_interval": 0.5,  # what was done since is done again after a kill
        # -- writing
        "producer_acks": -1,
        "producer_linger": 0.0,  # a longer one cuts awaited throughput to a third
        "producer_request_timeout": 30.0,
        "producer_max_request_size": connection.MAX_REQUEST_BYTES,
        # The broker accepts a batch as a whole or not at all: room for all changes of one event.
        "producer_max_batch_size": _BATCH_BYTES,
        # Base64 shrinks by a quarter, and a batch of small records to a tenth. A small batch costs 20 µs.
        "producer_compression_type": connection.COMPRESSION,
        # -- topics and tables
        "topic_partitions": partitions,
        "topic_allow_declare": False,  # they exist, with their own configuration (topics.py)
        "topic_disable_leader": True,
        "topic_replication_factor": settings.replication_factor,
        "table_standby_replicas": 0,
        "table_cleanup_interval": 86_400.0,
        "key_serializer": "raw",
        "value_serializer": "raw",
        # -- its web server would serve the tables, with all phone numbers
        "web_enabled": False,
    }


def faust_broker(settings: Settings) -> tuple[list[URL], CredentialsT | None]:
    """Faust's settings `broker` and `broker_credentials`.

    Raises:
        KafkaUnreachable: no address is configured or remembered.
        SettingError: a certificate cannot be read.
    """
    addresses = [
        URL(f"kafka://{address.strip()}")
        for address in connection.bootstrap_servers(settings).split(",")
    ]
    return addresses, _credentials(settings)


def _credentials(settings: Settings) -> CredentialsT | None:
    protocol = settings.kafka_security_protocol
    context = connection.ssl_context(settings) if protocol.endswith("SSL") else None
    if protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=settings.kafka_security_username,
            password=settings.kafka_security_password,
            mechanism=settings.kafka_security_mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context is not None else None
