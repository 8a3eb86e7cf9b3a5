"""Which topic a name stands for: the id that the broker gave the topic when it was created (KIP-516).

A topic that was deleted and recreated has the same name and other offsets, and the broker has dropped the group's
commits on it. Rows that carry offsets of the old log would then silently win over every event of the new one.
aiokafka does not support topic ids, so the one request that returns them is written out here: Metadata, version 10
(https://kafka.apache.org/protocol#The_Messages_Metadata).
"""

from collections.abc import Collection
from io import BytesIO
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

_NO_ID = bytes(16)


class _Uuid(AbstractType[bytes]):
    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(16)


_TEXT = CompactString("utf-8")
_BROKER = (
    ("node_id", Int32),
    ("host", _TEXT),
    ("port", Int32),
    ("rack", _TEXT),
    ("tags", TaggedFields),
)
_PARTITION = (
    ("error_code", Int16),
    ("partition", Int32),
    ("leader", Int32),
    ("leader_epoch", Int32),
    ("replicas", CompactArray(Int32)),
    ("in_sync", CompactArray(Int32)),
    ("offline", CompactArray(Int32)),
    ("tags", TaggedFields),
)
_TOPIC = (
    ("error_code", Int16),
    ("name", _TEXT),
    ("topic_id", _Uuid),
    ("is_internal", Boolean),
    ("partitions", CompactArray(*_PARTITION)),
    ("authorized_operations", Int32),
    ("tags", TaggedFields),
)


class _MetadataResponse(Response):
    API_KEY = 3  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType] as aiokafka's own
    API_VERSION = 10  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    SCHEMA = Schema(
        ("throttle_ms", Int32),
        ("brokers", CompactArray(*_BROKER)),
        ("cluster_id", _TEXT),
        ("controller", Int32),
        ("topics", CompactArray(*_TOPIC)),
        ("authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _MetadataStruct(RequestStruct):
    API_KEY = 3
    API_VERSION = 10
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("name", _TEXT), ("tags", TaggedFields))),
        ("allow_creation", Boolean),
        ("cluster_operations", Boolean),
        ("topic_operations", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_MetadataStruct]):
    API_KEY = 3

    def __init__(self, topics: Collection[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_MetadataStruct]) -> _MetadataStruct:
        requested_topics = [(_NO_ID, name, {}) for name in self._topics]
        return request_struct_class(requested_topics, False, False, False, {})


async def fetch_topic_ids(client: AIOKafkaClient, topics: Collection[str]) -> dict[str, bytes]:
    """The id of each topic. Raises KafkaError, also when a topic does not exist."""
    node: Any = client.get_random_node()
    response: Any = await client.send(node, _MetadataRequest(topics))
    ids: dict[str, bytes] = {}
    for code, name, topic_id, *_ in response.topics:
        if code:
            raise for_code(code)(name)
        ids[name] = topic_id
    return ids


def recreated_message(topic: str, group: str) -> str:
    """The message when a topic is not the one that the tables were made from: what to do."""
    return (
        f"{topic} was recreated or truncated, and the tables no longer belong to it: restore it, or "
        f"stop all workers of {group} and delete its changelog topics, its offsets and its tables"
    )
