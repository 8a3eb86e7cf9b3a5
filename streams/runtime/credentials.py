"""Faust's broker addresses and credentials, made from the same settings as those of every other client."""

import faust
from faust.types.auth import CredentialsT
from yarl import URL

from streams.kafka.connection import bootstrap_servers, ssl_context
from streams.settings import Settings


def faust_broker(settings: Settings) -> tuple[list[URL], CredentialsT | None]:
    """Faust's settings `broker` and `broker_credentials`.

    Raises:
        KafkaUnreachable: no address is configured or remembered.
        SettingError: a certificate cannot be read.
    """
    addresses = [URL(f"kafka://{each.strip()}") for each in bootstrap_servers(settings).split(",")]
    return addresses, _credentials(settings)


def _credentials(settings: Settings) -> CredentialsT | None:
    protocol = settings.kafka_security_protocol
    context = ssl_context(settings) if protocol.endswith("SSL") else None
    if protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=settings.kafka_security_username,
            password=settings.kafka_security_password,
            mechanism=settings.kafka_security_mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context is not None else None
