"""The Python client: sends requests to wa-streams through Kafka, and reads the status events.

    async with WhatsApp(kafka="localhost:9092") as whatsapp:
        await whatsapp.send("+60 12-345 6789", "Your parcel is on its way", id="order-8841-shipped")

    with SyncWhatsApp(kafka="localhost:9092") as whatsapp:  # without an event loop
        whatsapp.send("+60 12-345 6789", "Your parcel is on its way", id="order-8841-shipped")

It decides nothing about a message: limits, order and retries belong to the service, so any number of programs
can use it at the same time.
"""

from streams.client.events import SENT_STATUSES, PositionedEvent, PositionedMessage
from streams.client.positions import PositionLost
from streams.client.recipients import is_for
from streams.client.requests import RequestInvalid, RequestOptions
from streams.client.responses import SendResponse
from streams.client.sync_whatsapp import SyncWhatsApp
from streams.client.whatsapp import WhatsApp
from streams.contract.status import StatusEvent
from streams.kafka.connection import KafkaUnreachable
from streams.kafka.producing import TopicForbidden
from streams.kafka.reader import TopicNotFound

__all__ = [
    "SENT_STATUSES",
    "KafkaUnreachable",
    "PositionLost",
    "PositionedEvent",
    "PositionedMessage",
    "RequestInvalid",
    "RequestOptions",
    "SendResponse",
    "StatusEvent",
    "SyncWhatsApp",
    "TopicForbidden",
    "TopicNotFound",
    "WhatsApp",
    "is_for",
]
