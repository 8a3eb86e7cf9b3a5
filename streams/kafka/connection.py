"""How to reach Kafka: addresses, encryption and credentials, from the settings alone.

Every client takes its options from here; Faust's are made from the same settings (streams/runtime/factory.py).
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, codec
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import AuthenticationFailedError, KafkaConnectionError, KafkaError

from streams.contract.topics import MIB
from streams.embedded_kafka import address as embedded
from streams.kafka import connection_errors, timeouts
from streams.kafka.admin_client import AdminClient
from streams.kafka.reading import record_batches
from streams.settings import ClientSettings, SettingError
from streams.system.tasks import cancel_tasks, keep_cancellation

# The largest record that any of our topics accepts, and a little more for the batch around it.
MAX_REQUEST_BYTES = 8 * MIB + 65_536

# What we produce is compressed if the library is installed. gzip always is, but it takes half a second for a photo.
COMPRESSION = "zstd" if codec.has_zstd() else None


def _has_no_login(record: logging.LogRecord) -> bool:
    """At level debug aiokafka logs each request, and the one that logs in contains the password."""
    return "SaslAuthenticate" not in record.getMessage()


logging.getLogger("aiokafka.conn").addFilter(_has_no_login)


class KafkaUnreachable(RuntimeError):
    """No broker answers, or none accepts our credentials; the message says what to do, in one line."""


def bootstrap_servers(settings: ClientSettings) -> str:
    """`WA_KAFKA_BOOTSTRAP_SERVERS`, or else the embedded broker that was last started on this data folder.

    Raises:
        KafkaUnreachable: there is neither.
    """
    address = settings.kafka_bootstrap_servers or embedded.last_bootstrap_servers(settings.data_dir)
    if address is None:
        raise KafkaUnreachable(
            "no Kafka is configured: set WA_KAFKA_BOOTSTRAP_SERVERS, or run `wa-streams up` "
            f"with WA_DATA_DIR={settings.data_dir}"
        )
    return address


def client_options(settings: ClientSettings) -> dict[str, Any]:
    """Options of every aiokafka client: producer, consumer, admin. It gives up a broker that does not answer.

    Raises:
        KafkaUnreachable: no address is known.
        SettingError: a certificate cannot be read.
    """
    timeouts.install()
    record_batches.install()  # anybody may write to a topic
    protocol = settings.kafka_security_protocol
    options: dict[str, Any] = {
        "bootstrap_servers": bootstrap_servers(settings),
        "security_protocol": protocol,
    }
    if protocol.endswith("SSL"):
        options["ssl_context"] = ssl_context(settings)
    if protocol.startswith("SASL"):
        options["sasl_mechanism"] = settings.kafka_security_mechanism
        options["sasl_plain_username"] = settings.kafka_security_username
        options["sasl_plain_password"] = settings.kafka_security_password
    return options


def producer_options(settings: ClientSettings) -> dict[str, Any]:
    """Options of every aiokafka producer: a record that it confirms is on the brokers, once, in order."""
    return {
        **client_options(settings),
        "acks": "all",
        "enable_idempotence": True,
        "max_request_size": MAX_REQUEST_BYTES,
        "compression_type": COMPRESSION,
    }


def ssl_context(settings: ClientSettings) -> ssl.SSLContext:
    """How this client verifies brokers, and identifies itself to them.

    Raises:
        SettingError: a certificate cannot be read.
    """
    ca_file = settings.kafka_security_ca_file
    cert_file = settings.kafka_security_cert_file
    try:
        context = ssl.create_default_context(cafile=ca_file)
        if cert_file is not None:
            context.load_cert_chain(cert_file, settings.kafka_security_key_file)
    except (OSError, ssl.SSLError) as error:
        setting_names = "WA_KAFKA_SECURITY_CA_FILE, _CERT_FILE or _KEY_FILE"
        raise SettingError(
            f"{setting_names} cannot be read as PEM ({error}); correct the path or the file"
        ) from error
    return context


@asynccontextmanager
async def admin_client(settings: ClientSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connected admin client.

    Raises:
        KafkaUnreachable: it cannot connect, or a request in the `async with` block failed.
    """
    options = client_options(settings)
    client = AdminClient(**options)
    with translate_errors(options["bootstrap_servers"]):
        try:
            with keep_cancellation():
                await client.start()
            yield client
        finally:
            with keep_cancellation():
                await client.close()


async def start_consumer(consumer: AIOKafkaConsumer) -> None:
    """Start it, and raise CancelledError if the caller was cancelled: aiokafka 0.14 can lose that while it connects."""
    with keep_cancellation():
        await consumer.start()


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop it, also while no broker answers, and raise CancelledError only if the caller was cancelled.

    aiokafka 0.14 (`Fetcher.close`) awaits the fetches that it has cancelled, and one that waits after an error ends
    with CancelledError. That reached the caller, whose task then ended without a word, as if somebody had cancelled it.
    """
    task = asyncio.current_task()
    cancellations = task.cancelling() if task is not None else 0
    try:
        with keep_cancellation():
            await consumer.stop()
    except asyncio.CancelledError:
        if task is None or task.cancelling() > cancellations:
            raise
        if consumer._fetcher is not None:  # the fetches that it has left
            await cancel_tasks(*consumer._fetcher._pending_tasks)
        with keep_cancellation():
            await consumer._client.close()


@contextmanager
def translate_errors(address: str) -> Iterator[None]:
    """Translate Kafka's errors: a caller has only one error to handle.

    Raises:
        KafkaUnreachable: instead of any error of aiokafka or the network, and of a timeout.
    """
    try:
        yield
    except (KafkaError, OSError, TimeoutError) as error:
        raise KafkaUnreachable(_describe_error(address, error)) from error


def _describe_error(address: str, error: Exception) -> str:
    """The reason of the failed connection, if that is what happened: aiokafka's own message hides it."""
    is_connection_error = isinstance(
        error, KafkaConnectionError | AuthenticationFailedError | OSError | TimeoutError
    )
    reason = connection_errors.describe_failures(address) if is_connection_error else None
    if reason is not None:
        return f"Kafka cannot be reached: {reason}"
    text = " ".join(str(error).split()) or type(error).__name__
    return (
        f"Kafka at {address} does not answer as it should ({text}); is it running? "
        "WA_KAFKA_BOOTSTRAP_SERVERS and WA_KAFKA_SECURITY_… say how to reach it"
    )
